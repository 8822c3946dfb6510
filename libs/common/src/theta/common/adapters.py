"""Real clocks, identities and fault points behind `theta.common.ports`."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4


class SystemClock:
    """The host's clocks."""

    def boottime_seconds(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wall_at(self) -> datetime:
        return datetime.now(UTC)


class RandomIds:
    """Identities from the operating system's secure source."""

    def uuid(self) -> UUID:
        return uuid4()

    def token(self) -> str:
        return base64.b32encode(secrets.token_bytes(13))[:20].decode().lower()


class NoFaults:
    """Fault points outside the proof harness: nothing ever happens."""

    def reach(self, name: str) -> None:
        return None


class FileFaults:
    """Fault points armed by a JSON file: `{"<name>": {"action": "kill", "after": 0}}`.

    `action` is `kill` (SIGKILL to this process) or `stop` (SIGSTOP). `after` counts how many visits
    pass first. A point fires once: it is removed from the file before the signal, so a restart does
    not fire it again. Every visit of an armed point is appended to `<file>.log`, which the campaign
    reads.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def reach(self, name: str) -> None:
        try:
            handle = self._path.open("r+")
        except FileNotFoundError:
            return
        with handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            armed = json.loads(handle.read() or "{}")
            spec = armed.get(name)
            if spec is None:
                return
            remaining = int(spec.get("after", 0))
            if remaining > 0:
                spec["after"] = remaining - 1
            else:
                del armed[name]
            handle.seek(0)
            handle.truncate()
            handle.write(json.dumps(armed))
            handle.flush()
        if remaining > 0:
            return
        with Path(f"{self._path}.log").open("a") as log:
            log.write(json.dumps({"point": name, "pid": os.getpid()}) + "\n")
        # To this thread, which so goes no step further: a signal to the process may first wake
        # another thread, and on a busy machine this one would have sent by then.
        struck = signal.SIGKILL if spec["action"] == "kill" else signal.SIGSTOP
        signal.pthread_kill(threading.get_ident(), struck)
