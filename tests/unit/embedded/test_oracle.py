"""The oracle finds nothing in a sound case and finds each planted violation by its rule."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from theta.embedded.oracle import FIRST_HASH, RULES, compare
from theta.embedded.oracle_readers import truth_from
from theta.embedded.oracle_values import (
    AlertRecord,
    BrokerExecution,
    BrokerOrder,
    ChildRecord,
    CommandRecord,
    ExecutionRecord,
    Expectation,
    GateChange,
    IntentRecord,
    JournalEntry,
    Records,
    ReservationRecord,
    RunRecord,
    Truth,
)

D = Decimal
ACCOUNT = "DU1234567"
OPENING = Truth(account=ACCOUNT, cash=D(400_000))


def order(letter: str, **changes: object) -> BrokerOrder:
    base = BrokerOrder(
        order_ref=f"theta-{letter * 20}",
        perm_id=1,
        con_id=700,
        action="SELL",
        quantity=D(2),
        limit=D("3.10"),
        filled=D(0),
        status="Submitted",
        end_reason="",
        placed_at=100.0,
    )
    return replace(base, **changes)  # type: ignore[arg-type]  # fields of the dataclass by name


def intent(letter: str, **changes: object) -> IntentRecord:
    base = IntentRecord(
        id=f"intent-{letter}",
        state="working",
        source="strategy",
        effect="opening",
        action="SELL",
        symbol="SPY",
        quantity=D(2),
        con_id=700,
        multiplier=D(100),
    )
    return replace(base, **changes)  # type: ignore[arg-type]  # fields of the dataclass by name


def child(letter: str, **changes: object) -> ChildRecord:
    base = ChildRecord(
        id=f"child-{letter}",
        intent_id=f"intent-{letter}",
        order_ref=f"theta-{letter * 20}",
        state="working",
        quantity=D(2),
        filled_quantity=D(0),
        limit=D("3.10"),
    )
    return replace(base, **changes)  # type: ignore[arg-type]  # fields of the dataclass by name


def journal(count: int = 3) -> tuple[JournalEntry, ...]:
    rows, last = [], FIRST_HASH
    for sequence in range(1, count + 1):
        body = json.dumps({"account": ACCOUNT, "sequence": sequence, "body": {"n": sequence}})
        own = hashlib.sha256((last + body).encode()).hexdigest()
        rows.append(
            JournalEntry(
                account=ACCOUNT, sequence=sequence, body=body, previous_hash=last, hash=own
            )
        )
        last = own
    return tuple(rows)


CHAIN = journal()
EXECUTION = BrokerExecution(
    exec_id="x.1",
    order_ref="theta-" + "f" * 20,
    con_id=700,
    signed=D(-2),
    price=D("3.10"),
    commission=D("1.30"),
)
EXECUTION_RECORD = ExecutionRecord(
    exec_id="x.1",
    child_id="child-f",
    con_id=700,
    signed=D(-2),
    price=D("3.10"),
    commission=D("1.30"),
    multiplier=D(100),
    foreign=False,
    inferred=False,
)
TRUTH = Truth(
    account=ACCOUNT,
    orders=(order("w"), order("f", perm_id=2, filled=D(2), status="Filled")),
    executions=(EXECUTION,),
    positions={700: D(-2)},
    cash=D("400618.70"),
)
RECORDS = Records(
    intents=(intent("w"), intent("f", state="filled")),
    children=(child("w"), child("f", state="filled", filled_quantity=D(2))),
    commands=(
        CommandRecord(child_id="child-w", kind="place", committed_at=99.9),
        CommandRecord(child_id="child-f", kind="place", committed_at=99.9),
    ),
    executions=(EXECUTION_RECORD,),
    reservations=(
        ReservationRecord(intent_id="intent-w", released=False),
        ReservationRecord(intent_id="intent-f", released=True),
    ),
    runs=(RunRecord(id="run-1", status="finished", decided_symbols=frozenset({"SPY", "QQQ"})),),
    alerts=(
        AlertRecord(
            id="a",
            severity="critical",
            title="Halted: R&D of DU1234567",
            delivery_state="delivered",
        ),
    ),
    journal=CHAIN,
    journal_heads={ACCOUNT: (3, CHAIN[-1].hash)},
)
EXPECTED = Expectation(
    installation="theta",
    opening=OPENING,
    symbols=frozenset({"SPY", "QQQ"}),
    sink_bodies=(json.dumps({"text": "Halted: R&amp;D of DU…67"}),),
)


def seen(
    truth: Truth = TRUTH, records: Records = RECORDS, expected: Expectation = EXPECTED
) -> set[str]:
    return {violation.rule for violation in compare(truth, records, expected)}


def test_a_sound_case_has_no_violation() -> None:
    assert compare(TRUTH, RECORDS, EXPECTED) == ()


def with_child(letter: str, **changes: object) -> Records:
    kept = tuple(item for item in RECORDS.children if item.id != f"child-{letter}")
    return replace(RECORDS, children=(*kept, child(letter, **changes)))


def with_intent(letter: str, **changes: object) -> Records:
    kept = tuple(item for item in RECORDS.intents if item.id != f"intent-{letter}")
    return replace(RECORDS, intents=(*kept, intent(letter, **changes)))


def with_order(letter: str, **changes: object) -> Truth:
    ref = f"theta-{letter * 20}"
    kept = tuple(item for item in TRUTH.orders if item.order_ref != ref)
    return replace(TRUTH, orders=(*kept, order(letter, **changes)))


def halted_at(*moments: tuple[float, bool]) -> Records:
    changes = tuple(GateChange(committed_at=at, halted=halted) for at, halted in moments)
    return replace(RECORDS, gate_changes=changes)


def broken_row(**changes: object) -> Records:
    row = replace(CHAIN[1], **changes)  # type: ignore[arg-type]  # fields of the dataclass by name
    return replace(RECORDS, journal=(CHAIN[0], row, CHAIN[2]))


def repriced(at: float, claimed_at: float, limit: D, *, times: int = 1) -> tuple[Truth, Records]:
    """Order w given `limit` at `at`, `times` over, after one command of `claimed_at`."""
    command = CommandRecord(
        child_id="child-w", kind="modify", committed_at=claimed_at, limit=D("3.10")
    )
    return (
        with_order("w", modified=((at, limit),) * times),
        replace(RECORDS, commands=(*RECORDS.commands, command)),
    )


FORGED = '{"account": "DU1234567", "sequence": 2, "body": {"n": 7}}'

PLANTED: dict[str, Callable[[], set[str]]] = {
    "order_without_intent": lambda: seen(replace(TRUTH, orders=(*TRUTH.orders, order("z")))),
    "order_without_intent (orphan)": lambda: seen(records=with_intent("w", source="orphan")),
    "claim_before_send (none)": lambda: seen(records=replace(RECORDS, commands=())),
    "claim_before_send (late)": lambda: seen(with_order("w", placed_at=99.0)),
    "claim_before_cancel": lambda: seen(with_order("w", cancelled_at=101.0)),
    "claim_before_modify (none)": lambda: seen(with_order("w", modified=((101.0, D("3.10")),))),
    "claim_before_modify (late)": lambda: seen(*repriced(100.5, 101.0, D("3.10"))),
    "claim_before_modify (twice)": lambda: seen(*repriced(102.0, 101.0, D("3.10"), times=2)),
    "placed_once": lambda: seen(
        replace(TRUTH, orders=(*TRUTH.orders, order("w", perm_id=9, status="Cancelled")))
    ),
    "one_live_order": lambda: seen(
        replace(TRUTH, orders=(*TRUTH.orders, order("y"))),
        replace(RECORDS, children=(*RECORDS.children, child("y", intent_id="intent-w"))),
    ),
    "within_quantity": lambda: seen(records=with_intent("w", quantity=D(1))),
    "same_terms (contract)": lambda: seen(with_order("w", con_id=701)),
    "same_terms (side)": lambda: seen(with_order("w", action="BUY")),
    "same_terms (quantity)": lambda: seen(with_order("w", quantity=D(1))),
    "same_terms (limit)": lambda: seen(with_order("w", limit=D("3.00"))),
    "execution_recorded": lambda: seen(records=replace(RECORDS, executions=())),
    "execution_equal (price)": lambda: seen(
        records=replace(RECORDS, executions=(replace(EXECUTION_RECORD, price=D("3.11")),))
    ),
    "execution_equal (commission)": lambda: seen(
        records=replace(RECORDS, executions=(replace(EXECUTION_RECORD, commission=D(1)),))
    ),
    "execution_equal (foreign)": lambda: seen(
        records=replace(RECORDS, executions=(replace(EXECUTION_RECORD, foreign=True),))
    ),
    "execution_real": lambda: seen(
        records=replace(
            RECORDS, executions=(EXECUTION_RECORD, replace(EXECUTION_RECORD, exec_id="x.2"))
        )
    ),
    "fills_add_up": lambda: seen(records=with_child("f", state="filled", filled_quantity=D(1))),
    "states_agree (open)": lambda: seen(records=with_child("w", state="cancelled")),
    "states_agree (filled)": lambda: seen(
        records=with_child("f", state="working", filled_quantity=D(2))
    ),
    "states_agree (rejected)": lambda: seen(with_order("w", status="Inactive")),
    "states_agree (absent)": lambda: seen(replace(TRUTH, orders=TRUTH.orders[1:])),
    "absence_is_true": lambda: seen(
        records=replace(RECORDS, judged_absent=frozenset({"theta-" + "w" * 20}))
    ),
    "finished": lambda: seen(records=with_intent("w", state="submitting")),
    "positions": lambda: seen(replace(TRUTH, positions={700: D(-1)})),
    "positions (foreign)": lambda: seen(replace(TRUTH, positions={700: D(-2), 5: D(1)})),
    "cash": lambda: seen(replace(TRUTH, cash=D(400_000))),
    "halt_wins": lambda: seen(records=halted_at((99.99, True))),
    "reservation_released": lambda: seen(
        records=replace(
            RECORDS,
            reservations=(
                *RECORDS.reservations[:1],
                ReservationRecord(intent_id="intent-f", released=False),
            ),
        )
    ),
    "reservation_stands": lambda: seen(records=replace(RECORDS, reservations=())),
    "run_ended": lambda: seen(
        records=replace(RECORDS, runs=(replace(RECORDS.runs[0], status="running"),))
    ),
    "explained": lambda: seen(
        records=replace(
            RECORDS, runs=(replace(RECORDS.runs[0], decided_symbols=frozenset({"SPY"})),)
        )
    ),
    "alert_ended": lambda: seen(
        records=replace(RECORDS, alerts=(replace(RECORDS.alerts[0], delivery_state="pending"),))
    ),
    "alert_told (another)": lambda: seen(
        expected=replace(
            EXPECTED, sink_bodies=(json.dumps({"text": "Halted: R&amp;E of DU1234567"}),)
        )
    ),
    "alert_told": lambda: seen(expected=replace(EXPECTED, sink_bodies=())),
    "journal (changed)": lambda: seen(records=broken_row(body=FORGED)),
    "journal (rehashed)": lambda: seen(
        records=broken_row(
            body=FORGED,
            hash=hashlib.sha256((CHAIN[0].hash + FORGED).encode()).hexdigest(),
        )
    ),
    "journal (renumbered)": lambda: seen(records=broken_row(sequence=9)),
    "journal (deleted)": lambda: seen(records=replace(RECORDS, journal=(CHAIN[0], CHAIN[2]))),
    "journal (cut)": lambda: seen(records=replace(RECORDS, journal=CHAIN[:2])),
    "journal (another account's)": lambda: seen(
        records=replace(
            RECORDS, journal=tuple(replace(row, account="DU7") for row in CHAIN), journal_heads={}
        )
    ),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_violation_is_found(planted: str) -> None:
    assert planted.split(" ", maxsplit=1)[0] in PLANTED[planted]()


def test_every_rule_has_a_planted_violation() -> None:
    silent = []
    for rule in RULES:
        found: set[str] = set()
        for plant in PLANTED.values():
            found |= plant()
        names = {name for name in rule.__code__.co_consts if isinstance(name, str)}
        if not names & found:
            silent.append(rule.__name__)
    assert silent == []


def test_what_is_allowed_is_not_a_violation() -> None:
    ended_halt = halted_at((50.0, True), (60.0, False), (100.1, True))
    assert compare(TRUTH, ended_halt, EXPECTED) == ()
    reducing = replace(
        ended_halt, intents=tuple(replace(i, effect="reducing") for i in RECORDS.intents)
    )
    assert (
        compare(
            TRUTH, replace(reducing, gate_changes=halted_at((1.0, True)).gate_changes), EXPECTED
        )
        == ()
    )
    expired = with_order("w", status="Cancelled", end_reason="expired")
    assert "states_agree" not in seen(expired, with_child("w", state="expired"))
    dead = replace(RECORDS, alerts=(replace(RECORDS.alerts[0], delivery_state="dead"),))
    assert compare(TRUTH, dead, replace(EXPECTED, sink_bodies=())) == ()
    assert compare(*repriced(102.0, 101.0, D("3.10")), EXPECTED) == ()
    unpriced = replace(RECORDS, executions=(replace(EXECUTION_RECORD, commission=None),))
    assert compare(TRUTH, unpriced, EXPECTED) == ()


def test_the_truth_is_read_exactly() -> None:
    contract = {"con_id": 700, "symbol": "SPY", "multiplier": 100}
    told = {
        "account": ACCOUNT,
        "cash": D("400618.70"),
        "orders": [
            {
                "order_ref": "theta-" + "w" * 20,
                "perm_id": 1,
                "contract": contract,
                "side": "SELL",
                "qty": D("2.0"),
                "limit": D("3.1"),
                "filled": D("0.0"),
                "status": "Submitted",
                "end_reason": "",
                "timeline": [
                    {"event": "placed", "host_at": "1970-01-01T00:01:40+00:00"},
                    {
                        "event": "modified",
                        "host_at": "1970-01-01T00:01:40.5+00:00",
                        "limit": D("3.1"),
                    },
                    {"event": "cancel_requested", "host_at": "1970-01-01T00:01:41+00:00"},
                    {"event": "cancel_requested", "host_at": "1970-01-01T00:01:42+00:00"},
                ],
            }
        ],
        "executions": [
            {
                "exec_id": "x.1",
                "order_ref": "theta-" + "f" * 20,
                "contract": contract,
                "side": "SLD",
                "shares": D("2.0"),
                "price": D("3.1"),
                "commission": D("1.3"),
            }
        ],
        "positions": [contract | {"quantity": D("-2.0")}],
    }
    truth = truth_from(told)
    assert truth.orders == (order("w", cancelled_at=101.0, modified=((100.5, D("3.1")),)),)
    assert truth.executions == (EXECUTION,)
    assert (truth.positions, truth.cash) == ({700: D(-2)}, D("400618.70"))
