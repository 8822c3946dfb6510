"""A gateway that answers market questions over real HTTP, from the shipped chains."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

from fastapi import FastAPI, Header
from sqlalchemy import Engine

from tests.support.shipped_chains import SYMBOLS, shipped
from tests.support.wheel_market import NOW, portfolio
from theta.common.contracts.market import (
    BarsMessage,
    ChainMessage,
    ContractMessage,
    PortfolioMessage,
    QuoteMessage,
    QuotesRequest,
    QuotesResponse,
)
from theta.common.domain.instruments import Contract, SecType, stock
from theta.common.domain.portfolio import Portfolio
from theta.common.domain.quotes import Quote
from theta.common.http.problem import ProblemError, install_problem_handlers
from theta.common.http.serving import UvicornThread
from theta.common.postgres.engine import transaction
from theta.common.postgres.snapshots import store_portfolio

TOKEN = "gateway-token"
Bearer = Annotated[str | None, Header(alias="Authorization")]


@dataclass
class FakeGateway:
    """What it answers, and what it was asked. `before` runs at the start of every request."""

    engine: Engine
    portfolio: Portfolio = field(default_factory=portfolio)
    unquoted: set[str] = field(default_factory=set)
    chainless: set[str] = field(default_factory=set)
    down: bool = False
    before: Callable[[str], None] = lambda path: None
    asked: list[Contract] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    url: str = ""

    def check(self, path: str, authorization: str | None) -> None:
        self.requests.append(path)
        if authorization != f"Bearer {TOKEN}":
            raise ProblemError(401, "unauthorized", "no such token")
        self.before(path)
        if self.down:
            raise ProblemError(503, "unavailable", "not connected to the broker")

    def quote(self, contract: Contract) -> Quote | None:
        if contract.symbol not in SYMBOLS:
            return None
        chain = shipped(contract.symbol)
        if contract.sec_type is SecType.STOCK:
            quote = chain.underlying_quote(NOW)
            bare = Quote(contract=contract, at=None)
            return bare if contract.symbol in self.unquoted else quote
        quote_found = chain.put_quote(contract, NOW)
        if quote_found is None:
            return None
        return replace(quote_found, contract=replace(contract, con_id=1000))


def app_of(fake: FakeGateway) -> FastAPI:
    app = FastAPI()
    install_problem_handlers(app)

    @app.post("/v1/portfolio/refresh")
    def refresh(account: str, authorization: Bearer = None) -> PortfolioMessage:
        fake.check("portfolio", authorization)
        snapshot_id = uuid4()
        with transaction(fake.engine) as connection:
            store_portfolio(
                connection,
                fake.portfolio,
                snapshot_id=snapshot_id,
                session="main",
                requested_at=datetime.now(UTC),
            )
        return PortfolioMessage.from_domain(fake.portfolio, str(snapshot_id))

    @app.post("/v1/market/quotes")
    def quotes(request: QuotesRequest, authorization: Bearer = None) -> QuotesResponse:
        fake.check("quotes", authorization)
        contracts = [one.to_domain() for one in request.contracts]
        fake.asked.extend(contracts)
        answers = [(contract, fake.quote(contract)) for contract in contracts]
        return QuotesResponse(
            market_at=NOW,
            quotes=tuple(QuoteMessage.from_domain(q) for _, q in answers if q is not None),
            unknown=tuple(ContractMessage.from_domain(c) for c, q in answers if q is None),
        )

    @app.get("/v1/market/chains/{symbol}")
    def chain(symbol: str, authorization: Bearer = None) -> ChainMessage:
        fake.check(f"chains/{symbol}", authorization)
        if symbol in fake.chainless:
            raise ProblemError(404, "unknown_symbol", f"no options on {symbol}")
        found = shipped(symbol)
        return ChainMessage(
            underlying=ContractMessage.from_domain(stock(symbol)),
            exchange="SMART",
            trading_class=symbol,
            multiplier=100,
            expirations=found.expirations,
            strikes=found.strikes,
        )

    @app.get("/v1/market/history/{symbol}")
    def history(symbol: str, days: int, authorization: Bearer = None) -> BarsMessage:
        fake.check(f"history/{symbol}", authorization)
        return BarsMessage(symbol=symbol, days=(), closes=())

    return app


@contextmanager
def serving(fake: FakeGateway) -> Iterator[FakeGateway]:
    server = UvicornThread(app_of(fake), "127.0.0.1", 0)
    server.start()
    fake.url = f"http://127.0.0.1:{server.port}"
    try:
        yield fake
    finally:
        server.stop()
