"""Ready means that the others can read it: a run that begins at once finds the market time."""

from __future__ import annotations

from sqlalchemy import Engine

from tests.integration.gateway.places import rows
from tests.integration.gateway.rig import Rig
from theta.broker_gateway.use_cases.publish_clock import PublishClock
from theta.common.postgres.tables import broker_session


class NoFlag:
    def identity(self) -> str | None:
        return None


def publisher(rig: Rig) -> PublishClock:
    return PublishClock(
        broker=rig.broker, loop=rig.loop, session=rig.session, gate=rig.gate, guard=rig.guard,
        halting=rig.halting, flag=NoFlag(), clock=rig.clock, market_rate=lambda: 1.0,
        instance="rig",
    )  # fmt: skip


def test_a_connection_is_told_once_it_is_ready_and_its_market_time_is_stored(
    rig: Rig, rig_engine: Engine
) -> None:
    publishing = publisher(rig)
    connection_no = rig.broker.connection_no
    assert not publishing.has_told(connection_no)
    rig.broker.fetched = False
    publishing.turn()
    assert not publishing.has_told(connection_no)
    rig.broker.fetched = True
    publishing.turn()  # at once: what waits to be told does not wait for the next second
    assert publishing.has_told(connection_no)
    (row,) = rows(rig_engine, broker_session)
    assert row.market_at is not None


def test_a_new_connection_is_not_told_before_it_is_reconciled(rig: Rig) -> None:
    publishing = publisher(rig)
    publishing.turn()
    rig.controls.disconnect()
    rig.controls.connect()
    rig.clock.advance(1.5)
    publishing.turn()
    assert not publishing.has_told(rig.broker.connection_no)
    rig.watch.turn()
    publishing.turn()
    assert publishing.has_told(rig.broker.connection_no)
