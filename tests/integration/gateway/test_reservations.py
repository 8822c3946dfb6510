"""Buying power is free again once a download asked for after the end contains the fill (§3)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine

from tests.integration.gateway.places import add, approve, intent_state, only_child, rows
from tests.integration.gateway.rig import ACCOUNT, Rig
from tests.support.servers import Database
from theta.common.errors import UnavailableError
from theta.common.postgres.engine import make_engine
from theta.common.postgres.tables import buying_power_reservation, portfolio_snapshot

pytestmark = pytest.mark.slow
"""Each waits for seconds of the gateway's own timing: `make e2e` runs them."""


@pytest.fixture
def owner(database: Database) -> Iterator[Engine]:
    found = make_engine(database.superuser_url, application_name="owner")
    yield found
    found.dispose()


def reserved(engine: Engine, owner: Engine) -> UUID:
    """Approve an intent with its reservation, as risk leaves it."""
    intent_id = approve(engine, account=ACCOUNT)
    add(
        owner, buying_power_reservation, id=uuid4(), account=ACCOUNT, intent_id=intent_id,
        amount=Decimal(74_000), currency="USD",
    )  # fmt: skip
    return intent_id


def is_released(engine: Engine, intent_id: UUID) -> bool:
    (row,) = rows(
        engine, buying_power_reservation, buying_power_reservation.c.intent_id == intent_id
    )
    return row.released_at is not None


def fill(rig: Rig, engine: Engine, intent_id: UUID) -> None:
    rig.submit(intent_id)
    rig.controls.fill(only_child(engine, intent_id).order_ref, 1, Decimal("5.00"))
    rig.evidence.write_pending()
    assert intent_state(engine, intent_id) == "filled"


def test_a_download_asked_for_before_the_end_releases_nothing(
    rig: Rig, rig_engine: Engine, owner: Engine
) -> None:
    intent_id = reserved(rig_engine, owner)
    before = rig.store.now()
    fill(rig, rig_engine, intent_id)
    portfolio = asyncio.run(rig.broker.portfolio(ACCOUNT))
    early = rig.store.store_portfolio(portfolio, snapshot_id=uuid4(), requested_at=before)
    assert early == []
    assert not is_released(rig_engine, intent_id)
    after = rig.store.now()
    late = rig.store.store_portfolio(portfolio, snapshot_id=uuid4(), requested_at=after)
    assert late == [intent_id]
    assert is_released(rig_engine, intent_id)


def test_a_fill_is_followed_by_a_download_within_two_seconds(
    rig: Rig, rig_engine: Engine, owner: Engine
) -> None:
    intent_id = reserved(rig_engine, owner)
    fill(rig, rig_engine, intent_id)
    rig.watch.turn()
    assert not is_released(rig_engine, intent_id)
    rig.pass_time(1.5)
    assert is_released(rig_engine, intent_id)


def test_a_second_fill_right_after_a_download_need_not_wait_longer(
    rig: Rig, rig_engine: Engine, owner: Engine
) -> None:
    first, second = reserved(rig_engine, owner), reserved(rig_engine, owner)
    fill(rig, rig_engine, first)
    rig.watch.turn()
    rig.pass_time(1.5)
    assert is_released(rig_engine, first)
    fill(rig, rig_engine, second)
    rig.watch.turn()
    assert not is_released(rig_engine, second)
    rig.pass_time(1.5)
    assert is_released(rig_engine, second)


def test_an_end_right_after_a_download_that_left_nothing_need_not_wait_longer(
    rig: Rig, rig_engine: Engine, owner: Engine
) -> None:
    first, second = reserved(rig_engine, owner), reserved(rig_engine, owner)
    fill(rig, rig_engine, first)
    rig.submit(second)
    rig.watch.turn()
    rig.pass_time(1.5)
    assert is_released(rig_engine, first)
    rig.cancelling.cancel(only_child(rig_engine, second).id)
    rig.evidence.write_pending()
    rig.pass_time(1.2)
    rig.pass_time(1.2)
    assert is_released(rig_engine, second)


def test_an_end_without_a_fill_is_followed_by_a_download(
    rig: Rig, rig_engine: Engine, owner: Engine
) -> None:
    intent_id = reserved(rig_engine, owner)
    rig.submit(intent_id)
    rig.cancelling.cancel(only_child(rig_engine, intent_id).id)
    rig.evidence.write_pending()
    assert intent_state(rig_engine, intent_id) == "cancelled"
    rig.pass_time(1.2)
    rig.pass_time(1.2)
    assert is_released(rig_engine, intent_id)


def test_a_download_without_the_fill_releases_nothing_and_is_repeated_ever_more_rarely(
    rig: Rig, rig_engine: Engine, owner: Engine
) -> None:
    intent_id = reserved(rig_engine, owner)
    fill(rig, rig_engine, intent_id)
    held = dict(rig.script.positions[ACCOUNT])
    rig.script.positions[ACCOUNT].clear()
    first = len(rows(rig_engine, portfolio_snapshot))
    taken = []
    for _ in range(40):  # twenty seconds
        rig.pass_time(0.5)
        taken.append(len(rows(rig_engine, portfolio_snapshot)) - first)
    assert not is_released(rig_engine, intent_id)
    assert taken[5] == 1
    assert taken[-1] == 3  # at about 1 s, 6 s and 16 s
    rig.script.positions[ACCOUNT].update(held)
    rig.pass_time(21)
    assert is_released(rig_engine, intent_id)


def test_a_failed_download_is_asked_for_again_after_five_seconds(
    rig: Rig, rig_engine: Engine, owner: Engine
) -> None:
    intent_id = reserved(rig_engine, owner)
    fill(rig, rig_engine, intent_id)
    rig.watch.turn()
    rig.script.failing["portfolio"] = UnavailableError("no answer")
    rig.pass_time(1.5)
    rig.pass_time(2)
    assert not is_released(rig_engine, intent_id)
    rig.pass_time(3.5)
    assert is_released(rig_engine, intent_id)
