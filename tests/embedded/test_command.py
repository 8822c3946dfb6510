"""`python -m theta.embedded`: serving, running a service beside it, and bad input."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.eventually import eventually
from theta.common.errors import EXIT_CONFIG, EXIT_UNAVAILABLE

pytestmark = pytest.mark.slow
"""Real servers started and killed: `make e2e` runs them."""

COMMAND = [sys.executable, "-m", "theta.embedded"]
PRINT_OWN_SETTINGS = (
    "import json, os; print(json.dumps({k: v for k, v in os.environ.items() if '_URL' in k}))"
)


def _environment(**more: str) -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if "_URL" not in key} | more


@pytest.fixture(scope="module")
def served(server_folder: Path) -> Iterator[Path]:
    """Yield a data folder that `serve` is serving, with the env file `env` in it."""
    folder = server_folder / "served"
    process = subprocess.Popen(
        [*COMMAND, "serve", "--data-dir", str(folder), "--env-file", str(server_folder / "env")],
        env=_environment(),
        stderr=subprocess.DEVNULL,
    )
    eventually((server_folder / "env").exists, timeout_seconds=30)
    yield folder
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0


def _run(folder: Path, role: str, **environment: str) -> dict[str, str]:
    program = [sys.executable, "-c", PRINT_OWN_SETTINGS]
    done = subprocess.run(
        [*COMMAND, "run", "--data-dir", str(folder), "--role", role, "--", *program],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
        env=_environment(**environment),
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_a_service_gets_the_urls_of_its_role_and_of_no_other(served: Path) -> None:
    found = _run(served, "theta_risk", ALERTS_DATABASE_URL="postgresql://another")
    assert set(found) == {"THETA_DATABASE_URL", "THETA_REDIS_URL"}
    assert found["THETA_DATABASE_URL"].startswith("postgresql+psycopg://theta_risk:")


def test_given_urls_replace_the_embedded_ones(tmp_path: Path) -> None:
    given = {"RISK_DATABASE_URL": "postgresql://mine", "THETA_REDIS_URL": "redis://mine"}
    found = _run(tmp_path / "nothing", "theta_risk", **given)
    assert found == {"THETA_DATABASE_URL": "postgresql://mine", "THETA_REDIS_URL": "redis://mine"}


def test_the_env_file_is_private_and_names_each_role(served: Path) -> None:
    env_file = served.parent / "env"
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600
    names = {line.split("=")[0] for line in env_file.read_text().splitlines() if "=" in line}
    roles = ("GATEWAY", "STRATEGY", "RISK", "ALERTS", "OPERATOR")
    assert names == {"THETA_REDIS_URL"} | {f"{role}_DATABASE_URL" for role in roles}


def _refusal(*words: str) -> tuple[int, str]:
    done = subprocess.run(
        [*COMMAND, *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
        env=_environment(),
    )
    return done.returncode, done.stderr.strip().splitlines()[-1]


def test_a_busy_port_ends_with_69_and_one_sentence(server_folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        folder = str(server_folder / "busy")
        code, sentence = _refusal("serve", "--data-dir", folder, "--redis-port", port)
    assert code == EXIT_UNAVAILABLE
    assert sentence.startswith(f"Port {port} on 127.0.0.1 is already in use: ")


def test_an_impossible_data_folder_ends_with_78_and_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, sentence = _refusal("serve", "--data-dir", str(tmp_path / "file" / "servers"))
    assert code == EXIT_CONFIG
    assert sentence.startswith("Cannot write to the data folder ")


def test_a_port_that_is_no_number_is_refused() -> None:
    code, sentence = _refusal("serve", "--postgres-port", "70000")
    assert code == 2
    assert "'70000' is not a port number from 1 to 65535" in sentence
