"""Putting jobs onto queues. A job is a registered name and one subject id, nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping

import redis
from redis.exceptions import RedisError
from rq import Queue, Retry
from rq.exceptions import DuplicateJobError, NoSuchJobError
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from theta.common.errors import UnavailableError
from theta.common.telemetry.redaction import redact_text

RESULT_TTL_SECONDS = 500
FAILURE_TTL_SECONDS = 300
JOB_TIMEOUT_SECONDS = 60
RETRIES = 3

_NOT_IN_JOB_ID = re.compile(r"[^A-Za-z0-9_-]")


class RegisteredJob(Job):
    """A job whose function is only a name. Nothing that Redis holds is ever imported.

    Stock RQ imports whatever path a job hash carries, as function or as callback; whoever can
    write to Redis could then choose code. Here callbacks, webhooks and dependencies are dropped on
    reading, and the function is a key that `HandlerWorker` looks up.
    """

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        super().restore(raw_data)
        self._success_callback_name = None
        self._failure_callback_name = None
        self._stopped_callback_name = None
        self.webhooks = []
        self._dependency_ids = []
        self.repeats_left = None
        self.rate_limit_key = None
        self.rate_limit_concurrency = None

    @property
    def func(self) -> None:
        """Always `None`: a registered job is dispatched by its worker, never resolved."""
        return


def queue(connection: redis.Redis, name: str) -> Queue:
    """Return the queue `name`, with JSON as its only serialization."""
    return Queue(
        name,
        connection=connection,
        serializer=JSONSerializer,
        job_class=RegisteredJob,
        default_timeout=JOB_TIMEOUT_SECONDS,
    )


def redis_job_id(job_id: str) -> str:
    """Return `job_id` in the alphabet RQ allows: everything outside `[A-Za-z0-9_-]` becomes `-`."""
    return _NOT_IN_JOB_ID.sub("-", job_id)


def enqueue(
    connection: redis.Redis,
    *,
    queue_name: str,
    job_name: str,
    subject_id: str,
    job_id: str,
    meta: Mapping[str, str] | None = None,
    timeout_seconds: int = JOB_TIMEOUT_SECONDS,
) -> bool:
    """Put one job onto `queue_name`; `False` when a job of that id is already there.

    `job_id` makes it idempotent: it stays taken until `RESULT_TTL_SECONDS` after success or
    `FAILURE_TTL_SECONDS` after the last failure. An id whose job is in no list any more (Redis
    lost part of its data) is freed at once, so it never blocks its successor.
    `meta` may carry `traceparent`.

    Raises:
        UnavailableError: Redis does not answer, or cannot take it now (memory or disk full, a
            replica). The job may or may not be there: enqueue again with the same id.
    """
    target = queue(connection, queue_name)
    identity = redis_job_id(job_id)
    try:
        if _try_enqueue(target, job_name, subject_id, identity, meta, timeout_seconds):
            return True
        if not _is_lost(target, identity):
            return False
        connection.delete(RegisteredJob.key_for(identity))
        return _try_enqueue(target, job_name, subject_id, identity, meta, timeout_seconds)
    except RedisError as error:
        message = (
            f"Redis did not take job {identity} ({redact_text(str(error))}): it is tried again."
        )
        raise UnavailableError(message) from error


def _try_enqueue(
    target: Queue,
    job_name: str,
    subject_id: str,
    identity: str,
    meta: Mapping[str, str] | None,
    timeout_seconds: int,
) -> bool:
    try:
        target.enqueue_call(
            func=job_name,
            args=(subject_id,),
            job_id=identity,
            meta=dict(meta or {}),
            description=f"{job_name}({subject_id})",
            timeout=timeout_seconds,
            result_ttl=RESULT_TTL_SECONDS,
            failure_ttl=FAILURE_TTL_SECONDS,
            retry=Retry(max=RETRIES),
            unique=True,
        )
    except DuplicateJobError:
        return False
    return True


def _is_lost(target: Queue, identity: str) -> bool:
    """Whether the job says queued but stands in no list, so that nobody will ever run it."""
    connection = target.connection
    try:
        job = RegisteredJob.fetch(identity, connection=connection, serializer=JSONSerializer)
        if job.get_status(refresh=False) is not JobStatus.QUEUED:
            return False
        # The worker moves an id atomically from the first list to the second: looked at in this
        # order it cannot slip between. It leaves the second only once its status says started.
        if connection.lpos(target.key, identity) is not None:
            return False
        if connection.lpos(target.intermediate_queue_key, identity) is not None:
            return False
        return bool(job.get_status(refresh=True) is JobStatus.QUEUED)
    except NoSuchJobError:
        return True
