"""The worker and the queue against a real Redis."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping

import pytest
import redis
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from tests.integration.common.conftest import RedisProcess
from tests.support.eventually import eventually
from theta.common.errors import ConfigError, UnavailableError
from theta.common.redis.connection import connect
from theta.common.redis.queues import RegisteredJob, enqueue, queue, redis_job_id
from theta.common.redis.worker import Handler, HandlerWorker, run_worker
from theta.common.telemetry.metrics import configure_metrics
from theta.common.telemetry.traces import current_traceparent, span

QUEUE = "risk"


class Running:
    """A worker in a thread."""

    def __init__(self, url: str, handlers: Mapping[str, Handler]) -> None:
        self.worker = HandlerWorker(connect(url, check=False), queue_name=QUEUE, handlers=handlers)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=run_worker, args=(self.worker, self._stop))
        self._thread.start()

    def stop(self) -> float:
        started = time.monotonic()
        self._stop.set()
        self._thread.join(timeout=10)
        assert not self._thread.is_alive()
        return time.monotonic() - started


@pytest.fixture
def start(redis_process: RedisProcess) -> Iterator[Callable[[Mapping[str, Handler]], Running]]:
    running: list[Running] = []

    def begin(handlers: Mapping[str, Handler]) -> Running:
        one = Running(redis_process.url, handlers)
        running.append(one)
        return one

    yield begin
    for one in running:
        one.stop()
        one.worker.connection.close()


@pytest.fixture
def connection(redis_process: RedisProcess) -> Iterator[redis.Redis]:
    client = connect(redis_process.url)
    yield client
    client.close()


Start = Callable[[Mapping[str, Handler]], Running]


def put(connection: redis.Redis, job_id: str, name: str = "risk.review", **meta: str) -> bool:
    return enqueue(
        connection,
        queue_name=QUEUE,
        job_name=name,
        subject_id=f"subject-{job_id}",
        job_id=job_id,
        meta=meta,
    )


def job_of(connection: redis.Redis, job_id: str) -> Job:
    return RegisteredJob.fetch(
        redis_job_id(job_id), connection=connection, serializer=JSONSerializer
    )


def status_of(connection: redis.Redis, job_id: str) -> JobStatus:
    return job_of(connection, job_id).get_status()


def test_runs_the_named_handler_once_with_the_subject(
    connection: redis.Redis, start: Start
) -> None:
    seen: list[str] = []
    start({"risk.review": seen.append})
    assert put(connection, "risk.review:a:1")
    assert not put(connection, "risk.review:a:1")
    eventually(lambda: status_of(connection, "risk.review:a:1") is JobStatus.FINISHED)
    assert not put(connection, "risk.review:a:1")
    assert seen == ["subject-risk.review:a:1"]


def test_unknown_name_fails_at_once_and_imports_nothing(
    connection: redis.Redis, start: Start
) -> None:
    start({"risk.review": lambda _: None})
    put(connection, "evil", name="os.getcwd")
    eventually(lambda: status_of(connection, "evil") is JobStatus.FAILED)
    result = job_of(connection, "evil").latest_result()
    assert result is not None
    assert "no handler named 'os.getcwd'" in (result.exc_string or "")


def test_callbacks_planted_in_redis_are_not_imported(connection: redis.Redis, start: Start) -> None:
    put(connection, "planted")
    key = RegisteredJob.key_for("planted")
    connection.hset(key, mapping={"success_callback_name": "this.imports.nothing"})
    start({"risk.review": lambda _: None})
    eventually(lambda: status_of(connection, "planted") is JobStatus.FINISHED)


def test_a_failing_handler_is_retried_three_times_then_failed(
    connection: redis.Redis, start: Start
) -> None:
    metrics = configure_metrics("test")
    calls: list[str] = []

    def handler(subject_id: str) -> None:
        calls.append(subject_id)
        raise RuntimeError("broken")

    start({"risk.review": handler})
    put(connection, "failing")
    eventually(lambda: status_of(connection, "failing") is JobStatus.FAILED)
    assert len(calls) == 4
    assert connection.ttl(RegisteredJob.key_for("failing")) <= 300
    result = job_of(connection, "failing").latest_result()
    assert result is not None
    assert result.exc_string == "RuntimeError: broken"
    assert b'theta_job_failures_total{error_type="RuntimeError"' in metrics.text()


def test_a_job_lost_from_its_list_frees_its_id(connection: redis.Redis) -> None:
    assert put(connection, "lost")
    connection.delete(queue(connection, QUEUE).key)
    assert put(connection, "lost")
    assert queue(connection, QUEUE).job_ids == ["lost"]


def test_the_trace_of_the_sender_goes_on_in_the_handler(
    connection: redis.Redis, start: Start
) -> None:
    seen: list[str | None] = []
    start({"risk.review": lambda _: seen.append(current_traceparent())})
    with span("outbox.relay"):
        sent = current_traceparent()
        assert sent is not None
        put(connection, "traced", traceparent=sent)
    eventually(lambda: bool(seen))
    received = seen[0]
    assert received is not None
    assert received.split("-")[1] == sent.split("-")[1]
    assert received != sent


def test_stops_within_a_second_and_signs_off(connection: redis.Redis, start: Start) -> None:
    one = start({})
    eventually(lambda: one.worker.connected, timeout_seconds=15)
    assert one.worker.healthy
    assert one.stop() < 1.0
    assert connection.smembers("rq:workers") == set()


def test_goes_on_after_redis_is_emptied(connection: redis.Redis, start: Start) -> None:
    seen: list[str] = []
    one = start({"risk.review": seen.append})
    eventually(lambda: one.worker.connected, timeout_seconds=15)
    connection.flushall()
    put(connection, "after-flush")
    eventually(lambda: seen == ["subject-after-flush"], timeout_seconds=15)


def test_goes_on_after_redis_is_emptied_during_a_job(connection: redis.Redis, start: Start) -> None:
    seen: list[str] = []

    def handler(subject_id: str) -> None:
        if not seen:
            connection.flushall()
        seen.append(subject_id)

    start({"risk.review": handler})
    put(connection, "first")
    eventually(lambda: len(seen) == 1)
    put(connection, "second")
    eventually(lambda: seen == ["subject-first", "subject-second"])


def test_outlives_redis(redis_process: RedisProcess, start: Start) -> None:
    seen: list[str] = []
    redis_process.kill()
    one = start({"risk.review": seen.append})
    redis_process.start()
    eventually(lambda: one.worker.connected, timeout_seconds=15)
    redis_process.kill()
    eventually(lambda: not one.worker.connected, timeout_seconds=15)
    assert one.worker.healthy
    redis_process.start()
    with connect(redis_process.url) as client:
        put(client, "after-outage")
        eventually(lambda: seen == ["subject-after-outage"], timeout_seconds=15)


def test_a_started_job_whose_worker_died_is_given_back(
    connection: redis.Redis, start: Start
) -> None:
    entered, leave = threading.Event(), threading.Event()

    def stuck(_: str) -> None:
        entered.set()
        leave.wait(10)

    seen: list[str] = []
    start({"risk.review": stuck})
    put(connection, "orphan")
    assert entered.wait(10)
    # As if its worker had died some time ago: the lease in the registry has run out.
    registry = queue(connection, QUEUE).started_job_registry
    for member in registry.get_job_and_execution_ids():
        connection.zadd(registry.key, {":".join(member): 1})
    start({"risk.review": seen.append})
    eventually(lambda: seen == ["subject-orphan"], timeout_seconds=20)
    leave.set()


def test_unreachable_redis_is_one_sentence_without_the_password(
    redis_process: RedisProcess,
) -> None:
    redis_process.kill()
    with pytest.raises(UnavailableError) as raised:
        connect(f"redis://:hunter22@127.0.0.1:{redis_process.port}/0")
    assert "does not answer" in str(raised.value)
    assert "hunter22" not in str(raised.value)


def test_not_a_redis_url() -> None:
    with pytest.raises(ConfigError, match="THETA_REDIS_URL"):
        connect("postgresql://localhost/x")
