"""A fresh account download, stored, with the reservations it makes superfluous released (§3)."""

from __future__ import annotations

from uuid import UUID

from theta.broker_gateway.ports import BrokerPort
from theta.broker_gateway.use_cases.stores import SessionLoop, SnapshotStore
from theta.common.domain.portfolio import Portfolio
from theta.common.errors import StaleDataError
from theta.common.ports import IdSource

DOWNLOAD_TIMEOUT_SECONDS = 40.0


class TakeSnapshot:
    """Called by the API and by every reconciliation."""

    def __init__(
        self,
        *,
        broker: BrokerPort,
        loop: SessionLoop,
        store: SnapshotStore,
        ids: IdSource,
    ) -> None:
        self._broker = broker
        self._loop = loop
        self._store = store
        self._ids = ids

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
        return snapshot_id, portfolio
