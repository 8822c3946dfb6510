"""A simulator on virtual time with clients in memory: what it sends depends on nothing else."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.tws_socket import framed
from theta.simulator.exchange.store import Store
from theta.simulator.gateway.gateway import Gateway
from theta.simulator.gateway.session import Session
from theta.simulator.server import Options, build

START_SECONDS = 1_000.0


class _Selector(selectors.DefaultSelector):
    """Never waits: the loop's time jumps to its next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = START_SECONDS

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("nothing will ever happen again on this loop")
        self.seconds += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock moves only when nothing is left to do."""

    def __init__(self) -> None:
        self._steps = _Selector()
        super().__init__(self._steps)

    def time(self) -> float:
        return self._steps.seconds

    def stall(self, seconds: float) -> None:
        """Let time pass while nothing else runs, as on a machine that is busy elsewhere."""
        self._steps.seconds += seconds


@dataclass(frozen=True, slots=True)
class Said:
    """Bytes that one client sends at a moment, in seconds from the start."""

    at: float
    client: str
    data: bytes


class _Recorder(asyncio.Transport):
    """Keeps what a session writes, with the virtual time of the write."""

    def __init__(self, client: str, loop: asyncio.AbstractEventLoop, lines: list[str]) -> None:
        super().__init__()
        self._client = client
        self._loop = loop
        self._lines = lines
        self._open = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        at = self._loop.time() - START_SECONDS
        self._lines.append(f"{at:.6f} {self._client} {bytes(data)!r}")

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return not self._open

    def abort(self) -> None:
        self.close()

    def close(self) -> None:
        if self._open:
            self._open = False
            self._lines.append(f"{self._client} closed")

    def pause_reading(self) -> None:
        """Nothing is read by itself here."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """How a client of the script introduces itself."""

    client_id: int
    version: int

    def data(self) -> bytes:
        versions = f"v{self.version}..{self.version}".encode()
        start = f"71\x002\x00{self.client_id}\x00\x00".encode()
        return b"API\0" + framed(versions) + framed(start)


def play(
    options: Options,
    clients: Mapping[str, Greeting],
    script: Sequence[Said],
    *,
    seconds: float,
    acts: Sequence[tuple[float, Callable[[Gateway], Any]]] = (),
) -> list[str]:
    """Run the script for virtual `seconds` and return every write, in order, one line each.

    `acts` happen to the gateway itself at their moments, as the control API would make them.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_play(options, clients, script, seconds, acts))


async def _play(
    options: Options,
    clients: Mapping[str, Greeting],
    script: Sequence[Said],
    seconds: float,
    acts: Sequence[tuple[float, Callable[[Gateway], Any]]],
) -> list[str]:
    loop = asyncio.get_running_loop()
    store = Store(None)
    gateway = build(options, store)
    gateway.exchange.clock.run_on(loop.time)
    lines: list[str] = []
    sessions: dict[str, Session] = {}
    for number, (name, greeting) in enumerate(clients.items()):
        session = sessions[name] = Session(gateway)
        session.connection_made(_Recorder(name, loop, lines))
        loop.call_later(0.05 * number, session.data_received, greeting.data())
    for said in script:
        loop.call_later(said.at, sessions[said.client].data_received, said.data)
    for at, act in acts:
        loop.call_later(at, act, gateway)
    beat = asyncio.create_task(gateway.run())
    await asyncio.sleep(seconds)
    beat.cancel()
    gateway.closed = True
    for session in sessions.values():
        session.connection_lost(None)
    await asyncio.sleep(0)
    store.close()
    return lines
