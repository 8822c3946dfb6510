"""Assignments are seen by reconciliation, explained, told, and never stop trading; gaps do."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import Engine

from tests.integration.gateway.places import put, rows
from tests.integration.gateway.rig import ACCOUNT, Rig
from theta.common.domain.instruments import stock
from theta.common.domain.portfolio import Position
from theta.common.postgres.tables import alert, reconciliation, trading_gate


def hold(rig: Rig, quantity: int, *, shares: int = 0) -> None:
    """Let the broker show a short put on SPY and shares; 0 is not shown."""
    rig.script.positions[ACCOUNT].clear()
    for contract, count in ((put(), quantity), (stock("SPY"), shares)):
        if count:
            held = Position(contract=contract, quantity=Decimal(count), average_cost_usd=None)
            rig.script.hold(ACCOUNT, held)


def gate(engine: Engine) -> str:
    return str(rows(engine, trading_gate)[0].state)


def newest(engine: Engine) -> list[tuple[str, str]]:
    last = max(rows(engine, reconciliation), key=lambda row: row.finished_at)
    return sorted((one["subject"], one["kind"]) for one in last.differences)


def test_an_early_assignment_is_explained_and_told(rig: Rig, rig_engine: Engine) -> None:
    hold(rig, -2)
    rig.reconciling.reconcile("opening balance")  # the first baseline was without it
    rig.resuming.resume(scope="account", scope_key=None, account=None, reason="mine", actor="ann")
    assert rig.reconciling.reconcile("settled")
    hold(rig, -1, shares=100)
    assert rig.reconciling.reconcile("timer")
    assert newest(rig_engine) == [
        ("SPY", "assignment"),
        ("SPY 2026-09-18 740 P", "assignment"),
    ]
    assert gate(rig_engine) == "active"
    told = rows(rig_engine, alert, alert.c.kind == "position.assignment")
    assert [row.severity for row in told] == ["warning"]
    assert rig.reconciling.reconcile("timer")
    assert len(rows(rig_engine, alert, alert.c.kind == "position.assignment")) == 1


def test_a_put_that_vanishes_without_its_shares_makes_the_account_reducing(
    rig: Rig, rig_engine: Engine
) -> None:
    hold(rig, -2)
    rig.reconciling.reconcile("opening balance")
    rig.resuming.resume(scope="account", scope_key=None, account=None, reason="mine", actor="ann")
    assert rig.reconciling.reconcile("settled")
    hold(rig, -1, shares=99)
    assert not rig.reconciling.reconcile("timer")
    assert gate(rig_engine) == "reducing"
    hold(rig, -1, shares=100)
    assert rig.reconciling.reconcile("timer")
    assert gate(rig_engine) == "active"
