"""Wait for something to become true, with a bound: instead of a sleep."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Found = TypeVar("Found")

POLL_SECONDS = 0.01


class NeverHappenedError(AssertionError):
    """The condition stayed false until the time was up."""


def eventually(condition: Callable[[], Found], timeout_seconds: float = 5.0) -> Found:
    """Return the first true value of `condition()`; raise once `timeout_seconds` have passed."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise NeverHappenedError(_describe(condition, timeout_seconds))
        time.sleep(POLL_SECONDS)


async def eventually_async(
    condition: Callable[[], Found | Awaitable[Found]], timeout_seconds: float = 5.0
) -> Found:
    """Do as `eventually`, leaving the event loop free; `condition` may be a coroutine function."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        answer = condition()
        found: Found = await answer if inspect.isawaitable(answer) else answer
        if found:
            return found
        if time.monotonic() > deadline:
            raise NeverHappenedError(_describe(condition, timeout_seconds))
        await asyncio.sleep(POLL_SECONDS)


def _describe(condition: Callable[..., object], timeout_seconds: float) -> str:
    name = getattr(condition, "__qualname__", repr(condition))
    code = getattr(condition, "__code__", None)
    where = f" ({code.co_filename}:{code.co_firstlineno})" if code is not None else ""
    return f"{name}{where} stayed false for {timeout_seconds:g} s"
