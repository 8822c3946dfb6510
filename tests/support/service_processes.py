"""Services as real processes on a PostgreSQL that they accept (all of its durability on)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.servers import ROLE_PASSWORDS, Database
from theta.embedded.postgres import EmbeddedPostgres
from theta.embedded.schema import create_database, migrate, with_database

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def durable_server(server_folder: Path) -> Iterator[EmbeddedPostgres]:
    """Yield a PostgreSQL with full-page writes, as `refuse_unsafe_database` demands."""
    with EmbeddedPostgres(server_folder / "durable") as server:
        yield server


@pytest.fixture
def durable_database(durable_server: EmbeddedPostgres, request: pytest.FixtureRequest) -> Database:
    """Return a migrated database of this test's own on that server."""
    name = f"durable_{abs(hash(request.node.nodeid))}"
    create_database(durable_server.superuser_url, name)
    url = with_database(durable_server.superuser_url, name)
    migrate(url, ROLE_PASSWORDS)
    return Database(superuser_url=url)


class ServiceProcess:
    """`python -m <module>` with nothing of our environment but PATH and what is given."""

    def __init__(self, module: str, environ: Mapping[str, str], folder: Path) -> None:
        self._log = folder / f"{module}.log"
        self._handle = self._log.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", module],
            env={"PATH": os.environ["PATH"], **environ},
            cwd=ROOT,
            stdout=self._handle,
            stderr=subprocess.STDOUT,
        )

    def output(self) -> str:
        return self._log.read_text()

    def wait(self, timeout_seconds: float = 20) -> int:
        return self.process.wait(timeout=timeout_seconds)

    def stop(self) -> tuple[int, float]:
        """Send SIGTERM; return exit code and seconds until the end."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=20)
        return code, time.monotonic() - started

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=10)
        self._handle.close()
