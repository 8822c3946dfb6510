"""Errors of the HTTP API as RFC 9457 problem details.

    HTTP/1.1 409 Conflict
    Content-Type: application/problem+json
    {"type": "about:blank", "title": "Conflict", "status": 409, "detail": "…", "code": "halted"}

`code` is stable and meant for programs, `detail` is one sentence for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from theta.common.errors import (
    ConfigError,
    InvariantError,
    OutcomeUnknownError,
    RejectedError,
    StaleDataError,
    ThetaError,
    TransientError,
)
from theta.common.telemetry.logs import get_logger
from theta.common.telemetry.redaction import redact_text

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2

_log = get_logger(__name__)


class Problem(BaseModel):
    """The body of an error answer, for the OpenAPI description."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str


class ProblemError(ThetaError):
    """Raise it in a route to answer with exactly this status, code and detail."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code


def problem_response(
    status: int,
    *,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return the problem details answer. `detail` is redacted here."""
    body = Problem(
        title=HTTPStatus(status).phrase, status=status, detail=redact_text(detail), code=code
    )
    return JSONResponse(
        body.model_dump(), status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {})
    )


def install_problem_handlers(app: FastAPI) -> None:
    """Make every error answer of `app` a problem: ours, validation, 404, 405, and bugs (500)."""
    app.add_exception_handler(ThetaError, _on_theta_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_middleware(_UnexpectedErrors)


def status_and_code(error: ThetaError) -> tuple[int, str]:
    """Return the HTTP status and the stable code that stand for `error`."""
    if isinstance(error, ProblemError):
        return error.status, error.code
    if isinstance(error, RejectedError):
        return HTTPStatus.CONFLICT, error.code
    by_type: tuple[tuple[type[ThetaError], int, str], ...] = (
        (ConfigError, HTTPStatus.UNPROCESSABLE_ENTITY, "config"),
        (TransientError, HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"),
        (StaleDataError, HTTPStatus.SERVICE_UNAVAILABLE, "stale_data"),
        (OutcomeUnknownError, HTTPStatus.BAD_GATEWAY, "outcome_unknown"),
        (InvariantError, HTTPStatus.INTERNAL_SERVER_ERROR, "invariant"),
    )
    for kind, status, code in by_type:
        if isinstance(error, kind):
            return status, code
    return HTTPStatus.INTERNAL_SERVER_ERROR, "error"


async def _on_theta_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ThetaError)
    status, code = status_and_code(error)
    headers: dict[str, str] = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.warning("request failed", path=request.url.path, code=code, error=str(error))
    return problem_response(status, code=code, detail=str(error), headers=headers)


async def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = error.errors()
    first = faults[0] if faults else {"loc": (), "msg": "the request is not valid"}
    place = ".".join(str(part) for part in first["loc"])
    more = f" ({len(faults) - 1} more after it)" if len(faults) > 1 else ""
    detail = f"{place}: {first['msg']}{more}."
    return problem_response(HTTPStatus.UNPROCESSABLE_ENTITY, code="invalid_request", detail=detail)


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    codes = {
        HTTPStatus.NOT_FOUND: "not_found",
        HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
        HTTPStatus.UNAUTHORIZED: "unauthorized",
        HTTPStatus.FORBIDDEN: "forbidden",
    }
    code = codes.get(HTTPStatus(error.status_code), "http_error")
    detail = error.detail
    if detail == HTTPStatus(error.status_code).phrase:
        detail = f"{request.method} {request.url.path}: {detail.lower()}."
    return problem_response(error.status_code, code=code, detail=detail, headers=error.headers)


class _UnexpectedErrors:
    """Answers a bug with a 500 problem and logs it.

    A handler for `Exception` would answer too, but the framework raises the error once more after
    it, and the server then drops the connection.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            _log.error(
                "request hit a bug",
                path=scope["path"],
                error_type=type(error).__name__,
                error=str(error),
                exc_info=True,
            )
            if started:
                raise  # half an answer is out: dropping the connection is the only honest end
            answer = problem_response(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                code="internal",
                detail="The server failed on this request; its log says why.",
            )
            await answer(scope, receive, send)
