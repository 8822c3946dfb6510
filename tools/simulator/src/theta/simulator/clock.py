"""The simulated clock: its own time, at its own speed."""

import time
from typing import Any


class SimClock:
    """Market time in epoch seconds, advancing ``speed`` times as fast as the host.

    Across a restart the market goes on: the anchor pairs market time with the host's wall clock.
    """

    def __init__(self, start_at: float, speed: float) -> None:
        self._anchor = start_at
        self._host = time.monotonic()
        self.speed = speed
        self.paused = False

    def now(self) -> float:
        if self.paused:
            return self._anchor
        return self._anchor + (time.monotonic() - self._host) * self.speed

    def jump_to(self, epoch: float) -> None:
        self._anchor = epoch
        self._host = time.monotonic()

    def set_speed(self, speed: float) -> None:
        self.jump_to(self.now())
        self.speed = speed

    def set_paused(self, *, paused: bool) -> None:
        self.jump_to(self.now())
        self.paused = paused

    def dump(self) -> dict[str, Any]:
        return {
            "market": self.now(),
            "host": time.time(),
            "speed": self.speed,
            "paused": self.paused,
        }

    @classmethod
    def restore(cls, stored: dict[str, Any], speed: float) -> "SimClock":
        """The clock as it would stand had the program never stopped; never earlier than it was
        stored."""
        gone = 0.0 if stored["paused"] else max(0.0, time.time() - stored["host"])
        clock = cls(stored["market"] + gone * stored["speed"], speed)
        clock.paused = stored["paused"]
        return clock
