"""A thread with an event loop of its own, on which the client library lives and nothing else runs.

The library is kept away from the loop of the HTTP server: neither may stall the other.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

from theta.common.errors import UnavailableError
from theta.common.ports import ProcessClock

Answer = TypeVar("Answer")

TURN_SECONDS = 0.25
STOP_SECONDS = 5.0


class SessionLoop:
    """Start it once, call into it from any other thread, stop it once."""

    def __init__(self, clock: ProcessClock, name: str = "broker-session") -> None:
        self._clock = clock
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._last_turn = clock.boottime_seconds()

    @property
    def last_turn_boottime(self) -> float:
        """CLOCK_BOOTTIME when the loop last came round; a stall shows as its age (see livez)."""
        return self._last_turn

    def stalled_seconds(self) -> float:
        """Return how long the loop has not come round."""
        return max(self._clock.boottime_seconds() - self._last_turn - TURN_SECONDS, 0.0)

    def start(self) -> None:
        self._thread.start()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def call(self, work: Coroutine[Any, Any, Answer], timeout_seconds: float) -> Answer:
        """Run `work` on the loop and return its answer. Not to be called from the loop's thread.

        Raises UnavailableError when `timeout_seconds` pass first (the work is cancelled) or the
        loop has ended; otherwise what the work raises.
        """
        if self._loop.is_closed() or not self._thread.is_alive():
            work.close()
            raise UnavailableError("the broker session's loop is not running; restart the gateway")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout_seconds)
        except FutureTimeoutError:
            if future.done():
                raise
            future.cancel()
            message = f"the broker session did not answer within {timeout_seconds:g} s"
            raise UnavailableError(message) from None

    def call_soon(self, work: Callable[[], Answer]) -> Future[Answer]:
        """Run the plain function `work` as one callback of the loop; the future has its answer."""
        future: Future[Answer] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
                future.set_exception(error)

        try:
            self._loop.call_soon_threadsafe(run)
        except RuntimeError as error:
            message = "the broker session's loop is not running; restart the gateway"
            raise UnavailableError(message) from error
        return future

    def stop(self) -> None:
        """Cancel what runs on the loop, end the thread. Bounded by STOP_SECONDS."""
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._turn()
        try:
            self._loop.run_forever()
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            if tasks:
                self._loop.run_until_complete(asyncio.wait(tasks, timeout=STOP_SECONDS / 2))
        finally:
            asyncio.set_event_loop(None)
            self._loop.close()

    def _turn(self) -> None:
        self._last_turn = self._clock.boottime_seconds()
        self._loop.call_later(TURN_SECONDS, self._turn)
