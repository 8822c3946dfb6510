"""Order-protocol §4–§7, rule by rule; each test is named after its section."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.integration.gateway.places import approve, intent_state, only_child, put, rows
from tests.integration.gateway.rig import ACCOUNT, Rig
from tests.support.fake_broker import Write
from tests.support.servers import Database
from theta.common.domain.orders import Action, Effect, IntentKind, TradingState
from theta.common.errors import RejectedError, UnavailableError
from theta.common.postgres import lease
from theta.common.postgres.engine import make_engine, transaction
from theta.common.postgres.tables import (
    alert,
    broker_command,
    execution,
    order_event,
    order_intent,
    trading_gate,
)


@pytest.fixture
def engine(database: Database) -> Iterator[Engine]:
    found = make_engine(database.url_for("theta_gateway"), application_name="rig")
    yield found
    found.dispose()


@pytest.fixture
def owner(database: Database) -> Iterator[Engine]:
    """The superuser's engine, for what no service may do."""
    found = make_engine(database.superuser_url, application_name="owner")
    yield found
    found.dispose()


@pytest.fixture
def rig(engine: Engine, tmp_path: Path) -> Iterator[Rig]:
    found = Rig(engine, tmp_path)
    found.ready()
    yield found
    found.close()


def gate_state(engine: Engine) -> str:
    return str(rows(engine, trading_gate)[0].state)


# -- §4 ------------------------------------------------------------------------------------------


def test_section_4_first_clean_reconciliation_opens_a_paper_account(rig: Rig) -> None:
    assert gate_state(rig.engine) == "active"


def test_section_4_a_live_account_starts_halted(engine: Engine, tmp_path: Path) -> None:
    rig = Rig(engine, tmp_path, accounts=("U7654321",))
    rig.ready()
    assert gate_state(engine) == "halted"
    intent_id = approve(engine, account="U7654321")
    assert rig.submit(intent_id) == "gate_halted"
    assert rig.broker.written == []
    rig.close()


def test_section_4_halt_without_a_database_cancels_and_is_committed_later(
    rig: Rig, engine: Engine
) -> None:
    first = approve(engine, account=ACCOUNT)
    rig.submit(first)
    second = approve(engine, account=ACCOUNT, contract=put(strike="700"))

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
    assert gate_state(engine) == "halted"
    assert intent_state(engine, second) == "withdrawn"
    cancels = rows(engine, broker_command, broker_command.c.kind == "cancel")
    assert [row.outcome for row in cancels] == ["sent"]


