"""The gateway's market data over HTTP."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import UUID

import httpx
from pydantic import SecretStr, ValidationError

from theta.common.contracts.market import (
    BarsMessage,
    ChainMessage,
    ContractMessage,
    Message,
    PortfolioMessage,
    QuotesRequest,
    QuotesResponse,
)
from theta.common.domain.instruments import Contract
from theta.common.errors import ConfigError, RejectedError, StaleDataError, UnavailableError
from theta.common.telemetry import names
from theta.common.telemetry.traces import current_traceparent, span
from theta.strategy.domain.snapshot import Chain
from theta.strategy.ports import PortfolioAnswer, QuotesAnswer

GET_ATTEMPTS = 3
RETRY_PAUSE_SECONDS = 0.2
CONNECT_SECONDS_MAX = 3.0
ANSWER_MARGIN_SECONDS = 1.0
"""The gateway is given this much less than we wait, so that its partial answer still arrives."""
QUOTES_PER_REQUEST = 500

_Answer = TypeVar("_Answer", bound=Message)


class GatewayHttp:
    """`MarketData` from broker-gateway. Only GET is retried, at most twice more."""

    def __init__(self, base_url: str, token: SecretStr) -> None:
        self._url = base_url.rstrip("/")
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"}
        try:
            # trust_env off: a proxy of the host must never see the gateway's token.
            self._client = httpx.Client(base_url=self._url, headers=headers, trust_env=False)
        except (httpx.InvalidURL, ValueError) as error:
            message = f"THETA_GATEWAY_URL {base_url!r} is not an address: write http://host:port."
            raise ConfigError(message) from error

    def __enter__(self) -> GatewayHttp:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def refresh_portfolio(self, account: str, *, timeout_seconds: float) -> PortfolioAnswer:
        found = self._ask(
            "POST",
            "/v1/portfolio/refresh",
            PortfolioMessage,
            timeout_seconds,
            params={"account": account},
        )
        if found is None:
            message = f"the gateway knows no account {account}: mend runtime.account.number."
            raise ConfigError(message)
        try:
            return PortfolioAnswer(snapshot_id=UUID(found.snapshot_id), portfolio=found.to_domain())
        except ValueError as error:
            raise UnavailableError(f"the gateway's portfolio makes no sense: {error}.") from error

    def quotes(self, contracts: Sequence[Contract], *, timeout_seconds: float) -> QuotesAnswer:
        margin = min(ANSWER_MARGIN_SECONDS, timeout_seconds / 2)
        answers = []
        for first in range(0, len(contracts), QUOTES_PER_REQUEST):
            part = contracts[first : first + QUOTES_PER_REQUEST]
            request = QuotesRequest(
                contracts=tuple(ContractMessage.from_domain(one) for one in part),
                deadline_ms=max(100, int((timeout_seconds - margin) * 1000)),
            )
            found = self._ask(
                "POST",
                "/v1/market/quotes",
                QuotesResponse,
                timeout_seconds,
                json=request.model_dump(mode="json"),
            )
            if found is None:
                raise UnavailableError(f"{self._url} has no quotes: is it broker-gateway?")
            answers.append(found)
        return QuotesAnswer(
            market_at=min(answer.market_at for answer in answers),
            quotes=tuple(one.to_domain() for answer in answers for one in answer.quotes),
            unknown=tuple(one.to_domain() for answer in answers for one in answer.unknown),
        )

    def chain(self, symbol: str, *, timeout_seconds: float) -> Chain | None:
        path = f"/v1/market/chains/{quote(symbol, safe='')}"
        found = self._ask("GET", path, ChainMessage, timeout_seconds)
        if found is None:
            return None
        return Chain(
            symbol=found.underlying.symbol,
            currency=found.underlying.currency,
            exchange=found.exchange,
            trading_class=found.trading_class,
            multiplier=found.multiplier,
            expirations=found.expirations,
            strikes=found.strikes,
            min_tick=found.min_tick,
        )

    def closes(self, symbol: str, days: int, *, timeout_seconds: float) -> tuple[Decimal, ...]:
        path = f"/v1/market/history/{quote(symbol, safe='')}"
        found = self._ask("GET", path, BarsMessage, timeout_seconds, params={"days": days})
        return () if found is None else found.closes[-days:]

    def _ask(
        self,
        method: str,
        path: str,
        answer: type[_Answer],
        timeout_seconds: float,
        *,
        params: Mapping[str, str | int] | None = None,
        json: Any = None,
    ) -> _Answer | None:
        """Return the parsed answer, `None` for 404."""
        ends = time.monotonic() + timeout_seconds
        attempts = GET_ATTEMPTS if method == "GET" else 1
        for attempt in range(1, attempts + 1):
            left = max(0.1, ends - time.monotonic())
            try:
                with span(names.SPAN_HTTP_CLIENT, kind="client", method=method, route=path):
                    response = self._client.request(
                        method,
                        path,
                        params=params,
                        json=json,
                        headers=_trace_headers(),
                        timeout=httpx.Timeout(left, connect=min(left, CONNECT_SECONDS_MAX)),
                    )
                return self._parse(response, path, answer)
            except httpx.HTTPError as error:
                last = UnavailableError(
                    f"broker-gateway at {self._url} does not answer {path} "
                    f"({type(error).__name__}): start it or mend THETA_GATEWAY_URL."
                )
                last.__cause__ = error
            except (UnavailableError, StaleDataError) as error:
                last = error  # type: ignore[assignment]  # either is raised after the last attempt
            pause = RETRY_PAUSE_SECONDS * attempt
            if attempt == attempts or ends - time.monotonic() <= pause:
                raise last
            time.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def _parse(self, response: httpx.Response, path: str, answer: type[_Answer]) -> _Answer | None:
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        if response.is_success:
            try:
                return answer.model_validate_json(response.content)
            except ValidationError as error:
                message = (
                    f"broker-gateway's answer to {path} is not of this version "
                    f"({error.error_count()} faults): run the same version of both."
                )
                raise UnavailableError(message) from error
        code, detail = _problem(response)
        if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            message = f"broker-gateway refuses THETA_API_TOKEN ({detail}): make one with thetactl."
            raise ConfigError(message)
        if code == "stale_data":
            raise StaleDataError(f"broker-gateway: {detail}")
        if response.is_client_error and response.status_code != httpx.codes.TOO_MANY_REQUESTS:
            raise RejectedError(code, f"broker-gateway refused {path}: {detail}")
        raise UnavailableError(f"broker-gateway could not answer {path}: {detail}")


def _problem(response: httpx.Response) -> tuple[str, str]:
    """Return code and detail of a problem answer, or what the status alone says."""
    fallback = f"HTTP {response.status_code}"
    try:
        body = response.json()
    except ValueError:
        return "http_error", fallback
    if not isinstance(body, dict):
        return "http_error", fallback
    return str(body.get("code", "http_error")), str(body.get("detail", fallback))[:300]


def _trace_headers() -> dict[str, str]:
    traceparent = current_traceparent()
    return {"traceparent": traceparent} if traceparent else {}
