"""What an `ibapi` client has heard: its wrapper, and one record for each of its orders."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import ibapi.wrapper

from tests.simulator.clients.building import known
from tests.simulator.clients.terms import Bar, Chain, Deal, Holding

PRICES = {1: "bid", 2: "ask", 4: "last", 9: "close"}
SIZES = {0: "bid_size", 3: "ask_size", 5: "last_size", 8: "volume"}
MODEL, CUSTOM = 13, 53
GOOD_CODES = frozenset({2104, 2106, 2107, 2108, 2119, 2158, 10167})


@dataclass(slots=True)
class Record:
    """An order as its callbacks tell it."""

    order_id: int
    contract: Any
    order: Any
    answers: Answers
    perm_id: int = 0
    status: str = "PendingSubmit"
    filled: float = 0.0
    remaining: float = 0.0
    state: Any = None

    @property
    def deals(self) -> list[Deal]:
        return self.answers.deals_of(self.order_id)


class RequestRefusedError(Exception):
    """The broker answered a request with an error; `code` is its own."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class Answers(ibapi.wrapper.EWrapper):  # type: ignore[misc]  # the library has no types
    """Keeps what arrives by request id; requests without one have a negative id of their own."""

    POSITIONS, ACCOUNT, OPEN_ORDERS, COMPLETED, RULE, TIME = -2, -3, -4, -5, -6, -7

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[tuple[int, int, str]] = []
        self.accounts: list[str] = []
        self.client_id = 0
        self.next_id: int | None = None
        self.records: dict[int, Record] = {}
        self.bulletins: list[str] = []
        self._lock = threading.Lock()
        self._rows: dict[int, list[Any]] = {}
        self._over: set[int] = set()
        self._refused: dict[int, RequestRefusedError] = {}
        self._ticks: dict[int, dict[str, float]] = {}
        self._deals: dict[str, tuple[int, Any, Any]] = {}
        self._reports: dict[str, Any] = {}

    # -- used by the client ------------------------------------------------------------------------

    def reset(self, client_id: int) -> None:
        """Forget the last connection's order id."""
        self.client_id = client_id
        self.next_id = None

    def begin(self, request: int) -> None:
        with self._lock:
            self._rows[request] = []
            self._over.discard(request)
            self._refused.pop(request, None)

    def is_over(self, request: int) -> bool:
        return request in self._over or request in self._refused

    def so_far(self, request: int) -> list[Any]:
        return self._rows.get(request, [])

    def take(self, request: int) -> list[Any]:
        """Everything that the request gave; raises `RequestRefusedError`."""
        if request in self._refused:
            raise self._refused[request]
        return self._rows.pop(request)

    def watch(self, request: int) -> dict[str, float]:
        self._ticks[request] = {}
        return self._ticks[request]

    def deals_of(self, order_id: int) -> list[Deal]:
        return [
            self._deal(contract, execution)
            for number, contract, execution in list(self._deals.values())
            if number == order_id
        ]

    def all_deals(self) -> list[Deal]:
        return [self._deal(contract, told) for _, contract, told in list(self._deals.values())]

    def _deal(self, contract: Any, execution: Any) -> Deal:
        report = self._reports.get(execution.execId)
        return Deal(
            exec_id=execution.execId,
            con_id=contract.conId,
            sec_type=contract.secType,
            side=execution.side,
            shares=float(execution.shares),
            price=execution.price,
            ref=execution.orderRef,
            account=execution.acctNumber,
            commission=None if report is None else report.commission,
            realized=None if report is None else (known(report.realizedPNL) or 0.0),
        )

    def _row(self, request: int, row: Any) -> None:
        self._rows.setdefault(request, []).append(row)

    def _end(self, request: int) -> None:
        self._over.add(request)

    # -- callbacks: names and arguments are the library's ------------------------------------------

    def error(self, req_id: int, code: int, text: str) -> None:
        self.errors.append((req_id, code, text))
        if req_id in self._rows and code not in GOOD_CODES:
            self._refused[req_id] = RequestRefusedError(code, text)

    def managedAccounts(self, listed: str) -> None:  # noqa: N802
        self.accounts = [name for name in listed.split(",") if name]

    def nextValidId(self, order_id: int) -> None:  # noqa: N802
        self.next_id = max(order_id, self.next_id or 0)

    def position(self, account: str, contract: Any, quantity: float, cost: float) -> None:
        holding = Holding(
            account, contract.conId, contract.symbol, contract.secType, float(quantity), cost
        )
        self._row(self.POSITIONS, holding)

    def positionEnd(self) -> None:  # noqa: N802
        self._end(self.POSITIONS)

    def updateAccountValue(self, key: str, value: str, money: str, account: str) -> None:  # noqa: N802
        self._row(self.ACCOUNT, (key, value, money))

    def accountDownloadEnd(self, account: str) -> None:  # noqa: N802
        self._end(self.ACCOUNT)

    def accountSummary(self, req_id: int, account: str, tag: str, value: str, money: str) -> None:  # noqa: N802
        self._row(req_id, (account, tag, value, money))

    def accountSummaryEnd(self, req_id: int) -> None:  # noqa: N802
        self._end(req_id)

    def pnl(self, req_id: int, daily: float, unrealized: float, realized: float) -> None:
        self._row(req_id, (daily, unrealized, realized))

    def pnlSingle(  # noqa: N802
        self, req_id: int, quantity: int, daily: float, open_: float, closed: float, value: float
    ) -> None:
        self._row(req_id, (quantity, value))

    def contractDetails(self, req_id: int, details: Any) -> None:  # noqa: N802
        self._row(req_id, details)

    def contractDetailsEnd(self, req_id: int) -> None:  # noqa: N802
        self._end(req_id)

    def securityDefinitionOptionParameter(  # noqa: N802
        self,
        req_id: int,
        exchange: str,
        under: int,
        trading_class: str,
        multiplier: str,
        expiries: set[str],
        strikes: set[float],
    ) -> None:
        chain = Chain(
            exchange, trading_class, multiplier, under, frozenset(expiries), frozenset(strikes)
        )
        self._row(req_id, chain)

    def securityDefinitionOptionParameterEnd(self, req_id: int) -> None:  # noqa: N802
        self._end(req_id)

    def tickPrice(self, req_id: int, kind: int, price: float, attributes: Any) -> None:  # noqa: N802
        if req_id in self._ticks and kind in PRICES:
            self._ticks[req_id][PRICES[kind]] = price

    def tickSize(self, req_id: int, kind: int, size: int) -> None:  # noqa: N802
        if req_id in self._ticks and kind in SIZES:
            self._ticks[req_id][SIZES[kind]] = float(size)

    def tickOptionComputation(  # noqa: N802
        self,
        req_id: int,
        kind: int,
        attribute: int,
        volatility: float,
        delta: float,
        price: float,
        dividend: float,
        gamma: float,
        vega: float,
        theta: float,
        under: float,
    ) -> None:
        if req_id not in self._ticks or kind not in (MODEL, CUSTOM):
            return
        told = {
            "volatility": volatility, "price": price, "gamma": gamma, "vega": vega,
            "theta": theta, "under_price": under, "delta": delta,
        }  # fmt: skip
        self._ticks[req_id].update({key: value for key, value in told.items() if value is not None})

    def historicalData(self, req_id: int, bar: Any) -> None:  # noqa: N802
        self._row(req_id, Bar(bar.date, bar.open, bar.high, bar.low, bar.close, float(bar.volume)))

    def historicalDataEnd(self, req_id: int, start: str, end: str) -> None:  # noqa: N802
        self._end(req_id)

    def headTimestamp(self, req_id: int, told: str) -> None:  # noqa: N802
        self._row(req_id, told)
        self._end(req_id)

    def symbolSamples(self, req_id: int, found: list[Any]) -> None:  # noqa: N802
        for item in found:
            self._row(req_id, (item.contract.conId, item.contract.symbol))
        self._end(req_id)

    def marketRule(self, number: int, steps: list[Any]) -> None:  # noqa: N802
        for step in steps:
            self._row(self.RULE, (step.lowEdge, step.increment))
        self._end(self.RULE)

    def currentTime(self, seconds: int) -> None:  # noqa: N802
        self._row(self.TIME, seconds)
        self._end(self.TIME)

    def updateNewsBulletin(self, number: int, kind: int, text: str, exchange: str) -> None:  # noqa: N802
        self.bulletins.append(text)

    def openOrder(self, order_id: int, contract: Any, order: Any, state: Any) -> None:  # noqa: N802
        record = self.records.get(order_id)
        if record is not None and order.clientId == self.client_id:
            record.state = state
            record.perm_id = order.permId or record.perm_id
        if self.OPEN_ORDERS in self._rows:
            self._row(self.OPEN_ORDERS, (contract, order, state))

    def openOrderEnd(self) -> None:  # noqa: N802
        self._end(self.OPEN_ORDERS)

    def orderStatus(  # noqa: N802
        self,
        order_id: int,
        status: str,
        filled: float,
        remaining: float,
        average: float,
        perm_id: int,
        parent: int,
        last: float,
        client_id: int,
        why_held: str,
        cap: float,
    ) -> None:
        record = self.records.get(order_id)
        if record is None:
            return
        record.status, record.filled, record.remaining = status, float(filled), float(remaining)
        record.perm_id = perm_id or record.perm_id

    def completedOrder(self, contract: Any, order: Any, state: Any) -> None:  # noqa: N802
        self._row(self.COMPLETED, (contract, order, state))

    def completedOrdersEnd(self) -> None:  # noqa: N802
        self._end(self.COMPLETED)

    def execDetails(self, req_id: int, contract: Any, execution: Any) -> None:  # noqa: N802
        self._deals[execution.execId] = (execution.orderId, contract, execution)

    def execDetailsEnd(self, req_id: int) -> None:  # noqa: N802
        self._end(req_id)

    def commissionReport(self, report: Any) -> None:  # noqa: N802
        self._reports[report.execId] = report
