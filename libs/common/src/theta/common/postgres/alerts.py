"""Raising an alert: durable in the transaction of the event that it tells of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID, uuid4

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from theta.common.postgres import outbox as outbox_rows
from theta.common.postgres.tables import alert

Severity = Literal["info", "warning", "critical"]

ALERTS_QUEUE = "alerts"
DELIVER_JOB = "alerts.deliver"


def raise_alert(
    connection: Connection,
    *,
    account: str,
    session: str | None,
    severity: Severity,
    kind: str,
    title: str,
    message: str,
    context: Mapping[str, Any],
    source_key: str,
) -> UUID | None:
    """Write an alert and ask for its delivery; return its id, `None` when `source_key` was told
    before.

    `kind` groups alerts that mean the same (`order.rejected`); `source_key` names the one event, so
    that a repeated handler tells it once. `context` holds symbol, order and the like, never a
    secret.
    """
    statement = (
        insert(alert)
        .values(
            id=uuid4(),
            account=account,
            session=session,
            severity=severity,
            kind=kind,
            fingerprint=f"{account}|{kind}|{context.get('symbol', '')}",
            title=title,
            message=message,
            context=json.loads(json.dumps(dict(context), default=str)),
            source_key=source_key,
        )
        .on_conflict_do_nothing(index_elements=["source_key"])
        .returning(alert.c.id)
    )
    created = connection.execute(statement).scalar_one_or_none()
    if created is None:
        return None
    outbox_rows.post(
        connection,
        account=account,
        queue=ALERTS_QUEUE,
        job_name=DELIVER_JOB,
        subject_id=created,
    )
    return UUID(str(created))
