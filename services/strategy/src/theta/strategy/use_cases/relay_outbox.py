"""The relay: what was committed to the outbox becomes jobs on the wire."""

from __future__ import annotations

from theta.common.ports import FaultPoints
from theta.common.telemetry import names
from theta.common.telemetry.metrics import counter, gauge
from theta.common.telemetry.traces import continue_trace, span
from theta.strategy.ports import Job, JobQueue, Outbox

BATCH = 100


class RelayOutbox:
    """Moves open outbox rows to Redis. A row may be enqueued twice, under one job id."""

    def __init__(self, *, outbox: Outbox, queue: JobQueue, faults: FaultPoints) -> None:
        self._outbox = outbox
        self._queue = queue
        self._faults = faults

    def relay(self) -> int:
        """Enqueue what is open, at most `BATCH` rows; return how many.

        Raises UnavailableError when Redis or the database is away; nothing is lost.
        """
        return self._outbox.relay(self._put, limit=BATCH)

    def measure(self) -> None:
        """Publish how long the oldest open row has waited."""
        gauge(names.OUTBOX_LAG_SECONDS).set(self._outbox.lag_seconds())

    def _put(self, job: Job) -> None:
        self._faults.reach("relay.before_enqueue")
        with continue_trace(job.traceparent), span(names.SPAN_RELAY, job=job.name):
            self._queue.put(job)
        self._faults.reach("relay.after_enqueue")
        counter(names.OUTBOX_RELAYED).add(job=job.name)
