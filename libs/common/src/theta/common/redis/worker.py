"""Runs registered handlers for the jobs of one queue.

Built on RQ's `SimpleWorker`, with the parts removed that let data in Redis choose code, and with
a loop that outlives Redis: RQ's own ends on the first timeout.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from uuid import uuid4

import redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import DequeueTimeout
from rq.executions import Execution
from rq.job import Job
from rq.registry import clean_registries
from rq.serializers import JSONSerializer
from rq.timeouts import TimerDeathPenalty
from rq.worker_registration import clean_worker_registry

from theta.common.adapters import SystemClock
from theta.common.errors import RejectedError
from theta.common.ports import ProcessClock
from theta.common.redis.queues import RegisteredJob, queue
from theta.common.telemetry import names
from theta.common.telemetry.logs import bind_ids, get_logger
from theta.common.telemetry.metrics import counter, gauge, histogram
from theta.common.telemetry.redaction import redact_text
from theta.common.telemetry.traces import continue_trace, span

Handler = Callable[[str], None]

POP_SECONDS = 0.5
"""How long one blocking pop waits, and so how long stopping takes at most while idle."""
HEARTBEAT_INTERVAL_SECONDS = 10.0
MAINTENANCE_INTERVAL_SECONDS = 5
BACKOFF_FIRST_SECONDS = 0.2
BACKOFF_MAX_SECONDS = 5.0
HEALTHY_WITHIN_SECONDS = 30.0
"""A loop that has not turned for this long is not alive. Jobs have their own timeout on top."""

_log = get_logger(__name__)


class UnknownJobError(RejectedError):
    """A job named something that this worker has no handler for."""


class HandlerWorker(SimpleWorker):
    """Works one queue; each job names a handler of `handlers` and carries one subject id.

    A job name is a key of `handlers`, never an import path; an unknown one fails its job.
    Handlers must be idempotent: after a crash or an outage of Redis a job may run again.
    Runs in any thread, installs no signal handler, listens to no command channel.
    """

    death_penalty_class = TimerDeathPenalty
    job_class = RegisteredJob

    def __init__(
        self,
        connection: redis.Redis,
        *,
        queue_name: str,
        handlers: Mapping[str, Handler],
        clock: ProcessClock | None = None,
    ) -> None:
        # prepare_for_work asks Redis who we are; a worker may be built while Redis is down.
        super().__init__(
            [queue(connection, queue_name)],
            connection=connection,
            name=f"{queue_name}-{uuid4().hex}",
            job_class=RegisteredJob,
            serializer=JSONSerializer,
            maintenance_interval=MAINTENANCE_INTERVAL_SECONDS,
            worker_ttl=60,
            prepare_for_work=False,
            log_job_description=False,
        )
        self.hostname = socket.gethostname()
        self.pid = os.getpid()
        self.log_result_lifespan = False
        self._handlers = dict(handlers)
        self._queue_label = queue_name.split(".", 1)[0]
        self._clock = clock or SystemClock()
        self._last_turn = self._clock.boottime_seconds()
        self._last_heartbeat_at = float("-inf")
        self._last_maintenance_at = float("-inf")
        self._busy_until: float | None = None
        self._connected = False

    @property
    def healthy(self) -> bool:
        """Whether the loop turns, for `/livez`: Redis down is healthy, a stuck loop is not."""
        now = self._clock.boottime_seconds()
        limit = self._busy_until if self._busy_until is not None else self._last_turn
        return now - limit <= HEALTHY_WITHIN_SECONDS

    @property
    def connected(self) -> bool:
        """Whether the last turn reached Redis: for `/readyz`."""
        return self._connected

    @property
    def last_turn_seconds(self) -> float:
        """CLOCK_BOOTTIME seconds of the loop's last turn."""
        return self._last_turn

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, whatever Redis does. Returns within 1 s while idle.

        A job that is running is finished first, up to its timeout.
        """
        delay = BACKOFF_FIRST_SECONDS
        registered = False
        while not stop.is_set():
            self._last_turn = self._clock.boottime_seconds()
            try:
                if not registered:
                    self._register()
                    registered = True
                self._turn()
            except Exception as error:  # noqa: BLE001 - the loop must outlive every failure
                self._lost(error, delay)
                registered = False
                stop.wait(delay)
                delay = min(delay * 2, BACKOFF_MAX_SECONDS)
            else:
                delay = BACKOFF_FIRST_SECONDS
                self._set_connected(connected=True)
        self._leave(registered=registered)

    def _set_connected(self, *, connected: bool) -> None:
        if connected is not self._connected:
            self._connected = connected
            gauge(names.WORKER_CONNECTED).set(float(connected), queue=self._queue_label)
            if connected:
                _log.info("worker reaches redis", queue=self.queues[0].name)

    def _lost(self, error: Exception, delay: float) -> None:
        first = self._connected or delay <= BACKOFF_FIRST_SECONDS
        self._set_connected(connected=False)
        log = _log.warning if first else _log.debug
        log(
            "worker turn failed; it keeps trying",
            queue=self.queues[0].name,
            error=f"{type(error).__name__}: {error}",
            retry_seconds=delay,
            exc_info=not isinstance(error, (RedisError, OSError)),
        )

    def _register(self) -> None:
        self.connection.delete(self.key)  # our own, left by the turn before an outage
        self.register_birth()  # type: ignore[no-untyped-call]  # RQ leaves it untyped
        self._last_heartbeat_at = self._clock.boottime_seconds()

    def _leave(self, *, registered: bool) -> None:
        if not registered:
            return
        try:
            self.register_death()  # type: ignore[no-untyped-call]  # RQ leaves it untyped
        except (RedisError, OSError) as error:
            _log.debug("worker could not sign off", error=str(error))

    def _turn(self) -> None:
        now = self._clock.boottime_seconds()
        if now - self._last_heartbeat_at >= HEARTBEAT_INTERVAL_SECONDS:
            self._last_heartbeat_at = now
            if self.connection.exists(self.key):
                self.heartbeat()
            else:
                self._register()  # Redis was emptied
        if now - self._last_maintenance_at >= MAINTENANCE_INTERVAL_SECONDS:
            self._last_maintenance_at = now
            self.clean_registries()
        try:
            # A float wait is what Redis takes; RQ only passes it on.
            result = Queue.dequeue_any(
                self.queues,
                POP_SECONDS,  # type: ignore[arg-type]  # RQ annotates int, BLMOVE takes seconds
                connection=self.connection,
                job_class=RegisteredJob,
                serializer=JSONSerializer,
                death_penalty_class=self.death_penalty_class,
            )
        except DequeueTimeout:
            return
        if result is not None:
            job, job_queue = result
            self.execute_job(job, job_queue)

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run one job in this thread."""
        job._execute = lambda: self._dispatch(job)  # type: ignore[method-assign]  # never job.func
        timeout = float(job.timeout or 0)
        self._busy_until = self._clock.boottime_seconds() + timeout
        try:
            super().execute_job(job, queue)
        finally:
            self._busy_until = None

    def _dispatch(self, job: Job) -> None:
        name = str(job.func_name)
        handler = self._handlers.get(name)
        if handler is None:
            message = (
                f"this worker has no handler named {name!r}; "
                f"it has {', '.join(sorted(self._handlers)) or 'none'}."
            )
            raise UnknownJobError("unknown_job", message)
        if len(job.args) != 1 or not isinstance(job.args[0], str) or job.kwargs:
            message = f"job {name!r} must carry exactly one subject id."
            raise UnknownJobError("bad_job", message)
        subject_id = job.args[0]
        traceparent = job.meta.get("traceparent") if isinstance(job.meta, dict) else None
        started = self._clock.boottime_seconds()
        outcome = "failed"
        try:
            with (
                continue_trace(traceparent if isinstance(traceparent, str) else None),
                bind_ids(job_id=job.id, **_subject(name, subject_id)),
                span(
                    names.SPAN_JOB, kind="consumer", job=name, job_id=job.id, subject_id=subject_id
                ),
            ):
                self._call(handler, name, subject_id)
                outcome = "done"
        finally:
            elapsed = self._clock.boottime_seconds() - started
            histogram(names.JOB_SECONDS).record(elapsed, job=name, outcome=outcome)

    def _call(self, handler: Handler, name: str, subject_id: str) -> None:
        try:
            handler(subject_id)
        except Exception as error:
            counter(names.JOB_FAILURES).add(job=name, error_type=type(error).__name__)
            _log.error(
                "job failed",
                job=name,
                subject_id=subject_id,
                error_type=type(error).__name__,
                error=str(error),
                exc_info=True,
            )
            raise

    def handle_exception(
        self,
        job: Job,
        *exc_info: type[BaseException] | BaseException | TracebackType | None,
    ) -> None:
        """Log what failed outside a handler; what a handler raised is logged by then."""
        error = exc_info[1] if len(exc_info) > 1 else None
        if isinstance(error, UnknownJobError):
            counter(names.JOB_FAILURES).add(job="unknown", error_type=type(error).__name__)
            _log.error("job refused", job_id=job.id, code=error.code, error=str(error))

    def handle_job_failure(
        self,
        job: Job,
        queue: Queue,
        started_job_registry: object = None,
        exc_string: str = "",
        execution: Execution | None = None,
    ) -> None:
        """Record the failure in Redis by its last line only: tracebacks can carry values."""
        last = redact_text(exc_string.strip().rsplit("\n", 1)[-1])
        if last.startswith(f"{UnknownJobError.__module__}.{UnknownJobError.__name__}"):
            job.retries_left = 0  # trying again cannot help
        super().handle_job_failure(
            job, queue, started_job_registry, exc_string=last, execution=execution
        )

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """Seconds after which a started job whose worker died is given back to the queue."""
        return int(job.timeout or self.worker_ttl) + 5

    @property
    def dequeue_timeout(self) -> int:
        return 1

    def clean_registries(self) -> None:
        """Give back jobs of dead workers. The lock outlives a killed holder by seconds only.

        RQ's own lock would last 899 s.
        """
        (own,) = self.queues
        if self.connection.set(
            own.registry_cleaning_key, 1, nx=True, ex=MAINTENANCE_INTERVAL_SECONDS
        ):
            clean_registries(own, self._exc_handlers)
            clean_worker_registry(own)
            own.intermediate_queue.cleanup(self, own)

    def procline(self, message: str) -> None:
        """Leave the process title alone: this is one thread of a service."""
        return


def run_worker(worker: HandlerWorker, stop: threading.Event) -> None:
    """Work until `stop` is set; see `HandlerWorker.run`."""
    worker.run(stop)


def _subject(job_name: str, subject_id: str) -> dict[str, str]:
    """Return the log id that a job's subject is: risk.review(intent) and so on."""
    keys = {
        "strategy.run": "run_id",
        "risk.review": "intent_id",
        "orders.submit": "intent_id",
        "orders.cancel": "child_id",
        "alerts.deliver": "alert_id",
    }
    key = keys.get(job_name)
    return {key: subject_id} if key else {}
