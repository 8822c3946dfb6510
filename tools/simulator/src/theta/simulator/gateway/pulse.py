"""How long the event loop stood still, so that nobody is blamed for the machine's own delays."""

import asyncio
from collections.abc import Callable
from typing import Final

INTERVAL_SECONDS: Final = 0.05
_LATE_SECONDS: Final = 0.01


class Pulse:
    """A timer that notices how late it is, while ``wanted`` says so.

    A client paces its messages on its own clock. When the loop stands still, what the client sent
    meanwhile is read in one lump, so the moment of reading says little about the moment of sending.
    """

    def __init__(self, wanted: Callable[[], bool]) -> None:
        self._wanted = wanted
        self._loop = asyncio.get_running_loop()
        self._due: float | None = None
        self._late_at = float("-inf")
        self._still_since = 0.0

    def start(self) -> None:
        """Beat until no longer wanted. Does nothing while it beats."""
        if self._due is None:
            self._arm()

    def earliest(self, now: float) -> float:
        """The earliest moment at which what is read at ``now`` can have come."""
        if self._due is not None and now > self._due:
            return self._due - INTERVAL_SECONDS
        if now - self._late_at < INTERVAL_SECONDS:
            return self._still_since
        return now - INTERVAL_SECONDS

    def _arm(self) -> None:
        self._due = self._loop.time() + INTERVAL_SECONDS
        self._loop.call_at(self._due, self._beat)

    def _beat(self) -> None:
        now, due = self._loop.time(), self._due
        assert due is not None
        self._due = None
        if now - due > _LATE_SECONDS:
            self._late_at, self._still_since = now, due - INTERVAL_SECONDS
        if self._wanted():
            self._arm()
