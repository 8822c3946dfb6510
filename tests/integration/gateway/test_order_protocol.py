"""Order-protocol §4–§7, rule by rule; each test is named after its section."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.integration.gateway.places import approve, intent_state, only_child, put, rows
from tests.integration.gateway.rig import ACCOUNT, Rig
from tests.support.fake_broker import Write
from theta.common.domain.orders import Action, Effect, IntentKind, TradingState
from theta.common.errors import RejectedError, UnavailableError
from theta.common.postgres.tables import (
    alert,
    broker_command,
    execution,
    trading_gate,
)


def gate_state(rig_engine: Engine) -> str:
    return str(rows(rig_engine, trading_gate)[0].state)


# -- §4 ------------------------------------------------------------------------------------------


def test_section_4_first_clean_reconciliation_opens_a_paper_account(rig: Rig) -> None:
    assert gate_state(rig.engine) == "active"


def test_section_4_a_live_account_starts_halted(rig_engine: Engine, tmp_path: Path) -> None:
    rig = Rig(rig_engine, tmp_path, accounts=("U7654321",))
    rig.ready()
    assert gate_state(rig_engine) == "halted"
    intent_id = approve(rig_engine, account="U7654321")
    assert rig.submit(intent_id) == "gate_halted"
    assert rig.broker.written == []
    rig.close()


def test_section_4_halt_without_a_database_cancels_and_is_committed_later(
    rig: Rig, rig_engine: Engine
) -> None:
    first = approve(rig_engine, account=ACCOUNT)
    rig.submit(first)
    second = approve(rig_engine, account=ACCOUNT, contract=put(strike="700"))

    def lost(*_: object, **__: object) -> bool:
        raise UnavailableError("the database is away")

    commit, rig.gate.tighten = rig.gate.tighten, lost  # type: ignore[method-assign]  # an outage
    answer = rig.halting.halt(
        scope="account", scope_key=None, account=None, reason="drill", actor="ann"
    )
    assert answer["committed"] is False
    assert rig.broker.cancels_written == [rig.broker.written[0].order_id]
    assert rig.submit(second) == "gate_closed"
    with pytest.raises(RejectedError):
        rig.resuming.resume(scope="account", scope_key=None, account=None, reason="no", actor="ann")
    rig.gate.tighten = commit  # type: ignore[method-assign]  # it is back
    rig.watch.turn()
    assert gate_state(rig_engine) == "halted"
    assert intent_state(rig_engine, second) == "withdrawn"
    cancels = rows(rig_engine, broker_command, broker_command.c.kind == "cancel")
    assert [row.outcome for row in cancels] == ["sent"]


def test_section_4_a_second_replay_after_a_resume_does_not_halt_again(
    rig: Rig, rig_engine: Engine
) -> None:
    halted = rig.halting.halt(
        scope="account", scope_key=None, account=None, reason="drill", actor="ann"
    )
    rig.resuming.resume(scope="account", scope_key=None, account=None, reason="go", actor="ann")
    rig.records.append(
        {"id": halted["id"], "kind": "halt", "scope": "account", "scope_key": None,
         "account": "*", "reason": "drill", "actor": "ann", "market_at": "2026-08-18T15:00:00Z",
         "cancels": []}
    )  # fmt: skip
    assert rig.halting.replay()
    assert gate_state(rig_engine) == "active"


def test_section_4_reducing_lets_only_reducing_size_pass(rig: Rig, rig_engine: Engine) -> None:
    rig.gate.tighten(
        ACCOUNT, scope="account", scope_key=ACCOUNT, state=TradingState.REDUCING, cause="test",
        reason="test", actor="ann", record_id=None,
    )  # fmt: skip
    opening = approve(rig_engine, account=ACCOUNT)
    assert rig.submit(opening) == "gate_reducing"
    closing = approve(
        rig_engine,
        account=ACCOUNT,
        action=Action.BUY,
        effect=Effect.REDUCING,
        kind=IntentKind.CLOSE,
    )
    assert rig.submit(closing) == "not_reduce_only"


# -- §5 ------------------------------------------------------------------------------------------


def test_section_5_1_the_command_is_committed_before_the_write(
    rig: Rig, rig_engine: Engine
) -> None:
    intent_id = approve(rig_engine, account=ACCOUNT)
    seen: list[str] = []

    def look() -> None:
        seen.extend(row.outcome for row in rows(rig_engine, broker_command))
        assert rig.broker.written == []

    rig.steps.at["gateway.send.before_write"] = look
    assert rig.submit(intent_id) == "sent"
    assert seen == ["claimed"]
    command = rows(rig_engine, broker_command)[0]
    assert (command.outcome, command.order_id) == ("acknowledged", rig.broker.written[0].order_id)
    assert intent_state(rig_engine, intent_id) == "working"


def test_section_5_1_an_expired_intent_is_not_claimed(rig: Rig, rig_engine: Engine) -> None:
    intent_id = approve(rig_engine, account=ACCOUNT, expires=rig.script.at - timedelta(seconds=1))
    assert rig.submit(intent_id) == "expired"
    assert intent_state(rig_engine, intent_id) == "expired"


def test_section_5_1_a_child_is_placed_at_most_once(rig: Rig, rig_engine: Engine) -> None:
    intent_id = approve(rig_engine, account=ACCOUNT)
    outcomes = [rig.submit(intent_id) for _ in range(3)]
    assert outcomes == ["sent", "intent_is_working", "intent_is_working"]
    assert len(rig.broker.written) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("connection", "connection_changed"),
        ("link", "broker_link_down"),
        ("fetch", "start_fetch_incomplete"),
        ("gate", "gate_closed"),
        ("lease", "lease_lost"),
        ("late", "send_by_passed"),
        ("asleep", "clocks_disagree"),
    ],
)
def test_section_5_2_send_refused_when_something_changed_after_the_claim(
    rig: Rig, rig_engine: Engine, change: str, reason: str
) -> None:
    changes = {
        "connection": lambda: rig.controls.connect(rig.broker.connection_no + 1),
        "link": lambda: setattr(rig.broker, "broker_link", False),
        "fetch": lambda: setattr(rig.broker, "fetched", False),
        "gate": lambda: rig.guard.close("a halt"),
        "lease": rig.guard.lose,
        "late": lambda: rig.clock.advance(2.0),
        "asleep": lambda: rig.clock.advance(0.1, wall=60),
    }
    intent_id = approve(rig_engine, account=ACCOUNT)
    rig.steps.at["gateway.claim.after_commit"] = changes[change]
    assert rig.submit(intent_id) == "not_sent"
    assert rig.broker.written == []
    assert intent_state(rig_engine, intent_id) == "unknown"
    assert reason in rows(rig_engine, broker_command)[0].detail


def test_section_5_2_a_commit_in_doubt_is_read_again_and_sent_when_it_stands(
    rig: Rig, rig_engine: Engine
) -> None:
    intent_id = approve(rig_engine, account=ACCOUNT)
    claim = rig.claims.claim

    def doubtful(request: object) -> object:
        from theta.common.postgres.engine import CommitUnknownError

        claim(request)  # type: ignore[arg-type]  # passed on as it came
        raise CommitUnknownError("the answer was lost")

    rig.claims.claim = doubtful  # type: ignore[method-assign,assignment]  # a lost answer
    assert rig.submit(intent_id) == "sent"
    assert len(rig.broker.written) == 1


def test_section_5_3_an_exception_from_the_write_is_unknown_never_not_sent(
    rig: Rig, rig_engine: Engine
) -> None:
    intent_id = approve(rig_engine, account=ACCOUNT)
    rig.script.next_write = Write.BROKEN_TAKEN
    assert rig.submit(intent_id) == "unknown"
    assert intent_state(rig_engine, intent_id) == "unknown"
    rig.resolve()
    assert intent_state(rig_engine, intent_id) == "working"
    assert len(rig.script.orders) == 1


def test_section_5_4_a_fill_before_any_status_is_stored_once(rig: Rig, rig_engine: Engine) -> None:
    intent_id = approve(rig_engine, account=ACCOUNT, quantity=2)
    rig.submit(intent_id)
    ref = only_child(rig_engine, intent_id).order_ref
    fill = rig.controls.fill(ref, 1, Decimal("5.00"))
    rig.controls.emit_fill(fill)
    rig.evidence.write_pending()
    assert only_child(rig_engine, intent_id).filled_quantity == 1
    rig.controls.fill(ref, 1, Decimal("5.01"))
    rig.evidence.write_pending()
    assert intent_state(rig_engine, intent_id) == "filled"
    stored = rows(rig_engine, execution)
    assert sorted(row.price for row in stored) == [Decimal("5.00"), Decimal("5.01")]
    assert [row.commission for row in stored] == [Decimal("1.00")] * 2


def test_section_5_4_a_spool_replay_stores_what_the_database_lacked(
    rig: Rig, rig_engine: Engine, tmp_path: Path
) -> None:
    intent_id = approve(rig_engine, account=ACCOUNT)
    rig.submit(intent_id)
    rig.controls.fill(only_child(rig_engine, intent_id).order_ref, 1, Decimal("5.00"))
    assert rows(rig_engine, execution) == []
    rig.close()
    successor = Rig(rig_engine, tmp_path)
    assert successor.evidence.replay() > 0
    assert intent_state(rig_engine, intent_id) == "filled"
    assert len(rows(rig_engine, execution)) == 1
    successor.close()


def test_section_5_4_no_acknowledgement_in_time_is_unknown(rig: Rig, rig_engine: Engine) -> None:
    intent_id = approve(rig_engine, account=ACCOUNT)
    rig.script.next_write = Write.SILENT
    rig.submit(intent_id)
    assert intent_state(rig_engine, intent_id) == "submitting"
    epoch = rig.guard.epoch(rig.clock.boottime_seconds())
    assert epoch is not None
    assert rig.resolving.mark_overdue(epoch) == 1
    assert intent_state(rig_engine, intent_id) == "unknown"
    assert rows(rig_engine, alert, alert.c.kind == "order.unknown")


def test_section_5_4_an_acknowledgement_that_waits_to_be_stored_is_no_silence(
    rig: Rig, rig_engine: Engine
) -> None:
    intent_id = approve(rig_engine, account=ACCOUNT)
    assert rig.submitting.submit(intent_id) == "sent"  # acknowledged, and nothing stored yet
    epoch = rig.guard.epoch(rig.clock.boottime_seconds())
    assert epoch is not None
    assert rig.resolving.mark_overdue(epoch) == 0
    assert intent_state(rig_engine, intent_id) == "submitting"
    rig.evidence.write_pending()
    assert intent_state(rig_engine, intent_id) == "working"


def test_section_5_4_an_unlisted_code_is_unknown_not_a_rejection(
    rig: Rig, rig_engine: Engine
) -> None:
    intent_id = approve(rig_engine, account=ACCOUNT)
    rig.script.next_write = Write.SILENT
    rig.submit(intent_id)
    rig.controls.error(rig.broker.written[0].order_id, 9999, "what is this")
    rig.evidence.write_pending()
    assert intent_state(rig_engine, intent_id) == "unknown"


def test_section_5_4_a_rejection_names_the_brokers_reason(rig: Rig, rig_engine: Engine) -> None:
    intent_id = approve(rig_engine, account=ACCOUNT)
    rig.script.next_write = Write.SILENT
    rig.submit(intent_id)
    rig.controls.error(rig.broker.written[0].order_id, 201, "Order rejected - margin")
    rig.evidence.write_pending()
    assert intent_state(rig_engine, intent_id) == "rejected_by_broker"
    assert "margin" in rows(rig_engine, alert, alert.c.kind == "order.rejected")[0].message


def test_section_5_5_a_cancel_is_recorded_written_and_repeated_while_open(
    rig: Rig, rig_engine: Engine
) -> None:
    intent_id = approve(rig_engine, account=ACCOUNT)
    rig.submit(intent_id)
    child = only_child(rig_engine, intent_id)
    rig.script.next_write = Write.LOST
    assert rig.cancelling.cancel(child.id) == "sent"
    with rig_engine.begin() as connection:
        connection.execute(
            text("update broker_command set claimed_at = claimed_at - interval '1 minute'")
        )
    rig.cancelling.resend()
    rig.evidence.write_pending()
    assert rig.broker.cancels_written == [child.order_id] * 2
    assert intent_state(rig_engine, intent_id) == "cancelled"
    attempts = rows(rig_engine, broker_command, broker_command.c.kind == "cancel")
    assert sorted(row.attempt for row in attempts) == [1, 2]


def test_section_5_5_a_cancel_that_crosses_the_fill_proves_nothing(
    rig: Rig, rig_engine: Engine
) -> None:
    intent_id = approve(rig_engine, account=ACCOUNT)
    rig.submit(intent_id)
    child = only_child(rig_engine, intent_id)
    rig.controls.fill(child.order_ref, 1, Decimal("5.00"), tell=False)
    rig.cancelling.cancel(child.id)
    rig.evidence.write_pending()
    assert intent_state(rig_engine, intent_id) == "working"
    rig.pass_time(3)
    rig.pass_time(3)
    assert intent_state(rig_engine, intent_id) == "filled"
