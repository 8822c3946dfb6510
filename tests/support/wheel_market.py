"""A wheel policy and market snapshots to decide on, from the shipped chains or made by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.support.shipped_chains import SYMBOLS, ShippedChain, option, shipped
from theta.common.config.thetagang import ThetagangConfig, load_config
from theta.common.domain.calendar import Session
from theta.common.domain.instruments import Contract, stock
from theta.common.domain.orders import TradingState
from theta.common.domain.portfolio import AccountValues, PendingOrder, Portfolio, Position
from theta.common.domain.quotes import Quote
from theta.strategy.domain.plan_quotes import plan_more_quotes, plan_quotes
from theta.strategy.domain.policy import PutPolicy, WheelPolicy
from theta.strategy.domain.snapshot import Chain, SeenQuote, Snapshot, SymbolMarket
from theta.strategy.use_cases.read_policy import policy_from

CONFIG_FILE = Path(__file__).parents[2] / "config" / "thetagang.toml"
NOW = datetime(2026, 8, 20, 15, 3, 31, tzinfo=UTC)
"""Market time of the shipped chains: Thursday 11:03 in New York."""
SESSION = Session(
    day=date(2026, 8, 20),
    open_at=datetime(2026, 8, 20, 13, 30, tzinfo=UTC),
    close_at=datetime(2026, 8, 20, 20, 0, tzinfo=UTC),
)
EXPIRY = date(2026, 9, 25)
"""36 days after NOW."""


def example_config() -> ThetagangConfig:
    return load_config(CONFIG_FILE)


def example_policy() -> WheelPolicy:
    return policy_from(example_config())


def one_symbol(policy: WheelPolicy | None = None, **changes: Any) -> WheelPolicy:
    """Return a policy with ABC alone at weight 1; `changes` are fields of its `PutPolicy`."""
    base = policy or example_policy()
    put = replace(base.symbols[0], symbol="ABC", weight=Decimal(1), primary_exchange="")
    return replace(base, symbols=(replace(put, **changes),))


def portfolio(
    *positions: tuple[Contract, int], net_liquidation: str | None = "400000"
) -> Portfolio:
    amount = None if net_liquidation is None else Decimal(net_liquidation)
    return Portfolio(
        account="DU1234567",
        market_at=NOW,
        values=AccountValues(
            currency="USD", net_liquidation=amount, total_cash=amount, buying_power=amount
        ),
        positions=tuple(
            Position(contract=contract, quantity=Decimal(quantity), average_cost_usd=None)
            for contract, quantity in positions
        ),
        complete=True,
    )


def put(strike: str, expiry: date = EXPIRY, multiplier: int = 100) -> Contract:
    return option("ABC", expiry, Decimal(strike), multiplier)


def put_quote(strike: str, **changes: Any) -> Quote:
    """Return a good quote of a put on ABC: bid 1.00, ask 1.10, delta −0.25, open interest 500."""
    contract = changes.pop("contract", None) or put(
        strike, changes.pop("expiry", EXPIRY), changes.pop("multiplier", 100)
    )
    quote = Quote(
        contract=contract,
        at=NOW,
        bid=Decimal("1.00"),
        ask=Decimal("1.10"),
        bid_size=Decimal(10),
        ask_size=Decimal(10),
        delta=Decimal("-0.25"),
        model_price=Decimal("1.04"),
        implied_volatility=Decimal("0.2"),
        open_interest=500,
    )
    return replace(quote, **changes)


def stock_quote(**changes: Any) -> Quote:
    """Return a good quote of ABC: 100, as at the previous close."""
    quote = Quote(
        contract=stock("ABC"),
        at=NOW,
        bid=Decimal("99.99"),
        ask=Decimal("100.01"),
        bid_size=Decimal(1),
        ask_size=Decimal(1),
        last=Decimal(100),
        close=Decimal(100),
    )
    return replace(quote, **changes)


def abc_chain(**changes: Any) -> Chain:
    """Return ABC's chain: one expiry, strikes 80 to 120 by one."""
    chain = Chain(
        symbol="ABC",
        currency="USD",
        exchange="SMART",
        trading_class="ABC",
        multiplier=100,
        expirations=(EXPIRY,),
        strikes=tuple(Decimal(strike) for strike in range(80, 121)),
        min_tick=Decimal("0.01"),
    )
    return replace(chain, **changes)


def abc_market(
    *options: Quote,
    held: Iterable[tuple[Contract, int]] = (),
    pending: Iterable[PendingOrder] = (),
    underlying: Quote | None = None,
    chain: Chain | None = None,
    closes: tuple[Decimal, ...] = (),
    net_liquidation: str | None = "400000",
    session: Session | None = SESSION,
    trading: TradingState = TradingState.ACTIVE,
) -> Snapshot:
    """Return a snapshot with ABC alone. Without options, nothing was quoted."""
    market = SymbolMarket(
        underlying=SeenQuote(quote=underlying or stock_quote(), answered_at=NOW),
        chain=chain or abc_chain(),
        closes=closes,
    )
    return Snapshot(
        portfolio=portfolio(*held, net_liquidation=net_liquidation),
        pending=tuple(pending),
        markets={"ABC": market},
        options={
            quote.contract.economic_key: SeenQuote(quote=quote, answered_at=NOW)
            for quote in options
        },
        trading={"ABC": trading},
        session=session,
    )


def shipped_chain_of(symbol: str) -> Chain:
    found = shipped(symbol)
    return Chain(
        symbol=symbol,
        currency="USD",
        exchange="SMART",
        trading_class=symbol,
        multiplier=100,
        expirations=found.expirations,
        strikes=found.strikes,
        min_tick=Decimal("0.01"),
    )


def shipped_market(symbols: Iterable[str] = SYMBOLS) -> Snapshot:
    """Return the shipped chains before any option was quoted."""
    markets = {
        symbol: SymbolMarket(
            underlying=SeenQuote(quote=shipped(symbol).underlying_quote(), answered_at=NOW),
            chain=shipped_chain_of(symbol),
        )
        for symbol in symbols
    }
    return Snapshot(
        portfolio=portfolio(),
        markets=markets,
        trading=dict.fromkeys(markets, TradingState.ACTIVE),
        session=SESSION,
    )


Alter = Callable[[Quote], Quote | None]


def answered(
    snapshot: Snapshot,
    contracts: Iterable[Contract],
    chains: Callable[[str], ShippedChain] = shipped,
    alter: Alter | None = None,
) -> Snapshot:
    """Return the snapshot with these options quoted from the shipped chains."""
    options, unknown = dict(snapshot.options), set(snapshot.unknown)
    for contract in contracts:
        quote = chains(contract.symbol).put_quote(contract)
        if quote is not None and alter is not None:
            quote = alter(quote)
        if quote is None:
            unknown.add(contract.economic_key)
        else:
            options[contract.economic_key] = SeenQuote(quote=quote, answered_at=NOW)
    return replace(snapshot, options=options, unknown=frozenset(unknown))


def two_rounds(
    snapshot: Snapshot, policy: WheelPolicy, alter: Alter | None = None
) -> tuple[Snapshot, list[Contract]]:
    """Return the snapshot after both rounds, and every option asked for."""
    first = plan_quotes(snapshot, policy, NOW)
    snapshot = answered(snapshot, first, alter=alter)
    second = plan_more_quotes(snapshot, policy, NOW)
    return answered(snapshot, second, alter=alter), [*first, *second]


def put_policy(policy: WheelPolicy, symbol: str) -> PutPolicy:
    return next(one for one in policy.symbols if one.symbol == symbol)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)
