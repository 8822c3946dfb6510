"""Heartbeats: silence is seen by whoever reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text

_BEAT = text(
    """
    insert into heartbeat (service, instance, account, detail)
    values (:service, :instance, :account, cast(:detail as jsonb))
    on conflict (service, instance) do update
      set beat_at = clock_timestamp(), detail = excluded.detail
    """
)


def beat(
    connection: Connection,
    *,
    service: str,
    instance: str,
    detail: Mapping[str, Any],
    account: str = "*",
) -> None:
    """Say that this instance of the service is alive, with a few facts for people."""
    connection.execute(
        _BEAT,
        {
            "service": service,
            "instance": instance,
            "account": account,
            "detail": json.dumps(dict(detail), default=str),
        },
    )
