"""Order states: the table of order-protocol §2 and what follows from it."""

from __future__ import annotations

import pytest

from theta.common.domain.orders import (
    CHILD_STATES,
    FINAL,
    POSSIBLY_LIVE,
    REOPENED_BY_EVIDENCE,
    TRANSITIONS,
    UNSENT,
    Effect,
    IntentKind,
    OrderState,
    TradingState,
    gate_allows,
    intent_state_of,
    is_ours,
    make_order_ref,
    may_become,
    needs_page,
    strictest,
)

S = OrderState

PROTOCOL_SECTION_2 = {
    "proposed": "approved held rejected expired withdrawn",
    "held": "proposed rejected expired withdrawn",
    "approved": "submitting expired withdrawn rejected",
    "submitting": "working filled cancelled rejected_by_broker unknown",
    "unknown": "working filled cancelled expired rejected_by_broker absent needs_person",
    "working": "filled cancelled expired rejected_by_broker unknown",
    "absent": "working filled",
    "cancelled": "working filled",
    "expired": "working filled needs_person",
    "rejected_by_broker": "working filled",
    "needs_person": "working filled cancelled expired absent",
    "filled": "needs_person",
    "rejected": "",
    "withdrawn": "",
}


def test_the_table_is_order_protocol_section_2() -> None:
    table = {str(k): {str(v) for v in targets} for k, targets in TRANSITIONS.items()}
    assert table == {k: set(v.split()) for k, v in PROTOCOL_SECTION_2.items()}


def test_every_state_is_unsent_possibly_live_or_final() -> None:
    assert set(S) == UNSENT | POSSIBLY_LIVE | FINAL
    assert not UNSENT & FINAL
    assert not POSSIBLY_LIVE & FINAL
    assert not UNSENT & POSSIBLY_LIVE


def test_a_rejected_or_withdrawn_intent_never_returns() -> None:
    for state in S:
        assert not may_become(S.REJECTED, state)
        assert not may_become(S.WITHDRAWN, state)


def test_unknown_never_becomes_rejected() -> None:
    assert not may_become(S.UNKNOWN, S.REJECTED)


def test_leaving_a_final_state_on_evidence_pages() -> None:
    for state in REOPENED_BY_EVIDENCE:
        assert needs_page(state, S.WORKING)
        assert needs_page(state, S.FILLED)
    assert needs_page(S.UNKNOWN, S.NEEDS_PERSON)
    assert not needs_page(S.SUBMITTING, S.WORKING)


def test_the_least_certain_child_decides_the_intent() -> None:
    assert intent_state_of([S.CANCELLED, S.WORKING]) is S.WORKING
    assert intent_state_of([S.WORKING, S.UNKNOWN]) is S.UNKNOWN
    assert intent_state_of([S.UNKNOWN, S.NEEDS_PERSON]) is S.NEEDS_PERSON
    assert intent_state_of([S.CANCELLED, S.FILLED]) is S.FILLED
    with pytest.raises(ValueError, match="without children"):
        intent_state_of([])


def test_child_states_leave_out_what_happens_before_sending() -> None:
    assert S.APPROVED in CHILD_STATES
    assert not {S.PROPOSED, S.HELD, S.REJECTED, S.WITHDRAWN} & CHILD_STATES


def test_no_gate_is_halted_and_the_strictest_wins() -> None:
    assert strictest([]) is TradingState.HALTED
    assert strictest([TradingState.ACTIVE, TradingState.REDUCING]) is TradingState.REDUCING
    assert strictest([TradingState.HALTED, TradingState.REDUCING]) is TradingState.HALTED


@pytest.mark.parametrize(
    ("state", "effect", "kind", "passes"),
    [
        (TradingState.ACTIVE, Effect.OPENING, IntentKind.WRITE, True),
        (TradingState.REDUCING, Effect.OPENING, IntentKind.ROLL, False),
        (TradingState.REDUCING, Effect.REDUCING, IntentKind.CLOSE, True),
        (TradingState.HALTED, Effect.OPENING, IntentKind.WRITE, False),
        (TradingState.HALTED, Effect.REDUCING, IntentKind.CLOSE, False),
        (TradingState.HALTED, Effect.REDUCING, IntentKind.FLATTEN, True),
        (TradingState.HALTED, Effect.OPENING, IntentKind.FLATTEN, False),
    ],
)
def test_what_passes_the_gate(
    state: TradingState,
    effect: Effect,
    kind: IntentKind,
    passes: bool,  # a table's column
) -> None:
    assert gate_allows(state, effect=effect, kind=kind) is passes


def test_an_order_ref_names_its_installation() -> None:
    order_ref = make_order_ref("theta", "a" * 20)
    assert is_ours(order_ref, "theta")
    assert not is_ours(order_ref, "other")
    assert not is_ours("theta-short", "theta")
    assert not is_ours(None, "theta")
    assert not is_ours("tg:tail-hedge:entry", "tg")
    with pytest.raises(ValueError, match="characters of a-z2-7"):
        make_order_ref("theta", "A" * 20)
    assert len(order_ref) <= 40
