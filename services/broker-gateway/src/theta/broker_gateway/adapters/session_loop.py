"""Calls onto the session loop from other threads, telling "surely not done" from "unknown"."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

from theta.broker_gateway.adapters.ibkr.session_loop import SessionLoop
from theta.common.errors import OutcomeUnknownError, UnavailableError

Answer = TypeVar("Answer")


class LoopCalls:
    """`use_cases.stores.SessionLoop` on the thread that the client library lives on."""

    def __init__(self, loop: SessionLoop) -> None:
        self._loop = loop

    def call(self, work: Callable[[], Answer], *, timeout_seconds: float) -> Answer:
        """Run `work` in one callback.

        Raises UnavailableError when it surely never runs, OutcomeUnknownError when it had begun
        and did not end in time; else what `work` raises.
        """
        future = self._loop.call_soon(work)
        try:
            return future.result(timeout_seconds)
        except FutureTimeoutError as error:
            if future.cancel():
                raise UnavailableError("the session loop is busy: nothing was done") from error
            if future.done():
                return future.result()
            raise OutcomeUnknownError("the session loop did not finish the work") from error

    def run(self, make: Callable[[], Awaitable[Answer]], *, timeout_seconds: float) -> Answer:
        """Await `make()` on the loop. Raises UnavailableError when it took too long."""

        async def turn() -> Answer:
            return await make()

        return self._loop.call(turn(), timeout_seconds)
