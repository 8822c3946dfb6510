"""Liveness, readiness, metrics: without a token, for the machine that runs us."""

from __future__ import annotations

from fastapi import APIRouter, Response

from theta.broker_gateway.entrypoints.http.ports import ApiParts
from theta.common.http.problem import problem_response
from theta.common.telemetry.metrics import CONTENT_TYPE, metrics_text


def health_router(parts: ApiParts) -> APIRouter:
    """Return the three routes."""
    router = APIRouter(tags=["health"])

    @router.get("/livez", response_model=None)
    def livez() -> Response | dict[str, str]:
        """200 while the loops turn; 503 asks for a restart."""
        if parts.alive():
            return {"status": "ok"}
        return problem_response(503, code="stalled", detail="A loop of the gateway stands still.")

    @router.get("/readyz", response_model=None)
    def readyz() -> Response | dict[str, str]:
        """200 while orders could be sent as far as the gateway goes; 503 says what is missing."""
        missing = parts.not_ready()
        if missing is None:
            return {"status": "ready"}
        return problem_response(503, code="not_ready", detail=missing)

    @router.get("/metrics", response_class=Response)
    def metrics() -> Response:
        """Prometheus text format."""
        return Response(metrics_text(), media_type=CONTENT_TYPE)

    return router
