"""`python -m theta.alerts` as a process: killed, restarted, stopped, misconfigured."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.support.eventually import eventually
from tests.support.servers import Database
from tests.support.service_processes import ServiceProcess
from theta.common.postgres.alerts import raise_alert
from theta.common.postgres.engine import make_engine, transaction
from theta.embedded.slack_sink import SlackSink

pytestmark = pytest.mark.slow
"""Whole processes: `make e2e` runs them."""

Start = Callable[[], ServiceProcess]
NO_REDIS = "redis://127.0.0.1:1/0"
"""A port on which nothing listens: the loop must deliver without Redis."""


@pytest.fixture
def environ(durable_database: Database, sink: SlackSink, tmp_path: Path) -> dict[str, str]:
    return {
        "THETA_DATABASE_URL": durable_database.url_for("theta_alerts"),
        "THETA_REDIS_URL": NO_REDIS,
        "THETA_CONFIG": "config/thetagang.toml",
        "THETA_SLACK_WEBHOOK_URL": sink.url,
        "THETA_FAULT_FILE": str(tmp_path / "faults.json"),
    }


@pytest.fixture
def start(environ: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    running: list[ServiceProcess] = []

    def begin() -> ServiceProcess:
        running.append(ServiceProcess("theta.alerts", environ, tmp_path))
        return running[-1]

    yield begin
    for one in running:
        one.close()


def raise_one(database: Database, key: str) -> None:
    engine = make_engine(database.superuser_url, application_name="test")
    with transaction(engine) as connection:
        raise_alert(
            connection,
            account="DU1234567",
            session="main",
            severity="critical",
            kind="test",
            title=key,
            message="test",
            context={},
            source_key=key,
        )
    engine.dispose()


def states(database: Database) -> list[str]:
    engine = make_engine(database.superuser_url, application_name="test")
    with transaction(engine) as connection:
        found = [row[0] for row in connection.execute(text("select state from alert_delivery"))]
    engine.dispose()
    return found


@pytest.mark.parametrize("point", ["alerts.deliver.before_send", "alerts.deliver.after_send"])
def test_killed_while_sending_it_delivers_after_its_restart(
    durable_database: Database,
    sink: SlackSink,
    environ: dict[str, str],
    start: Start,
    tmp_path: Path,
    point: str,
) -> None:
    environ["THETA_ALERT_TAKEOVER_SECONDS"] = "1"
    (tmp_path / "faults.json").write_text(json.dumps({point: {"action": "kill"}}))
    raise_one(durable_database, "killed")
    first = start()
    assert first.wait() == -signal.SIGKILL
    assert states(durable_database) == ["sending"]
    second = start()
    eventually(lambda: states(durable_database) == ["delivered"], 20)
    assert sink.delivered[-1].title == "killed"
    code, seconds = second.stop()
    assert code == 0
    assert seconds < 5
    assert sink.url not in first.output() + second.output()


def test_it_beats_and_delivers_without_redis(
    durable_database: Database, sink: SlackSink, start: Start
) -> None:
    process = start()
    raise_one(durable_database, "no redis")
    eventually(lambda: len(sink.delivered) == 1, 20)
    engine = make_engine(durable_database.superuser_url, application_name="test")
    with transaction(engine) as connection:
        beats = [row[0] for row in connection.execute(text("select service from heartbeat"))]
    engine.dispose()
    assert beats == ["alerts"]
    assert process.stop()[0] == 0


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("THETA_DATABASE_URL", "", 78),
        ("THETA_DATABASE_URL", "postgresql://theta_alerts:x@127.0.0.1:1/theta", 69),
        ("THETA_SLACK_WEBHOOK_URL", "http://hooks.example.com/services/secret", 78),
        ("THETA_CONFIG", "config/absent.toml", 78),
        ("THETA_SLAK_WEBHOOK_URL", "x", 78),
    ],
)
def test_bad_settings_end_it_with_one_sentence(
    environ: dict[str, str], start: Start, name: str, value: str, code: int
) -> None:
    environ[name] = value
    process = start()
    assert process.wait() == code
    said = [line for line in process.output().splitlines() if not line.startswith("{")]
    assert len(said) == 1
    assert name.replace("SLAK", "SLACK") in said[0] or value in said[0]
    assert "secret" not in said[0]


def test_a_role_that_may_rewrite_the_journal_is_refused(
    durable_database: Database, environ: dict[str, str], start: Start
) -> None:
    environ["THETA_DATABASE_URL"] = durable_database.superuser_url
    process = start()
    assert process.wait() == 78
    assert "journal" in process.output()


def test_another_schema_revision_is_refused(durable_database: Database, start: Start) -> None:
    engine = make_engine(durable_database.superuser_url, application_name="test")
    with transaction(engine) as connection:
        connection.execute(text("update alembic_version set version_num = '0000'"))
    engine.dispose()
    process = start()
    assert process.wait() == 78
    assert "migrate" in process.output()
