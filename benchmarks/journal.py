"""Budgets: journal appends per second, each in its own synced commit; rows verified per second."""

from __future__ import annotations

import time

from sqlalchemy import text

from theta.common.postgres import journal
from theta.common.postgres.engine import Engine, make_engine, transaction
from theta.embedded.running import Servers

WARM_UP_SECONDS = 2.0
"""A database made a moment ago still creates its log files and fills its caches."""
APPEND_SECONDS = 3.0
ROWS = 60_000
BATCH = 500
"""Rows of one filling transaction: each keeps a dead version of the head row until it commits."""
_FILL = text(
    "select count(journal_append('bench', 'bench', 'bench.row', 's', '{\"n\": 1}'))"
    " from generate_series(1, :rows)"
)


def append_rate_of(engine: Engine, seconds: float) -> float:
    """Append from one connection for `seconds`, a commit each; return appends per second."""
    started = time.monotonic()
    appended = 0
    while time.monotonic() - started < seconds:
        with transaction(engine) as connection:
            journal.append(
                connection,
                account="bench",
                actor="bench",
                kind="bench.row",
                subject=str(appended),
                body={"n": appended},
            )
        appended += 1
    return appended / (time.monotonic() - started)


def measure(servers: Servers) -> dict[str, float]:
    """Append from one connection for 2 + 3 s, then fill in 60,000 rows and verify them all."""
    engine = make_engine(
        servers.database_urls["theta_gateway"], application_name="bench", pool_size=1
    )
    try:
        append_rate_of(engine, WARM_UP_SECONDS)
        append_rate = append_rate_of(engine, APPEND_SECONDS)
        for _ in range(ROWS // BATCH):
            with transaction(engine) as connection:
                connection.execute(_FILL, {"rows": BATCH})
        started = time.monotonic()
        with transaction(engine) as connection:
            report = journal.verify(journal.read_rows(connection), journal.read_heads(connection))
        assert report.intact
        verify_rate = report.rows / (time.monotonic() - started)
    finally:
        engine.dispose()
    return {
        "journal_append_per_second": round(append_rate),
        "journal_verify_rows_per_second": round(verify_rate),
    }
