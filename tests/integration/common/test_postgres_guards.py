"""What PostgreSQL itself enforces: transitions, the journal, and each role's least rights."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from tests.support.servers import Database
from theta.common.domain.orders import TRANSITIONS
from theta.common.postgres.engine import make_engine, transaction
from theta.common.postgres.journal import append, read_heads, read_rows, verify

ACCOUNT = "DU1"
AS_OWNER_WITHOUT_GUARDS = "set session_replication_role = replica"


@pytest.fixture
def owner(database: Database) -> Iterator[Engine]:
    engine = make_engine(database.superuser_url, application_name="test")
    yield engine
    engine.dispose()


def write_five(owner: Engine) -> None:
    with transaction(owner) as connection:
        for number in range(5):
            append(
                connection,
                account=ACCOUNT,
                actor="test",
                kind="test",
                subject=str(number),
                body={"number": number},
            )


def intact(owner: Engine) -> bool:
    with transaction(owner) as connection:
        return verify(read_rows(connection), read_heads(connection)).intact


def test_the_transition_table_in_the_database_is_the_domains(owner: Engine) -> None:
    with transaction(owner) as connection:
        rows = connection.execute(text("select from_state, to_state from order_transition")).all()
    stored = {(row[0], row[1]) for row in rows}
    assert stored == {(a.value, b.value) for a, targets in TRANSITIONS.items() for b in targets}


def test_an_untouched_journal_is_intact(owner: Engine) -> None:
    write_five(owner)
    assert intact(owner)


@pytest.mark.parametrize(
    "tampering",
    [
        "update journal set body = replace(body, 'test', 'best') where sequence = 3",
        "update journal set actor = 'other' where sequence = 3",
        "update journal set hash = reverse(hash) where sequence = 3",
        "delete from journal where sequence = 3",
        "delete from journal where sequence = 1",
        "delete from journal where sequence = 5",
        "delete from journal",
        (
            "update journal set sequence = case sequence when 2 then 103 when 3 then 102 end"
            " where sequence in (2, 3); update journal set sequence = sequence - 100"
            " where sequence > 100"
        ),
        (
            "insert into journal select account, 6, at, actor, kind, subject, body, hash, hash"
            " from journal where sequence = 5"
        ),
    ],
    ids=["body", "column", "hash", "deleted", "first", "truncated", "all", "reordered", "inserted"],
)
def test_any_tampering_with_the_journal_is_found(owner: Engine, tampering: str) -> None:
    write_five(owner)
    with transaction(owner) as connection:
        connection.execute(text(AS_OWNER_WITHOUT_GUARDS))
        for statement in tampering.split("; "):
            changed = connection.exec_driver_sql(statement)
            assert changed.rowcount > 0
        connection.execute(text("set session_replication_role = default"))
    assert not intact(owner)


@pytest.mark.parametrize(
    "statement",
    ["update journal set actor = 'x'", "delete from journal", "truncate journal"],
)
def test_not_even_the_owner_changes_the_journal_by_accident(owner: Engine, statement: str) -> None:
    write_five(owner)
    with pytest.raises(DBAPIError, match="append-only"), transaction(owner) as connection:
        connection.execute(text(statement))
    assert intact(owner)


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        *[
            (role, statement)
            for role in ("theta_gateway", "theta_strategy", "theta_risk", "theta_alerts")
            for statement in (
                "update journal set actor = 'x'",
                "delete from journal",
                "truncate journal",
                "insert into journal select * from journal",
                "update journal_head set sequence = 0",
            )
        ],
        ("theta_risk", "insert into order_event default values"),
        ("theta_risk", "update broker_command set outcome = 'sent'"),
        ("theta_risk", "update trading_gate set state = 'active'"),
        ("theta_risk", "update portfolio_snapshot set buying_power = 1"),
        ("theta_risk", "select * from operator_token"),
        ("theta_strategy", "insert into risk_verdict select * from risk_verdict"),
        ("theta_strategy", ("insert into buying_power_reservation"
         " select * from buying_power_reservation")),
        ("theta_alerts", "update order_intent set state = 'approved'"),
        ("theta_operator", "insert into child_order default values"),
    ],
)  # fmt: skip
def test_a_role_may_do_only_what_it_needs(database: Database, role: str, statement: str) -> None:
    engine = make_engine(database.url_for(role), application_name="test")
    try:
        with (
            pytest.raises(ProgrammingError, match="permission denied"),
            transaction(engine) as connection,
        ):
            connection.execute(text(statement))
    finally:
        engine.dispose()


@pytest.mark.parametrize("role", ["theta_gateway", "theta_strategy", "theta_risk", "theta_alerts"])
def test_every_service_appends_to_the_journal_and_sees_the_schema_revision(
    database: Database, owner: Engine, role: str
) -> None:
    engine = make_engine(database.url_for(role), application_name="test")
    with transaction(engine) as connection:
        append(connection, account=ACCOUNT, actor=role, kind="t", subject="s", body={})
        connection.execute(text("select version_num from alembic_version")).scalar_one()
    engine.dispose()
    assert intact(owner)
