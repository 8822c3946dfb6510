"""What one callback means for a child (order-protocol §2, §5.4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theta.broker_gateway.domain.broker import EvidenceKind
from theta.broker_gateway.domain.evidence import ChildView, Saying, interpret
from theta.common.domain.orders import FINAL, POSSIBLY_LIVE, OrderState

S = OrderState
STATUS = EvidenceKind.ORDER_STATUS
CHILD_STATES = sorted(POSSIBLY_LIVE | (FINAL - {S.REJECTED, S.WITHDRAWN}))


def child(state: OrderState, *, filled: int = 0, perm_id: int | None = None) -> ChildView:
    return ChildView(state=state, quantity=2, filled_quantity=filled, perm_id=perm_id)


def status(word: str, *, perm_id: int | None = 7, filled: int = 0) -> Saying:
    return Saying(kind=STATUS, status=word, perm_id=perm_id, filled=filled)


def error(code: int) -> Saying:
    return Saying(kind=EvidenceKind.ERROR, code=code, text="told")


@pytest.mark.parametrize("word", ["PreSubmitted", "Submitted"])
def test_working_needs_a_perm_id(word: str) -> None:
    assert interpret(status(word), child(S.SUBMITTING)).target is S.WORKING
    assert interpret(status(word, perm_id=None), child(S.SUBMITTING)).target is None


@pytest.mark.parametrize("word", ["PendingSubmit", "ApiPending", "PendingCancel", ""])
def test_pending_is_not_working(word: str) -> None:
    assert interpret(status(word), child(S.SUBMITTING)).target is None


@given(
    st.sampled_from(sorted(FINAL - {S.REJECTED, S.WITHDRAWN})),
    st.sampled_from(["PreSubmitted", "Submitted", "PendingSubmit", "Inactive", "Cancelled"]),
    st.sampled_from([STATUS, EvidenceKind.OPEN_ORDER, EvidenceKind.COMPLETED_ORDER]),
)
def test_a_status_alone_never_moves_a_final_child(
    state: OrderState, word: str, kind: EvidenceKind
) -> None:
    saying = Saying(kind=kind, status=word, perm_id=7)
    filled = 2 if state is S.FILLED else 0
    assert interpret(saying, child(state, filled=filled)).target is None


def test_submitted_after_the_fill_changes_nothing() -> None:
    meaning = interpret(status("Submitted"), child(S.FILLED, filled=2))
    assert (meaning.target, meaning.resolve, meaning.page) == (None, False, False)


def test_submitted_after_a_cancel_asks_the_broker() -> None:
    assert interpret(status("Submitted"), child(S.CANCELLED)).resolve


@pytest.mark.parametrize("code", [105, 329, 399, 404, 10349, 2109])
def test_codes_of_live_orders_never_end_them(code: int) -> None:
    assert interpret(error(code), child(S.WORKING)).target is None


@pytest.mark.parametrize("code", [135, 136, 161, 10147, 10148])
def test_a_refused_cancel_means_reconcile(code: int) -> None:
    meaning = interpret(error(code), child(S.WORKING))
    assert (meaning.target, meaning.resolve) == (None, True)


@pytest.mark.parametrize("code", [103, 321, 9999])
def test_an_unlisted_code_is_unknown_and_pages(code: int) -> None:
    meaning = interpret(error(code), child(S.SUBMITTING))
    assert (meaning.target, meaning.page, meaning.resolve) == (S.UNKNOWN, True, True)


def test_a_rejection_pages() -> None:
    meaning = interpret(error(201), child(S.SUBMITTING))
    assert (meaning.target, meaning.page) == (S.REJECTED_BY_BROKER, True)


def execution(filled: int, state: OrderState) -> Saying:
    return Saying(kind=EvidenceKind.EXECUTION, perm_id=7, filled=filled)


def test_fills_above_the_quantity_contradict() -> None:
    meaning = interpret(execution(3, S.WORKING), child(S.WORKING, filled=3))
    assert meaning.contradiction


@pytest.mark.parametrize("state", [S.CANCELLED, S.EXPIRED, S.REJECTED_BY_BROKER, S.ABSENT])
def test_a_late_fill_reopens_and_pages(state: OrderState) -> None:
    meaning = interpret(execution(2, state), child(state, filled=2))
    assert (meaning.target, meaning.page) == (S.FILLED, True)
    assert bool(meaning.contradiction) == (state is S.ABSENT)


def test_another_perm_id_contradicts() -> None:
    assert interpret(status("Submitted"), child(S.WORKING, perm_id=8)).contradiction


@given(
    st.sampled_from(CHILD_STATES),
    st.sampled_from(list(EvidenceKind)),
    st.sampled_from(["", "Submitted", "Cancelled", "Inactive", "Filled"]),
    st.integers(0, 11_000),
    st.integers(0, 3),
)
def test_any_callback_has_a_meaning(
    state: OrderState, kind: EvidenceKind, word: str, code: int, filled: int
) -> None:
    saying = Saying(kind=kind, status=word, perm_id=7, filled=filled, code=code)
    meaning = interpret(saying, child(state, filled=filled))
    if meaning.target is S.FILLED:
        assert filled >= 2
        assert kind is EvidenceKind.EXECUTION
