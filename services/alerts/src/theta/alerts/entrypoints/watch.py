"""The loop that delivers what is due and watches for silence, whatever becomes of Redis."""

from __future__ import annotations

import threading

from theta.alerts.ports import Silences
from theta.alerts.use_cases.deliver import DeliverAlerts
from theta.common.errors import ThetaError
from theta.common.ports import ProcessClock
from theta.common.telemetry.logs import get_logger

POLL_SECONDS = 0.5
WATCH_INTERVAL_SECONDS = 5.0
SILENT_SECONDS = 30.0
"""Heartbeats come every 5 s: five may be lost before a service counts as silent."""
HEALTHY_WITHIN_SECONDS = 60.0

_log = get_logger(__name__)


class Watch:
    """Runs in a thread of its own until stopped. Outlives every failure of the database."""

    def __init__(
        self,
        *,
        deliver: DeliverAlerts,
        silences: Silences,
        clock: ProcessClock,
        stop: threading.Event,
        silent_seconds: float = SILENT_SECONDS,
    ) -> None:
        self._deliver = deliver
        self._silences = silences
        self._clock = clock
        self._stop = stop
        self._silent_seconds = silent_seconds
        self._last_turn = clock.boottime_seconds()
        # Services started together with this one are given the time to beat again first.
        self._next_watch = self._last_turn + silent_seconds
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """Wait for the end of the attempt under way, at most 4 s."""
        self._thread.join(timeout=4)

    @property
    def healthy(self) -> bool:
        """Whether the loop turns, for `/livez`."""
        return self._clock.boottime_seconds() - self._last_turn <= HEALTHY_WITHIN_SECONDS

    def _run(self) -> None:
        while not self._stop.is_set():
            self._last_turn = self._clock.boottime_seconds()
            try:
                self._turn()
                self._failing = False
            except Exception as error:  # noqa: BLE001 - the loop must outlive every failure
                self._failed(error)
            self._stop.wait(POLL_SECONDS)

    def _turn(self) -> None:
        self._deliver.due(self._stop.is_set)
        now = self._clock.boottime_seconds()
        if now >= self._next_watch:
            self._next_watch = now + WATCH_INTERVAL_SECONDS
            self._silences.raise_for(self._silent_seconds)

    def _failed(self, error: Exception) -> None:
        log = _log.debug if self._failing else _log.error
        known = isinstance(error, ThetaError)
        log("alerts cannot be delivered now; it keeps trying", error=str(error), exc_info=not known)
        self._failing = True
