"""Questions about orders and the account, each answered from what the broker said this time.

The library's caches are not asked: they hold what it heard earlier, and its own conclusions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from theta.broker_gateway.adapters.ibkr import translate
from theta.broker_gateway.adapters.ibkr.data_callbacks import AccountListener
from theta.broker_gateway.adapters.ibkr.library import ExecutionFilter, IbContract
from theta.broker_gateway.adapters.ibkr.link import REQUEST_SECONDS, Link
from theta.broker_gateway.adapters.ibkr.pacing import Lane
from theta.broker_gateway.adapters.ibkr.recording import OrderReport
from theta.broker_gateway.ports import BrokerExecution, BrokerOrder, EvidenceKind
from theta.common.domain.portfolio import Portfolio, Position
from theta.common.errors import UnavailableError
from theta.common.telemetry.logs import get_logger

_log = get_logger(__name__)


class Inquiries:
    """Asks one connection."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def open_orders(self, timeout_seconds: float = REQUEST_SECONDS) -> list[BrokerOrder]:
        """All open orders of all clients; the request ran alone and its End arrived."""
        answer = _OpenOrders()
        self._link.recorder.listeners.append(answer.hear)
        try:
            await self._link.ask_alone(
                "openOrders",
                lambda: self._fresh(answer.orders.clear, self._link.ib.client.reqAllOpenOrders),
                timeout_seconds=timeout_seconds,
                lane=Lane.CONTROL,
            )
        finally:
            self._link.recorder.listeners.remove(answer.hear)
        return list(answer.orders.values())

    async def completed_orders(self, timeout_seconds: float = REQUEST_SECONDS) -> list[BrokerOrder]:
        """Orders that ended in the broker's current day, of all clients."""
        heard: list[BrokerOrder] = []

        def hear(report: OrderReport) -> None:
            if report.evidence.kind is EvidenceKind.COMPLETED_ORDER and report.order is not None:
                heard.append(report.order)

        self._link.recorder.listeners.append(hear)
        try:
            await self._link.ask_alone(
                "completedOrders",
                lambda: self._fresh(
                    heard.clear,
                    lambda: self._link.ib.client.reqCompletedOrders(False),  # noqa: FBT003 - the library's signature
                ),
                timeout_seconds=timeout_seconds,
                lane=Lane.CONTROL,
            )
        finally:
            self._link.recorder.listeners.remove(hear)
        return heard

    async def executions(self, timeout_seconds: float = REQUEST_SECONDS) -> list[BrokerExecution]:
        """Fills of the broker's current day, with those that happened while it answered."""
        answer = _Executions()
        self._link.recorder.listeners.append(answer.hear)

        def send(request_id: int) -> None:
            answer.request_id = request_id
            self._link.ib.client.reqExecutions(request_id, ExecutionFilter())

        try:
            await self._link.ask(send, timeout_seconds=timeout_seconds, lane=Lane.CONTROL)
        finally:
            self._link.recorder.listeners.remove(answer.hear)
        return answer.complete()

    async def download(self, account: str, timeout_seconds: float) -> None:
        """Await one account download and one positions answer; raise when either stays away."""
        async with self._link.account_lock:
            await self._download(account, timeout_seconds)

    async def portfolio(
        self, account: str, market_at: Callable[[], datetime | None], timeout_seconds: float
    ) -> Portfolio:
        """A fresh download, checked against the positions; once again when they differ.

        They differ when a fill came between the two answers, or when the End of an earlier batch
        was taken for ours. Still different: `complete` is False.
        """
        if account not in self._link.accounts:
            message = f"account {account} is not served by this session"
            raise UnavailableError(message)
        async with self._link.account_lock:
            download = await self._download(account, timeout_seconds)
            if not download.is_consistent():
                download = await self._download(account, timeout_seconds)
        if download.unreadable:
            _log.warning("holdings left out", account=account, why=download.unreadable)
        at = market_at()
        if at is None:
            raise UnavailableError("market time is not known yet")
        return Portfolio(
            account=account,
            market_at=at,
            values=translate.account_values(download.values),
            positions=tuple(download.holdings.values()),
            complete=download.is_consistent(),
        )

    async def _download(self, account: str, timeout_seconds: float) -> _Download:
        link, download = self._link, _Download(account)
        client = link.ib.client
        link.ib.wrapper.account = download
        try:
            await link.may_send(Lane.CONTROL, timeout_seconds)
            client.reqAccountUpdates(False, account)  # noqa: FBT003 - the library's signature
            await link.ask_alone(
                "accountValues",
                lambda: self._fresh(
                    download.begin_account,
                    lambda: client.reqAccountUpdates(True, account),  # noqa: FBT003 - the library's signature
                ),
                timeout_seconds=timeout_seconds,
                lane=Lane.CONTROL,
            )
            await link.ask_alone(
                "positions",
                lambda: self._fresh(download.positions.clear, client.reqPositions),
                timeout_seconds=timeout_seconds,
                lane=Lane.CONTROL,
            )
            await link.may_send(Lane.CONTROL, timeout_seconds)
            client.cancelPositions()
        finally:
            link.ib.wrapper.account = None
        return download

    def _fresh(self, forget: Callable[[], None], send: Callable[[], None]) -> None:
        """Forget what was heard before the request, then send it."""
        forget()
        send()


