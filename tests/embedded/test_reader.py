"""The proof's reader: one connection for many looks, each look as fresh as a new connection's."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.support.eventually import eventually
from tests.support.servers import Database
from theta.embedded.oracle_readers import Reader

BACKEND = "select pg_backend_pid() as pid"


@pytest.fixture
def reader(database: Database) -> Iterator[Reader]:
    with Reader(database.superuser_url) as made:
        yield made


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    url = database.superuser_url.replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


Owner = psycopg.Connection[tuple[object, ...]]


def test_looks_share_a_connection_and_each_sees_what_was_committed_before(
    reader: Reader, owner: Owner
) -> None:
    backend = reader.rows(BACKEND)
    assert (reader.rows("select 1 from strategy_run"), reader.records().runs) == ([], ())
    owner.execute(
        "insert into strategy_run (id, account, slot, trigger, actor, status)"
        " values (gen_random_uuid(), 'a', 's', 'api', 'me', 'claimed')"
    )
    assert reader.rows("select status from strategy_run") == [{"status": "claimed"}]
    assert [run.status for run in reader.records().runs] == ["claimed"]
    assert reader.rows(BACKEND) == backend


def test_a_lost_connection_fails_one_look_and_is_made_anew(reader: Reader, owner: Owner) -> None:
    (row,) = reader.rows(BACKEND)
    owner.execute("select pg_terminate_backend(%s, 5000)", [row["pid"]])
    with pytest.raises(psycopg.OperationalError):
        reader.rows(BACKEND)
    assert eventually(lambda: reader.rows(BACKEND)) != [row]


def test_it_changes_nothing(reader: Reader) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        reader.rows("delete from strategy_run")
    assert reader.rows("select 1 as one") == [{"one": 1}]
