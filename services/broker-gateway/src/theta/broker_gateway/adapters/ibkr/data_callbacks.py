# ruff: noqa: N802, N803 - the callbacks keep the names that the library calls
"""Callbacks on prices and the account, handed to whoever waits for them.

Ticks go to our own streams: the library's tickers mix absence and value. Account rows go to the
download that runs, if one does.
"""

from __future__ import annotations

from typing import Any

from theta.broker_gateway.adapters.ibkr.library import IbContract, Wrapper


class TickRouter:
    """Who takes the ticks, by request id."""

    def on_price(self, request_id: int, tick: int, price: float, size: float) -> None:
        """A price, with its size for bid, ask and last."""

    def on_size(self, request_id: int, tick: int, size: float) -> None:
        """A size, volume or open interest."""

    def on_computation(self, request_id: int, tick: int, figures: tuple[float, ...]) -> None:
        """Implied volatility, delta, price, gamma, vega, theta, underlying price."""

    def on_data_type(self, request_id: int, kind: int) -> None:
        """Live, frozen or delayed."""

    def on_error(self, request_id: int, code: int, text: str) -> None:
        """An error with a request's id."""


class AccountListener:
    """Who takes account rows while a download runs."""

    def on_value(self, account: str, tag: str, value: str, currency: str) -> None:
        """One account figure."""

    def on_holding(self, account: str, contract: IbContract, figures: tuple[float, ...]) -> None:
        """Quantity, price, value, average cost, unrealised and realised gain."""

    def on_position(self, account: str, contract: IbContract, quantity: float) -> None:
        """One row of the positions answer."""

    def on_download_end(self, account: str) -> bool:
        """Tell whether this End is the awaited one."""
        return True


class DataWrapper(Wrapper):
    """The library's wrapper with ticks and account rows turned to our listeners."""

    def __init__(self, ib: Any) -> None:
        self.ticks: TickRouter | None = None
        self.account: AccountListener | None = None
        super().__init__(ib)

    # -- account ---------------------------------------------------------------------------------

    def updateAccountValue(self, tag: str, val: str, currency: str, account: str) -> None:
        if self.account is not None:
            self.account.on_value(account, tag, val, currency)
        super().updateAccountValue(tag, val, currency, account)

    def updatePortfolio(
        self,
        contract: IbContract,
        posSize: float,
        marketPrice: float,
        marketValue: float,
        averageCost: float,
        unrealizedPNL: float,
        realizedPNL: float,
        account: str,
    ) -> None:
        figures = (posSize, marketPrice, marketValue, averageCost, unrealizedPNL, realizedPNL)
        if self.account is not None:
            self.account.on_holding(account, contract, figures)
        super().updatePortfolio(contract, *figures, account)

    def position(
        self,
        account: str,
        contract: IbContract,
        posSize: float,
        avgCost: float,
    ) -> None:
        if self.account is not None:
            self.account.on_position(account, contract, posSize)
        super().position(account, contract, posSize, avgCost)

    def accountDownloadEnd(self, _account: str) -> None:
        if self.account is None or self.account.on_download_end(_account):
            super().accountDownloadEnd(_account)

    # -- ticks: ours, not the library's tickers --------------------------------------------------

    def priceSizeTick(self, reqId: int, tickType: int, price: float, size: float) -> None:
        if self.ticks is not None:
            self.ticks.on_price(reqId, tickType, price, size)

    def tickSize(self, reqId: int, tickType: int, size: float) -> None:
        if self.ticks is not None:
            self.ticks.on_size(reqId, tickType, size)

    def tickOptionComputation(
        self,
        reqId: int,
        tickType: int,
        tickAttrib: int,
        impliedVol: float,
        delta: float,
        optPrice: float,
        pvDividend: float,
        gamma: float,
        vega: float,
        theta: float,
        undPrice: float,
    ) -> None:
        if self.ticks is not None:
            figures = (impliedVol, delta, optPrice, gamma, vega, theta, undPrice)
            self.ticks.on_computation(reqId, tickType, figures)

    def marketDataType(self, reqId: int, marketDataId: int) -> None:
        if self.ticks is not None:
            self.ticks.on_data_type(reqId, marketDataId)
