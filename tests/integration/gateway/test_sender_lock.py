"""The sender's lock is lost with its connection, which is noticed before the write."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from tests.integration.gateway.places import approve, intent_state, rows
from tests.integration.gateway.rig import ACCOUNT, Rig
from tests.support.eventually import eventually
from tests.support.servers import Database
from theta.common.postgres.engine import make_engine
from theta.common.postgres.tables import broker_command


@pytest.fixture
def owner(database: Database) -> Iterator[Engine]:
    found = make_engine(database.superuser_url, application_name="owner")
    yield found
    found.dispose()


def terminate_holders(owner: Engine) -> int:
    """End every session that holds an advisory lock of this database."""
    statement = text(
        "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'"
        " and database = (select oid from pg_database where datname = current_database())"
    )
    with owner.connect() as connection:
        return len(connection.execute(statement).all())


def test_the_lock_is_known_to_be_held_while_it_is(rig: Rig) -> None:
    assert not rig.lock.still_held()
    with rig.lock.shared():
        assert rig.lock.still_held()


def test_a_lock_lost_with_its_connection_is_noticed_without_asking(rig: Rig, owner: Engine) -> None:
    with rig.lock.shared():
        assert terminate_holders(owner) == 1
        eventually(lambda: not rig.lock.still_held())
    with rig.lock.shared():
        assert rig.lock.still_held(), "the next send takes it on a new connection"


def test_an_order_is_not_written_once_the_lock_was_lost(
    rig: Rig, rig_engine: Engine, owner: Engine
) -> None:
    def lose() -> None:
        terminate_holders(owner)
        eventually(lambda: not rig.lock.still_held())

    intent_id = approve(rig_engine, account=ACCOUNT)
    rig.steps.at["gateway.claim.after_commit"] = lose
    assert rig.submit(intent_id) == "not_sent"
    assert rig.broker.written == []
    assert intent_state(rig_engine, intent_id) == "unknown"
    assert "sender_lock_lost" in rows(rig_engine, broker_command)[0].detail