def test_section_4_a_second_replay_after_a_resume_does_not_halt_again(
    rig: Rig, engine: Engine
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
    assert gate_state(engine) == "active"


def test_section_4_reducing_lets_only_reducing_size_pass(rig: Rig, engine: Engine) -> None:
    rig.gate.tighten(
        ACCOUNT, scope="account", scope_key=ACCOUNT, state=TradingState.REDUCING, cause="test",
        reason="test", actor="ann", record_id=None,
    )  # fmt: skip
    opening = approve(engine, account=ACCOUNT)
    assert rig.submit(opening) == "gate_reducing"
    closing = approve(
        engine, account=ACCOUNT, action=Action.BUY, effect=Effect.REDUCING, kind=IntentKind.CLOSE
    )
    assert rig.submit(closing) == "not_reduce_only"


# -- §5 ------------------------------------------------------------------------------------------


def test_section_5_1_the_command_is_committed_before_the_write(rig: Rig, engine: Engine) -> None:
    intent_id = approve(engine, account=ACCOUNT)
    seen: list[str] = []

    def look() -> None:
        seen.extend(row.outcome for row in rows(engine, broker_command))
        assert rig.broker.written == []

    rig.steps.at["gateway.send.before_write"] = look
    assert rig.submit(intent_id) == "sent"
    assert seen == ["claimed"]
    command = rows(engine, broker_command)[0]
    assert (command.outcome, command.order_id) == ("acknowledged", rig.broker.written[0].order_id)
    assert intent_state(engine, intent_id) == "working"


def test_section_5_1_an_expired_intent_is_not_claimed(rig: Rig, engine: Engine) -> None:
    intent_id = approve(engine, account=ACCOUNT, expires=rig.script.at - timedelta(seconds=1))
    assert rig.submit(intent_id) == "expired"
    assert intent_state(engine, intent_id) == "expired"


def test_section_5_1_a_child_is_placed_at_most_once(rig: Rig, engine: Engine) -> None:
    intent_id = approve(engine, account=ACCOUNT)
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
    rig: Rig, engine: Engine, change: str, reason: str
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
    intent_id = approve(engine, account=ACCOUNT)
    rig.steps.at["gateway.claim.after_commit"] = changes[change]
    assert rig.submit(intent_id) == "not_sent"
    assert rig.broker.written == []
    assert intent_state(engine, intent_id) == "unknown"
    assert reason in rows(engine, broker_command)[0].detail


def test_section_5_2_a_commit_in_doubt_is_read_again_and_sent_when_it_stands(
    rig: Rig, engine: Engine
) -> None:
    intent_id = approve(engine, account=ACCOUNT)
    claim = rig.claims.claim

    def doubtful(request: object) -> object:
        from theta.common.postgres.engine import CommitUnknownError

        claim(request)  # type: ignore[arg-type]  # passed on as it came
        raise CommitUnknownError("the answer was lost")

    rig.claims.claim = doubtful  # type: ignore[method-assign,assignment]  # a lost answer
    assert rig.submit(intent_id) == "sent"
    assert len(rig.broker.written) == 1


def test_section_5_3_an_exception_from_the_write_is_unknown_never_not_sent(
    rig: Rig, engine: Engine
) -> None:
    intent_id = approve(engine, account=ACCOUNT)
    rig.script.next_write = Write.BROKEN_TAKEN
    assert rig.submit(intent_id) == "unknown"
    assert intent_state(engine, intent_id) == "unknown"
    rig.resolve()
    assert intent_state(engine, intent_id) == "working"
    assert len(rig.script.orders) == 1


def test_section_5_4_a_fill_before_any_status_is_stored_once(rig: Rig, engine: Engine) -> None:
    intent_id = approve(engine, account=ACCOUNT, quantity=2)
    rig.submit(intent_id)
    ref = only_child(engine, intent_id).order_ref
    fill = rig.controls.fill(ref, 1, Decimal("5.00"))
    rig.controls.emit_fill(fill)
    rig.evidence.write_pending()
    assert only_child(engine, intent_id).filled_quantity == 1
    rig.controls.fill(ref, 1, Decimal("5.01"))
    rig.evidence.write_pending()
    assert intent_state(engine, intent_id) == "filled"
    stored = rows(engine, execution)
    assert sorted(row.price for row in stored) == [Decimal("5.00"), Decimal("5.01")]
    assert [row.commission for row in stored] == [Decimal("1.00")] * 2


def test_section_5_4_a_spool_replay_stores_what_the_database_lacked(
    rig: Rig, engine: Engine, tmp_path: Path
) -> None:
    intent_id = approve(engine, account=ACCOUNT)
    rig.submit(intent_id)
    rig.controls.fill(only_child(engine, intent_id).order_ref, 1, Decimal("5.00"))
    assert rows(engine, execution) == []
    rig.close()
    successor = Rig(engine, tmp_path)
    assert successor.evidence.replay() > 0
    assert intent_state(engine, intent_id) == "filled"
    assert len(rows(engine, execution)) == 1
    successor.close()


def test_section_5_4_no_acknowledgement_in_time_is_unknown(rig: Rig, engine: Engine) -> None:
    intent_id = approve(engine, account=ACCOUNT)
    rig.script.next_write = Write.SILENT
    rig.submit(intent_id)
    assert intent_state(engine, intent_id) == "submitting"
    epoch = rig.guard.epoch(rig.clock.boottime_seconds())
    assert epoch is not None
    assert rig.resolving.mark_overdue(epoch) == 1
    assert intent_state(engine, intent_id) == "unknown"
    assert rows(engine, alert, alert.c.kind == "order.unknown")


def test_section_5_4_an_unlisted_code_is_unknown_not_a_rejection(rig: Rig, engine: Engine) -> None:
    intent_id = approve(engine, account=ACCOUNT)
    rig.script.next_write = Write.SILENT
    rig.submit(intent_id)
    rig.controls.error(rig.broker.written[0].order_id, 9999, "what is this")
    rig.evidence.write_pending()
    assert intent_state(engine, intent_id) == "unknown"


def test_section_5_4_a_rejection_names_the_brokers_reason(rig: Rig, engine: Engine) -> None:
    intent_id = approve(engine, account=ACCOUNT)
    rig.script.next_write = Write.SILENT
    rig.submit(intent_id)
    rig.controls.error(rig.broker.written[0].order_id, 201, "Order rejected - margin")
    rig.evidence.write_pending()
    assert intent_state(engine, intent_id) == "rejected_by_broker"
    assert "margin" in rows(engine, alert, alert.c.kind == "order.rejected")[0].message


def test_section_5_5_a_cancel_is_recorded_written_and_repeated_while_open(
    rig: Rig, engine: Engine
) -> None:
    intent_id = approve(engine, account=ACCOUNT)
    rig.submit(intent_id)
    child = only_child(engine, intent_id)
    rig.script.next_write = Write.LOST
    assert rig.cancelling.cancel(child.id) == "sent"
    with engine.begin() as connection:
        connection.execute(
            text("update broker_command set claimed_at = claimed_at - interval '1 minute'")
        )
    rig.cancelling.resend()
    rig.evidence.write_pending()
    assert rig.broker.cancels_written == [child.order_id] * 2
    assert intent_state(engine, intent_id) == "cancelled"
    attempts = rows(engine, broker_command, broker_command.c.kind == "cancel")
    assert sorted(row.attempt for row in attempts) == [1, 2]


def test_section_5_5_a_cancel_that_crosses_the_fill_proves_nothing(
    rig: Rig, engine: Engine
) -> None:
    intent_id = approve(engine, account=ACCOUNT)
    rig.submit(intent_id)
    child = only_child(engine, intent_id)
    rig.controls.fill(child.order_ref, 1, Decimal("5.00"), tell=False)
    rig.cancelling.cancel(child.id)
    rig.evidence.write_pending()
    assert intent_state(engine, intent_id) == "working"
    rig.pass_time(3)
    rig.pass_time(3)
    assert intent_state(engine, intent_id) == "filled"


# -- §2 ------------------------------------------------------------------------------------------


def test_section_2_a_late_fill_reopens_a_cancelled_order_and_pages(
    rig: Rig, engine: Engine
) -> None:
    intent_id = approve(engine, account=ACCOUNT)
    rig.submit(intent_id)
    child = only_child(engine, intent_id)
    rig.cancelling.cancel(child.id)
    rig.evidence.write_pending()
    assert intent_state(engine, intent_id) == "cancelled"
    rig.controls.fill(child.order_ref, 1, Decimal("5.00"))
    rig.evidence.write_pending()
    assert intent_state(engine, intent_id) == "filled"
    assert rows(engine, alert, alert.c.severity == "critical")


def test_section_2_a_status_alone_never_reopens_a_final_child(rig: Rig, engine: Engine) -> None:
    intent_id = approve(engine, account=ACCOUNT)
    rig.submit(intent_id)
    child = only_child(engine, intent_id)
    told = rig.script.orders[child.order_ref].told
    rig.cancelling.cancel(child.id)
    rig.controls.emit_order(told)
    rig.evidence.write_pending()
    assert intent_state(engine, intent_id) == "cancelled"
    assert len(rows(engine, order_event)) >= 4


# -- §6 ------------------------------------------------------------------------------------------


def test_section_6_absent_only_after_two_rounds_far_enough_apart(rig: Rig, engine: Engine) -> None:
    intent_id = approve(engine, account=ACCOUNT)
    rig.script.next_write = Write.BROKEN_LOST
    rig.submit(intent_id)
    rig.pass_time(3)
    rig.pass_time(5)
    rig.pass_time(4)
    assert intent_state(engine, intent_id) == "unknown"
    rig.pass_time(8)
    assert intent_state(engine, intent_id) == "absent"


def test_section_6_an_incomplete_answer_proves_nothing(rig: Rig, engine: Engine) -> None:
    intent_id = approve(engine, account=ACCOUNT)
    rig.script.next_write = Write.BROKEN_LOST
    rig.submit(intent_id)
    for _ in range(4):
        rig.script.failing["executions"] = UnavailableError("no End")
        with pytest.raises(UnavailableError):
            rig.pass_time(11)
    assert intent_state(engine, intent_id) == "unknown"


def test_section_6_nothing_is_judged_while_the_link_is_down(rig: Rig, engine: Engine) -> None:
    intent_id = approve(engine, account=ACCOUNT)
    rig.script.next_write = Write.BROKEN_LOST
    rig.submit(intent_id)
    rig.broker.broker_link = False
    for _ in range(3):
        with pytest.raises(UnavailableError):
            rig.pass_time(11)
    assert intent_state(engine, intent_id) == "unknown"


def test_section_6_an_unknown_child_blocks_new_openings_on_its_underlying(
    rig: Rig, engine: Engine
) -> None:
    first = approve(engine, account=ACCOUNT)
    rig.script.next_write = Write.BROKEN_LOST
    rig.submit(first)
    second = approve(engine, account=ACCOUNT, contract=put(strike="700"))
    assert rig.submit(second) == "unknown_on_underlying"
    other = approve(engine, account=ACCOUNT, contract=put(symbol="QQQ", strike="500"))
    assert rig.submit(other) == "sent"


def test_section_6_after_midnight_an_unchanged_position_means_expired(
    rig: Rig, engine: Engine
) -> None:
    intent_id = approve(engine, account=ACCOUNT)
    rig.script.next_write = Write.BROKEN_LOST
    rig.submit(intent_id)
    rig.script.advance(20 * 3600)
    rig.resolve()
    assert intent_state(engine, intent_id) == "expired"
    assert only_child(engine, intent_id).inferred is True


def test_section_6_after_midnight_the_moved_position_means_filled(rig: Rig, engine: Engine) -> None:
    intent_id = approve(engine, account=ACCOUNT)
    rig.script.next_write = Write.BROKEN_TAKEN
    rig.submit(intent_id)
    ref = only_child(engine, intent_id).order_ref
    rig.controls.fill(ref, 1, Decimal("5.00"), tell=False)
    rig.script.orders.clear()
    rig.script.advance(20 * 3600)
    rig.resolve()
    assert intent_state(engine, intent_id) == "filled"
    assert rows(engine, execution)[0].inferred is True


def test_section_6_an_absent_order_that_appears_is_cancelled_and_reduces(
    rig: Rig, engine: Engine
) -> None:
    intent_id = approve(engine, account=ACCOUNT)
    rig.script.next_write = Write.BROKEN_LOST
    rig.submit(intent_id)
    rig.resolve()
    assert intent_state(engine, intent_id) == "absent"
    rig.controls.take(rig.broker.written[0], acknowledge=False)
    rig.watch.ask("test")
    rig.pass_time(61)
    rig.pass_time(3)
    rig.evidence.write_pending()
    assert rig.broker.cancels_written
    assert intent_state(engine, intent_id) == "cancelled"
    assert gate_state(engine) == "reducing"


def test_section_1_an_order_with_our_prefix_that_is_not_recorded_is_adopted(
    rig: Rig, engine: Engine, owner: Engine
) -> None:
    intent_id = approve(engine, account=ACCOUNT)
    rig.submit(intent_id)
    order = rig.broker.written[0]
    stranger = type(order)(
        **{name: getattr(order, name) for name in order.__slots__}
        | {"order_ref": "theta-" + "a" * 20, "order_id": 999}
    )
    rig.controls.take(stranger)
    rig.evidence.write_pending()
    rig.watch.turn()
    orphans = rows(engine, order_intent, order_intent.c.source == "orphan")
    assert [row.state for row in orphans] == ["working"]
    assert gate_state(engine) == "reducing"
    assert rows(engine, alert, alert.c.kind == "order.orphan")


# -- §7, §8 --------------------------------------------------------------------------------------


def test_section_7_a_claim_of_an_older_epoch_is_refused(rig: Rig, engine: Engine) -> None:
    intent_id = approve(engine, account=ACCOUNT)
    with transaction(engine) as connection:
        connection.execute(text("update lease set expires_at = clock_timestamp()"))
    with transaction(engine) as connection:
        taken = lease.acquire(
            connection, name="session:main", account="*", holder="other", ttl_seconds=30
        )
    assert taken == 2
    assert rig.submit(intent_id) == "lease_lost"
    assert rig.broker.written == []


def test_section_7_a_successor_waits_two_seconds(engine: Engine, tmp_path: Path) -> None:
    rig = Rig(engine, tmp_path)
    assert rig.lease.turn()
    assert rig.guard.epoch(rig.clock.boottime_seconds() + 1.9) is None
    assert rig.guard.epoch(rig.clock.boottime_seconds() + 2.0) == 1
    rig.close()


def test_section_8_an_unexplained_position_reduces_until_it_is_explained(
    rig: Rig, engine: Engine
) -> None:
    contract = put(strike="700")
    intent_id = approve(engine, account=ACCOUNT, contract=contract)
    rig.submit(intent_id)
    fill = rig.controls.fill(only_child(engine, intent_id).order_ref, 1, Decimal("5"), tell=False)
    rig.script.failing["executions"] = UnavailableError("later")
    order = rig.script.orders[fill.order_ref]
    order.fills.clear()
    rig.pass_time(1)
    rig.watch.ask("test")
    with pytest.raises(UnavailableError):
        rig.pass_time(61)
    rig.pass_time(61)
    assert gate_state(engine) == "reducing"
    order.fills.append(fill)
    rig.watch.ask("test")
    rig.pass_time(61)
    assert gate_state(engine) == "active"
