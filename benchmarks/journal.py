"""Budgets: journal appends per second, each in its own synced commit; rows verified per second."""

from __future__ import annotations

import time

from sqlalchemy import text

from theta.common.postgres import journal
from theta.common.postgres.engine import make_engine, transaction
from theta.embedded.running import Servers

APPEND_SECONDS = 3.0
ROWS = 60_000
BATCH = 500
"""Rows of one filling transaction: each keeps a dead version of the head row until it commits."""
_FILL = text(
    "select count(journal_append('bench', 'bench', 'bench.row', 's', '{\"n\": 1}'))"
    " from generate_series(1, :rows)"
)


def measure(servers: Servers) -> dict[str, float]:
    """Append from one connection for 3 s, then fill in 60,000 rows and verify them all."""
    engine = make_engine(
        servers.database_urls["theta_gateway"], application_name="bench", pool_size=1
    )
    try:
        started = time.monotonic()
        appended = 0
        while time.monotonic() - started < APPEND_SECONDS:
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
        append_rate = appended / (time.monotonic() - started)
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
