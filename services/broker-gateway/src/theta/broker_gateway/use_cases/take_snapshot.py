"""A fresh account download, stored, with the reservations it makes superfluous released (§3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol
from uuid import UUID

from theta.broker_gateway.domain.account_warnings import account_warnings
from theta.broker_gateway.ports import BrokerPort
from theta.broker_gateway.use_cases.stores import SessionLoop, SnapshotStore
from theta.common.domain.portfolio import Portfolio
from theta.common.errors import StaleDataError
from theta.common.ports import IdSource

DOWNLOAD_TIMEOUT_SECONDS = 40.0


class Alerts(Protocol):
    def alert(
        self,
        *,
        account: str,
        severity: Literal["info", "warning", "critical"],
        kind: str,
        title: str,
        message: str,
        context: Mapping[str, Any],
        source_key: str,
    ) -> None: ...


class TakeSnapshot:
    """Called by the API and by every reconciliation."""

    def __init__(
        self,
        *,
        broker: BrokerPort,
        loop: SessionLoop,
        store: SnapshotStore,
        ids: IdSource,
        alerts: Alerts,
    ) -> None:
        self._broker = broker
        self._loop = loop
        self._store = store
        self._ids = ids
        self._alerts = alerts
        self._told: set[str] = set()

    def take(self, account: str) -> tuple[UUID, Portfolio]:
        """Download and store; return the snapshot's id and content.

        Raises UnavailableError without a complete answer, StaleDataError for an incomplete one.
        """
        # The end of an order is stamped by the database's clock, so the request is too.
        requested_at = self._store.now()
        portfolio = self._loop.run(
            lambda: self._broker.portfolio(account), timeout_seconds=DOWNLOAD_TIMEOUT_SECONDS
        )
        if not portfolio.complete:
            raise StaleDataError(f"the account download of {account} is incomplete; ask again")
        snapshot_id = self._ids.uuid()
        self._store.store_portfolio(portfolio, snapshot_id=snapshot_id, requested_at=requested_at)
        self._warn(portfolio)
        return snapshot_id, portfolio

    def _warn(self, portfolio: Portfolio) -> None:
        """Tell of margin calls and thin cushions, each once per account and market day."""
        day = portfolio.market_at.date().isoformat()
        for warning in account_warnings(portfolio.values):
            source_key = f"{warning.kind}:{portfolio.account}:{day}"
            if source_key in self._told:
                continue
            self._alerts.alert(
                account=portfolio.account,
                severity=warning.severity,
                kind=warning.kind,
                title=warning.title,
                message=warning.message,
                context={"market_at": portfolio.market_at.isoformat()},
                source_key=source_key,
            )
            self._told.add(source_key)
