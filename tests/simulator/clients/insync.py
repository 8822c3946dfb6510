"""`ib_insync` and its successor `ib_async`, which share an interface, behind the common one."""

from __future__ import annotations

import importlib
from typing import Any

from tests.simulator.clients.building import (
    contract_of,
    fill_order,
    known,
    listing_of,
    seen_of,
)
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


def deal_of(fill: Any) -> Deal:
    report = fill.commissionReport
    told = bool(report.execId)
    return Deal(
        exec_id=fill.execution.execId,
        con_id=fill.contract.conId,
        sec_type=fill.contract.secType,
        side=fill.execution.side,
        shares=float(fill.execution.shares),
        price=fill.execution.price,
        ref=fill.execution.orderRef,
        account=fill.execution.acctNumber,
        commission=report.commission if told else None,
        realized=(known(report.realizedPNL) or 0.0) if told else None,
    )


class PlacedTrade:
    """A `Trade` of the library."""

    def __init__(self, trade: Any) -> None:
        self.trade = trade

    @property
    def order_id(self) -> int:
        return int(self.trade.order.orderId)

    @property
    def perm_id(self) -> int:
        return int(self.trade.orderStatus.permId or self.trade.order.permId)

    @property
    def status(self) -> str:
        return str(self.trade.orderStatus.status)

    @property
    def filled(self) -> float:
        return float(self.trade.orderStatus.filled)

    @property
    def remaining(self) -> float:
        return float(self.trade.orderStatus.remaining)

    @property
    def deals(self) -> list[Deal]:
        return [deal_of(fill) for fill in self.trade.fills]


class InsyncAccount:
    """What the account is and holds."""

    def __init__(self, library: Any, ib: Any) -> None:
        self.library = library
        self.ib = ib

    async def holdings(self) -> list[Holding]:
        return [
            Holding(
                account=item.account,
                con_id=item.contract.conId,
                symbol=item.contract.symbol,
                sec_type=item.contract.secType,
                quantity=float(item.position),
                average_cost=item.avgCost,
            )
            for item in await self.ib.reqPositionsAsync()
        ]

    async def account_values(self, account: str = "") -> dict[str, str]:
        return {
            item.tag: item.value
            for item in self.ib.accountValues(account)
            if item.currency in ("", "USD")
        }

    async def summary(self) -> dict[tuple[str, str], str]:
        rows = await self.ib.accountSummaryAsync()
        return {(row.account, row.tag): row.value for row in rows if row.currency in ("", "USD")}

    async def profit(self, account: str) -> tuple[float, float, float]:
        told = self.ib.reqPnL(account)
        await eventually_async(lambda: known(told.dailyPnL) is not None)
        self.ib.cancelPnL(account)
        return (
            known(told.dailyPnL) or 0.0,
            known(told.unrealizedPnL) or 0.0,
            known(told.realizedPnL) or 0.0,
        )

    async def profit_of(self, account: str, con_id: int) -> tuple[float, float]:
        told = self.ib.reqPnLSingle(account, "", con_id)
        await eventually_async(lambda: known(told.value) is not None)
        self.ib.cancelPnLSingle(account, "", con_id)
        return float(told.position), told.value


class InsyncData:
    """Reference and market data."""

    def __init__(self, library: Any, ib: Any) -> None:
        self.library = library
        self.ib = ib

    async def details(self, terms: Terms) -> list[Listing]:
        found = await self.ib.reqContractDetailsAsync(contract_of(self.library, terms))
        return [listing_of(item) for item in found]

    async def chains(self, terms: Terms) -> list[Chain]:
        found = await self.ib.reqSecDefOptParamsAsync(
            terms.symbol, "", terms.sec_type, terms.con_id
        )
        return [
            Chain(
                item.exchange,
                item.tradingClass,
                item.multiplier,
                int(item.underlyingConId),
                frozenset(item.expirations),
                frozenset(item.strikes),
            )
            for item in found
        ]

    async def quote(self, terms: Terms, *, greeks: bool = False) -> Quote:
        contract = contract_of(self.library, terms)
        ticker = self.ib.reqMktData(contract, "101" if greeks else "")

        def complete() -> bool:
            prices = (ticker.bid, ticker.ask, ticker.close)
            if any(known(price) is None for price in prices):
                return False
            model = ticker.modelGreeks
            return not greeks or (model is not None and known(model.delta) is not None)

        try:
            await eventually_async(complete)
        finally:
            self.ib.cancelMktData(contract)
        model = ticker.modelGreeks if greeks else None
        return Quote(
            bid=ticker.bid,
            ask=ticker.ask,
            bid_size=ticker.bidSize,
            ask_size=ticker.askSize,
            close=ticker.close,
            delta=model.delta if model else None,
            gamma=model.gamma if model else None,
            vega=model.vega if model else None,
            theta=model.theta if model else None,
            volatility=model.impliedVol if model else None,
            under_price=model.undPrice if model else None,
        )

    async def bars(
        self, terms: Terms, *, duration: str, size: str, what: str = "TRADES"
    ) -> list[Bar]:
        found = await self.ib.reqHistoricalDataAsync(
            contract_of(self.library, terms), "", duration, size, what, useRTH=True, formatDate=1
        )
        return [
            Bar(str(b.date), b.open, b.high, b.low, b.close, float(b.volume)) for b in found or ()
        ]

    async def head_timestamp(self, terms: Terms) -> str:
        contract = contract_of(self.library, terms)
        told = await self.ib.reqHeadTimeStampAsync(contract, "TRADES", True, 1)
        return told.strftime("%Y%m%d")  # type: ignore[no-any-return]  # the library has no types

    async def matching(self, pattern: str) -> list[tuple[int, str]]:
        found = await self.ib.reqMatchingSymbolsAsync(pattern)
        return [(item.contract.conId, item.contract.symbol) for item in found or ()]

    async def market_rule(self, number: int) -> list[tuple[float, float]]:
        found = await self.ib.reqMarketRuleAsync(number)
        return [(item.lowEdge, item.increment) for item in found or ()]

    async def time(self) -> float:
        told = await self.ib.reqCurrentTimeAsync()
        return float(told.timestamp())

    async def implied_volatility(self, terms: Terms, price: float, under: float) -> float:
        contract = contract_of(self.library, terms)
        told = await self.ib.calculateImpliedVolatilityAsync(contract, price, under)
        return float(told.impliedVol)

    async def option_price(self, terms: Terms, volatility: float, under: float) -> float:
        contract = contract_of(self.library, terms)
        told = await self.ib.calculateOptionPriceAsync(contract, volatility, under)
        return float(told.optPrice)

    def listen_to_bulletins(self) -> list[str]:
        heard: list[str] = []
        self.ib.newsBulletinEvent += lambda bulletin: heard.append(bulletin.message)
        self.ib.reqNewsBulletins(True)
        return heard

    async def unsupported(self) -> int:
        stock = self.library.Stock("SPY", "SMART", "USD")
        try:
            await self.ib.reqFundamentalDataAsync(stock, "ReportSnapshot")
        except self.library.wrapper.RequestError as error:
            return int(error.code)
        return 0


