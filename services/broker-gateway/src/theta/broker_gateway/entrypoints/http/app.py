"""The HTTP API, put together from its routers."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response

from theta.broker_gateway.entrypoints.http.health import health_router
from theta.broker_gateway.entrypoints.http.market import market_router
from theta.broker_gateway.entrypoints.http.ports import ApiParts
from theta.broker_gateway.entrypoints.http.trading import trading_router
from theta.common.http.problem import install_problem_handlers
from theta.common.telemetry import names
from theta.common.telemetry.metrics import counter, histogram


def make_app(parts: ApiParts) -> FastAPI:
    """Return the application; it owns nothing and needs no start-up."""
    app = FastAPI(
        title="ThetaGangExpanded broker-gateway",
        version="1",
        description="Status, control and market data of one broker session.",
        docs_url=None,
        redoc_url=None,
    )
    install_problem_handlers(app)
    app.include_router(health_router(parts))
    app.include_router(trading_router(parts))
    app.include_router(market_router(parts))

    @app.middleware("http")
    async def measure(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        began = time.perf_counter()
        response = await call_next(request)
        route = request.scope.get("route")
        path = getattr(route, "path", "unmatched")
        counter(names.HTTP_REQUESTS).add(
            method=request.method, route=path, status=str(response.status_code)
        )
        histogram(names.HTTP_SECONDS).record(
            time.perf_counter() - began, method=request.method, route=path
        )
        return response

    return app
