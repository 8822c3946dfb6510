"""A simulator (a process, or a thread of this one), a session on a thread, a proxy between."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from tests.support.eventually import eventually
from theta.broker_gateway.adapters.ibkr.codes import Level
from theta.broker_gateway.adapters.ibkr.link import Link
from theta.broker_gateway.adapters.ibkr.session import IbkrSession
from theta.broker_gateway.adapters.ibkr.session_loop import SessionLoop
from theta.broker_gateway.adapters.ibkr.supervisor import SessionTimings
from theta.broker_gateway.ports import Evidence, SessionState
from theta.common.adapters import SystemClock
from theta.simulator.inprocess import ThreadedSimulator, call_control
from theta.simulator.scenarios import scenario
from theta.simulator.server import Options

Answer = TypeVar("Answer")

QUICK = SessionTimings(
    backoff_first=0.05, backoff_most=0.2, heartbeat=0.5, silence=1.5, request=3.0,
    id_in_use_alert=0.5, link_down_page=0.3, unreachable_page=1.0,
)  # fmt: skip

PATIENT = replace(QUICK, request=10.0, silence=20.0)
"""For tests that are not about silence: a machine that stands still for a second is no dead TWS."""


class Broker:
    """What a test asks a simulator for, over its control port."""

    port: int
    _control_port: int

    def ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return call_control(self._control_port, path, body)

    def truth(self) -> dict[str, Any]:
        return self.ask("/truth")

    def fault(self, kind: str, **more: Any) -> dict[str, Any]:
        return self.ask("/fault", {"kind": kind, **more})


class SimulatorHere(Broker):
    """A simulator on a thread of this process: there at once, over the same sockets."""

    def __init__(self, *, seed: int = 3) -> None:
        self._running = ThreadedSimulator(Options(scenario.load("calm-week"), seed=seed))
        self._running.__enter__()
        self.port = self._running.port
        self._control_port = self._running.control_port

    def stop(self) -> None:
        self._running.__exit__(None, None, None)


class Simulator(Broker):
    """One simulator process, for services that are processes themselves."""

    def __init__(self, folder: Path, *, speed: float = 1.0, seed: int = 3) -> None:
        self._ports_file = folder / "ports.json"
        self._log = (folder / "simulator.log").open("wb")
        self._process = subprocess.Popen(
            [
                sys.executable, "-m", "theta.simulator", "serve", "--port", "0",
                "--control-port", "0", "--port-file", str(self._ports_file),
                "--seed", str(seed), "--speed", str(speed),
            ],
            stdout=self._log,
            stderr=self._log,
        )  # fmt: skip
        ports = eventually(self._ports, 20)
        self.port = ports["port"]
        self._control_port = ports["control_port"]

    def _ports(self) -> dict[str, int]:
        if self._process.poll() is not None:
            raise AssertionError(f"the simulator ended with {self._process.returncode}")
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            found: dict[str, int] = json.loads(self._ports_file.read_text())
            return found
        return {}

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._log.close()


class Proxy:
    """Stands between client and simulator; holds back chosen messages of the simulator."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.held_kinds: set[bytes] = set()
        self._held: list[tuple[socket.socket, bytes]] = []
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self, *kinds: int) -> None:
        self.held_kinds = {str(kind).encode() for kind in kinds}

    def held(self) -> int:
        return len(self._held)

    def release(self) -> None:
        """Let go what was held, and hold nothing more."""
        with self._lock:
            self.held_kinds = set()
            for client, frame in self._held:
                with contextlib.suppress(OSError):
                    client.sendall(frame)
            self._held.clear()

    def close(self) -> None:
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
                self._sockets += [client, server]
                threading.Thread(target=self._pump, args=(client, server), daemon=True).start()
                threading.Thread(target=self._filter, args=(server, client), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)

    def _filter(self, server: socket.socket, client: socket.socket) -> None:
        pending = b""
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                pending += data
                while len(pending) >= 4:
                    end = 4 + int(struct.unpack(">I", pending[:4])[0])
                    if len(pending) < end:
                        break
                    frame, pending = pending[:end], pending[end:]
                    with self._lock:
                        if frame[4:].partition(b"\0")[0] in self.held_kinds:
                            self._held.append((client, frame))
                        else:
                            client.sendall(frame)
            client.shutdown(socket.SHUT_RDWR)


@dataclass
class Notes:
    """What the session told its observer."""

    connected: list[SessionState] = field(default_factory=list)
    disconnected: list[str] = field(default_factory=list)
    ready: int = 0
    notices: list[tuple[int, str, Level]] = field(default_factory=list)

    def on_connected(self, state: SessionState) -> None:
        self.connected.append(state)

    def on_disconnected(self, reason: str) -> None:
        self.disconnected.append(reason)

    def on_ready(self) -> None:
        self.ready += 1

    def on_notice(self, code: int, message: str, level: Level) -> None:
        self.notices.append((code, message, level))

    def levels(self, code: int) -> list[Level]:
        return [level for told, _, level in self.notices if told == code]


class Session:
    """An IbkrSession on a loop of its own, with what it recorded."""

    def __init__(self, port: int, *, client_id: int = 17, timings: SessionTimings = QUICK) -> None:
        self.evidence: list[Evidence] = []
        self.notes = Notes()
        self._connections = 0
        self.loop = SessionLoop(SystemClock(), name=f"session-{client_id}")
        self.loop.start()
        self.port = IbkrSession(
            host="127.0.0.1",
            port=port,
            client_id=client_id,
            clock=SystemClock(),
            evidence=self.evidence.append,
            observer=self.notes,
            next_connection_no=self._next,
            timings=timings,
        )
        self.run(self.port.start())

    def _next(self) -> int:
        self._connections += 1
        return self._connections

    def run(self, work: Coroutine[Any, Any, Answer], timeout_seconds: float = 30) -> Answer:
        return self.loop.call(work, timeout_seconds)

    def do(self, work: Callable[[], Answer]) -> Answer:
        return self.loop.call_soon(work).result(10)

    def state(self) -> SessionState:
        return self.do(self.port.state)

    def link(self) -> Link:
        link = self.port._supervisor.link
        assert link is not None
        return link

    def until_ready(self, times: int = 1, timeout_seconds: float = 15) -> Session:
        eventually(lambda: self.notes.ready >= times and self.state().fetched, timeout_seconds)
        return self

    def stop(self) -> None:
        with contextlib.suppress(Exception):
            self.run(self.port.stop(), 5)
        self.loop.stop()


@contextlib.contextmanager
def stopped_at_end(things: Sequence[Any]) -> Iterator[None]:
    """Stop each, last first, whatever happens."""
    try:
        yield
    finally:
        for thing in reversed(things):
            (thing.stop if hasattr(thing, "stop") else thing.close)()
