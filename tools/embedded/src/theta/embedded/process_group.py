"""A group of child processes with logs: started, killed, frozen and stopped by name."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from theta.common.errors import UnavailableError
from theta.embedded.processes import POLL_SECONDS, last_lines, spawn, write_private

STOP_GRACE_SECONDS = 5.0


class Child(Protocol):
    """The part of `subprocess.Popen` that a group uses."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int:
        """Raises `subprocess.TimeoutExpired`."""
        ...

    def send_signal(self, sig: int, /) -> None:
        """Raises `ProcessLookupError`, or does nothing, when it has ended."""
        ...


class Starter(Protocol):
    """Makes a child of a command; it must die with this process."""

    def __call__(
        self, command: Sequence[str], output: IO[bytes], environment: dict[str, str]
    ) -> Child: ...


def start_program(
    command: Sequence[str], output: IO[bytes], environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    """Start a program afresh; the kernel kills it when this process ends."""
    return spawn(
        command,
        account=None,
        death_signal=signal.SIGKILL,
        output=output,
        environment=environment,
    )


class ProcessGroup:
    """Child processes by name, each with a log `<name>.log` in `folder`; none outlives this one."""

    def __init__(self, folder: Path, starter: Starter = start_program) -> None:
        self.folder = folder
        self._starter = starter
        self._children: dict[str, Child] = {}
        self._started_at: dict[str, float] = {}

    def log_of(self, name: str) -> Path:
        """Return the file that collects what the process says, over its restarts."""
        return self.folder / f"{name}.log"

    def process_id(self, name: str) -> int | None:
        """Return the process id, `None` when it does not run."""
        child = self._children.get(name)
        return child.pid if child is not None and child.poll() is None else None

    def exit_code(self, name: str) -> int | None:
        """Return how the process ended (negative: by that signal), `None` while it runs."""
        return self._children[name].poll()

    def started_at(self, name: str) -> float:
        """Return when it was last started, in the host's epoch seconds."""
        return self._started_at[name]

    def start(self, name: str, command: Sequence[str], environment: dict[str, str]) -> None:
        """Start one process without waiting for it."""
        self._started_at[name] = time.time()
        with self.log_of(name).open("ab") as log:
            self._children[name] = self._starter(command, log, environment)

    def ended(self) -> list[str]:
        """Return the names of processes that were started and do not run."""
        return [name for name in self._children if self.process_id(name) is None]

    def kill(self, name: str) -> None:
        """End the process by SIGKILL, as a power cut would, and wait until it is gone."""
        child = self._children[name]
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(signal.SIGKILL)
        child.wait(timeout=STOP_GRACE_SECONDS)

    def kill_all(self) -> None:
        """End every process at once by SIGKILL."""
        for child in self._children.values():
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(signal.SIGKILL)
        for child in self._children.values():
            child.wait(timeout=STOP_GRACE_SECONDS)
        self._children.clear()

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal such as SIGSTOP or SIGCONT; nothing happens when it does not run."""
        if self.process_id(name) is not None:
            self._children[name].send_signal(number)

    def stop(self) -> None:
        """End every process: asked first, killed after a grace. A second call does nothing."""
        running = [child for child in self._children.values() if child.poll() is None]
        for child in running:
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(signal.SIGCONT)
                child.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_GRACE_SECONDS
        for child in running:
            grace = max(0.0, deadline - time.monotonic())
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=grace)
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
                child.wait(timeout=STOP_GRACE_SECONDS)
        self._children.clear()

    def wait_until(
        self,
        condition: Callable[[], object],
        what: str,
        timeout_seconds: float,
        *,
        watch: str | None = None,
    ) -> None:
        """Poll until `condition()` is true. With `watch`, that process ending is a failure at once.

        Raises `UnavailableError` naming `what`, and the log of `watch` with its last lines.
        """
        deadline = time.monotonic() + timeout_seconds
        while not condition():
            ended = watch is not None and self.process_id(watch) is None
            if ended or time.monotonic() > deadline:
                why = f"{watch} ended" if ended else f"not within {timeout_seconds:g} s"
                where = f"the logs are in {self.folder}"
                if watch is not None:
                    log = self.log_of(watch)
                    where = f"see {log}, which ends: {last_lines(log)}"
                raise UnavailableError(f"Waited in vain for {what} ({why}): {where}")
            time.sleep(POLL_SECONDS * 2)


class ArmedFaults:
    """The fault file that `theta.common.adapters.FileFaults` reads in the services."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def arm(self, points: Mapping[str, Mapping[str, Any]]) -> None:
        """Replace what is armed: `{"gateway.send.after_write": {"action": "kill", "after": 1}}`."""
        write_private(self.path, json.dumps(points))

    def fired(self) -> list[str]:
        """Return the names of the fault points that struck, in order."""
        log = Path(f"{self.path}.log")
        if not log.exists():
            return []
        return [json.loads(line)["point"] for line in log.read_text().splitlines()]
