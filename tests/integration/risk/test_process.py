"""`python -m theta.risk` as a process: a job in Redis becomes a verdict; kill and stop."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import redis

from tests.integration.risk.conftest import Books, open_books, put, put_sale
from tests.support.eventually import eventually
from tests.support.servers import Database
from tests.support.service_processes import ServiceProcess
from theta.common.redis.queues import enqueue

pytestmark = pytest.mark.slow
"""Whole processes: `make e2e` runs them."""

Start = Callable[[], ServiceProcess]


@pytest.fixture
def books(durable_database: Database) -> Iterator[Books]:
    with open_books(durable_database) as made:
        yield made


@pytest.fixture
def environ(durable_database: Database, redis_url: str, tmp_path: Path) -> dict[str, str]:
    return {
        "THETA_DATABASE_URL": durable_database.url_for("theta_risk"),
        "THETA_REDIS_URL": redis_url,
        "THETA_CONFIG": "config/thetagang.toml",
        "THETA_FAULT_FILE": str(tmp_path / "faults.json"),
        "THETA_TRACE_FILE": str(tmp_path / "spans.jsonl"),
    }


@pytest.fixture
def start(environ: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    running: list[ServiceProcess] = []

    def begin() -> ServiceProcess:
        running.append(ServiceProcess("theta.risk", environ, tmp_path))
        return running[-1]

    yield begin
    for one in running:
        one.close()


def ask(redis_url: str, intent_id: UUID, traceparent: str = "") -> None:
    with redis.Redis.from_url(redis_url) as connection:
        enqueue(
            connection,
            queue_name="risk",
            job_name="risk.review",
            subject_id=str(intent_id),
            job_id=f"risk.review:{intent_id}:{uuid4()}",
            meta={"traceparent": traceparent} if traceparent else {},
        )


def keep_clock_fresh(books: Books) -> None:
    """Let the market clock count as just seen for the next minute, however slow this machine."""
    with books.writing() as connection:
        connection.exec_driver_sql(
            "update broker_session set observed_at = clock_timestamp() + interval '1 minute'"
        )


def test_a_job_becomes_a_verdict_in_the_trace_that_asked_for_it(
    books: Books, redis_url: str, start: Start, tmp_path: Path
) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    process = start()
    intent_id = books.propose(put_sale(put("SPY", "760")))
    eventually(lambda: "risk is ready" in process.output(), 20)
    keep_clock_fresh(books)
    ask(redis_url, intent_id, f"00-{trace_id}-b7ad6b7169203331-01")
    eventually(lambda: books.state_of(intent_id) == "approved", 20)
    code, seconds = process.stop()
    assert code == 0
    assert seconds < 5
    spans = [json.loads(line) for line in (tmp_path / "spans.jsonl").read_text().splitlines()]
    (review,) = [span for span in spans if span["name"] == "risk.review"]
    assert review["trace_id"] == trace_id
    (row,) = books.rows_of("select traceparent from outbox where job_name = 'orders.submit'")
    assert row[0].split("-")[1:3] == [trace_id, review["span_id"]]


@pytest.mark.parametrize(
    ("point", "left"),
    [("risk.review.before_commit", "proposed"), ("risk.review.after_commit", "approved")],
)
def test_killed_at_the_commit_it_is_right_after_a_repeated_job(
    books: Books, redis_url: str, start: Start, tmp_path: Path, point: str, left: str
) -> None:
    (tmp_path / "faults.json").write_text(json.dumps({point: {"action": "kill"}}))
    intent_id = books.propose(put_sale(put("SPY", "760")))
    first = start()
    eventually(lambda: "risk is ready" in first.output(), 20)
    keep_clock_fresh(books)
    ask(redis_url, intent_id)
    assert first.wait() == -signal.SIGKILL
    assert books.state_of(intent_id) == left
    second = start()
    eventually(lambda: second.output().count("risk is ready") == 2, 20)
    keep_clock_fresh(books)
    ask(redis_url, intent_id)
    eventually(lambda: books.state_of(intent_id) == "approved", 20)
    assert second.stop()[0] == 0
    (counted,) = books.rows_of("select count(*) from buying_power_reservation")
    assert counted[0] == 1


def test_a_redis_that_is_away_ends_the_start_with_one_sentence(
    environ: dict[str, str], start: Start
) -> None:
    environ["THETA_REDIS_URL"] = "redis://127.0.0.1:1/0"
    process = start()
    assert process.wait() == 69
    assert "THETA_REDIS_URL" in process.output()


def test_fault_points_are_refused_on_a_live_account(
    environ: dict[str, str], start: Start, tmp_path: Path
) -> None:
    live = (Path("config") / "thetagang.toml").read_text()
    changed = tmp_path / "live.toml"
    changed.write_text(live.replace('stage = "simulated"', 'stage = "live"'))
    environ["THETA_CONFIG"] = str(changed)
    process = start()
    assert process.wait() == 78
    assert "THETA_FAULT_FILE" in process.output()
