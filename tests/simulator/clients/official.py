"""The broker's own `ibapi` behind the common interface: callbacks on its reader's thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import ibapi.account_summary_tags
import ibapi.client
import ibapi.contract
import ibapi.execution
import ibapi.order
import ibapi.tag_value
import ibapi.wrapper

from tests.simulator.clients.building import (
    contract_of,
    fill_order,
    known,
    listing_of,
    modules,
    seen_of,
)
from tests.simulator.clients.official_records import Answers, Record
from tests.simulator.clients.terms import (
    Bar,
    Chain,
    Deal,
    Holding,
    Listing,
    Placed,
    Quote,
    Seen,
    Terms,
    Ticket,
    WhatIf,
)
from tests.support.eventually import eventually_async

LIBRARY: Any = modules(ibapi.contract, ibapi.order, ibapi.execution, ibapi.tag_value)
JOIN_SECONDS = 10.0


class Asking:
    """Requests of one connection: their ids and the wait for their answers."""

    def __init__(self, api: Any, heard: Answers) -> None:
        self.api = api
        self.heard = heard
        self._request = 9_000

    def next_request(self) -> int:
        self._request += 1
        return self._request

    async def ask(self, send: Callable[[int], None]) -> list[Any]:
        """Send under a new id; return what came until the end, raise an error on the request."""
        number = self.next_request()
        return await self.ask_plain(number, lambda: send(number))

    async def ask_plain(self, request: int, send: Callable[[], None]) -> list[Any]:
        """As `ask`, for a request whose answers are kept under `request`."""
        self.heard.begin(request)
        send()
        await eventually_async(lambda: self.heard.is_over(request))
        return self.heard.take(request)


class OfficialAccount:
    """What the account is and holds."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self.api = asking.api
        self.heard = asking.heard

    async def holdings(self) -> list[Holding]:
        rows = await self._asking.ask_plain(Answers.POSITIONS, self.api.reqPositions)
        self.api.cancelPositions()
        return rows

    async def account_values(self, account: str = "") -> dict[str, str]:
        def send() -> None:
            self.api.reqAccountUpdates(True, account or self.heard.accounts[0])

        rows = await self._asking.ask_plain(Answers.ACCOUNT, send)
        self.api.reqAccountUpdates(False, account or self.heard.accounts[0])
        return {key: value for key, value, currency in rows if currency in ("", "USD")}

    async def summary(self) -> dict[tuple[str, str], str]:
        tags = ibapi.account_summary_tags.AccountSummaryTags.AllTags + ",$LEDGER:ALL"
        rows = await self._asking.ask(
            lambda number: self.api.reqAccountSummary(number, "All", tags)
        )
        return {(name, tag): value for name, tag, value, money in rows if money in ("", "USD")}

    async def profit(self, account: str) -> tuple[float, float, float]:
        request = self._asking.next_request()
        self.heard.begin(request)
        self.api.reqPnL(request, account, "")
        await eventually_async(lambda: self.heard.so_far(request))
        self.api.cancelPnL(request)
        daily, unrealized, realized = self.heard.so_far(request)[0]
        return known(daily) or 0.0, known(unrealized) or 0.0, known(realized) or 0.0

    async def profit_of(self, account: str, con_id: int) -> tuple[float, float]:
        request = self._asking.next_request()
        self.heard.begin(request)
        self.api.reqPnLSingle(request, account, "", con_id)
        await eventually_async(lambda: self.heard.so_far(request))
        self.api.cancelPnLSingle(request)
        quantity, value = self.heard.so_far(request)[0]
        return float(quantity), float(value)