@dataclass
class _OpenOrders:
    orders: dict[tuple[int, int, int | None], BrokerOrder] = field(default_factory=dict)

    def hear(self, report: OrderReport) -> None:
        evidence = report.evidence
        if report.order is not None and evidence.kind is EvidenceKind.OPEN_ORDER:
            told = report.order
            self.orders[told.client_id, told.order_id, _hand_made(told)] = told
        elif evidence.kind is EvidenceKind.ORDER_STATUS:
            self._status(evidence.payload, evidence.order_id or 0)

    def _status(self, payload: dict[str, object], order_id: int) -> None:
        for key, told in self.orders.items():
            if told.client_id != payload["client_id"] or told.order_id != order_id:
                continue
            perm_id = payload["perm_id"]
            if told.perm_id and perm_id and told.perm_id != perm_id:
                continue
            self.orders[key] = replace(
                told,
                status=str(payload["status"]),
                filled=translate.not_negative(_text(payload["filled"])),
                remaining=translate.not_negative(_text(payload["remaining"])),
                perm_id=told.perm_id or (int(str(perm_id)) if perm_id else None),
            )


def _hand_made(told: BrokerOrder) -> int | None:
    """Orders made by hand in TWS all have order id 0: their perm_id tells them apart."""
    return told.perm_id if told.order_id <= 0 else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)


@dataclass
class _Executions:
    request_id: int = -1
    fills: dict[str, BrokerExecution] = field(default_factory=dict)
    commissions: dict[str, dict[str, str | None]] = field(default_factory=dict)

    def hear(self, report: OrderReport) -> None:
        if report.execution is not None and report.request_id in (self.request_id, -1):
            self.fills[report.execution.exec_id] = report.execution
        elif report.evidence.kind is EvidenceKind.COMMISSION:
            self.commissions[report.evidence.payload["exec_id"]] = report.evidence.payload

    def complete(self) -> list[BrokerExecution]:
        return [self._with_commission(fill) for fill in self.fills.values()]

    def _with_commission(self, fill: BrokerExecution) -> BrokerExecution:
        told = self.commissions.get(fill.exec_id)
        if told is None:
            return fill
        return replace(
            fill,
            commission=translate.number(told["commission"]),
            commission_currency=told["currency"],
            realised_pnl=translate.number(told["realised_pnl"]),
        )


@dataclass
class _Download(AccountListener):
    """One account download and the positions asked for right after it."""

    account: str
    values: dict[tuple[str, str], str] = field(default_factory=dict)
    holdings: dict[int, Position] = field(default_factory=dict)
    quantities: dict[int, Decimal] = field(default_factory=dict)
    positions: dict[int, Decimal] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)

    def begin_account(self) -> None:
        self.values.clear()
        self.holdings.clear()
        self.quantities.clear()
        self.unreadable.clear()

    def on_value(self, account: str, tag: str, value: str, currency: str) -> None:
        if account in (self.account, ""):
            self.values[tag, currency] = value

    def on_holding(self, account: str, contract: IbContract, figures: tuple[float, ...]) -> None:
        if account != self.account:
            return
        quantity, price, value, cost, unrealised, realised = figures
        self.holdings.pop(contract.conId, None)
        self.quantities.pop(contract.conId, None)
        if quantity == 0:
            return
        self.quantities[contract.conId] = Decimal(str(quantity))
        try:
            self.holdings[contract.conId] = translate.position(
                contract,
                quantity,
                cost,
                market_price=price,
                market_value=value,
                unrealised=unrealised,
                realised=realised,
            )
        except translate.UntranslatableError as error:
            # A bond or a future is no part of the wheel; its row still counts in the check.
            self.unreadable.append(str(error))

    def on_position(self, account: str, contract: IbContract, quantity: float) -> None:
        if account == self.account:
            self.positions[contract.conId] = Decimal(str(quantity))

    def on_download_end(self, account: str) -> bool:
        return account in (self.account, "")

    def is_consistent(self) -> bool:
        """Tell whether the account is ready, its worth is known, and both answers agree."""
        ready = self.values.get(("AccountReady", ""), "true").lower() != "false"
        worth = any(tag == "NetLiquidation" for tag, _ in self.values)
        held = {con_id: quantity for con_id, quantity in self.positions.items() if quantity != 0}
        return ready and worth and held == self.quantities
