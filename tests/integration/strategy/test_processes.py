"""The two processes as a person starts them: ready, at work, stopped cleanly, or one sentence."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.eventually import eventually
from tests.support.servers import ROLE_PASSWORDS
from tests.support.wheel_market import CONFIG_FILE
from theta.embedded.postgres import EmbeddedPostgres
from theta.embedded.schema import create_database, migrate, with_database, with_login

pytestmark = pytest.mark.slow
"""Whole processes: `make e2e` runs them."""


@pytest.fixture(scope="module")
def superuser_url(server_folder: Path) -> Iterator[str]:
    """Yield a database as in production: the services refuse one that could lose a commit."""
    with EmbeddedPostgres(server_folder / "strict") as server:
        create_database(server.superuser_url, "theta")
        url = with_database(server.superuser_url, "theta")
        migrate(url, ROLE_PASSWORDS)
        yield url


@pytest.fixture
def environment(superuser_url: str, redis_url: str) -> dict[str, str]:
    role = "theta_strategy"
    return {
        "PATH": "/usr/bin:/bin",
        "THETA_DATABASE_URL": with_login(superuser_url, role, ROLE_PASSWORDS[role]),
        "THETA_REDIS_URL": redis_url,
        "THETA_API_TOKEN": "token",
        "THETA_CONFIG": str(CONFIG_FILE),
        "THETA_GATEWAY_URL": "http://127.0.0.1:1",
    }


def start(process: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "theta.strategy", process],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("process", "service"), [("worker", "strategy"), ("schedule", "schedule")])
def test_a_process_beats_and_stops_within_five_seconds(
    process: str, service: str, environment: dict[str, str], superuser_url: str
) -> None:
    plain = superuser_url.replace("postgresql+psycopg://", "postgresql://")
    running = start(process, environment)
    try:
        with psycopg.connect(plain, autocommit=True) as connection:
            query = "select 1 from heartbeat where service = %s"
            eventually(lambda: connection.execute(query, (service,)).fetchone(), timeout_seconds=20)
        began = time.monotonic()
        running.terminate()
        _, errors = running.communicate(timeout=10)
        assert (running.returncode, errors) == (0, "")
        assert time.monotonic() - began < 5
    finally:
        running.kill()
        running.communicate()


@pytest.mark.parametrize(
    ("changes", "code", "sentence"),
    [
        ({"THETA_API_TOKEN": ""}, 78, "THETA_API_TOKEN"),
        ({"THETA_CONFIG": "/nowhere/thetagang.toml"}, 78, "/nowhere/thetagang.toml"),
        ({"THETA_DATABASE_URL": "postgresql://a:b@127.0.0.1:1/theta"}, 69, "THETA_DATABASE_URL"),
        ({"THETA_GATEWAY": "x"}, 78, "THETA_GATEWAY_URL"),
    ],
    ids=["token", "config", "database", "unknown variable"],
)
def test_what_is_wrong_is_one_sentence(
    changes: dict[str, str], code: int, sentence: str, environment: dict[str, str]
) -> None:
    running = start("worker", {**environment, **changes})
    _, errors = running.communicate(timeout=20)
    assert running.returncode == code
    assert sentence in errors
    assert len(errors.strip().splitlines()) == 1
