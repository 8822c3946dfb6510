"""The session's own rows: lease, clock, accounts, heartbeat, snapshots and reconciliations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, exists, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from theta.broker_gateway.domain.records import ACTOR, Baseline, StoredExecution
from theta.common.domain.instruments import Contract
from theta.common.domain.orders import FINAL, Action
from theta.common.domain.portfolio import Portfolio
from theta.common.ports import IdSource
from theta.common.postgres import heartbeat, journal, lease
from theta.common.postgres.engine import transaction
from theta.common.postgres.snapshots import store_portfolio
from theta.common.postgres.tables import (
    broker_account,
    broker_session,
    buying_power_reservation,
    child_order,
    execution,
    order_intent,
    position_snapshot,
    reconciliation,
)

SERVICE = "broker-gateway"


class PostgresSession:
    """`SessionStore` of one session."""

    def __init__(self, engine: Engine, *, session: str) -> None:
        self._engine = engine
        self._session = session

    def acquire_lease(self, holder: str, ttl_seconds: float) -> int | None:
        with transaction(self._engine) as connection:
            return lease.acquire(
                connection,
                name=f"session:{self._session}",
                account="*",
                holder=holder,
                ttl_seconds=ttl_seconds,
            )

    def renew_lease(self, holder: str, epoch: int, ttl_seconds: float) -> bool:
        with transaction(self._engine) as connection:
            return lease.renew(
                connection,
                name=f"session:{self._session}",
                holder=holder,
                epoch=epoch,
                ttl_seconds=ttl_seconds,
            )

    def release_lease(self, holder: str, epoch: int) -> None:
        with transaction(self._engine) as connection:
            lease.release(connection, name=f"session:{self._session}", holder=holder, epoch=epoch)

    def connection_no(self) -> int:
        """Return the highest connection number that was stored."""
        with transaction(self._engine) as connection:
            statement = select(broker_session.c.connection_no).where(
                broker_session.c.session == self._session
            )
            return int(connection.execute(statement).scalar_one_or_none() or 0)

    def publish(
        self,
        *,
        client_id: int,
        connection_no: int,
        connected: bool,
        ready: bool,
        market_at: datetime | None,
        market_rate: Decimal,
        is_paper: bool | None,
    ) -> None:
        """Tell the other services the session's state and market time."""
        values: dict[str, Any] = {
            "client_id": client_id,
            "connected": connected,
            "ready": ready,
            "updated_at": func.clock_timestamp(),
        }
        if is_paper is not None:
            values["is_paper"] = is_paper
        if market_at is not None and connected:
            values |= {
                "market_at": market_at,
                "observed_at": func.clock_timestamp(),
                "market_rate": market_rate,
            }
        statement = upsert(broker_session).values(
            session=self._session, account="*", connection_no=connection_no, **values
        )
        with transaction(self._engine) as connection:
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["session"],
                    set_={
                        **values,
                        "connection_no": func.greatest(
                            broker_session.c.connection_no, connection_no
                        ),
                    },
                )
            )

    def register_accounts(self, accounts: Mapping[str, bool]) -> None:
        """Make sure that each account has its row; the value tells whether it is a paper one."""
        if not accounts:
            return
        with transaction(self._engine) as connection:
            for account, is_paper in sorted(accounts.items()):
                statement = upsert(broker_account).values(
                    account=account, session=self._session, is_paper=is_paper
                )
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=["account"],
                        set_={"session": self._session, "is_paper": is_paper},
                    )
                )

    def beat(self, instance: str, detail: Mapping[str, Any]) -> None:
        with transaction(self._engine) as connection:
            heartbeat.beat(connection, service=SERVICE, instance=instance, detail=detail)


