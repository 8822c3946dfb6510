"""A simulator on a thread of its own, for tests and tools that want it without a second process."""

import asyncio
import json
import threading
import urllib.error
import urllib.request
from types import TracebackType
from typing import Any, Self

from theta.simulator.errors import SimulatorError
from theta.simulator.server import Options, Simulator

_WAIT_SECONDS = 30.0


class ControlRefusedError(Exception):
    """The control API refused a request; ``status`` is its HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class ThreadedSimulator:
    """Context manager around a running simulator with its actual ``port`` and ``control_port``.

    Raises ``SimulatorError``, or whatever else went wrong, on entry when it cannot start.
    """

    def __init__(self, options: Options) -> None:
        self.port = 0
        self.control_port = 0
        self._options = options
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._failure: Exception | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(_WAIT_SECONDS):
            raise SimulatorError("The simulator did not start in time.")
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_WAIT_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            # Whoever waits for the start has to hear of it; afterwards it is this thread's own.
            if self._ready.is_set():
                raise
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        simulator = Simulator(self._options)
        await simulator.start()
        try:
            self.port, self.control_port = simulator.port, simulator.control_port
            self._ready.set()
            await self._stop.wait()
        finally:
            await simulator.stop()

    def control(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call the control API over HTTP: GET without a body, POST with one."""
        return call_control(self.control_port, path, body)


def call_control(port: int, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Call the control API on ``port`` once; ``ControlRefusedError`` when it refuses."""
    data = None if body is None else json.dumps(body).encode()
    address = f"http://127.0.0.1:{port}{path}"
    request = urllib.request.Request(address, data=data)
    try:
        with urllib.request.urlopen(request, timeout=_WAIT_SECONDS) as answer:  # noqa: S310 - http
            told: dict[str, Any] = json.load(answer)
            return told
    except urllib.error.HTTPError as error:
        with error:
            text = json.load(error).get("error", "")
        raise ControlRefusedError(error.code, text) from None
