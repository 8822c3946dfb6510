"""Books trades, exercises and flows into the accounts and numbers the executions."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from theta.simulator.exchange import credit
from theta.simulator.exchange.account import Account
from theta.simulator.exchange.combinations import share_out
from theta.simulator.exchange.commissions import PLANS, Charged, charge
from theta.simulator.exchange.matching import Fill
from theta.simulator.exchange.model import Execution, Flow, Order
from theta.simulator.exchange.register import order_change
from theta.simulator.exchange.sessions import day_of
from theta.simulator.exchange.store import Store
from theta.simulator.market.contracts import Contract
from theta.simulator.market.quotes import Market

_FIRST_PERM_ID = 1_203_000_000
_PERM_STEP = 7
_FIRST_EXEC = 0x6A1B2C3D
_ZERO = Decimal(0)
BOOK_EXCHANGE = "--"
"""Where an exercise or assignment happens in IBKR's statements: nowhere."""


@dataclass(slots=True)
class Counters:
    """Broker-wide numbering."""

    orders: int = 0
    executions: int = 0
    flows: int = 0

    def dump(self) -> dict[str, int]:
        return {"orders": self.orders, "executions": self.executions, "flows": self.flows}


class Books:
    """The accounts of one login and everything that ever changed them.

    ``executions`` and ``flows`` are in the order in which they happened; cash is the opening cash,
    less what the executions cost, plus the flows.
    """

    def __init__(
        self, market: Market, accounts: Sequence[Account], store: Store, commission_plan: str
    ) -> None:
        self.accounts = {account.name: account for account in accounts}
        self.executions: list[Execution] = []
        self.flows: list[Flow] = []
        self._market = market
        self._store = store
        self._plan = PLANS[commission_plan]
        self._counters = Counters()

    def restore(self) -> None:
        """Read the stored books; positions of a state with one account carry its contract id."""
        counters = self._store.load("counters").get("all")
        if counters is not None:
            self._counters = Counters(**counters)
        executions = [Execution.restore(body) for body in self._store.load("execution").values()]
        self.executions = sorted(executions, key=lambda each: each.exec_id)
        flows = sorted(self._store.load("flow").items())
        self.flows = [Flow.restore(body) for _, body in flows]
        positions = self._store.load("position")
        first = next(iter(self.accounts))
        for name, body in self._store.load("account").items():
            account = self.accounts.get(name)
            if account is not None:
                mine = [p for p in positions.values() if p.get("account", first) == name]
                account.restore(body, mine)

    # -- numbering ---------------------------------------------------------------------------------

    def next_perm_id(self) -> int:
        self._counters.orders += 1
        self._stage_counters()
        return _FIRST_PERM_ID + _PERM_STEP * self._counters.orders

    def _next_chain(self) -> str:
        self._counters.executions += 1
        return f"0000e0d5.{_FIRST_EXEC + self._counters.executions:08x}"

    def _stage_counters(self) -> None:
        self._store.stage([("counters", "all", self._counters.dump)])

    # -- trades ------------------------------------------------------------------------------------

    def trade(
        self, order: Order, contract: Contract, pieces: Sequence[int], fill: Fill, at: float
    ) -> list[Execution]:
        """Book a fill in the given pieces: one execution each, and one for each leg of a
        combination after the combination's own."""
        account = self.accounts[order.account]
        booked: list[Execution] = []
        for shares in pieces:
            if contract.is_combination:
                booked += self._combination(account, order, contract, shares, fill, at)
            else:
                booked.append(self._single(account, order, contract, Decimal(shares), fill, at))
        self._keep(account, booked)
        self._store.stage([order_change(order)])
        return booked

    def _keep(self, account: Account, booked: Sequence[Execution]) -> None:
        self.executions.extend(booked)
        self._store.stage(("execution", item.exec_id, item.dump) for item in booked)
        touched = dict.fromkeys(item.con_id for item in booked if item.con_id in account.positions)
        self._store.stage(account.changes(touched))
        self._stage_counters()

    def _single(
        self, account: Account, order: Order, contract: Contract, shares: Decimal,
        fill: Fill, at: float,
    ) -> Execution:  # fmt: skip
        fee = self._fee(order, contract, shares, fill.price)
        signed = shares * order.sign
        realized = account.apply(contract, signed, fill.price, fee, at)
        _count(order, shares, fill.price)
        return self._execution(
            order, contract, f"{self._next_chain()}.01.01", signed, fill.price, at,
            commission=fee, realized=realized, cumulative=order.filled,
            average=order.average_price, liquidity=1 if fill.added else 2,
        )  # fmt: skip

    def _combination(
        self, account: Account, order: Order, bag: Contract, shares: int, fill: Fill, at: float
    ) -> list[Execution]:
        legs = [
            (leg, contract, account.mark(contract, at))
            for leg, (contract, _) in zip(bag.legs, credit.legs_of(self._market, bag), strict=True)
        ]
        prices = share_out(bag, legs, fill.price)
        units = Decimal(shares)
        _count(order, units, fill.price)
        chain = self._next_chain()
        liquidity = 1 if fill.added else 2
        booked = [
            self._execution(
                order, bag, f"{chain}.01.01", units * order.sign, fill.price, at,
                cumulative=order.filled, average=order.average_price, liquidity=liquidity,
            )
        ]  # fmt: skip
        for number, each in enumerate(prices, 2):
            signed = units * order.sign * each.leg.sign * each.leg.ratio
            fee = self._fee(order, each.contract, abs(signed), each.price)
            realized = account.apply(each.contract, signed, each.price, fee, at)
            booked.append(
                self._execution(
                    order, each.contract, f"{chain}.{number:02d}.01", signed, each.price, at,
                    commission=fee, realized=realized, leg=True, liquidity=liquidity,
                    cumulative=order.filled * each.leg.ratio, average=each.price,
                )
            )  # fmt: skip
        return booked

    def _fee(self, order: Order, contract: Contract, quantity: Decimal, price: Decimal) -> Decimal:
        before = Charged(order.fees, order.unit_fees, order.fee_value)
        fee, after = charge(contract, quantity, price, before, self._plan)
        order.fees, order.unit_fees, order.fee_value = after.total, after.units, after.value
        return fee

    @staticmethod
    def _execution(
        order: Order, contract: Contract, exec_id: str, signed: Decimal, price: Decimal, at: float,
        *, cumulative: Decimal, average: Decimal, commission: Decimal = _ZERO,
        realized: Decimal | None = None, leg: bool = False, liquidity: int = 2,
    ) -> Execution:  # fmt: skip
        return Execution(
            exec_id=exec_id,
            perm_id=order.perm_id,
            client_id=order.client_id,
            order_id=order.order_id,
            order_ref=order.order_ref,
            account=order.account,
            con_id=contract.con_id,
            side="BOT" if signed > 0 else "SLD",
            shares=abs(signed),
            price=price,
            cumulative=cumulative,
            average_price=average,
            at=at,
            day=day_of(int(at)),
            exchange="ARCA" if contract.sec_type == "STK" else "CBOE",
            commission=commission,
            realized=realized,
            leg=leg,
            liquidity=liquidity,
        )

    # -- without an order --------------------------------------------------------------------------

    def book(
        self,
        account: Account,
        kind: str,
        moves: Sequence[tuple[Contract, Decimal, Decimal]],
        at: float,
    ) -> list[Execution]:
        """Book signed units at a price per share without commission: an exercise, an assignment or
        a settlement in cash. The executions belong to no client and no order."""
        perm_id = self.next_perm_id()
        booked: list[Execution] = []
        for contract, signed, price in moves:
            realized = account.apply(contract, signed, price, _ZERO, at)
            booked.append(
                Execution(
                    exec_id=f"{self._next_chain()}.01.01",
                    perm_id=perm_id,
                    client_id=0,
                    order_id=0,
                    order_ref="",
                    account=account.name,
                    con_id=contract.con_id,
                    side="BOT" if signed > 0 else "SLD",
                    shares=abs(signed),
                    price=price,
                    cumulative=abs(signed),
                    average_price=price,
                    at=at,
                    day=day_of(int(at)),
                    exchange=BOOK_EXCHANGE,
                    commission=_ZERO,
                    realized=realized,
                    liquidity=0,
                    kind=kind,
                )
            )
        self._keep(account, booked)
        return booked

    def flow(
        self,
        account: Account,
        kind: str,
        amount: Decimal,
        at: float,
        units: tuple[tuple[int, Decimal], ...] = (),
        note: str = "",
    ) -> Flow:
        """Record money or units that moved without a trade; the money is booked here, units have
        been moved by the caller."""
        account.cash += amount
        found = Flow(at, account.name, kind, amount, units, note)
        self.flows.append(found)
        self._counters.flows += 1
        self._store.stage([("flow", f"{self._counters.flows:09d}", found.dump)])
        self._store.stage(account.changes([con_id for con_id, _ in units]))
        self._stage_counters()
        return found


def _count(order: Order, shares: Decimal, price: Decimal) -> None:
    order.filled += shares
    order.value += shares * price
    order.last_price = price