class OfficialData:
    """Reference and market data."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self.api = asking.api
        self.heard = asking.heard

    async def details(self, terms: Terms) -> list[Listing]:
        contract = contract_of(LIBRARY, terms)
        found = await self._asking.ask(lambda number: self.api.reqContractDetails(number, contract))
        return [listing_of(item) for item in found]

    async def chains(self, terms: Terms) -> list[Chain]:
        return await self._asking.ask(
            lambda number: self.api.reqSecDefOptParams(
                number, terms.symbol, "", terms.sec_type, terms.con_id
            ),
        )

    async def quote(self, terms: Terms, *, greeks: bool = False) -> Quote:
        request, contract = self._asking.next_request(), contract_of(LIBRARY, terms)
        ticks = self.heard.watch(request)
        generic = "101" if greeks else ""
        self.api.reqMktData(request, contract, generic, False, False, [])
        wanted = ["bid", "ask", "close", *(["delta"] if greeks else [])]
        try:
            await eventually_async(lambda: all(ticks.get(name) is not None for name in wanted))
        finally:
            self.api.cancelMktData(request)
        return Quote(
            bid=ticks["bid"],
            ask=ticks["ask"],
            bid_size=ticks["bid_size"],
            ask_size=ticks["ask_size"],
            close=ticks["close"],
            delta=ticks.get("delta"),
            gamma=ticks.get("gamma"),
            vega=ticks.get("vega"),
            theta=ticks.get("theta"),
            volatility=ticks.get("volatility"),
            under_price=ticks.get("under_price"),
        )

    async def bars(
        self, terms: Terms, *, duration: str, size: str, what: str = "TRADES"
    ) -> list[Bar]:
        contract = contract_of(LIBRARY, terms)
        return await self._asking.ask(
            lambda number: self.api.reqHistoricalData(
                number, contract, "", duration, size, what, 1, 1, False, []
            ),
        )

    async def head_timestamp(self, terms: Terms) -> str:
        contract = contract_of(LIBRARY, terms)
        (told,) = await self._asking.ask(
            lambda number: self.api.reqHeadTimeStamp(number, contract, "TRADES", 1, 1)
        )
        return str(told)[:8]

    async def matching(self, pattern: str) -> list[tuple[int, str]]:
        return await self._asking.ask(lambda number: self.api.reqMatchingSymbols(number, pattern))

    async def market_rule(self, number: int) -> list[tuple[float, float]]:
        return await self._asking.ask_plain(Answers.RULE, lambda: self.api.reqMarketRule(number))

    async def time(self) -> float:
        (told,) = await self._asking.ask_plain(Answers.TIME, self.api.reqCurrentTime)
        return float(told)

    async def implied_volatility(self, terms: Terms, price: float, under: float) -> float:
        request, contract = self._asking.next_request(), contract_of(LIBRARY, terms)
        ticks = self.heard.watch(request)
        self.api.calculateImpliedVolatility(request, contract, price, under, [])
        await eventually_async(lambda: "volatility" in ticks)
        return float(ticks["volatility"])

    async def option_price(self, terms: Terms, volatility: float, under: float) -> float:
        request, contract = self._asking.next_request(), contract_of(LIBRARY, terms)
        ticks = self.heard.watch(request)
        self.api.calculateOptionPrice(request, contract, volatility, under, [])
        await eventually_async(lambda: "price" in ticks)
        return float(ticks["price"])

    def listen_to_bulletins(self) -> list[str]:
        self.api.reqNewsBulletins(True)
        return self.heard.bulletins

    async def unsupported(self) -> int:
        request = self._asking.next_request()
        contract = contract_of(LIBRARY, Terms("SPY"))
        self.api.reqFundamentalData(request, contract, "ReportSnapshot", [])
        found = await eventually_async(lambda: [e for e in self.heard.errors if e[0] == request])
        return found[0][1]


class OfficialOrders:
    """Orders, and what became of them."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self.api = asking.api
        self.heard = asking.heard

    def place(self, terms: Terms, ticket: Ticket) -> Record:
        assert self.heard.next_id is not None
        order_id, self.heard.next_id = self.heard.next_id, self.heard.next_id + 1
        order = fill_order(LIBRARY, LIBRARY.Order(), ticket)
        record = Record(order_id, contract_of(LIBRARY, terms), order, self.heard)
        self.heard.records[order_id] = record
        self.api.placeOrder(order_id, record.contract, order)
        return record

    def modify(self, placed: Placed, ticket: Ticket) -> None:
        assert isinstance(placed, Record)
        fill_order(LIBRARY, placed.order, ticket)
        self.api.placeOrder(placed.order_id, placed.contract, placed.order)

    def cancel(self, placed: Placed) -> None:
        self.api.cancelOrder(placed.order_id)

    def cancel_all(self) -> None:
        self.api.reqGlobalCancel()

    def bind_manual_orders(self) -> None:
        self.api.reqAutoOpenOrders(True)

    async def open_orders(self) -> list[Seen]:
        rows = await self._asking.ask_plain(Answers.OPEN_ORDERS, self.api.reqAllOpenOrders)
        return [seen_of(contract, order, state.status) for contract, order, state in rows]

    async def completed_orders(self) -> list[Seen]:
        rows = await self._asking.ask_plain(
            Answers.COMPLETED, lambda: self.api.reqCompletedOrders(False)
        )
        return [seen_of(contract, order, state.status) for contract, order, state in rows]

    async def deals(self) -> list[Deal]:
        wanted = LIBRARY.ExecutionFilter()
        await self._asking.ask(lambda number: self.api.reqExecutions(number, wanted))
        return self.heard.all_deals()

    async def what_if(self, terms: Terms, ticket: Ticket) -> WhatIf:
        asked = self.place(terms, Ticket(**{**_fields(ticket), "more": {"whatIf": True}}))
        state: Any = await eventually_async(lambda: asked.state)
        return WhatIf(
            init_margin_after=float(state.initMarginAfter),
            maint_margin_after=float(state.maintMarginAfter),
            equity_after=float(state.equityWithLoanAfter),
            commission=known(state.commission) or known(state.maxCommission) or 0.0,
        )

    def exercise(self, terms: Terms, action: int, quantity: int, account: str) -> None:
        contract = contract_of(LIBRARY, terms)
        self.api.exerciseOptions(
            self._asking.next_request(), contract, action, quantity, account, 1
        )


