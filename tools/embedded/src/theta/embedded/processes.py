"""What the embedded servers share: an account, a folder with one owner, a bound child process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import queue
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from theta.common.errors import ConfigError, UnavailableError

LOOPBACK = "127.0.0.1"
LAUNCH_SCRIPT = Path(__file__).with_name("launch.py")
PROBE_TIMEOUT_SECONDS = 20.0
"""Longest wait for a helper program that normally answers within a tenth of a second."""
POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The operating-system account that a server runs under."""

    name: str
    uid: int
    gid: int


def server_account() -> Account | None:
    """Return the ordinary account to use when this process is root; `None` means: as ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise ConfigError(
        "PostgreSQL does not run as root and this machine has neither an account 'postgres' nor "
        "'nobody': run as an ordinary user, or create one with `useradd --system postgres`."
    )


def require_access(account: Account | None, *paths: Path) -> None:
    """Refuse, naming the folder and the mend, when `account` may not enter or read the paths.

    No permission is ever changed: opening somebody's home folder is that person's decision.
    """
    if account is None:
        return
    wanted: list[str] = []
    for path in paths:
        resolved = path.resolve()
        wanted += [str(step) for step in (*reversed(resolved.parents), resolved)]
    closed = _first_closed(account, wanted)
    if closed:
        raise ConfigError(
            f"The embedded servers run as the account '{account.name}', which may not enter "
            f"{closed}: move the project and its data to a folder that everyone may enter (such as "
            f"/srv or /opt), run as an ordinary user, or allow it with `chmod o+x {closed}`."
        )


def _first_closed(account: Account, paths: Sequence[str]) -> str:
    command = _launch_command(account, signal.SIGTERM, ["--check", "--", *dict.fromkeys(paths)])
    try:
        answer = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=PROBE_TIMEOUT_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise UnavailableError(
            f"Cannot become the account '{account.name}' ({error}): run as an ordinary user."
        ) from error
    return answer.stdout.strip()


def _launch_command(
    account: Account | None, death: signal.Signals, rest: Sequence[str]
) -> list[str]:
    command = [sys.executable, "-I", "-S", str(LAUNCH_SCRIPT)]
    command += ["--parent", str(os.getpid()), "--signal", str(int(death))]
    if account is not None:
        command += ["--uid", str(account.uid), "--gid", str(account.gid)]
    return [*command, *rest]


class _Spawner:
    """One daemon thread that starts every child.

    The kernel sends the parent-death signal when the *thread* that started the child ends, so a
    child started from a short-lived worker thread would be stopped with it.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[
            tuple[Callable[[], subprocess.Popen[bytes]], Future[subprocess.Popen[bytes]]]
        ]
        self._jobs = queue.SimpleQueue()
        self.process_id = os.getpid()
        threading.Thread(target=self._run, name="embedded-spawner", daemon=True).start()

    def _run(self) -> None:
        while True:
            job, answer = self._jobs.get()
            try:
                answer.set_result(job())
            except OSError as error:
                answer.set_exception(error)

    def spawn(self, job: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        answer: Future[subprocess.Popen[bytes]] = Future()
        self._jobs.put((job, answer))
        return answer.result(timeout=PROBE_TIMEOUT_SECONDS)


_spawner: _Spawner | None = None
_spawner_lock = threading.Lock()


def spawn(
    command: Sequence[str | Path],
    *,
    account: Account | None,
    death_signal: signal.Signals,
    output: IO[bytes],
    environment: dict[str, str],
    standard_input: bytes = b"",
) -> subprocess.Popen[bytes]:
    """Start a program in its own session; it gets `death_signal` when this process ends.

    Its own session keeps a Ctrl-C in the terminal for this process, which then stops its servers
    in order. `standard_input` (at most 4096 bytes, a pipe's guaranteed room) carries secrets that
    must not stand on a command line, where every account of the machine can read them.
    """
    global _spawner
    assert len(standard_input) <= 4096
    full = _launch_command(account, death_signal, ["--", *map(str, command)])

    def start() -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            full,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd="/",
            env=environment,
            start_new_session=True,
        )
        assert child.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(standard_input)
            child.stdin.close()
        return child

    with _spawner_lock:
        if _spawner is None or _spawner.process_id != os.getpid():
            _spawner = _Spawner()
        spawner = _spawner
    return spawner.spawn(start)


