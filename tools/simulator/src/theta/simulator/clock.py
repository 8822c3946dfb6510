"""The simulated clock: its own time, at its own speed."""

import time
from collections.abc import Callable
from typing import Any


class SimClock:
    """Market time in epoch seconds, advancing ``speed`` times as fast as the host.

    While ``flat_out`` it moves by jumps alone, as fast as whoever runs it can make them.
    Across a restart the market goes on: the anchor pairs market time with the host's wall clock.
    """

    def __init__(self, start_at: float, speed: float, *, flat_out: bool = False) -> None:
        self._anchor = start_at
        self._monotonic: Callable[[], float] = time.monotonic
        self._host = self._monotonic()
        self.speed = speed
        self.paused = False
        self.flat_out = flat_out

    def now(self) -> float:
        if self.paused or self.flat_out:
            return self._anchor
        return self._anchor + (self._monotonic() - self._host) * self.speed

    def jump_to(self, epoch: float) -> None:
        self._anchor = epoch
        self._host = self._monotonic()

    def run_on(self, monotonic: Callable[[], float]) -> None:
        """Take the host's seconds from ``monotonic``, standing where it last stood.

        On an event loop with virtual time everything the simulator says then depends on its seed
        and its input alone.
        """
        self._monotonic = monotonic
        self._host = monotonic()

    def set_speed(self, speed: float) -> None:
        """Flow at ``speed`` from now on, also when it ran flat out."""
        self.jump_to(self.now())
        self.speed = speed
        self.flat_out = False

    def set_flat_out(self) -> None:
        """Move as fast as this machine can from now on."""
        self.jump_to(self.now())
        self.flat_out = True

    def set_paused(self, *, paused: bool) -> None:
        self.jump_to(self.now())
        self.paused = paused

    def dump(self) -> dict[str, Any]:
        return {
            "market": self.now(),
            "host": time.time(),
            "speed": 0.0 if self.flat_out else self.speed,
            "paused": self.paused,
        }

    @classmethod
    def restore(cls, stored: dict[str, Any], speed: float, *, flat_out: bool = False) -> "SimClock":
        """The clock as it would stand had the program never stopped; never earlier than it was
        stored."""
        gone = 0.0 if stored["paused"] else max(0.0, time.time() - stored["host"])
        clock = cls(stored["market"] + gone * stored["speed"], speed, flat_out=flat_out)
        clock.paused = stored["paused"]
        return clock