class InsyncOrders:
    """Orders, and what became of them."""

    def __init__(self, library: Any, ib: Any) -> None:
        self.library = library
        self.ib = ib

    def place(self, terms: Terms, ticket: Ticket) -> PlacedTrade:
        order = fill_order(self.library, self.library.Order(), ticket)
        return PlacedTrade(self.ib.placeOrder(contract_of(self.library, terms), order))

    def modify(self, placed: Placed, ticket: Ticket) -> None:
        assert isinstance(placed, PlacedTrade)
        fill_order(self.library, placed.trade.order, ticket)
        self.ib.placeOrder(placed.trade.contract, placed.trade.order)

    def cancel(self, placed: Placed) -> None:
        assert isinstance(placed, PlacedTrade)
        self.ib.cancelOrder(placed.trade.order)

    def cancel_all(self) -> None:
        self.ib.reqGlobalCancel()

    def bind_manual_orders(self) -> None:
        self.ib.reqAutoOpenOrders(True)

    async def open_orders(self) -> list[Seen]:
        trades = await self.ib.reqAllOpenOrdersAsync()
        return [seen_of(t.contract, t.order, t.orderStatus.status) for t in trades]

    async def completed_orders(self) -> list[Seen]:
        trades = await self.ib.reqCompletedOrdersAsync(apiOnly=False)
        return [seen_of(t.contract, t.order, t.orderStatus.status) for t in trades]

    async def deals(self) -> list[Deal]:
        """Executions as the library holds them once its request has been answered."""
        await self.ib.reqExecutionsAsync()
        return [deal_of(fill) for fill in self.ib.fills()]

    async def what_if(self, terms: Terms, ticket: Ticket) -> WhatIf:
        order = fill_order(self.library, self.library.Order(), ticket)
        state = await self.ib.whatIfOrderAsync(contract_of(self.library, terms), order)
        return WhatIf(
            init_margin_after=float(state.initMarginAfter),
            maint_margin_after=float(state.maintMarginAfter),
            equity_after=float(state.equityWithLoanAfter),
            commission=known(state.commission) or known(state.maxCommission) or 0.0,
        )

    def exercise(self, terms: Terms, action: int, quantity: int, account: str) -> None:
        contract = contract_of(self.library, terms)
        self.ib.exerciseOptions(contract, action, quantity, account, 1)


class InsyncClient:
    """A client of the library with this module name."""

    def __init__(self, module: str) -> None:
        self.library: Any = importlib.import_module(module)
        self.ib: Any = self.library.IB()
        self.ib.RaiseRequestErrors = True
        self.errors: list[tuple[int, int, str]] = []
        self.ib.errorEvent += lambda request, code, text, _contract: self.errors.append(
            (request, code, text)
        )
        self.account = InsyncAccount(self.library, self.ib)
        self.data = InsyncData(self.library, self.ib)
        self.orders = InsyncOrders(self.library, self.ib)

    async def connect(self, port: int, client_id: int) -> None:
        """Connect with every fetch that the library makes by itself."""
        await self.ib.connectAsync("127.0.0.1", port, clientId=client_id, timeout=10)

    def disconnect(self) -> None:
        self.ib.disconnect()

    @property
    def connected(self) -> bool:
        return bool(self.ib.isConnected())

    @property
    def server_version(self) -> int:
        return int(self.ib.client.serverVersion())

    @property
    def accounts(self) -> list[str]:
        return list(self.ib.managedAccounts())
