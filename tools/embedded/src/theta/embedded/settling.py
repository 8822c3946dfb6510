"""Waits until nothing is on its way any more, then lets the oracle judge."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.rows import dict_row

from theta.common.errors import UnavailableError
from theta.embedded.oracle import compare
from theta.embedded.oracle_readers import Reader, fetch_truth
from theta.embedded.oracle_values import Expectation, Records, Truth, Violation
from theta.embedded.slack_sink import SlackSink

POLL_SECONDS = 0.25

_ON_ITS_WAY = """
    select 'run ' || status from strategy_run where status in ('claimed', 'running')
    union all
    select symbol || ' intent ' || state from order_intent
      where state in ('proposed', 'approved', 'submitting', 'unknown')
    union all
    select 'job ' || job_name from outbox where enqueued_at is null and voided_at is null
    union all
    select 'alert ' || kind from alert a where severity = 'critical' and not exists (
      select from alert_delivery d where d.alert_id = a.id and d.state in ('delivered', 'dead'))
"""


def sink_bodies(sink: SlackSink) -> tuple[str, ...]:
    """Return the messages that the sink accepted, as text."""
    return tuple(json.dumps(post.body, ensure_ascii=False) for post in sink.delivered)


def plain_url(url: str) -> str:
    """Return a SQLAlchemy PostgreSQL URL as psycopg reads it."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def query(reader_url: str, statement: str, *values: object) -> list[dict[str, Any]]:
    """Run one reading statement on a connection of its own. Raises `UnavailableError`."""
    try:
        with psycopg.connect(
            plain_url(reader_url), row_factory=dict_row, connect_timeout=5, autocommit=True
        ) as connection:
            return connection.execute(statement.encode(), values).fetchall()
    except psycopg.OperationalError as error:
        raise UnavailableError(f"The database does not answer the proof: {error}") from error


def on_its_way(reader: Reader) -> list[str]:
    """Return what is not finished yet, one short text each; empty when all rests.

    Raises `UnavailableError` when the database does not answer.
    """
    try:
        return [str(next(iter(row.values()))) for row in reader.rows(_ON_ITS_WAY)]
    except psycopg.OperationalError as error:
        raise UnavailableError(f"The database does not answer the proof: {error}") from error


def judge(
    control_url: str, reader: Reader, expected: Callable[[], Expectation]
) -> tuple[Truth, Records, tuple[Violation, ...]]:
    """Read both sides and compare them. The truth is read before and after, and must agree."""
    for _ in range(5):
        truth = fetch_truth(control_url)
        records = reader.records()
        if fetch_truth(control_url) == truth:
            break
    return truth, records, compare(truth, records, expected())


def settle(
    control_url: str,
    reader: Reader,
    expected: Callable[[], Expectation],
    *,
    timeout_seconds: float,
    calm_seconds: float,
    notice: Callable[[str], None] = lambda _text: None,
    attend: Callable[[], bool] = lambda: True,
    refresh: Callable[[], object] = lambda: None,
) -> tuple[Truth, Records, tuple[Violation, ...]]:
    """Wait until all rests and agrees for `calm_seconds`, at most `timeout_seconds`; then judge.

    Only what rests is judged, again and again while it stays calm.

    `attend` is called at each look and answers whether every process is up; `notice` hears what is
    waited for; `refresh` asks for an account download, which ends the reservations of final orders.

    Returns the last judgement: after the time is up it names what does not agree.
    """
    deadline = time.monotonic() + timeout_seconds
    calm_since: float | None = None
    while True:
        all_up = attend()
        waiting = on_its_way(reader) if all_up else ["a process to be up"]
        now = time.monotonic()
        if waiting:
            calm_since = None
            notice(f"  still under way: {waiting[0]}")
        if not waiting or now > deadline:
            truth, records, violations = judge(control_url, reader, expected)
            now = time.monotonic()
            if violations:
                calm_since = None
                notice(f"  still under way: {violations[0]}")
                if any(item.rule == "reservation_released" for item in violations):
                    refresh()
            elif calm_since is None and not waiting:
                calm_since = now
            if now > deadline or (calm_since is not None and now - calm_since >= calm_seconds):
                return truth, records, violations
        time.sleep(POLL_SECONDS)
