"""The operator's command line against a real database and a real HTTP peer."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from tests.support.servers import Database
from theta.common.domain.orders import TradingState
from theta.common.http.serving import UvicornThread
from theta.common.postgres import gate
from theta.common.postgres.engine import make_engine, transaction
from theta.thetactl.__main__ import main

CONFIG = Path(__file__).parents[2] / "config" / "thetagang.toml"
ACCOUNT = "DU1234567"


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


def settings_of(environment: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a command: ours without settings, and what is given."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith("THETA_")}
    return {**plain, "THETA_CONFIG": str(CONFIG), **environment}


def run(*arguments: str, folder: Path = CONFIG.parent, **environment: str) -> Done:
    """Run the command's own `main` in this process: a process of its own spends a second on
    imports (`run_process`)."""
    with (
        pytest.MonkeyPatch.context() as patched,
        contextlib.redirect_stdout(io.StringIO()) as stdout,
        contextlib.redirect_stderr(io.StringIO()) as stderr,
    ):
        wanted = settings_of(environment)
        for name in set(os.environ) - set(wanted):
            patched.delenv(name)
        for name, value in wanted.items():
            patched.setenv(name, value)
        patched.setattr(sys, "argv", ["thetactl", *arguments])
        patched.chdir(folder)
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0
    return Done(code, stdout.getvalue(), stderr.getvalue())


def run_process(*arguments: str, folder: Path = CONFIG.parent, **environment: str) -> Done:
    """Run the command as a person does."""
    done = subprocess.run(
        [sys.executable, "-m", "theta.thetactl", *arguments],
        env=settings_of(environment),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def one_sentence(stderr: str) -> bool:
    return len(stderr.strip().splitlines()) == 1 and "Traceback" not in stderr


def test_a_missing_token_is_one_sentence_and_a_config_error() -> None:
    done = run_process("status")
    assert done.returncode == 78
    assert one_sentence(done.stderr)
    assert "THETA_API_TOKEN" in done.stderr


def test_a_dead_gateway_is_one_sentence_and_unavailable() -> None:
    done = run("status", THETA_API_TOKEN="x", THETA_GATEWAY_URL="http://127.0.0.1:9")
    assert done.returncode == 69
    assert one_sentence(done.stderr)


def test_an_unknown_setting_names_the_nearest() -> None:
    done = run("status", THETA_API_TOKN="x")
    assert done.returncode == 78
    assert "THETA_API_TOKEN" in done.stderr


def test_settings_of_the_env_file_count_where_the_environment_has_none(tmp_path: Path) -> None:
    lines = ["# as honcho reads it", "THETA_API_TOKEN=theta_x", "RISK_DATABASE_URL=x"]
    lines += ["THETA_GATEWAY_URL=http://127.0.0.1:9/from-file", "OTHER=1", "THETA_SESSION="]
    (tmp_path / ".env").write_text("\n".join(lines))
    done = run("status", folder=tmp_path)
    assert done.returncode == 69
    assert "from-file" in done.stderr
    done = run("status", folder=tmp_path, THETA_GATEWAY_URL="http://127.0.0.1:9/own")
    assert "http://127.0.0.1:9/own" in done.stderr


def test_an_unknown_setting_in_the_env_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("THETA_API_TOKN=x\n")
    done = run("status", folder=tmp_path)
    assert done.returncode == 78
    assert one_sentence(done.stderr)
    assert "THETA_API_TOKEN" in done.stderr


def test_the_operators_database_of_the_env_file_is_used(tmp_path: Path) -> None:
    url = "postgresql://theta_operator:y@127.0.0.1:9/z"
    (tmp_path / ".env").write_text(f"OPERATOR_DATABASE_URL={url}\n")
    done = run("journal", "verify", folder=tmp_path)
    assert done.returncode == 69
    assert one_sentence(done.stderr)


def test_a_missing_database_says_how_to_name_the_embedded_one() -> None:
    done = run("journal", "verify")
    assert done.returncode == 78
    assert one_sentence(done.stderr)
    assert "theta.embedded run --role theta_operator" in done.stderr


def test_config_check_names_file_and_fault(tmp_path: Path) -> None:
    broken = tmp_path / "thetagang.toml"
    broken.write_text("[meta\n")
    done = run("config", "check", str(broken))
    assert done.returncode == 78
    assert one_sentence(done.stderr)
    assert str(broken) in done.stderr
    good = run_process("config", "check")
    assert json.loads(good.stdout)["valid"] is True


def test_halt_works_with_only_postgresql(database: Database) -> None:
    engine = make_engine(database.url_for("theta_gateway"), application_name="test")
    with transaction(engine) as connection:
        gate.create_gate(
            connection,
            account=ACCOUNT,
            state=TradingState.ACTIVE,
            cause="start",
            reason="first",
            actor="test",
        )
    done = run(
        "halt",
        "--reason",
        "drill",
        THETA_DATABASE_URL=database.url_for("theta_operator"),
        THETA_API_TOKEN="x",
        THETA_GATEWAY_URL="http://127.0.0.1:9",
    )
    assert done.returncode == 0, done.stderr
    with transaction(engine) as connection:
        assert gate.effective_state(connection, ACCOUNT) is TradingState.HALTED
        alerts = connection.execute(text("select kind from alert")).scalars().all()
    assert alerts == ["trading.halted"]
    assert json.loads(done.stdout)["state"] == "halted"
    engine.dispose()


def test_halt_with_nothing_reachable_says_what_else_to_do() -> None:
    done = run("halt", "--reason", "drill", THETA_DATABASE_URL="postgresql://x:y@127.0.0.1:9/z")
    assert done.returncode == 69
    assert "THETA_HALT_FLAG_FILE" in done.stderr


def test_a_created_token_is_shown_once_and_only_its_hash_is_kept(database: Database) -> None:
    url = database.url_for("theta_operator")
    done = run("token", "create", "me", "--role", "operator", THETA_DATABASE_URL=url)
    plain = done.stdout.strip()
    assert plain.startswith("theta_")
    engine = make_engine(url, application_name="test")
    with transaction(engine) as connection:
        stored = connection.execute(text("select row_to_json(t)::text from operator_token t"))
        rows = [str(row[0]) for row in stored]
        journal = [str(r[0]) for r in connection.execute(text("select body from journal"))]
    assert len(rows) == 1
    assert plain not in "".join(rows + journal)
    refused = run("token", "create", "me", "--role", "king", THETA_DATABASE_URL=url)
    assert refused.returncode == 78
    engine.dispose()


def test_journal_verify_finds_a_changed_row(database: Database) -> None:
    url = database.url_for("theta_operator")
    run("token", "create", "one", THETA_DATABASE_URL=url)
    run("token", "create", "two", THETA_DATABASE_URL=url)
    assert run("journal", "verify", THETA_DATABASE_URL=url).returncode == 0
    owner = make_engine(database.superuser_url, application_name="test")
    with transaction(owner) as connection:
        connection.execute(text("alter table journal disable trigger all"))
        connection.execute(
            text("update journal set body = replace(body, 'one', 'eno') where sequence = 1")
        )
    done = run("journal", "verify", THETA_DATABASE_URL=url)
    assert done.returncode == 65
    assert json.loads(done.stdout)["faults"][0]["sequence"] == 1
    owner.dispose()


@pytest.mark.parametrize(("final", "code"), [("finished", 0), ("failed", 70), ("running", 75)])
def test_run_once_says_how_the_run_ended(final: str, code: int) -> None:
    app = FastAPI()

    @app.post("/v1/runs")
    def start() -> dict[str, str]:
        return {"id": "r1", "status": "claimed"}

    @app.get("/v1/runs/{run_id}")
    def look(run_id: str) -> dict[str, str]:
        return {"id": run_id, "status": final}

    server = UvicornThread(app, "127.0.0.1", 0)
    server.start()
    try:
        done = run(
            "run-once",
            "--wait",
            "1",
            THETA_API_TOKEN="x",
            THETA_GATEWAY_URL=f"http://127.0.0.1:{server.port}",
        )
    finally:
        server.stop()
    assert done.returncode == code, done.stderr
