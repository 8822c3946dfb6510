"""Asks broker-gateway for a fresh portfolio over HTTP."""

from __future__ import annotations

import httpx

from theta.common.errors import UnavailableError

TIMEOUT_SECONDS = 5.0


class GatewayRefresher:
    """`PortfolioRefresher` on `POST /v1/portfolio/refresh`."""

    def __init__(self, base_url: str, token: str) -> None:
        self._client = httpx.Client(
            base_url=base_url,
            timeout=TIMEOUT_SECONDS,
            headers={"Authorization": f"Bearer {token}"},
        )

    def refresh(self, account: str) -> None:
        """Return when the gateway stored a newer snapshot. Raises UnavailableError otherwise."""
        try:
            answer = self._client.post("/v1/portfolio/refresh", params={"account": account})
        except httpx.HTTPError as error:
            message = f"broker-gateway did not answer ({type(error).__name__})"
            raise UnavailableError(message) from None
        if not answer.is_success:
            message = f"broker-gateway answered {answer.status_code} to a portfolio refresh"
            raise UnavailableError(message)

    def close(self) -> None:
        self._client.close()
