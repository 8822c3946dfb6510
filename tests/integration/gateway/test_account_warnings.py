"""A margin call in a download becomes one alert a day, in the same breath as the snapshot."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from sqlalchemy import Engine

from tests.integration.gateway.places import rows
from tests.integration.gateway.rig import ACCOUNT, Rig
from theta.common.postgres.tables import alert


def _told(engine: Engine) -> list[str]:
    return sorted(row.kind for row in rows(engine, alert, alert.c.kind.like("account.%")))


def test_a_margin_call_is_told_once_a_day(rig: Rig, rig_engine: Engine) -> None:
    rig.snapshots.take(ACCOUNT)
    assert _told(rig_engine) == []
    sound = rig.script.values
    rig.script.values = replace(
        sound, excess_liquidity=Decimal(-5), cushion_ratio=Decimal("-0.0001")
    )
    for _ in range(3):
        rig.snapshots.take(ACCOUNT)
    assert _told(rig_engine) == ["account.cushion_critical", "account.margin_call"]
    rig.script.advance(86_400)
    rig.snapshots.take(ACCOUNT)
    assert len(_told(rig_engine)) == 4
