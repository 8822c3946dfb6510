"""An exchange on a market that stands still until a test moves it; no gateway, no socket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from theta.simulator.clock import SimClock
from theta.simulator.exchange import rules
from theta.simulator.exchange.account import Account
from theta.simulator.exchange.behaviour import Behaviour
from theta.simulator.exchange.exchange import Exchange
from theta.simulator.exchange.lifecycle import Turn
from theta.simulator.exchange.matching import Fill
from theta.simulator.exchange.model import Execution, Order, OrderRequest
from theta.simulator.exchange.rules import Refusal, Venue
from theta.simulator.exchange.store import Store
from theta.simulator.market import chains
from theta.simulator.market.contracts import Contract, Leg
from theta.simulator.market.quotes import Market, Quote
from theta.simulator.market.reference import CorporateAction

OPENED = chains.snapshots()[0].taken_at + 7
"""A Thursday in August 2026, 12:13 New York."""

CASH = Decimal(400_000)
EXPIRY = "20260918"


class Ears:
    """Records what the exchange tells."""

    def __init__(self) -> None:
        self.changes: list[tuple[Order, str, str]] = []
        self.fills: list[Execution] = []
        self.turns: list[Turn] = []

    def order_changed(self, order: Order, what: str) -> None:
        self.changes.append((order, what, order.status))

    def executed(self, order: Order, executions: list[Execution]) -> None:
        self.fills += executions

    def turned(self, turn: Turn) -> None:
        self.turns.append(turn)


class Floor:
    """An exchange with its market, clock and accounts."""

    def __init__(
        self,
        *,
        cash: Decimal = CASH,
        accounts: Sequence[tuple[str, bool]] = (("DU1", False),),
        state: Path | None = None,
        at: float = OPENED,
        actions: Sequence[CorporateAction] = (),
        **behaviour: Any,
    ) -> None:
        self.market = Market(7, {"SPY": "SPY", "QQQ": "QQQ", "SPX": "SPY"}, 0.14)
        for symbol in ("SPY", "QQQ", "SPX"):
            self.market.events.plan(symbol, None)
        self.market.events.add(actions)
        self.clock = SimClock(at, 1.0)
        self.clock.set_paused(paused=True)
        self.store = Store(state)
        ledgers = [
            Account(name, "INDIVIDUAL", cash, self.market, cash_account=cash_account)
            for name, cash_account in accounts
        ]
        settings = Behaviour(seed=7, polite=True, **behaviour)
        host = iter(range(1, 1 << 40))
        self.exchange = Exchange(
            self.market, ledgers, self.clock, self.store, settings, lambda: float(next(host))
        )
        self.ears = Ears()
        self.exchange.listener = self.ears
        self._next_id = 0

    @property
    def account(self) -> Account:
        return self.exchange.account

    # -- contracts ---------------------------------------------------------------------------------

    def stock(self, symbol: str = "SPY") -> Contract:
        found = self.market.book.stock(symbol)
        assert found is not None
        return found

    def option(self, strike: float, right: str, expiry: str = EXPIRY) -> Contract:
        return self.market.book.option("SPY", expiry, strike, right)

    def bag(self, *legs: tuple[Contract, int, str]) -> Contract:
        return self.market.book.combination(
            [Leg(contract.con_id, ratio, action) for contract, ratio, action in legs]
        )

    def quote(self, contract: Contract) -> Quote:
        return self.market.quote(contract, self.clock.now())

    def spot(self, symbol: str = "SPY") -> float:
        return self.market.spot(symbol, self.clock.now())

    # -- orders ------------------------------------------------------------------------------------

    def refusal(self, contract: Contract, asked: OrderRequest) -> Refusal | None:
        _, steps = self.market.price_rules(contract)
        venue = Venue(tuple(self.exchange.accounts), steps, self.clock.now())
        found = rules.refusal(contract, asked, venue)
        return found or self.exchange.credit_refusal(contract, asked)

    def place(
        self, contract: Contract, asked: OrderRequest, *, client: int = 1, order_id: int = 0
    ) -> Order:
        """Place and, when it is transmitted, acknowledge an order that nothing refuses."""
        refused = self.refusal(contract, asked)
        assert refused is None, refused
        self._next_id = order_id or self._next_id + 1
        order = self.exchange.place(client, self._next_id, contract, asked, "")
        self.exchange.acknowledge(order)
        return order

    def trade(self, contract: Contract, signed: int, price: float | None = None) -> Order:
        """Buy or sell at the market, or have it filled at ``price`` whatever the market is."""
        order = self.exchange.place(
            1, self._take_id(), contract, market("BUY" if signed > 0 else "SELL", abs(signed)), ""
        )
        if price is None:
            self.exchange.acknowledge(order)
        else:
            self.exchange.fill(order, Fill(abs(signed), Decimal(str(price))), self.clock.now())
        assert order.remaining == 0
        return order

    def _take_id(self) -> int:
        self._next_id += 1
        return self._next_id

    # -- time --------------------------------------------------------------------------------------

    def go(self, to: float) -> None:
        self.clock.jump_to(to)
        self.exchange.step()

    def wait(self, seconds: float) -> None:
        self.go(self.clock.now() + seconds)

    def price(self, price: float, symbol: str = "SPY") -> None:
        self.exchange.set_price(symbol, price)


def limit(action: str, quantity: int, price: float, **more: Any) -> OrderRequest:
    return replace(market(action, quantity, **more), order_type="LMT", limit=Decimal(str(price)))


def market(action: str, quantity: int, **more: Any) -> OrderRequest:
    values: dict[str, Any] = {
        "action": action,
        "quantity": Decimal(quantity),
        "order_type": "MKT",
        "limit": None,
        "tif": "DAY",
        "account": "",
        "order_ref": "",
        "outside_rth": False,
        "transmit": True,
        "what_if": False,
    }
    return OrderRequest(**{**values, **more})
