"""The claim in one round trip does what the claim step by step does, and no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from tests.integration.gateway.places import approve, only_child, put, rows
from tests.integration.gateway.rig import ACCOUNT, Rig
from theta.broker_gateway.adapters.postgres_plain_claim import claim_at_once
from theta.broker_gateway.domain.records import ClaimedOrder, ClaimRequest
from theta.common.domain.orders import TradingState
from theta.common.postgres import journal
from theta.common.postgres.engine import transaction
from theta.common.postgres.tables import broker_command, child_order, order_intent

JOURNAL = text(
    "select kind, (body::json)->'body' as body from journal"
    " where kind in ('intent.submitting', 'child.submitting') order by sequence"
)


def request_for(rig: Rig, intent_id: Any) -> ClaimRequest:
    epoch = rig.guard.epoch(rig.clock.boottime_seconds())
    assert epoch is not None
    return ClaimRequest(
        intent_id=intent_id, command_id=uuid4(), child_id=uuid4(), order_ref=f"theta-{uuid4().hex}",
        epoch=epoch, connection_no=1, client_id=17, order_id=900, market_at=rig.script.at,
        send_within_ms=2000,
    )  # fmt: skip


def plain(engine: Engine, request: ClaimRequest) -> Any:
    with transaction(engine) as connection:
        return claim_at_once(connection, request, session="main")


def test_both_ways_leave_the_same_records(rig: Rig, rig_engine: Engine) -> None:
    first, second = (approve(rig_engine, account=ACCOUNT, contract=put(strike=s)) for s in "12")
    one = request_for(rig, first)
    quick = plain(rig_engine, one)
    other = replace(
        one, intent_id=second, command_id=uuid4(), child_id=uuid4(), order_ref="theta-other"
    )
    with transaction(rig_engine) as connection:
        slow = rig.claims._step_by_step(connection, other)
    assert isinstance(slow, ClaimedOrder)
    assert replace(
        quick, intent_id=second, child_id=other.child_id, command_id=other.command_id,
        order_ref="theta-other", contract=slow.contract, approved_at=slow.approved_at,
    ) == slow  # fmt: skip
    varying = {"id", "intent_id", "child_id", "order_ref", "contract", "spool_id"}
    for table in (order_intent, child_order, broker_command):
        left, right = (
            {k: v for k, v in row._mapping.items() if k not in varying and not k.endswith("_at")}
            for row in rows(rig_engine, table)
        )
        assert left == right
    with rig_engine.connect() as connection:
        said = [(row.kind, sorted(row.body)) for row in connection.execute(JOURNAL)]
        report = journal.verify(journal.read_rows(connection), journal.read_heads(connection))
    assert said[:2] == said[2:]
    assert len(said) == 4
    assert report.intact


OBSTACLES: dict[str, Callable[[Rig, ClaimRequest], ClaimRequest]] = {
    "an older epoch": lambda rig, one: replace(one, epoch=one.epoch + 1),
    "its validity is over": lambda rig, one: replace(
        one, market_at=one.market_at + timedelta(days=40_000)
    ),
    "another session's": lambda rig, one: replace(one, intent_id=uuid4()),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_what_is_not_plain_is_left_alone(rig: Rig, rig_engine: Engine, obstacle: str) -> None:
    intent_id = approve(rig_engine, account=ACCOUNT)
    request = OBSTACLES[obstacle](rig, request_for(rig, intent_id))
    assert plain(rig_engine, request) is None
    assert only_child(rig_engine, intent_id) is None
    assert plain(rig_engine, request_for(rig, intent_id)) is not None


@pytest.mark.parametrize("scope", ["account", "strategy", "symbol"])
def test_any_open_trading_state_is_not_plain(rig: Rig, rig_engine: Engine, scope: Any) -> None:
    rig.gate.tighten(
        ACCOUNT, scope=scope, scope_key="elsewhere", state=TradingState.REDUCING, cause="test",
        reason="test", actor="ann", record_id=None,
    )  # fmt: skip
    intent_id = approve(rig_engine, account=ACCOUNT)
    assert plain(rig_engine, request_for(rig, intent_id)) is None
    assert only_child(rig_engine, intent_id) is None


def test_an_unknown_order_on_the_underlying_is_not_plain(rig: Rig, rig_engine: Engine) -> None:
    first, second = (approve(rig_engine, account=ACCOUNT, contract=put(strike=s)) for s in "12")
    claimed = plain(rig_engine, request_for(rig, first))
    rig.orders.mark_unknown(claimed.child_id, reason="test")
    assert plain(rig_engine, replace(request_for(rig, second), order_id=901)) is None


def test_an_intent_is_claimed_once(rig: Rig, rig_engine: Engine) -> None:
    intent_id = approve(rig_engine, account=ACCOUNT)
    assert plain(rig_engine, request_for(rig, intent_id)) is not None
    assert plain(rig_engine, request_for(rig, intent_id)) is None
    assert len(rows(rig_engine, broker_command)) == 1
