"""From callback to database: spool first, then one writer thread, whatever the database does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from theta.broker_gateway.domain.records import FollowUp
from theta.broker_gateway.ports import Evidence, EvidenceKind
from theta.broker_gateway.use_cases.stores import EvidenceStore
from theta.broker_gateway.use_cases.watch_live_orders import LiveOrders
from theta.common.errors import OutcomeUnknownError, RefusedForNowError, TransientError
from theta.common.ports import FaultPoints, ProcessClock
from theta.common.telemetry import names
from theta.common.telemetry.logs import get_logger
from theta.common.telemetry.metrics import counter, gauge

BATCH = 200
RETRY_FIRST_SECONDS = 0.1
RETRY_MAX_SECONDS = 2.0
REFUSED_SECONDS_MAX = 60.0
"""A record that the database answers with "not now" for so long, while it takes others, is kept in
quarantine: a disk or a lock comes back within that, or the fault is the record's own."""

_log = get_logger(__name__)


class EvidenceSpool(Protocol):
    @property
    def backlog(self) -> int: ...

    def append(self, evidence: Evidence) -> None: ...

    def wait(self, seconds: float) -> None: ...

    def read(self, limit: int) -> list[tuple[str, Evidence]]: ...

    def advance(self, records: int) -> None: ...

    def inherited(self) -> list[list[tuple[str, Evidence]]]: ...

    def forget_inherited(self) -> None: ...


class Quarantine(Protocol):
    def keep(self, record_id: str, evidence: Evidence, why: str) -> None: ...

    def held(self) -> list[tuple[str, Evidence]]: ...

    def done(self, record_id: str) -> None: ...