class OfficialClient:
    """An `EClient` with its message loop on a thread, and what its wrapper has heard."""

    def __init__(self) -> None:
        self.heard = Answers()
        self.api: Any = ibapi.client.EClient(self.heard)
        self.errors: list[tuple[int, int, str]] = self.heard.errors
        self._thread: threading.Thread | None = None
        asking = Asking(self.api, self.heard)
        self.account = OfficialAccount(asking)
        self.data = OfficialData(asking)
        self.orders = OfficialOrders(asking)

    async def connect(self, port: int, client_id: int) -> None:
        """Connect and wait for the next valid id, as the broker's documentation tells."""
        self.heard.reset(client_id)
        self.api.connect("127.0.0.1", port, client_id)
        if not self.connected:
            raise ConnectionError(f"not connected: {self.errors}")
        self._thread = threading.Thread(target=self.api.run, daemon=True)
        self._thread.start()
        await eventually_async(lambda: self.heard.next_id is not None or not self.connected)
        if not self.connected:
            raise ConnectionError(f"not connected: {self.errors}")

    def disconnect(self) -> None:
        self.api.disconnect()
        if self._thread is not None:
            self._thread.join(JOIN_SECONDS)
            self._thread = None

    @property
    def connected(self) -> bool:
        return bool(self.api.isConnected())

    @property
    def server_version(self) -> int:
        return int(self.api.serverVersion())

    @property
    def accounts(self) -> list[str]:
        return self.heard.accounts


def _fields(ticket: Ticket) -> dict[str, Any]:
    return {name: getattr(ticket, name) for name in Ticket.__slots__}
