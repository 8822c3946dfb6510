"""Jobs onto Redis."""

from __future__ import annotations

import redis

from theta.common.redis.queues import JOB_TIMEOUT_SECONDS, enqueue
from theta.strategy.ports import Job

TIMEOUTS_SECONDS = {"strategy.run": 90}
"""A run may gather for a minute; every other job has the common limit."""


class RedisQueue:
    """`JobQueue` on RQ. A job that is there already under the same id counts as put."""

    def __init__(self, connection: redis.Redis) -> None:
        self._connection = connection

    def put(self, job: Job) -> None:
        enqueue(
            self._connection,
            queue_name=job.queue,
            job_name=job.name,
            subject_id=job.subject_id,
            job_id=job.job_id,
            meta={"traceparent": job.traceparent} if job.traceparent else None,
            timeout_seconds=TIMEOUTS_SECONDS.get(job.name, JOB_TIMEOUT_SECONDS),
        )