class PostgresSnapshots:
    """`SnapshotStore` and `ReconciliationStore` of one session."""

    def __init__(self, engine: Engine, *, session: str, ids: IdSource) -> None:
        self._engine = engine
        self._session = session
        self._ids = ids

    def store_portfolio(
        self, portfolio: Portfolio, *, snapshot_id: UUID, requested_at: datetime
    ) -> list[UUID]:
        """Store it and release the reservations that it makes superfluous (§3)."""
        with transaction(self._engine) as connection:
            # The account's row first: a risk review in progress sees all of this or nothing.
            connection.execute(
                select(broker_account.c.account)
                .where(broker_account.c.account == portfolio.account)
                .with_for_update()
            )
            store_portfolio(
                connection,
                portfolio,
                snapshot_id=snapshot_id,
                session=self._session,
                requested_at=requested_at,
            )
            return self._release(connection, portfolio, requested_at)

    def awaiting_release(self) -> list[str]:
        """Return the accounts with an unreleased reservation of an intent that has ended."""
        statement = (
            select(buying_power_reservation.c.account)
            .join(order_intent, order_intent.c.id == buying_power_reservation.c.intent_id)
            .where(
                order_intent.c.session == self._session,
                order_intent.c.state.in_([state.value for state in FINAL]),
                buying_power_reservation.c.released_at.is_(None),
            )
            .distinct()
        )
        with transaction(self._engine) as connection:
            return sorted(connection.execute(statement).scalars())

    def _release(
        self, connection: Connection, portfolio: Portfolio, requested_at: datetime
    ) -> list[UUID]:
        final = [state.value for state in FINAL]
        last_event = (
            select(func.max(child_order.c.final_event_at))
            .where(child_order.c.intent_id == order_intent.c.id)
            .scalar_subquery()
        )
        rows = connection.execute(
            select(order_intent, func.coalesce(last_event, order_intent.c.updated_at).label("end"))
            .join(
                buying_power_reservation,
                buying_power_reservation.c.intent_id == order_intent.c.id,
            )
            .where(
                order_intent.c.account == portfolio.account,
                order_intent.c.state.in_(final),
                buying_power_reservation.c.released_at.is_(None),
            )
        ).all()
        released = [
            row.id
            for row in rows
            if row.end < requested_at
            and (
                not row.filled_quantity or self._contains_fill(connection, portfolio, row.contract)
            )
        ]
        if released:
            connection.execute(
                update(buying_power_reservation)
                .where(buying_power_reservation.c.intent_id.in_(released))
                .values(
                    released_at=func.clock_timestamp(),
                    release_reason="a snapshot asked for after the end contains it",
                )
            )
        return released

    def _contains_fill(
        self, connection: Connection, portfolio: Portfolio, contract: Mapping[str, Any]
    ) -> bool:
        """Tell whether the shown position is what the accounted positions and all fills make it."""
        wanted = Contract.from_record(contract)
        base = self._baseline(connection, portfolio.account)
        if base is None:
            return wanted.economic_key in {p.contract.economic_key for p in portfolio.positions}
        key = wanted.economic_key
        expected = sum((q for c, q in base.positions if c.economic_key == key), Decimal(0))
        fills = self._fills_after(connection, portfolio.account, base.counted_to)
        expected += sum(
            (fill.quantity_signed for fill in fills if fill.contract.economic_key == key),
            Decimal(0),
        )
        return portfolio.quantity_of(wanted) == expected

    # -- reconciliation ------------------------------------------------------------------------

    def baseline(self, account: str) -> Baseline | None:
        with transaction(self._engine) as connection:
            return self._baseline(connection, account)

    def fills_after(self, account: str, counted_to: datetime) -> list[StoredExecution]:
        with transaction(self._engine) as connection:
            return self._fills_after(connection, account, counted_to)

    def now(self) -> datetime:
        with transaction(self._engine) as connection:
            moment: datetime = connection.execute(text("select clock_timestamp()")).scalar_one()
            return moment

    def store(
        self,
        *,
        account: str,
        trigger: str,
        clean: bool,
        differences: Sequence[Mapping[str, Any]],
        actions: Mapping[str, Any],
        started_at: datetime,
        market_at: datetime | None,
    ) -> None:
        with transaction(self._engine) as connection:
            reconciliation_id = self._ids.uuid()
            connection.execute(
                insert(reconciliation).values(
                    id=reconciliation_id,
                    account=account,
                    session=self._session,
                    trigger=trigger,
                    clean=clean,
                    differences=list(differences),
                    actions=dict(actions),
                    started_at=started_at,
                    market_at=market_at,
                )
            )
            if differences:
                journal.append(
                    connection,
                    account=account,
                    actor=ACTOR,
                    kind="reconciliation.differed",
                    subject=str(reconciliation_id),
                    body={"clean": clean, "differences": list(differences)},
                )

    def last_was_clean(self, account: str) -> bool | None:
        with transaction(self._engine) as connection:
            return connection.execute(
                select(reconciliation.c.clean)
                .where(reconciliation.c.account == account)
                .order_by(reconciliation.c.finished_at.desc())
                .limit(1)
            ).scalar_one_or_none()

    def accept(self, account: str, *, actor: str, reason: str) -> None:
        """Let the newest differences count as explained, journalled under a person's name."""
        with transaction(self._engine) as connection:
            newest = connection.execute(
                select(reconciliation)
                .where(reconciliation.c.account == account)
                .order_by(reconciliation.c.finished_at.desc())
                .limit(1)
            ).one_or_none()
            if newest is None or newest.clean or "snapshot_id" not in newest.actions:
                return
            connection.execute(
                insert(reconciliation).values(
                    id=self._ids.uuid(),
                    account=account,
                    session=self._session,
                    trigger="accepted",
                    clean=True,
                    differences=newest.differences,
                    actions={**newest.actions, "accepted_by": actor, "reason": reason},
                    started_at=newest.started_at,
                    market_at=newest.market_at,
                )
            )
            journal.append(
                connection,
                account=account,
                actor=actor,
                kind="reconciliation.accepted",
                subject=str(newest.id),
                body={"reason": reason, "differences": newest.differences},
            )

    def _baseline(self, connection: Connection, account: str) -> Baseline | None:
        row = connection.execute(
            select(reconciliation.c.actions, reconciliation.c.market_at)
            .where(
                reconciliation.c.account == account,
                reconciliation.c.clean,
                reconciliation.c.actions.has_key("snapshot_id"),  # JSONB's own ? operator
            )
            .order_by(reconciliation.c.finished_at.desc())
            .limit(1)
        ).one_or_none()
        if row is None:
            return None
        held = connection.execute(
            select(position_snapshot.c.contract, position_snapshot.c.quantity).where(
                position_snapshot.c.snapshot_id == UUID(row.actions["snapshot_id"])
            )
        )
        return Baseline(
            positions=tuple((Contract.from_record(c), q) for c, q in held),
            counted_to=datetime.fromisoformat(row.actions["counted_to"]),
            market_at=row.market_at,
        )

    @staticmethod
    def _fills_after(
        connection: Connection, account: str, counted_to: datetime
    ) -> list[StoredExecution]:
        rows = connection.execute(
            select(execution).where(
                execution.c.account == account,
                ~execution.c.superseded,
                execution.c.stored_at > counted_to,
            )
        )
        newer = execution.alias("newer")
        # A correction counts in full, so what it corrects is taken back if it was counted.
        replaced = connection.execute(
            select(execution).where(
                execution.c.account == account,
                execution.c.superseded,
                execution.c.stored_at <= counted_to,
                exists().where(
                    newer.c.stored_at > counted_to,
                    ~newer.c.superseded,
                    or_(
                        newer.c.exec_key == execution.c.exec_key,
                        execution.c.inferred & (newer.c.child_id == execution.c.child_id),
                    ),
                ),
            )
        )
        return [_stored(row, 1) for row in rows] + [_stored(row, -1) for row in replaced]


def _stored(row: Row[Any], factor: int) -> StoredExecution:
    side = 1 if row.side == Action.BUY.value else -1
    return StoredExecution(
        contract=Contract.from_record(row.contract),
        quantity_signed=row.quantity * side * factor,
        order_ref=row.order_ref,
        executed_at=row.executed_at,
        stored_at=row.stored_at,
        child_id=row.child_id,
        exec_id=row.exec_id,
    )