def stop_child(
    child: subprocess.Popen[bytes], signals: Sequence[tuple[signal.Signals, float]]
) -> None:
    """Send the signals in turn, each with its grace in seconds, until the child has ended."""
    for number, grace_seconds in signals:
        if child.poll() is not None:
            return
        child.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=grace_seconds)
    child.wait(timeout=PROBE_TIMEOUT_SECONDS)


def stop_orphan(process: psutil.Process, number: signal.Signals, grace_seconds: float) -> None:
    """Wait for a server whose owner is dead, then ask it to end, then wait again.

    Raises `UnavailableError` if it outlives both waits; it is never killed, since its data may be
    half-way through a checkpoint.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        try:
            process.wait(timeout=grace_seconds / 2)
        except psutil.TimeoutExpired:
            process.send_signal(number)
            try:
                process.wait(timeout=grace_seconds)
            except psutil.TimeoutExpired as error:
                raise UnavailableError(
                    f"Process {process.pid} of an earlier run still uses the data folder and does "
                    f"not stop: stop it with `kill {process.pid}` and start again."
                ) from error


class DataFolder:
    """A server's folder, owned by one living process at a time (a lock that dies with it)."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: IO[str] | None = None

    def claim(self, *, timeout_seconds: float) -> None:
        """Create the folder if need be and own it.

        Raises `ConfigError` when it cannot be written, `UnavailableError` when another living
        process keeps it for longer than `timeout_seconds`.
        """
        try:
            missing = [step for step in (self.path, *self.path.parents) if not step.exists()]
            for step in reversed(missing):
                step.mkdir(mode=0o711)  # the server's own account must be able to pass
            lock = (self.path / "lock").open("a+")
        except OSError as error:
            raise ConfigError(
                f"Cannot write to the data folder {self.path} ({error.strerror}): "
                "choose another with --data-dir, or mend its permissions."
            ) from error
        deadline = time.monotonic() + timeout_seconds
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    lock.seek(0)
                    holder = lock.read().strip() or "another process"
                    lock.close()
                    raise UnavailableError(
                        f"The data folder {self.path} is in use by process {holder}: stop that "
                        "first, or choose another folder with --data-dir."
                    ) from error
                time.sleep(POLL_SECONDS)
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock

    def release(self) -> None:
        """Give the folder back; a second call does nothing."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def secret(self, name: str, *, create: bool) -> str:
        """Return the secret kept in the 0600 file `name`; with `create` make it on first use."""
        path = self.path / name
        if create and not path.exists():
            write_private(path, secrets.token_urlsafe(32) + "\n")
        try:
            return path.read_text().strip()
        except OSError as error:
            raise ConfigError(
                f"The data folder {self.path} has data but its secret {path} cannot be read "
                f"({error.strerror}): restore that file, or choose an empty folder with --data-dir."
            ) from error

    def choose_port(self, wanted: int | None) -> int:
        """Return `wanted`, or the port of the last run when it is free, or any free one.

        Raises `UnavailableError` when `wanted` is given and busy.
        """
        if wanted is not None:
            if not port_is_free(wanted):
                raise UnavailableError(
                    f"Port {wanted} on {LOOPBACK} is already in use: stop the program that uses "
                    "it, or choose another port."
                )
            return wanted
        remembered = self.path / "port"
        with contextlib.suppress(OSError, ValueError):
            last = int(remembered.read_text())
            if port_is_free(last):
                return last
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port = int(probe.getsockname()[1])
        remembered.write_text(f"{port}\n")
        return port


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError):
            return False
    return True


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def give_to(account: Account | None, path: Path) -> None:
    """Make `account` the owner of one file or folder of ours; `None` changes nothing."""
    if account is not None:
        os.chown(path, account.uid, account.gid)


def processes_in(folder: Path, program: str) -> Iterator[psutil.Process]:
    """Yield the running `program` processes whose working folder is `folder`."""
    for process in psutil.process_iter(["name"]):
        with contextlib.suppress(psutil.Error, OSError):
            if process.info["name"] == program and Path(process.cwd()) == folder.resolve():
                yield process


def last_lines(log: Path, count: int = 3) -> str:
    """Return the end of a server's log on one line, for an error sentence."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return "no log"
    return " / ".join(line.strip() for line in lines[-count:]) or "an empty log"


def plain_environment() -> dict[str, str]:
    """Return the environment of a server: a path and a language, and none of our secrets."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}
