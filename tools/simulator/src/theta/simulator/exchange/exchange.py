"""The exchange: accepts, matches, cancels and expires orders, and books what trades."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Any, Protocol

from theta.simulator.clock import SimClock
from theta.simulator.exchange.account import Account, commission
from theta.simulator.exchange.behaviour import Behaviour
from theta.simulator.exchange.matching import Fill, expiry_of, instants, match
from theta.simulator.exchange.model import (
    CANCELLED,
    FILLED,
    INACTIVE,
    PENDING,
    PENDING_CANCEL,
    PRE_SUBMITTED,
    SUBMITTED,
    Execution,
    Order,
    OrderRequest,
)
from theta.simulator.exchange.store import Change, Store
from theta.simulator.market import calendar
from theta.simulator.market.contracts import Contract
from theta.simulator.market.quotes import Market

_FIRST_PERM_ID = 1_203_000_000
_PERM_STEP = 7
_FIRST_EXEC = 0x6A1B2C3D


class Listener(Protocol):
    """Hears what happens to orders, in the order in which it happens."""

    def order_changed(self, order: Order, what: str) -> None: ...

    def executed(self, order: Order, executions: list[Execution]) -> None: ...


@dataclass(slots=True)
class Counters:
    """Account-wide numbering."""

    orders: int = 0
    executions: int = 0

    def dump(self) -> dict[str, int]:
        return {"orders": self.orders, "executions": self.executions}


class Exchange:
    """Everything the broker knows. Each change is committed to the store before anybody hears of
    it."""

    def __init__(
        self,
        market: Market,
        account: Account,
        clock: SimClock,
        store: Store,
        behaviour: Behaviour,
        host_now: Callable[[], float],
    ) -> None:
        self.market = market
        self.account = account
        self.clock = clock
        self.behaviour = behaviour
        self.orders: dict[int, Order] = {}
        self.executions: list[Execution] = []
        self.highest_ids: dict[int, int] = {}
        self._store = store
        self._host_now = host_now
        self._counters = Counters()
        self._listener: Listener | None = None
        self._restore()

    def listen(self, listener: Listener) -> None:
        self._listener = listener

    def _restore(self) -> None:
        counters = self._store.load("counters").get("all")
        if counters is not None:
            self._counters = Counters(**counters)
        for body in self._store.load("order").values():
            order = Order.restore(body)
            self.orders[order.perm_id] = order
        executions = [Execution.restore(body) for body in self._store.load("execution").values()]
        self.executions = sorted(
            executions, key=lambda execution: (execution.at, execution.exec_id)
        )
        for client, body in self._store.load("client").items():
            self.highest_ids[int(client)] = body["highest"]
        ledger = self._store.load("account").get(self.account.name)
        if ledger is not None:
            self.account.restore(ledger, self._store.load("position"))
        for order in self.orders.values():
            if order.status == PENDING:
                self._work(order)
            elif order.status == PENDING_CANCEL:
                self._end(order, CANCELLED, "cancelled by the client")

    # -- numbering ---------------------------------------------------------------------------------

    def roll_back_ids(self, by: int) -> None:
        """Forget the last ``by`` order ids of every client, as a restarted gateway may.

        The orders stay; the ids no longer lead to them.
        """
        changes: list[Change] = []
        for client, highest in self.highest_ids.items():
            lowered = max(0, highest - by)
            self.highest_ids[client] = lowered
            changes.append(("client", str(client), {"highest": lowered}))
            for order in self.orders.values():
                if order.client_id == client and order.order_id > lowered:
                    order.bound = False
                    changes.append(_order_change(order))
        self._store.write(changes)

    def find(self, client_id: int, order_id: int) -> Order | None:
        """The newest order that this id of this client leads to."""
        for order in reversed(self.orders.values()):
            if order.bound and order.client_id == client_id and order.order_id == order_id:
                return order
        return None

    # -- asked for by clients ----------------------------------------------------------------------

    def place(
        self, client_id: int, order_id: int, contract: Contract, request: OrderRequest, refusal: str
    ) -> Order:
        """Accept an order, or record it as refused when ``refusal`` says why. Durable when it
        returns."""
        now = self.clock.now()
        self._counters.orders += 1
        order = Order(
            perm_id=_FIRST_PERM_ID + _PERM_STEP * self._counters.orders,
            client_id=client_id,
            order_id=order_id,
            con_id=contract.con_id,
            action=request.action,
            quantity=request.quantity,
            order_type=request.order_type,
            limit=request.limit,
            tif=request.tif or "DAY",
            account=request.account or self.account.name,
            order_ref=request.order_ref,
            outside_rth=request.outside_rth,
            placed_at=now,
            expires_at=expiry_of(request.tif, now),
            looked_at=now,
        )
        self._note(order, "placed", limit=order.limit, quantity=order.quantity)
        if refusal:
            order.status = INACTIVE
            order.ended_at = now
            order.end_reason = refusal
            self._note(order, "refused", reason=refusal)
        self.orders[order.perm_id] = order
        self.highest_ids[client_id] = max(order_id, self.highest_ids.get(client_id, 0))
        self._store.write(
            [
                _order_change(order),
                ("counters", "all", self._counters.dump()),
                ("client", str(client_id), {"highest": self.highest_ids[client_id]}),
            ]
        )
        return order

    def modify(self, order: Order, request: OrderRequest) -> None:
        order.limit = request.limit
        order.quantity = request.quantity
        order.tif = request.tif or order.tif
        order.expires_at = expiry_of(order.tif, self.clock.now())
        order.revision += 1
        order.hazard = 0.0
        self._note(order, "modified", limit=order.limit, quantity=order.quantity)
        self._store.write([_order_change(order)])

    def acknowledge(self, order: Order) -> None:
        """The order reaches the exchange: it works, and trades at once if it can."""
        if order.status != PENDING:
            return
        self._work(order)
        self._look(order, self.clock.now(), 0.0, arriving=True)
        self._tell(order, "working")

    def _work(self, order: Order) -> None:
        order.status = SUBMITTED if calendar.is_open(self.clock.now()) else PRE_SUBMITTED
        self._note(order, "working", status=order.status)
        self._store.write([_order_change(order)])

    def request_cancel(self, order: Order) -> None:
        order.status = PENDING_CANCEL
        self._note(order, "cancel_requested")
        self._store.write([_order_change(order)])
        self._tell(order, "cancel_requested")

    def finish_cancel(self, order: Order) -> None:
        """Cancel what is left, unless a fill came first."""
        if order.status == PENDING_CANCEL:
            self._end(order, CANCELLED, "cancelled by the client")
            self._tell(order, "cancelled")

    # -- time --------------------------------------------------------------------------------------

    def step(self) -> None:
        """Bring every working order, and every expiring option, up to the clock."""
        now = self.clock.now()
        for order in working_orders(self):
            until = now if order.expires_at is None else min(now, order.expires_at)
            for at in instants(order.looked_at, until):
                self._look(order, at, at - order.looked_at, arriving=False)
                if order.is_final:
                    break
            if order.status == PRE_SUBMITTED and calendar.is_open(now):
                self._work(order)
                self._tell(order, "working")
            if not order.is_final and order.expires_at is not None and now >= order.expires_at:
                self._end(order, CANCELLED, "expired")
                self._tell(order, "expired")
        self._settle(now)

    def _look(self, order: Order, at: float, seconds: float, *, arriving: bool) -> None:
        order.looked_at = at
        if not calendar.is_open(at):
            return
        contract = self.account.contract(order.con_id)
        quote = self.market.quote(contract, at)
        fill = match(order, quote, self.behaviour, seconds, arriving=arriving)
        if fill is not None:
            self.fill(order, fill, at)

    def fill(self, order: Order, fill: Fill, at: float) -> None:
        """Book a trade, in one or two executions, in one transaction."""
        contract = self.account.contract(order.con_id)
        pieces = self.behaviour.slices(f"{order.key}:{order.filled}", fill.shares)
        booked = [self._book(order, contract, Decimal(n), fill.price, at) for n in pieces]
        if order.remaining <= 0:
            order.status = FILLED
            order.ended_at = at
            order.end_reason = "filled"
        self.executions.extend(booked)
        changes: list[Change] = [("execution", item.exec_id, item.dump()) for item in booked]
        changes += self.account.changes([order.con_id])
        changes += [_order_change(order), ("counters", "all", self._counters.dump())]
        self._store.write(changes)
        if self._listener is not None:
            self._listener.executed(order, booked)

    def _book(
        self, order: Order, contract: Contract, shares: Decimal, price: Decimal, at: float
    ) -> Execution:
        fee = commission(contract, shares)
        signed = shares if order.is_buy else -shares
        realized = self.account.apply(contract, signed, price, fee)
        order.filled += shares
        order.value += shares * price
        order.last_price = price
        self._counters.executions += 1
        number = _FIRST_EXEC + self._counters.executions
        execution = Execution(
            exec_id=f"0000e0d5.{number:08x}.01.01",
            perm_id=order.perm_id,
            client_id=order.client_id,
            order_id=order.order_id,
            order_ref=order.order_ref,
            account=order.account,
            con_id=order.con_id,
            side="BOT" if order.is_buy else "SLD",
            shares=shares,
            price=price,
            cumulative=order.filled,
            average_price=order.average_price,
            at=at,
            day=calendar.trading_date(at).isoformat(),
            exchange="CBOE" if contract.is_option else "ARCA",
            commission=fee,
            realized=realized,
        )
        self._note(order, "filled", exec_id=execution.exec_id, shares=shares, price=price)
        return execution

    def _end(self, order: Order, status: str, reason: str) -> None:
        order.status = status
        order.ended_at = self.clock.now()
        order.end_reason = reason
        self._note(order, "ended", status=status, reason=reason)
        self._store.write([_order_change(order)])

    # -- expiry of options -------------------------------------------------------------------------

    def _settle(self, now: float) -> None:
        """At the midnight after expiry: in the money is exercised or assigned, the rest is gone."""
        for con_id, position in list(self.account.positions.items()):
            if not position.quantity:
                continue
            contract = self.account.contract(con_id)
            if not contract.is_option:
                continue
            expired = calendar.expiry_instant(contract.expiry)
            if now < calendar.next_midnight(expired):
                continue
            quantity = position.quantity
            worth = self.market.intrinsic(contract, expired)
            self.account.apply(contract, -quantity, Decimal(0), Decimal(0))
            touched = [con_id]
            if worth >= 0.01:
                shares = quantity * contract.multiplier * (1 if contract.is_call else -1)
                stock = self.account.contract(contract.under_con_id)
                self.account.apply(stock, shares, Decimal(str(contract.strike)), Decimal(0))
                touched.append(stock.con_id)
            self._store.write(self.account.changes(touched))

    # -- memory ------------------------------------------------------------------------------------

    def set_price(self, symbol: str, price: float) -> None:
        """Move an underlying to ``price`` from now on."""
        self.market.set_price(symbol, price, self.clock.now())
        self._store.write([("shift", symbol, {"factor": self.market.shifts[symbol]})])

    def save_clock(self) -> None:
        self._store.write([("clock", "all", self.clock.dump())])

    def _note(self, order: Order, event: str, **details: Any) -> None:
        plain = {
            name: float(value) if isinstance(value, Decimal) else value
            for name, value in details.items()
        }
        order.timeline.append(
            {"event": event, "market_at": self.clock.now(), "host_at": self._host_now(), **plain}
        )

    def _tell(self, order: Order, what: str) -> None:
        if self._listener is not None:
            self._listener.order_changed(order, what)


def working_orders(exchange: Exchange) -> list[Order]:
    """Orders at the exchange, oldest first."""
    alive = (SUBMITTED, PRE_SUBMITTED, PENDING_CANCEL)
    return [order for order in exchange.orders.values() if order.status in alive]


def next_order_id(exchange: Exchange, client_id: int) -> int:
    """One above the highest id that this client ever placed."""
    return exchange.highest_ids.get(client_id, 0) + 1


def whole_shares(quantity: Decimal) -> bool:
    return quantity == quantity.to_integral_value(ROUND_DOWN)


def _order_change(order: Order) -> Change:
    return ("order", str(order.perm_id), order.dump())
