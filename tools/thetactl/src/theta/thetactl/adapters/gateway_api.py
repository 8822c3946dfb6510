"""The gateway's HTTP API, as the command line uses it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx

from theta.common.errors import (
    ConfigError,
    OutcomeUnknownError,
    RejectedError,
    ThetaError,
    UnavailableError,
)

REQUEST_TIMEOUT_SECONDS = 10.0
"""Longer than a halt may wait for a sender (2 s) plus the commit."""


class GatewayApi:
    """Calls with a bearer token. Every failure is one of our errors, in one sentence."""

    def __init__(self, base_url: str, token: str | None) -> None:
        if token is None:
            raise ConfigError(
                "THETA_API_TOKEN is not set here or in .env; create one with"
                " `thetactl token create NAME --role operator`"
            )
        self._base_url = base_url
        self._client = httpx.Client(
            base_url=base_url,
            timeout=REQUEST_TIMEOUT_SECONDS,
            headers={"Authorization": f"Bearer {token}"},
            # A command asks once, or looks every half second: no connection is left open behind it.
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def get(self, path: str, **query: str | int | None) -> Any:
        """Read. Raises UnavailableError when the gateway does not answer, RejectedError on a no."""
        return self._send("GET", path, params={k: v for k, v in query.items() if v is not None})

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Act. Raises UnavailableError when surely nothing was done, OutcomeUnknownError when the
        answer was lost, RejectedError on a no.
        """
        headers = {"Idempotency-Key": uuid4().hex}
        return self._send("POST", path, json=dict(body), headers=headers)

    def _send(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            response = self._client.request(method, path, **arguments)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise UnavailableError(
                f"broker-gateway does not answer at {self._base_url};"
                " is it running, and is THETA_GATEWAY_URL right?"
            ) from error
        except httpx.HTTPError as error:
            text = f"the answer of broker-gateway to {method} {path} was lost ({error})"
            if method == "GET":
                raise UnavailableError(text) from error
            raise OutcomeUnknownError(f"{text}: look with `thetactl status`") from error
        if response.is_success:
            return response.json() if response.content else {}
        raise _problem(response, method, path)


def _problem(response: httpx.Response, method: str, path: str) -> ThetaError:
    try:
        body = response.json()
    except ValueError:
        body = {}
    detail = body.get("detail") if isinstance(body, dict) else None
    text = detail or f"broker-gateway answered {response.status_code} to {method} {path}"
    if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return UnavailableError(text)
    return RejectedError(str(response.status_code), text)
