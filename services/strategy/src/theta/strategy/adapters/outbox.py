"""The outbox in PostgreSQL, and being woken by it."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from theta.common.postgres import outbox
from theta.common.postgres.engine import CONNECT_TIMEOUT_SECONDS, transaction
from theta.common.telemetry.logs import get_logger
from theta.strategy.ports import Job

CHANNEL = "theta_outbox"
RECONNECT_SECONDS = 1.0

_log = get_logger(__name__)


class PostgresOutbox:
    """`Outbox`. Rows are locked while they are handed on, so two relays never share one."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def relay(self, put: Callable[[Job], None], *, limit: int) -> int:
        taken: list[int] = []
        failure: Exception | None = None
        with transaction(self._engine) as connection:
            for row in outbox.open_rows(connection, limit):
                job = Job(
                    job_id=f"{row.job_name}:{row.subject_id}:{row.id}",
                    queue=row.queue,
                    name=row.job_name,
                    subject_id=row.subject_id,
                    traceparent=row.traceparent,
                )
                try:
                    put(job)
                except Exception as error:  # noqa: BLE001 - raised below, after the taken are closed
                    failure = error
                    break
                taken.append(row.id)
            outbox.mark_enqueued(connection, taken)
        if failure is not None:
            raise failure
        return len(taken)

    def lag_seconds(self) -> float:
        query = text(
            "select coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)"
            " from outbox where enqueued_at is null and voided_at is null"
        )
        with transaction(self._engine) as connection:
            return max(0.0, float(connection.execute(query).scalar_one()))


class PostgresWakeups:
    """`Wakeups` by LISTEN on a connection of its own. Use from one thread."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url).set(drivername="postgresql")
        self._conninfo = parsed.render_as_string(hide_password=False)
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None
        self._try_again_at = 0.0

    def wait(self, timeout_seconds: float) -> bool:
        try:
            if self._connection is None and not self._listen():
                time.sleep(timeout_seconds)
                return False
            assert self._connection is not None
            heard = self._connection.notifies(timeout=timeout_seconds, stop_after=1)
            return any(True for _ in heard)
        except psycopg.Error as error:
            _log.warning("outbox wake-ups lost; polling", error=type(error).__name__)
            self.close()
            time.sleep(timeout_seconds)
            return False

    def close(self) -> None:
        """Give the connection up; the next wait opens a new one."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            self._try_again_at = time.monotonic() + RECONNECT_SECONDS
            connection.close()

    def _listen(self) -> bool:
        if time.monotonic() < self._try_again_at:
            return False
        self._try_again_at = time.monotonic() + RECONNECT_SECONDS
        try:
            connection = psycopg.connect(
                self._conninfo,
                autocommit=True,
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                application_name="theta-schedule-listen",
                keepalives_idle=5,
                keepalives_interval=2,
                keepalives_count=3,
            )
        except psycopg.Error:
            return False
        connection.execute(f"listen {CHANNEL}")
        self._connection = connection
        return True
