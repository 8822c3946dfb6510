"""The way to a paper account of the README, walked: the simulator in the place of IB Gateway."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.eventually import eventually
from theta.common.errors import UnavailableError
from theta.embedded.json_http import call
from theta.embedded.running import free_port
from theta.embedded.slack_sink import SlackSink

ROOT = Path(__file__).parents[2]
STEP_SECONDS = 150
STOP_SECONDS = 40
LIVE = {"proposed", "held", "approved", "submitting", "working", "unknown"}


class Desk:
    """A folder as after `make setup`, an `.env` of its own, and the person who sits there."""

    def __init__(self, folder: Path, slack_url: str) -> None:
        self.folder = folder
        for name in ("Procfile", "config"):
            (folder / name).symlink_to(ROOT / name)
        (folder / ".venv").symlink_to(sys.prefix)
        self.api_url = f"http://127.0.0.1:{free_port()}"
        self._env_file = folder / ".env"
        self._env_file.write_text((ROOT / ".env.example").read_text())
        self._env_file.chmod(0o600)
        self.set("THETA_TWS_PORT", str(free_port()))
        self.set("SIMULATOR_CONTROL_PORT", str(free_port()))
        self.set("THETA_HTTP_PORT", self.api_url.rsplit(":", 1)[1])
        self.set("THETA_GATEWAY_URL", self.api_url)
        self.set("THETA_SLACK_WEBHOOK_URL", slack_url)
        plain = {k: v for k, v in os.environ.items() if not k.startswith("THETA_")}
        self._environment = plain | {"COLUMNS": "80"}

    def set(self, name: str, value: str) -> None:
        with self._env_file.open("a") as file:
            file.write(f"{name}={value}\n")

    @contextlib.contextmanager
    def terminal(self, *names: str) -> Iterator[Path]:
        """Run `honcho start names` in a terminal until Ctrl-C; yield the file of what it shows."""
        shown = self.folder / f"{names[0]}.shown"
        with shown.open("wb") as output:
            honcho = subprocess.Popen(
                [".venv/bin/honcho", "start", *names],
                cwd=self.folder,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield shown
            assert honcho.poll() is None, shown.read_text()[-3000:]
        finally:
            honcho.send_signal(signal.SIGINT)
            try:
                honcho.wait(timeout=STOP_SECONDS)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(honcho.pid, signal.SIGKILL)

    def type(self, *words: str) -> str:
        """Run one command as typed in the folder; it must succeed and complain of nothing."""
        done = subprocess.run(
            words,
            check=False,
            capture_output=True,
            text=True,
            timeout=STEP_SECONDS,
            cwd=self.folder,
            env=self._environment,
        )
        assert (done.returncode, done.stderr) == (0, ""), (words, done.stdout, done.stderr)
        return done.stdout

    def thetactl(self, *words: str) -> str:
        return self.type(".venv/bin/thetactl", *words)

    def operate(self, *words: str) -> str:
        run = (".venv/bin/python", "-m", "theta.embedded", "run", "--role", "theta_operator", "--")
        return self.type(*run, ".venv/bin/thetactl", *words)

    def ready(self) -> bool:
        with contextlib.suppress(UnavailableError):
            return call("GET", f"{self.api_url}/readyz").status == 200
        return False

    def states(self) -> list[str]:
        return [intent["state"] for intent in json.loads(self.thetactl("intents", "--json"))]

    def run(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.thetactl("run-once", "--json"))
        return found


@pytest.fixture
def slack() -> Iterator[SlackSink]:
    with SlackSink() as sink:
        yield sink


@pytest.fixture
def desk(slack: SlackSink) -> Iterator[Desk]:
    folder = Path(tempfile.mkdtemp(prefix="theta-desk-"))
    folder.chmod(0o711)  # PostgreSQL's own account must be able to pass
    yield Desk(folder, slack.url)
    shutil.rmtree(folder, ignore_errors=True)


def outcomes(run: dict[str, Any]) -> list[str]:
    return sorted(decision["outcome"] for decision in run["decisions"])


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_way_to_paper_is_as_the_readme_says(desk: Desk, slack: SlackSink) -> None:
    desk.thetactl("config", "check")
    with desk.terminal("servers", "simulator") as servers:
        token = desk.operate("token", "create", "services", "--role", "operator").strip()
        desk.set("THETA_API_TOKEN", token)
        with desk.terminal("gateway", "strategy", "schedule", "risk", "alerts") as services:
            eventually(desk.ready, 90)
            trade_and_halt(desk, slack)
        assert "Traceback" not in services.read_text()
        assert token not in services.read_text()
    assert "Traceback" not in servers.read_text()


def trade_and_halt(desk: Desk, slack: SlackSink) -> None:
    assert "DU1234567" in desk.thetactl("status")
    assert outcomes(desk.run()) == ["order", "order", "order"]
    eventually(lambda: set(desk.states()) <= {"working", "filled"}, 30)
    (first, *_) = json.loads(desk.thetactl("intents", "--json"))
    assert first["id"] in desk.thetactl("intents"), "the id must be there to copy"
    assert json.loads(desk.thetactl("intents", first["id"]))["verdicts"]

    assert json.loads(desk.thetactl("halt", "--reason", "looking"))["state"] == "halted"
    eventually(lambda: not LIVE & set(desk.states()), 30)
    assert "halted" in desk.thetactl("status")
    assert outcomes(desk.run()) == ["blocked", "blocked", "blocked"]
    eventually(lambda: any("halted" in post.title for post in slack.posts), 30)

    desk.thetactl("resume", "--reason", "seen")
    (gate,) = json.loads(desk.thetactl("status", "--json"))["gates"]
    assert gate["state"] == "active"
    assert json.loads(desk.operate("journal", "verify"))["intact"] is True
