"""Starts service processes by forking one that has imported them already: a restart in 50 ms.

`python -m tests.simulation.nursery` is that process. It reads one JSON line per birth and answers
with the child's process id. A child runs `python -m <module>` as if started afresh: its own
session, environment, arguments and log. It dies with the nursery, the nursery with the campaign.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import IO

from theta.embedded.processes import last_lines

PR_SET_PDEATHSIG = 1
PRELOADED = (
    "theta.broker_gateway.bootstrap",
    "theta.strategy.bootstrap",
    "theta.risk.bootstrap",
    "theta.alerts.bootstrap",
    "theta.simulator.server",
)
BIRTH_TIMEOUT_SECONDS = 30.0
"""The first answer waits for the imports."""


def serve() -> None:
    """Fork a child for each line of standard input until it closes."""
    _die_with_parent()
    # OpenTelemetry's hook in a forked child uses a thread pool, whose own hook must run before it.
    import_module("concurrent.futures.thread")
    for name in PRELOADED:
        import_module(name)
    # Children are reaped by the kernel; the campaign watches them by descriptors.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(order)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _become(order: dict[str, object]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    _die_with_parent()
    log = os.open(str(order["log"]), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, target)
    environment = order["environment"]
    command = order["command"]
    assert isinstance(environment, dict)
    assert isinstance(command, list)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir("/")
    sys.argv = [str(command[0]), *map(str, command[1:])]
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  # the descriptor, for good
    code = 1
    try:
        runpy.run_module(str(command[0]), run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001  # as the interpreter does: told, then exit 1
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


class Forked:
    """A child of the nursery, watched through a process descriptor. Its exit code is not known."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        try:
            self._descriptor: int | None = os.pidfd_open(pid)
        except ProcessLookupError:
            self._descriptor = None

    def poll(self) -> int | None:
        return self._wait(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._wait(None if timeout is None else max(0.0, timeout))
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def send_signal(self, sig: int, /) -> None:
        if self._descriptor is not None:
            signal.pidfd_send_signal(self._descriptor, sig)

    def _wait(self, timeout: float | None) -> int | None:
        if self._descriptor is None:
            return 0
        if not select.select([self._descriptor], [], [], timeout)[0]:
            return None
        os.close(self._descriptor)
        self._descriptor = None
        return 0


class Nursery:
    """The forking process, as a starter for `theta.embedded.process_group.ProcessGroup`.

    `overlay` is put before everything else on its import path. It may be called from any thread.
    """

    def __init__(self, log: Path, overlay: Path | None = None) -> None:
        environment = dict(os.environ)
        environment = {k: v for k, v in environment.items() if not k.startswith("THETA_")}
        project = str(Path(__file__).parents[2])
        paths = [project] if overlay is None else [str(overlay), project]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
        with log.open("ab") as errors:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "tests.simulation.nursery"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
            )
        self._log = log
        self._asking = threading.Lock()

    def __call__(
        self, command: Sequence[str], output: IO[bytes], environment: dict[str, str]
    ) -> Forked:
        """Start `python -m module arguments` (the first two words are dropped)."""
        assert command[1] == "-m"
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        order = {"command": list(command[2:]), "log": output.name, "environment": environment}
        answer = b""
        with self._asking, contextlib.suppress(BrokenPipeError):
            self._server.stdin.write(json.dumps(order).encode() + b"\n")
            self._server.stdin.flush()
            ready = select.select([self._server.stdout], [], [], BIRTH_TIMEOUT_SECONDS)[0]
            answer = self._server.stdout.readline() if ready else b""
        if not answer:
            # Not a ThetaError: this is the harness's own failure and no finding about the services.
            raise RuntimeError(f"the nursery does not answer: {last_lines(self._log)}")
        return Forked(int(answer))

    def close(self) -> None:
        """End the nursery and every child of it."""
        self._server.kill()
        self._server.wait(timeout=10)


if __name__ == "__main__":
    serve()
