"""Order-protocol §4–§7, rule by rule; each test is named after its section."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.integration.gateway.places import approve, intent_state, only_child, put, rows
from tests.integration.gateway.rig import ACCOUNT, Rig
from tests.support.fake_broker import Write
from theta.broker_gateway.adapters.postgres_session import PostgresSession
from theta.common.errors import UnavailableError
from theta.common.postgres import lease
from theta.common.postgres.engine import transaction
from theta.common.postgres.tables import (
    alert,
    execution,
    order_event,
    order_intent,
    trading_gate,
)


def gate_state(rig_engine: Engine) -> str:
    return str(rows(rig_engine, trading_gate)[0].state)


# -- §2 ------------------------------------------------------------------------------------------


def test_section_2_a_late_fill_reopens_a_cancelled_order_and_pages(
    rig: Rig, rig_engine: Engine
) -> None:
    intent_id = approve(rig_engine, account=ACCOUNT)
    rig.submit(intent_id)
    child = only_child(rig_engine, intent_id)
    rig.cancelling.cancel(child.id)
    rig.evidence.write_pending()
    assert intent_state(rig_engine, intent_id) == "cancelled"
    rig.controls.fill(child.order_ref, 1, Decimal("5.00"))
    rig.evidence.write_pending()
    assert intent_state(rig_engine, intent_id) == "filled"
    assert rows(rig_engine, alert, alert.c.severity == "critical")


def test_section_2_a_status_alone_never_reopens_a_final_child(rig: Rig, rig_engine: Engine) -> None:
    intent_id = approve(rig_engine, account=ACCOUNT)
    rig.submit(intent_id)
    child = only_child(rig_engine, intent_id)
    told = rig.script.orders[child.order_ref].told
    rig.cancelling.cancel(child.id)
    rig.controls.emit_order(told)
    rig.evidence.write_pending()
    assert intent_state(rig_engine, intent_id) == "cancelled"
    assert len(rows(rig_engine, order_event)) >= 4


# -- §6 ------------------------------------------------------------------------------------------


def test_section_6_absent_only_after_two_rounds_far_enough_apart(
    rig: Rig, rig_engine: Engine
) -> None:
    intent_id = approve(rig_engine, account=ACCOUNT)
    rig.script.next_write = Write.BROKEN_LOST
    rig.submit(intent_id)
    rig.pass_time(3)
    rig.pass_time(5)
    rig.pass_time(4)
    assert intent_state(rig_engine, intent_id) == "unknown"
    rig.pass_time(8)
    assert intent_state(rig_engine, intent_id) == "absent"


def test_section_6_an_incomplete_answer_proves_nothing(rig: Rig, rig_engine: Engine) -> None:
    intent_id = approve(rig_engine, account=ACCOUNT)
    rig.script.next_write = Write.BROKEN_LOST
    rig.submit(intent_id)
    for _ in range(4):
        rig.script.failing["executions"] = UnavailableError("no End")
        with pytest.raises(UnavailableError):
            rig.pass_time(11)
    assert intent_state(rig_engine, intent_id) == "unknown"


def test_section_6_nothing_is_judged_while_the_link_is_down(rig: Rig, rig_engine: Engine) -> None:
    intent_id = approve(rig_engine, account=ACCOUNT)
    rig.script.next_write = Write.BROKEN_LOST
    rig.submit(intent_id)
    rig.broker.broker_link = False
    for _ in range(3):
        with pytest.raises(UnavailableError):
            rig.pass_time(11)
    assert intent_state(rig_engine, intent_id) == "unknown"


def test_section_6_an_unknown_child_blocks_new_openings_on_its_underlying(
    rig: Rig, rig_engine: Engine
) -> None:
    first = approve(rig_engine, account=ACCOUNT)
    rig.script.next_write = Write.BROKEN_LOST
    rig.submit(first)
    second = approve(rig_engine, account=ACCOUNT, contract=put(strike="700"))
    assert rig.submit(second) == "unknown_on_underlying"
    other = approve(rig_engine, account=ACCOUNT, contract=put(symbol="QQQ", strike="500"))
    assert rig.submit(other) == "sent"


def test_section_6_after_midnight_an_unchanged_position_means_expired(
    rig: Rig, rig_engine: Engine
) -> None:
    intent_id = approve(rig_engine, account=ACCOUNT)
    rig.script.next_write = Write.BROKEN_LOST
    rig.submit(intent_id)
    rig.script.advance(20 * 3600)
    rig.resolve()
    assert intent_state(rig_engine, intent_id) == "expired"
    assert only_child(rig_engine, intent_id).inferred is True


def test_section_6_after_midnight_the_moved_position_means_filled(
    rig: Rig, rig_engine: Engine
) -> None:
    intent_id = approve(rig_engine, account=ACCOUNT)
    rig.script.next_write = Write.BROKEN_TAKEN
    rig.submit(intent_id)
    ref = only_child(rig_engine, intent_id).order_ref
    rig.controls.fill(ref, 1, Decimal("5.00"), tell=False)
    rig.script.orders.clear()
    rig.script.advance(20 * 3600)
    rig.resolve()
    assert intent_state(rig_engine, intent_id) == "filled"
    assert rows(rig_engine, execution)[0].inferred is True


def test_section_6_an_absent_order_that_appears_is_cancelled_and_reduces(
    rig: Rig, rig_engine: Engine
) -> None:
    intent_id = approve(rig_engine, account=ACCOUNT)
    rig.script.next_write = Write.BROKEN_LOST
    rig.submit(intent_id)
    rig.resolve()
    assert intent_state(rig_engine, intent_id) == "absent"
    rig.controls.take(rig.broker.written[0], acknowledge=False)
    rig.watch.ask("test")
    rig.pass_time(61)
    rig.pass_time(3)
    rig.evidence.write_pending()
    assert rig.broker.cancels_written
    assert intent_state(rig_engine, intent_id) == "cancelled"
    assert gate_state(rig_engine) == "reducing"


def test_section_1_an_order_with_our_prefix_that_is_not_recorded_is_adopted(
    rig: Rig, rig_engine: Engine
) -> None:
    intent_id = approve(rig_engine, account=ACCOUNT)
    rig.submit(intent_id)
    order = rig.broker.written[0]
    stranger = type(order)(
        **{name: getattr(order, name) for name in order.__slots__}
        | {"order_ref": "theta-" + "a" * 20, "order_id": 999}
    )
    rig.controls.take(stranger)
    rig.evidence.write_pending()
    rig.watch.turn()
    orphans = rows(rig_engine, order_intent, order_intent.c.source == "orphan")
    assert [row.state for row in orphans] == ["working"]
    assert gate_state(rig_engine) == "reducing"
    assert rows(rig_engine, alert, alert.c.kind == "order.orphan")


# -- §7, §8 --------------------------------------------------------------------------------------


def test_section_7_a_claim_of_an_older_epoch_is_refused(rig: Rig, rig_engine: Engine) -> None:
    intent_id = approve(rig_engine, account=ACCOUNT)
    with transaction(rig_engine) as connection:
        connection.execute(text("update lease set expires_at = clock_timestamp()"))
    with transaction(rig_engine) as connection:
        taken = lease.acquire(
            connection, name="session:main", account="*", holder="other", ttl_seconds=30
        )
    assert taken == 2
    assert rig.submit(intent_id) == "lease_lost"
    assert rig.broker.written == []


def test_section_7_a_successor_waits_two_seconds(rig_engine: Engine, tmp_path: Path) -> None:
    rig = Rig(rig_engine, tmp_path)
    before = PostgresSession(rig_engine, session="main")
    assert before.acquire_lease("an earlier gateway", 30.0) == 1
    before.release_lease("an earlier gateway", 1)
    try:
        assert rig.lease.turn()
        assert rig.guard.epoch(rig.clock.boottime_seconds() + 1.9) is None
        assert rig.guard.epoch(rig.clock.boottime_seconds() + 2.0) == 2
    finally:
        rig.close()


def test_section_8_an_unexplained_position_reduces_until_it_is_explained(
    rig: Rig, rig_engine: Engine
) -> None:
    contract = put(strike="700")
    intent_id = approve(rig_engine, account=ACCOUNT, contract=contract)
    rig.submit(intent_id)
    fill = rig.controls.fill(
        only_child(rig_engine, intent_id).order_ref, 1, Decimal("5"), tell=False
    )
    rig.script.failing["executions"] = UnavailableError("later")
    order = rig.script.orders[fill.order_ref]
    order.fills.clear()
    rig.pass_time(1)
    rig.watch.ask("test")
    with pytest.raises(UnavailableError):
        rig.pass_time(61)
    rig.pass_time(61)
    assert gate_state(rig_engine) == "reducing"
    order.fills.append(fill)
    rig.watch.ask("test")
    rig.pass_time(61)
    assert gate_state(rig_engine) == "active"
