"""Market data and portfolio for strategy and risk (viewer role)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from theta.broker_gateway.entrypoints.http.ports import ApiParts, ClockNow
from theta.common.contracts.market import (
    BarsMessage,
    ChainMessage,
    ClockMessage,
    ContractMessage,
    PortfolioMessage,
    QuoteMessage,
    QuotesRequest,
    QuotesResponse,
)
from theta.common.errors import StaleDataError
from theta.common.http.auth import Role, require
from theta.common.http.problem import ProblemError

ANSWER_MARGIN_SECONDS = 5.0
CHAIN_TIMEOUT_SECONDS = 60.0


def market_router(parts: ApiParts) -> APIRouter:
    """Return the routes; every one needs the viewer role."""
    viewer = Depends(require(Role.VIEWER, parts.queries.token))
    router = APIRouter(prefix="/v1", tags=["market"], dependencies=[viewer])

    def clock_now() -> ClockNow:
        found = parts.loop.call(parts.clock_now, timeout_seconds=2.0)
        if found is None:
            raise StaleDataError("Market time was never observed: wait for the connection.")
        return found

    @router.post("/market/quotes")
    def quotes(request: QuotesRequest) -> QuotesResponse:
        """Quotes of the contracts that exist, at the latest after `deadline_ms`."""
        try:
            contracts = [message.to_domain() for message in request.contracts]
        except ValueError as error:
            raise ProblemError(422, "invalid_request", f"contracts: {error}.") from error
        seconds = request.deadline_ms / 1000
        found, unknown = parts.loop.run(
            lambda: parts.broker.quotes(contracts, seconds),
            timeout_seconds=seconds + ANSWER_MARGIN_SECONDS,
        )
        return QuotesResponse(
            market_at=clock_now().market_at,
            quotes=tuple(QuoteMessage.from_domain(quote) for quote in found),
            unknown=tuple(ContractMessage.from_domain(contract) for contract in unknown),
        )

    @router.get("/market/chains/{symbol}")
    def chain(symbol: str) -> ChainMessage:
        """The option chain of the symbol's own trading class."""
        found = parts.loop.run(
            lambda: parts.broker.chain(symbol), timeout_seconds=CHAIN_TIMEOUT_SECONDS
        )
        if found is None:
            raise ProblemError(404, "no_chain", f"The broker has no option chain for {symbol!r}.")
        return found

    @router.get("/market/history/{symbol}")
    def history(symbol: str, days: Annotated[int, Query(ge=1, le=365)] = 30) -> BarsMessage:
        """Daily closes, oldest first."""
        closes = parts.loop.run(
            lambda: parts.broker.daily_closes(symbol, days), timeout_seconds=CHAIN_TIMEOUT_SECONDS
        )
        return BarsMessage(
            symbol=symbol,
            days=tuple(at.date() for at, _ in closes),
            closes=tuple(close for _, close in closes),
        )

    @router.get("/market/clock")
    def clock() -> ClockMessage:
        """Market time now."""
        found = clock_now()
        return ClockMessage(
            market_at=found.market_at,
            observed_age_seconds=found.observed_age_seconds,
            rate=found.rate,
        )

    _add_portfolio(router, parts)
    return router


def _add_portfolio(router: APIRouter, parts: ApiParts) -> None:
    @router.get("/portfolio")
    def portfolio(account: str) -> PortfolioMessage:
        """The newest stored snapshot."""
        stored = parts.queries.newest_portfolio(account)
        if stored is None:
            raise ProblemError(404, "no_snapshot", f"There is no snapshot of account {account!r}.")
        snapshot_id, found = stored
        return PortfolioMessage.from_domain(found, str(snapshot_id))

    @router.post("/portfolio/refresh")
    def refresh(account: str) -> PortfolioMessage:
        """A fresh account download, stored."""
        _served(parts, account)
        snapshot_id, found = parts.snapshots.take(account)
        return PortfolioMessage.from_domain(found, str(snapshot_id))


def _served(parts: ApiParts, account: str) -> None:
    state = parts.loop.call(parts.broker.state, timeout_seconds=2.0)
    if state.connected and account not in state.accounts:
        raise ProblemError(
            404, "unknown_account", f"This session does not serve account {account!r}."
        )
