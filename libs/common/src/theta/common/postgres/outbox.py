"""The outbox: what must be enqueued, written in the transaction that makes it necessary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, func, insert, select, update

from theta.common.postgres.tables import outbox


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """One job to enqueue. The RQ job id is `<job_name>-<subject_id>-<id>`."""

    id: int
    account: str
    queue: str
    job_name: str
    subject_id: str
    traceparent: str | None


def post(
    connection: Connection,
    *,
    account: str,
    queue: str,
    job_name: str,
    subject_id: object,
    traceparent: str | None = None,
) -> int:
    """Ask for a job in the caller's transaction; return the row's id. The relay wakes at commit."""
    statement = (
        insert(outbox)
        .values(
            account=account,
            queue=queue,
            job_name=job_name,
            subject_id=str(subject_id),
            traceparent=traceparent,
        )
        .returning(outbox.c.id)
    )
    return int(connection.execute(statement).scalar_one())


def open_rows(connection: Connection, limit: int) -> list[OutboxRow]:
    """Return up to `limit` rows not yet enqueued, oldest first, locked and skipping locked ones."""
    statement = (
        select(
            outbox.c.id,
            outbox.c.account,
            outbox.c.queue,
            outbox.c.job_name,
            outbox.c.subject_id,
            outbox.c.traceparent,
        )
        .where(outbox.c.enqueued_at.is_(None), outbox.c.voided_at.is_(None))
        .order_by(outbox.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [OutboxRow(**row._mapping) for row in connection.execute(statement)]


def mark_enqueued(connection: Connection, ids: Sequence[int]) -> None:
    """Close rows whose jobs are in Redis."""
    if ids:
        connection.execute(
            update(outbox).where(outbox.c.id.in_(ids)).values(enqueued_at=func.clock_timestamp())
        )


def posted_since(
    connection: Connection, *, job_name: str, subject_id: object, age: timedelta
) -> bool:
    """Tell whether this job was asked for within `age`, so that the sweeper need not repeat it."""
    statement = (
        select(outbox.c.id)
        .where(
            outbox.c.job_name == job_name,
            outbox.c.subject_id == str(subject_id),
            outbox.c.created_at > func.clock_timestamp() - age,
        )
        .limit(1)
    )
    return connection.execute(statement).first() is not None
