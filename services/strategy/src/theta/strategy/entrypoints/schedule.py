"""The schedule process: slots, relay and sweeper, done by one leader in one loop."""

from __future__ import annotations

import threading

from theta.common.errors import OutcomeUnknownError, UnavailableError
from theta.common.ports import ProcessClock
from theta.common.telemetry.logs import get_logger
from theta.strategy.ports import Leadership, Wakeups
from theta.strategy.use_cases.claim_slot import ClaimSlots
from theta.strategy.use_cases.relay_outbox import BATCH, RelayOutbox
from theta.strategy.use_cases.sweep_unfinished import SweepUnfinished

LEADER_SECONDS = 2.0
SLOTS_SECONDS = 0.5
MEASURE_SECONDS = 5.0
FORGET_SECONDS = 600.0
POLL_SECONDS = 0.5
"""The longest wait for a wake-up, and so the polling fallback."""
BACKOFF_SECONDS = 1.0
HEALTHY_WITHIN_SECONDS = 30.0

_log = get_logger(__name__)


class Schedule:
    """One turn after another; each part has its own period."""

    def __init__(
        self,
        *,
        leadership: Leadership,
        claim_slots: ClaimSlots,
        relay: RelayOutbox,
        sweep: SweepUnfinished,
        wakeups: Wakeups,
        clock: ProcessClock,
        sweep_interval_seconds: float,
    ) -> None:
        self._leadership = leadership
        self._claim_slots = claim_slots
        self._relay = relay
        self._sweep = sweep
        self._wakeups = wakeups
        self._clock = clock
        self._sweep_interval = sweep_interval_seconds
        self._due: dict[str, float] = {}
        self._last_turn = clock.boottime_seconds()
        self._leads = False

    @property
    def healthy(self) -> bool:
        """Whether the loop turns, for `/livez`; an outage of a peer is healthy."""
        return self._clock.boottime_seconds() - self._last_turn <= HEALTHY_WITHIN_SECONDS

    @property
    def leads(self) -> bool:
        """Whether this process is the leader, as of the last turn."""
        return self._leads

    def run(self, stop: threading.Event) -> None:
        """Turn until `stop` is set, whatever the database and Redis do; ends within a second."""
        reached = True
        while not stop.is_set():
            self._last_turn = self._clock.boottime_seconds()
            try:
                more = self.turn()
                if not reached:
                    _log.info("schedule reaches its peers again")
                reached = True
            except (UnavailableError, OutcomeUnknownError) as error:
                if reached:
                    _log.warning("schedule turn failed; it keeps trying", error=str(error))
                reached = False
                stop.wait(BACKOFF_SECONDS)
                continue
            if not more:
                self._wakeups.wait(POLL_SECONDS)
        try:
            self._leadership.release()
        except (UnavailableError, OutcomeUnknownError) as error:
            _log.info("leadership not released; it runs out", error=str(error))

    def turn(self) -> bool:
        """Do what is due; return whether the relay left more behind.

        Each part runs even if the relay cannot reach Redis. Raises UnavailableError when a peer
        is away.
        """
        if self._is_due("leader", LEADER_SECONDS):
            leads = self._leadership.hold()
            if leads is not self._leads:
                _log.info("leadership changed", leads=leads)
            self._leads = leads
        if self._is_due("measure", MEASURE_SECONDS):
            self._relay.measure()
        if not self._leads:
            return False
        if self._is_due("slots", SLOTS_SECONDS):
            self._claim_slots.claim()
        if self._is_due("sweep", self._sweep_interval):
            self._sweep.sweep()
        if self._is_due("forget", FORGET_SECONDS):
            self._sweep.forget()
        return self._relay.relay() >= BATCH

    def _is_due(self, name: str, period: float) -> bool:
        now = self._clock.boottime_seconds()
        if now < self._due.get(name, now):
            return False
        self._due[name] = now + period
        return True
