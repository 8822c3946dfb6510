"""A broker in memory behind `BrokerPort`, for tests of the gateway's use cases.

It keeps the manners that matter: an order is unknown to the lists until it was acknowledged, every
callback becomes evidence before anything else, ids must be drawn in the present connection, a lost
connection forgets nothing at the broker. Scripts decide what goes wrong.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from theta.broker_gateway.ports import (
    BrokerExecution,
    BrokerOrder,
    Evidence,
    EvidenceKind,
    EvidenceSink,
    OrderToPlace,
    SendRefusedError,
    SessionState,
)
from theta.common.contracts.market import ChainMessage
from theta.common.domain.instruments import Contract
from theta.common.domain.orders import Action
from theta.common.domain.portfolio import AccountValues, Portfolio, Position
from theta.common.domain.quotes import Quote
from theta.common.errors import OutcomeUnknownError, UnavailableError

START = datetime(2026, 8, 18, 15, 0, tzinfo=UTC)
_FINAL = frozenset({"Filled", "Cancelled", "Inactive"})


class Write(StrEnum):
    """What becomes of the next write."""

    ACKNOWLEDGED = "acknowledged"
    """The broker takes it and says so."""
    SILENT = "silent"
    """The broker takes it and says nothing until asked."""
    LOST = "lost"
    """It never arrives; the writer does not notice."""
    BROKEN_TAKEN = "broken_taken"
    """The writer gets an exception, yet the broker took it."""
    BROKEN_LOST = "broken_lost"
    """The writer gets an exception, and the broker never saw it."""


@dataclass
class FakeOrder:
    """An order as the broker has it."""

    told: BrokerOrder
    fills: list[BrokerExecution] = field(default_factory=list)

    @property
    def is_final(self) -> bool:
        return self.told.status in _FINAL


class BrokerScript:
    """The broker's side: what tests move. `FakeBroker` is the session's side."""

    def __init__(self, accounts: tuple[str, ...]) -> None:
        self.accounts = accounts
        self.at = START
        self.next_write = Write.ACKNOWLEDGED
        self.failing: dict[str, Exception] = {}
        """Name of a port method → what its next call raises."""
        self.orders: dict[str, FakeOrder] = {}
        self.positions: dict[str, dict[tuple[Any, ...], Position]] = {name: {} for name in accounts}
        self.values = AccountValues(
            currency="USD",
            net_liquidation=Decimal(400_000),
            total_cash=Decimal(400_000),
            buying_power=Decimal(1_600_000),
        )
        self.quoted: dict[tuple[Any, ...], Quote] = {}
        self.chains: dict[str, ChainMessage] = {}
        self.closes: dict[str, list[tuple[datetime, Decimal]]] = {}
        self.complete_portfolio = True
        self.perm_id = 1_000
        self.fill_no = 0

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    def set_quote(self, quote: Quote) -> None:
        self.quoted[quote.contract.economic_key] = quote

    def hold(self, account: str, position: Position) -> None:
        self.positions[account][position.contract.economic_key] = position


class FakeBroker:
    """`BrokerPort` in memory. `script` is the world; `sink` takes the evidence.

    Sessions that come after one another, or side by side, may share a `script`.
    """

    def __init__(
        self,
        sink: EvidenceSink,
        *,
        client_id: int = 17,
        accounts: tuple[str, ...] = ("DU0000001",),
        script: BrokerScript | None = None,
    ) -> None:
        self.script = script or BrokerScript(accounts)
        self.controls = FakeControls(self)
        self.sink = sink
        self.client_id = client_id
        self.connection_no = 0
        self.connected = False
        self.fetched = False
        self.broker_link = True
        self.highest_order_id = 0
        self.drawn: set[int] = set()
        self.written: list[OrderToPlace] = []
        """Every order that left, lost or not."""
        self.modified: list[OrderToPlace] = []
        """Every modify that left."""
        self.cancels_written: list[int] = []

    # -- BrokerPort ------------------------------------------------------------------------------

    def state(self) -> SessionState:
        return SessionState(
            connection_no=self.connection_no,
            connected=self.connected,
            fetched=self.fetched,
            broker_link=self.broker_link,
            client_id=self.client_id,
            accounts=self.script.accounts if self.connected else (),
            highest_order_id_seen=self.highest_order_id,
        )

    def market_at(self) -> datetime | None:
        return self.script.at if self.connection_no else None

    def draw_order_id(self, floor: int) -> int:
        if not self.connected:
            raise SendRefusedError("not_connected")
        self.highest_order_id = max(floor, self.highest_order_id) + 1
        self.drawn.add(self.highest_order_id)
        return self.highest_order_id

    def write_place(self, order: OrderToPlace) -> None:
        self._require_connection(order.connection_no)
        if not self.fetched:
            raise SendRefusedError("not_fetched")
        if not self.broker_link:
            raise SendRefusedError("link_down")
        if order.modifies:
            self._write_modify(order)
            return
        if order.order_id not in self.drawn:
            raise SendRefusedError("order_id_not_drawn")
        if order.account not in self.script.accounts:
            raise SendRefusedError("account_not_served")
        self._fail("write_place")
        self.drawn.discard(order.order_id)
        self.written.append(order)
        fate, self.script.next_write = self.script.next_write, Write.ACKNOWLEDGED
        if fate in (Write.ACKNOWLEDGED, Write.SILENT, Write.BROKEN_TAKEN):
            self.controls.take(order, acknowledge=fate is Write.ACKNOWLEDGED)
        if fate in (Write.BROKEN_TAKEN, Write.BROKEN_LOST):
            raise OutcomeUnknownError("the write broke: reconcile, never resend")

    def write_cancel(self, order_id: int, connection_no: int) -> None:
        self._require_connection(connection_no)
        self._fail("write_cancel")
        self.cancels_written.append(order_id)
        fate, self.script.next_write = self.script.next_write, Write.ACKNOWLEDGED
        if fate in (Write.ACKNOWLEDGED, Write.SILENT, Write.BROKEN_TAKEN):
            self.controls.take_cancel(order_id, acknowledge=fate is Write.ACKNOWLEDGED)
        if fate in (Write.BROKEN_TAKEN, Write.BROKEN_LOST):
            raise OutcomeUnknownError("the write broke")

    async def open_orders(self) -> Sequence[BrokerOrder]:
        self._answer("open_orders")
        found = [order.told for order in self.script.orders.values() if not order.is_final]
        for told in found:
            self.controls.emit_order(told)
        return found

    async def completed_orders(self) -> Sequence[BrokerOrder]:
        self._answer("completed_orders")
        found = [
            replace(order.told, order_id=0, client_id=0, completed_text=order.told.status)
            for order in self.script.orders.values()
            if order.is_final
        ]
        for told in found:
            self.controls.emit(EvidenceKind.COMPLETED_ORDER, _payload(told), told)
        return found

    async def executions(self) -> Sequence[BrokerExecution]:
        self._answer("executions")
        found = [fill for order in self.script.orders.values() for fill in order.fills]
        for fill in found:
            self.controls.emit_fill(fill)
        return found

    async def portfolio(self, account: str) -> Portfolio:
        self._answer("portfolio")
        if account not in self.script.accounts:
            raise UnavailableError(f"account {account} is not served by this session")
        return Portfolio(
            account=account,
            market_at=self.script.at,
            values=self.script.values,
            positions=tuple(self.script.positions[account].values()),
            complete=self.script.complete_portfolio,
        )

    async def quotes(
        self, contracts: Sequence[Contract], deadline_seconds: float
    ) -> tuple[list[Quote], list[Contract]]:
        self._answer("quotes")
        quotes: list[Quote] = []
        unknown: list[Contract] = []
        for contract in contracts:
            quote = self.script.quoted.get(contract.economic_key)
            if quote is None:
                unknown.append(contract)
            else:
                quotes.append(replace(quote, at=quote.at or self.script.at))
        return quotes, unknown

    async def chain(self, symbol: str) -> ChainMessage | None:
        self._answer("chain")
        return self.script.chains.get(symbol)

    async def daily_closes(self, symbol: str, days: int) -> Sequence[tuple[datetime, Decimal]]:
        self._answer("daily_closes")
        return self.script.closes.get(symbol, [])[-days:]

    # -- private ---------------------------------------------------------------------------------

    def _write_modify(self, order: OrderToPlace) -> None:
        if order.order_id in self.drawn:
            raise SendRefusedError("order_id_not_placed")
        self._fail("write_place")
        self.modified.append(order)
        fate, self.script.next_write = self.script.next_write, Write.ACKNOWLEDGED
        if fate in (Write.ACKNOWLEDGED, Write.SILENT, Write.BROKEN_TAKEN):
            self.controls.take_modify(order, acknowledge=fate is Write.ACKNOWLEDGED)
        if fate in (Write.BROKEN_TAKEN, Write.BROKEN_LOST):
            raise OutcomeUnknownError("the write broke")

    def _require_connection(self, connection_no: int) -> None:
        if not self.connected:
            raise SendRefusedError("not_connected")
        if connection_no != self.connection_no:
            raise SendRefusedError("connection_changed")

    def _answer(self, method: str) -> None:
        if not self.connected:
            raise UnavailableError("no connection to TWS; it is being made again")
        self._fail(method)

    def _fail(self, method: str) -> None:
        error = self.script.failing.pop(method, None)
        if error is not None:
            raise error


class FakeControls:
    """What the broker does by itself, with the evidence of it when the session is up."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker
        self._sequence = 0

    def connect(self, connection_no: int | None = None, *, fetched: bool = True) -> None:
        """A new connection; ids drawn in the old one are void."""
        broker = self._broker
        broker.connection_no = connection_no or broker.connection_no + 1
        broker.connected, broker.fetched, broker.broker_link = True, fetched, True
        broker.drawn.clear()
        self._sequence = 0

    def disconnect(self) -> None:
        self._broker.connected = self._broker.fetched = False
        self._broker.drawn.clear()

    def roll_back_ids(self, by: int) -> None:
        self._broker.highest_order_id = max(self._broker.highest_order_id - by, 0)

    def take(self, order: OrderToPlace, *, acknowledge: bool = True) -> None:
        """The broker has the order; `acknowledge` says so."""
        script = self._broker.script
        script.perm_id += 1
        told = BrokerOrder(
            order_ref=order.order_ref,
            order_id=order.order_id,
            perm_id=script.perm_id,
            client_id=self._broker.client_id,
            account=order.account,
            contract=order.contract,
            action=order.action,
            quantity=Decimal(order.quantity),
            filled=Decimal(0),
            remaining=Decimal(order.quantity),
            limit_price=order.limit_price,
            status="Submitted",
        )
        script.orders[order.order_ref] = FakeOrder(told)
        if acknowledge:
            self.emit_order(told)

    def take_modify(self, order: OrderToPlace, *, acknowledge: bool = True) -> None:
        """The broker has the new price, or says why not (104); an unknown id is a new order."""
        for held in self._broker.script.orders.values():
            if held.told.order_id == order.order_id:
                if held.is_final:
                    self.error(order.order_id, 104, "Cannot modify a filled order.")
                    return
                held.told = replace(held.told, limit_price=order.limit_price)
                if acknowledge:
                    self.emit_order(held.told)
                return
        self.take(order)

    def take_cancel(self, order_id: int, *, acknowledge: bool = True) -> None:
        """The broker has the cancel: done, or told why not (135, 161)."""
        for order in self._broker.script.orders.values():
            if order.told.order_id == order_id and order.told.client_id == self._broker.client_id:
                if order.is_final:
                    self.error(order_id, 161, "Cancel attempted when order is not cancellable")
                else:
                    self.finish(order.told.order_ref, "Cancelled", tell=acknowledge)
                return
        self.error(order_id, 135, "Can't find order with id")

    def finish(self, order_ref: str, status: str, *, tell: bool = True) -> None:
        """End an order as `Cancelled`, `Inactive` or `Filled`."""
        order = self._broker.script.orders[order_ref]
        order.told = replace(order.told, status=status)
        if tell:
            self._emit_status(order.told)

    def fill(
        self, order_ref: str, quantity: int, price: Decimal, *, tell: bool = True
    ) -> BrokerExecution:
        """Fill part of an order or all of it, move the position, tell the session."""
        script = self._broker.script
        order = script.orders[order_ref]
        told = order.told
        script.fill_no += 1
        fill = BrokerExecution(
            exec_id=f"0000e0d5.{script.fill_no:08x}.01.01",
            order_ref=order_ref,
            order_id=told.order_id,
            perm_id=told.perm_id,
            client_id=told.client_id,
            account=told.account,
            contract=told.contract,
            side=told.action,
            quantity=Decimal(quantity),
            price=price,
            executed_at=script.at,
            commission=Decimal("1.00"),
            commission_currency="USD",
        )
        order.fills.append(fill)
        filled = (told.filled or Decimal(0)) + quantity
        status = "Filled" if filled >= told.quantity else told.status
        order.told = replace(told, filled=filled, remaining=told.quantity - filled, status=status)
        self._move(
            told.account, told.contract, quantity if told.action is Action.BUY else -quantity
        )
        if tell:
            self.emit_fill(fill)
            self._emit_status(order.told)
        return fill

    def error(self, order_id: int, code: int, message: str) -> None:
        """An error with an order's id; the order is as it was."""
        ref = next(
            (
                order.told.order_ref
                for order in self._broker.script.orders.values()
                if order.told.order_id == order_id
            ),
            None,
        )
        payload = {"code": code, "message": message, "advanced": None}
        self._send(EvidenceKind.ERROR, payload, order_id=order_id, order_ref=ref)

    def emit_order(self, told: BrokerOrder) -> None:
        self.emit(EvidenceKind.OPEN_ORDER, _payload(told), told)
        self._emit_status(told)

    def emit(self, kind: EvidenceKind, payload: dict[str, Any], told: BrokerOrder) -> None:
        self._send(
            kind,
            payload,
            order_id=told.order_id or None,
            order_ref=told.order_ref,
            perm_id=told.perm_id,
            account=told.account,
        )

    def emit_fill(self, fill: BrokerExecution) -> None:
        bare = replace(fill, commission=None, commission_currency=None, realised_pnl=None)
        self._send(
            EvidenceKind.EXECUTION,
            _payload(bare),
            order_id=fill.order_id,
            order_ref=fill.order_ref,
            perm_id=fill.perm_id,
            account=fill.account,
        )
        commission = {
            "exec_id": fill.exec_id,
            "commission": _json(fill.commission),
            "currency": fill.commission_currency,
            "realised_pnl": _json(fill.realised_pnl),
        }
        self._send(EvidenceKind.COMMISSION, commission)

    # -- private ---------------------------------------------------------------------------------

    def _emit_status(self, told: BrokerOrder) -> None:
        payload = {
            "status": told.status,
            "filled": _json(told.filled),
            "remaining": _json(told.remaining),
            "average_fill_price": None,
            "perm_id": told.perm_id,
            "client_id": told.client_id,
            "why_held": None,
        }
        self._send(
            EvidenceKind.ORDER_STATUS,
            payload,
            order_id=told.order_id,
            order_ref=told.order_ref,
            perm_id=told.perm_id,
        )

    def _move(self, account: str, contract: Contract, quantity: int) -> None:
        held = self._broker.script.positions[account]
        key = contract.economic_key
        now = (held[key].quantity if key in held else Decimal(0)) + quantity
        if now == 0:
            held.pop(key, None)
        else:
            held[key] = Position(contract=contract, quantity=now, average_cost_usd=None)

    def _send(
        self,
        kind: EvidenceKind,
        payload: dict[str, Any],
        *,
        order_id: int | None = None,
        order_ref: str | None = None,
        perm_id: int | None = None,
        account: str | None = None,
    ) -> None:
        if not self._broker.connected:
            return
        self._sequence += 1
        self._broker.sink(
            Evidence(
                kind=kind,
                connection_no=self._broker.connection_no,
                sequence=self._sequence,
                received_at=self._broker.script.at,
                received_market_at=self._broker.script.at,
                order_id=order_id,
                order_ref=order_ref,
                perm_id=perm_id,
                account=account,
                payload=payload,
            )
        )


def _payload(told: BrokerOrder | BrokerExecution) -> dict[str, Any]:
    return {each.name: _json(getattr(told, each.name)) for each in dataclasses.fields(told)}


def _json(value: Any) -> Any:
    if isinstance(value, Contract):
        return value.to_record()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, StrEnum) else value
