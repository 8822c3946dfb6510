"""Bad input against real processes: one clear sentence, and the right exit or status code."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.eventually import eventually
from theta.embedded.json_http import call
from theta.embedded.running import PROGRAMS, SERVICES, Deployment, free_port

START_TIMEOUT_SECONDS = 40
EXIT_CONFIG = 78
EXIT_UNAVAILABLE = 69

Environment = dict[str, str]


def run_service(name: str, environment: Environment) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *PROGRAMS[name].module],
        check=False,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_SECONDS,
        env=environment,
    )


def assert_one_sentence(done: subprocess.CompletedProcess[str], code: int, named: str) -> None:
    said = done.stderr.strip().splitlines()
    assert (done.returncode, len(said)) == (code, 1), done.stderr + done.stdout
    assert named in said[0]
    assert "Traceback" not in done.stdout


def without(name: str) -> Callable[[Environment, Path], Environment]:
    return lambda environment, _: {k: v for k, v in environment.items() if k != name}


def with_config(content: str) -> Callable[[Environment, Path], Environment]:
    def changed(environment: Environment, folder: Path) -> Environment:
        path = folder / "thetagang.toml"
        path.write_text(content.format(real=Path(environment["THETA_CONFIG"]).read_text()))
        return environment | {"THETA_CONFIG": str(path)}

    return changed


def with_setting(name: str, value: str) -> Callable[[Environment, Path], Environment]:
    return lambda environment, _: environment | {name: value}


BAD_STARTS = {
    "broken TOML": (with_config("[meta\nschema_version = 2\n"), "thetagang.toml"),
    "unknown key": (with_config("{real}\n[alerts2]\nchannels = []\n"), "alerts2"),
    "unknown setting": (with_setting("THETA_DATABASE_ULR", "x"), "THETA_DATABASE_URL"),
    "missing secret": (without("THETA_DATABASE_URL"), "THETA_DATABASE_URL"),
    "unreadable secret file": (
        lambda environment, folder: (
            without("THETA_REDIS_URL")(environment, folder)
            | {"THETA_REDIS_URL_FILE": "/nowhere/redis"}
        ),
        "/nowhere/redis",
    ),
}


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("name", "bad"),
    [
        (name, bad)
        for bad in BAD_STARTS
        for name in SERVICES
        # broker-gateway takes everything from its settings: it reads no thetagang.toml.
        if not (name == "gateway" and bad in ("broken TOML", "unknown key"))
    ],
)
def test_a_service_refuses_to_start(
    system: Deployment, name: str, bad: str, tmp_path: Path
) -> None:
    change, named = BAD_STARTS[bad]
    environment = system.environment(name)
    if name == "gateway":
        environment["THETA_SPOOL_DIR"] = str(tmp_path / "spool")
    done = run_service(name, change(environment, tmp_path))
    assert_one_sentence(done, EXIT_CONFIG, named)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_busy_port_ends_the_gateway(system: Deployment, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        environment = system.environment("gateway") | {
            "THETA_HTTP_PORT": port,
            "THETA_SPOOL_DIR": str(tmp_path / "spool"),
            "THETA_SESSION": "other",
        }
        done = run_service("gateway", environment)
    assert_one_sentence(done, EXIT_UNAVAILABLE, port)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_refused_broker_port_is_told_by_readyz(system: Deployment, tmp_path: Path) -> None:
    http_port, closed_port = free_port(), free_port()
    environment = system.environment("gateway") | {
        "THETA_HTTP_PORT": str(http_port),
        "THETA_TWS_PORT": str(closed_port),
        "THETA_SPOOL_DIR": str(tmp_path / "spool"),
        "THETA_SESSION": "refused",
    }
    url = f"http://127.0.0.1:{http_port}"
    with (tmp_path / "log").open("wb") as log:
        gateway = subprocess.Popen(
            [sys.executable, "-m", "theta.broker_gateway"], env=environment, stdout=log, stderr=log
        )
    try:
        eventually(lambda: answers(f"{url}/livez"), timeout_seconds=START_TIMEOUT_SECONDS)
        ready = call("GET", f"{url}/readyz")
        assert ready.status == 503
        assert "Traceback" not in str(ready.body)
        assert gateway.poll() is None
    finally:
        gateway.send_signal(signal.SIGTERM)
        assert gateway.wait(timeout=20) == 0


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("method", "path", "body", "token", "status"),
    [
        ("GET", "/v1/status", None, None, 401),
        ("GET", "/v1/status", None, "theta_wrong", 401),
        ("POST", "/v1/halt", {"reason": "x"}, "theta_wrong", 401),
        ("POST", "/v1/halt", {"reason": ""}, "own", 422),
        ("POST", "/v1/halt", {}, "own", 422),
        ("POST", "/v1/halt", {"reason": "x", "scoop": "account"}, "own", 422),
        ("POST", "/v1/runs", {"account": "NOBODY"}, "own", 404),
        ("GET", "/v1/intents/not-an-id", None, "own", 422),
        ("GET", "/v1/intents/00000000-0000-0000-0000-000000000000", None, "own", 404),
        ("GET", "/v1/nothing", None, "own", 404),
    ],
)
def test_the_api_answers_bad_requests_with_a_problem(
    system: Deployment,
    method: str,
    path: str,
    body: dict[str, str] | None,
    token: str | None,
    status: int,
) -> None:
    bearer = system.token if token == "own" else token
    answer = call(method, f"{system.api_url}{path}", body, token=bearer)
    assert answer.status == status, answer.body
    assert answer.body["status"] == status
    assert answer.body["detail"]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_malformed_body_is_refused(system: Deployment) -> None:
    request = urllib.request.Request(
        f"{system.api_url}/v1/halt",
        b"{not json",
        {"Authorization": f"Bearer {system.token}", "Content-Type": "application/json"},
        method="POST",
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    with refused.value as answer:
        assert answer.code == 422
        assert b'"detail"' in answer.read()


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_thetactl_says_what_is_wrong(system: Deployment) -> None:
    program = Path(sys.executable).with_name("thetactl")
    environment = {"PATH": os.environ["PATH"], "THETA_GATEWAY_URL": system.api_url}
    environment |= {"THETA_API_TOKEN": "theta_wrong", "THETA_CONFIG": str(system.plan.config)}
    done = subprocess.run(
        [program, "status"],
        check=False,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_SECONDS,
        env=environment,
    )
    assert done.returncode == 77
    assert len(done.stderr.strip().splitlines()) == 1
