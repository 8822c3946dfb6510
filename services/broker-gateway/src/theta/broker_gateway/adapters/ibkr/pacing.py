"""How fast we may speak: messages per second, market-data lines, history requests.

TWS takes 50 messages a second and drops a client that sends more (code 100); we stay at 40 in any
second, counted over a sliding window. The cores are pure: the time is an argument or a callable.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from enum import IntEnum

from theta.common.errors import UnavailableError

MESSAGES_PER_SECOND = 40
LINES = 90
"""Of the broker's 100 market-data lines; the rest is left for a person's own screen."""
HISTORY_REQUESTS = 60
HISTORY_WINDOW_SECONDS = 600.0
HISTORY_SAME_SECONDS = 15.0

_BURST_GUARD_SECONDS = 0.05
"""Added to the window: two clocks may disagree on where a second begins."""


class Lane(IntEnum):
    """Who is speaking. A later lane may use all that an earlier one may, and more."""

    DATA = 0
    CONTROL = 1
    PULSE = 2
    """The heartbeat: starved by our own requests it would look like a dead connection."""
    ORDER = 3
    CANCEL = 4


_RESERVED = {Lane.DATA: 10, Lane.CONTROL: 8, Lane.PULSE: 7, Lane.ORDER: 5, Lane.CANCEL: 0}
"""Messages per second that a lane must leave: for orders, closes and, last, cancels."""


class PacingError(UnavailableError):
    """The lane has no message left in this second. Nothing was written."""


class MessageBudget:
    """At most `per_second` messages in any second, with a part reserved for the later lanes."""

    def __init__(self, clock: Callable[[], float], per_second: int = MESSAGES_PER_SECOND) -> None:
        if per_second <= max(_RESERVED.values()):
            message = f"per_second is {per_second}; it must be more than {max(_RESERVED.values())}"
            raise ValueError(message)
        self._clock = clock
        self._per_second = per_second
        self._window = 1.0 + _BURST_GUARD_SECONDS
        self._sent: deque[float] = deque()

    def wait_seconds(self, lane: Lane) -> float:
        """Return how long until `lane` may send; 0 when it may now."""
        now = self._clock()
        while self._sent and now - self._sent[0] >= self._window:
            self._sent.popleft()
        excess = len(self._sent) - (self._per_second - _RESERVED[lane])
        if excess < 0:
            return 0.0
        return max(self._sent[excess] + self._window - now, 0.001)

    def take(self, lane: Lane) -> bool:
        """Count one message of `lane`; False, and nothing counted, when it may not send now."""
        if self.wait_seconds(lane) > 0:
            return False
        self._sent.append(self._clock())
        return True


async def wait_for_budget(budget: MessageBudget, lane: Lane, timeout_seconds: float) -> None:
    """Return when `lane` may send. The caller sends before its next await.

    Raises PacingError when `timeout_seconds` would pass first.
    """
    waited = 0.0
    while (pause := budget.wait_seconds(lane)) > 0:
        if waited + pause > timeout_seconds:
            message = f"no message is free for lane {lane.name} within {timeout_seconds:g} s"
            raise PacingError(message)
        waited += pause
        await asyncio.sleep(pause)


class LinePool:
    """Counted market-data lines. Waits are bounded."""

    def __init__(self, lines: int = LINES) -> None:
        self._free = asyncio.Semaphore(lines)
        self.lines = lines
        self.in_use = 0

    async def acquire(self, timeout_seconds: float) -> bool:
        """Take a line; False when none came free in time."""
        try:
            await asyncio.wait_for(self._free.acquire(), max(timeout_seconds, 0.0))
        except TimeoutError:
            return False
        self.in_use += 1
        return True

    def release(self) -> None:
        self.in_use -= 1
        self._free.release()


class HistoryPacer:
    """The broker's history rules: 60 requests in 10 minutes, none identical within 15 s."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._asked: deque[tuple[float, Hashable]] = deque()

    def wait_seconds(self, key: Hashable) -> float:
        """Return how long until a request with this `key` may be sent; 0 when it may now."""
        now = self._clock()
        while self._asked and now - self._asked[0][0] >= HISTORY_WINDOW_SECONDS:
            self._asked.popleft()
        wait = 0.0
        for at, asked in self._asked:
            if asked == key:
                wait = max(wait, at + HISTORY_SAME_SECONDS - now)
        if len(self._asked) >= HISTORY_REQUESTS:
            wait = max(wait, self._asked[0][0] + HISTORY_WINDOW_SECONDS - now)
        return max(wait, 0.0)

    def record(self, key: Hashable) -> None:
        """Count a request that is being sent now."""
        self._asked.append((self._clock(), key))