class RecordEvidence:
    """`sink` is called on the session loop; `run` is the writer thread."""

    def __init__(
        self,
        *,
        spool: EvidenceSpool,
        quarantine: Quarantine,
        store: EvidenceStore,
        live: LiveOrders,
        follow_up: Callable[[FollowUp], None],
        faults: FaultPoints,
        clock: ProcessClock,
    ) -> None:
        self._spool = spool
        self._quarantine = quarantine
        self._tried_again = False
        self._refused_since: dict[str, float] = {}
        self._store = store
        self._live = live
        self._follow_up = follow_up
        self._faults = faults
        self._clock = clock

    def sink(self, evidence: Evidence) -> None:
        """Take one callback, before the client library handles it. Raises when the disk fails."""
        self._spool.append(evidence)
        self._live.see(evidence)
        if evidence.kind is EvidenceKind.ERROR:
            counter(names.BROKER_ERRORS).add(code=str(evidence.payload.get("code")))
        elif evidence.kind is EvidenceKind.EXECUTION:
            counter(names.FILLS).add(kind="foreign" if evidence.order_ref is None else "own")

    def replay(self) -> int:
        """Store what earlier processes spooled; return how many records. Before the first claim.

        What is in quarantine is tried again first, once in each process. Raises UnavailableError
        or OutcomeUnknownError when the database is away: call again.
        """
        if not self._tried_again:
            for record_id, evidence in self._quarantine.held():
                if self._store_one(record_id, evidence):
                    self._quarantine.done(record_id)
            self._tried_again = True
        count = 0
        for file in self._spool.inherited():
            self._store_all(file)
            count += len(file)
        self._spool.forget_inherited()
        return count

    def run(self, stop: threading.Event) -> None:
        """Write until `stop` is set and everything is stored, or the database stays away."""
        delay = RETRY_FIRST_SECONDS
        while True:
            self._spool.wait(0.2)
            try:
                self.write_pending()
                delay = RETRY_FIRST_SECONDS
            except (TransientError, OutcomeUnknownError) as error:
                _log.warning("evidence waits in the spool", error=str(error))
                if stop.wait(delay):
                    return
                delay = min(delay * 2, RETRY_MAX_SECONDS)
                continue
            if stop.is_set() and self._spool.backlog == 0:
                return

    def waits(self) -> bool:
        """Tell whether callbacks that were heard are not stored yet."""
        return self._spool.backlog > 0

    def drain(self, timeout_seconds: float, pause: Callable[[float], None]) -> bool:
        """Wait until the database has all evidence of now; False when it took too long."""
        deadline = self._clock.boottime_seconds() + timeout_seconds
        while self._spool.backlog:
            if self._clock.boottime_seconds() > deadline:
                return False
            pause(0.01)
        return True

    def write_pending(self) -> None:
        """Store everything spooled by now. The writer thread's own; tests call it in its place."""
        while True:
            batch = self._spool.read(BATCH)
            if not batch:
                gauge(names.SPOOL_ROWS).set(float(self._spool.backlog))
                return
            self._faults.reach("gateway.record.after_spool")
            self._store_all(batch)
            self._spool.advance(len(batch))
            gauge(names.SPOOL_ROWS).set(float(self._spool.backlog))

    def _store_all(self, batch: Sequence[tuple[str, Evidence]]) -> None:
        """Store every group that can be; raise at the end for those that cannot be now.

        The caller then comes again with the whole batch: what is stored by now changes nothing.
        """
        refusal: RefusedForNowError | None = None
        for group in _by_order(batch):
            try:
                self._store_group(group)
            except RefusedForNowError as error:
                if refusal is not None:
                    raise  # two orders refused alike: it is the server, which one pass need not ask
                refusal = error
        if refusal is not None:
            raise refusal

    def _store_group(self, group: Sequence[tuple[str, Evidence]]) -> None:
        try:
            follow_ups = self._store.record(group)
        except RefusedForNowError:
            if not self._refused_too_long(group):
                raise
            for record_id, evidence in group:
                self._store_one(record_id, evidence)
        except (TransientError, OutcomeUnknownError):
            raise
        except Exception:  # noqa: BLE001 - the fault of one record: find out which
            for record_id, evidence in group:
                self._store_one(record_id, evidence)
        else:
            for follow_up in follow_ups:
                self._follow_up(follow_up)
        for record_id, _ in group:
            self._refused_since.pop(record_id, None)

    def _refused_too_long(self, group: Sequence[tuple[str, Evidence]]) -> bool:
        """Tell whether the database takes others, but not these, and has not for so long."""
        now = self._clock.boottime_seconds()
        since = min(self._refused_since.setdefault(record_id, now) for record_id, _ in group)
        return now - since >= REFUSED_SECONDS_MAX and self._store.takes_others()

    def _store_one(self, record_id: str, evidence: Evidence) -> bool:
        """Store one record; False when it went into quarantine.

        It must neither hold back every later fill nor be lost, so it is kept, people are told and
        the account is reduced until a person has looked.
        """
        try:
            follow_ups = self._store.record([(record_id, evidence)])
        except RefusedForNowError as error:
            if not self._refused_too_long([(record_id, evidence)]):
                raise
            self._set_aside(record_id, evidence, error)
            return False
        except (TransientError, OutcomeUnknownError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever the fault is, the record is kept
            self._set_aside(record_id, evidence, error)
            return False
        for follow_up in follow_ups:
            self._follow_up(follow_up)
        return True

    def _set_aside(self, record_id: str, evidence: Evidence, error: Exception) -> None:
        _log.error("a broker callback could not be stored", record=record_id, exc_info=error)
        self._quarantine.keep(record_id, evidence, f"{type(error).__name__}: {error}")
        self._follow_up(
            FollowUp(
                kind="quarantine",
                account=evidence.account or "*",
                reason=f"a broker callback ({evidence.kind.value}) could not be stored;"
                f" it is kept in quarantine as {record_id}",
                record_id=record_id,
            )
        )


def _by_order(
    batch: Sequence[tuple[str, Evidence]],
) -> list[list[tuple[str, Evidence]]]:
    """Group by order, each group in order of arrival; one transaction locks one order."""
    groups: dict[object, list[tuple[str, Evidence]]] = {}
    for record_id, evidence in batch:
        key: object = evidence.order_ref or evidence.perm_id
        if key is None:
            key = ("id", evidence.order_id) if evidence.order_id else ("record", record_id)
        groups.setdefault(key, []).append((record_id, evidence))
    return list(groups.values())
