"""Order-protocol §5.5: another price for a live order, and what may go wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import Engine

from tests.integration.gateway.places import approve, intent_state, only_child, rows
from tests.integration.gateway.rig import ACCOUNT, Rig
from tests.support.fake_broker import Write
from theta.common.domain.orders import Effect, TradingState
from theta.common.errors import OutcomeUnknownError
from theta.common.postgres.tables import alert, broker_command, journal


def working(rig: Rig, engine: Engine, **terms: str) -> UUID:
    bounds = {"price": "5.00", "floor": "4.50", "ceiling": "5.50"} | terms
    intent_id = approve(engine, account=ACCOUNT, **bounds)  # type: ignore[arg-type]  # texts only
    assert rig.submit(intent_id) == "sent"
    assert intent_state(engine, intent_id) == "working"
    return intent_id


def modify(rig: Rig, intent_id: UUID, price: str) -> str:
    outcome = rig.modifying.modify_intent(
        intent_id, Decimal(price), actor="ann", reason="nearer to the market"
    )
    rig.evidence.write_pending()
    return outcome


def modifies(engine: Engine) -> list[tuple[str, Decimal]]:
    found = rows(engine, broker_command, broker_command.c.kind == "modify")
    return [(row.outcome, row.limit_price) for row in found]


def test_section_5_5_a_modify_is_claimed_before_it_is_written(rig: Rig, rig_engine: Engine) -> None:
    intent_id = working(rig, rig_engine)
    seen: list[tuple[str, Decimal]] = []

    def look() -> None:
        seen.extend(modifies(rig_engine))
        assert rig.broker.modified == []

    rig.steps.at["gateway.modify.before_write"] = look
    assert modify(rig, intent_id, "4.80") == "sent"
    assert seen == [("claimed", Decimal("4.80"))]
    assert modifies(rig_engine) == [("acknowledged", Decimal("4.80"))]
    child = only_child(rig_engine, intent_id)
    assert (child.limit_price, child.state) == (Decimal("4.80"), "working")
    written = rig.broker.modified[0]
    assert (written.order_id, written.order_ref) == (child.order_id, child.order_ref)
    assert written.quantity == child.quantity
    told = rows(rig_engine, journal, journal.c.kind == "order.modify_claimed")
    assert len(told) == 1
    body = json.loads(told[0].body)["body"]
    assert (told[0].actor, body["from"], body["to"]) == ("ann", "5.00", "4.80")


@pytest.mark.parametrize(
    ("price", "code"),
    [
        ("4.49", "price_outside_bounds"),
        ("5.51", "price_outside_bounds"),
        ("5.00", "price_is_that_already"),
        ("0", "price_not_positive"),
        ("NaN", "price_not_positive"),
    ],
)
def test_section_5_5_a_price_that_risk_did_not_approve_is_refused(
    rig: Rig, rig_engine: Engine, price: str, code: str
) -> None:
    intent_id = working(rig, rig_engine)
    assert modify(rig, intent_id, price) == code
    assert (rig.broker.modified, modifies(rig_engine)) == ([], [])


def test_section_5_5_only_an_order_seen_open_in_this_connection_is_modified(
    rig: Rig, rig_engine: Engine
) -> None:
    intent_id = working(rig, rig_engine)
    rig.controls.disconnect()
    assert modify(rig, intent_id, "4.80") == "not_connected"
    rig.broker.connection_no += 1
    rig.broker.connected = rig.broker.fetched = True
    rig.guard.reconciled(rig.broker.connection_no)
    assert modify(rig, intent_id, "4.80") == "not_seen_open"
    rig.watch.turn()  # reads the open orders of the new connection
    rig.loop.run(rig.broker.open_orders, timeout_seconds=1)
    rig.evidence.write_pending()
    assert modify(rig, intent_id, "4.80") == "sent"


def test_section_5_5_after_an_id_rollback_nothing_is_modified(rig: Rig, rig_engine: Engine) -> None:
    intent_id = working(rig, rig_engine)
    ref = only_child(rig_engine, intent_id).order_ref
    held = rig.script.orders[ref]
    held.told = replace(held.told, order_id=held.told.order_id + 5)
    rig.controls.emit_order(held.told)
    rig.evidence.write_pending()
    assert modify(rig, intent_id, "4.80") == "order_id_differs"
    held.told = replace(held.told, order_id=held.told.order_id - 5, perm_id=77)
    rig.controls.emit_order(held.told)
    assert modify(rig, intent_id, "4.80") == "perm_id_differs"
    assert rig.broker.modified == []


def test_section_5_5_a_modify_passes_the_gate_like_a_new_order(
    rig: Rig, rig_engine: Engine
) -> None:
    opening = working(rig, rig_engine)
    rig.gate.tighten(
        ACCOUNT, scope="account", scope_key=ACCOUNT, state=TradingState.REDUCING, cause="test",
        reason="test", actor="ann", record_id=None,
    )  # fmt: skip
    assert modify(rig, opening, "4.80") == "gate_reducing"
    rig.guard.close("halting")
    assert modify(rig, opening, "4.80") == "gate_closed"
    assert rig.broker.modified == []


def test_section_5_5_no_modify_after_a_cancel_was_asked(rig: Rig, rig_engine: Engine) -> None:
    intent_id = working(rig, rig_engine)
    rig.script.next_write = Write.SILENT
    assert rig.cancelling.cancel(only_child(rig_engine, intent_id).id) == "sent"
    assert modify(rig, intent_id, "4.80") == "cancel_asked"


def test_section_5_5_one_modify_at_a_time(rig: Rig, rig_engine: Engine) -> None:
    intent_id = working(rig, rig_engine)
    rig.script.next_write = Write.LOST
    assert modify(rig, intent_id, "4.80") == "sent"
    assert modify(rig, intent_id, "4.70") == "modify_pending"


@pytest.mark.parametrize("fate", [Write.BROKEN_TAKEN, Write.BROKEN_LOST])
def test_section_5_5_a_modify_that_broke_is_not_repeated_and_its_price_is_read(
    rig: Rig, rig_engine: Engine, fate: Write
) -> None:
    intent_id = working(rig, rig_engine)
    rig.script.next_write = fate
    assert modify(rig, intent_id, "4.80") == "unknown"
    assert [outcome for outcome, _ in modifies(rig_engine)] == ["unknown"]
    rig.watch.turn()  # it was asked for: the open orders are read
    rig.evidence.write_pending()
    taken = fate is Write.BROKEN_TAKEN
    price = only_child(rig_engine, intent_id).limit_price
    assert price == Decimal("4.80" if taken else "5.00")
    assert modifies(rig_engine)[0][0] == ("acknowledged" if taken else "unknown")
    assert len(rig.broker.modified) == 1
    assert intent_state(rig_engine, intent_id) == "working"


@pytest.mark.parametrize("code", [105, 329])
def test_section_5_5_a_refused_modify_leaves_the_order_live(
    rig: Rig, rig_engine: Engine, code: int
) -> None:
    intent_id = working(rig, rig_engine)
    rig.script.next_write = Write.LOST
    modify(rig, intent_id, "4.80")
    rig.controls.error(only_child(rig_engine, intent_id).order_id, code, "modify failed")
    rig.evidence.write_pending()
    assert modifies(rig_engine)[0][0] == "refused"
    child = only_child(rig_engine, intent_id)
    assert (child.state, child.limit_price) == ("working", Decimal("5.00"))
    assert modify(rig, intent_id, "4.70") == "sent"


@pytest.mark.parametrize("code", [110, 201, 104])
def test_section_5_5_a_rejection_while_modifying_is_asked_about_never_believed(
    rig: Rig, rig_engine: Engine, code: int
) -> None:
    intent_id = working(rig, rig_engine)
    rig.script.next_write = Write.LOST
    modify(rig, intent_id, "4.80")
    rig.controls.error(only_child(rig_engine, intent_id).order_id, code, "no")
    rig.evidence.write_pending()
    assert intent_state(rig_engine, intent_id) == "working"
    assert rows(rig_engine, alert, alert.c.severity == "critical")


def test_section_5_5_a_commit_in_doubt_is_read_again(rig: Rig, rig_engine: Engine) -> None:
    intent_id = working(rig, rig_engine)
    claim: Callable[..., object] = rig.modifies.claim_modify

    def doubtful(request: object) -> object:
        claim(request)
        raise OutcomeUnknownError("the answer to commit was lost")

    rig.modifies.claim_modify = doubtful  # type: ignore[assignment,method-assign]  # one lost answer
    assert modify(rig, intent_id, "4.80") == "sent"
    assert modifies(rig_engine) == [("acknowledged", Decimal("4.80"))]


def test_section_5_5_a_modify_too_late_is_not_sent(rig: Rig, rig_engine: Engine) -> None:
    intent_id = working(rig, rig_engine)
    rig.steps.at["gateway.modify.after_commit"] = lambda: rig.clock.advance(2.1)
    assert modify(rig, intent_id, "4.80") == "send_by_passed"
    assert modifies(rig_engine)[0][0] == "not_sent"


def test_section_5_5_a_closing_order_may_be_repriced_while_reducing(
    rig: Rig, rig_engine: Engine
) -> None:
    closing = approve(
        rig_engine, account=ACCOUNT, price="5.00", floor="4.50", ceiling="5.50",
        effect=Effect.REDUCING,
    )  # fmt: skip
    assert rig.submit(closing) == "sent"
    rig.gate.tighten(
        ACCOUNT, scope="account", scope_key=ACCOUNT, state=TradingState.REDUCING, cause="test",
        reason="test", actor="ann", record_id=None,
    )  # fmt: skip
    assert modify(rig, closing, "5.20") == "sent"
