"""When an order is absent, and what a position says after midnight (order-protocol §6)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theta.broker_gateway.domain.absence import (
    Round,
    Sought,
    Verdict,
    day_order_is_over,
    infer_from_position,
    judge,
)
from theta.broker_gateway.domain.broker import BrokerOrder
from theta.common.domain.instruments import stock
from theta.common.domain.orders import Action

NOON = datetime(2026, 8, 18, 16, 0, tzinfo=UTC)
REF = "theta-" + "a" * 20
SOUGHT = Sought(order_ref=REF, perm_id=None, claimed_market_at=NOON, unclear_since_seconds=100)


def shown(ref: str = REF, perm_id: int | None = 5) -> BrokerOrder:
    return BrokerOrder(
        order_ref=ref, order_id=1, perm_id=perm_id, client_id=17, account="DU1",
        contract=stock("SPY"), action=Action.BUY, quantity=Decimal(1), filled=None,
        remaining=None, limit_price=None, status="Submitted",
    )  # fmt: skip


def a_round(
    at: float, *orders: BrokerOrder, connection_no: int = 1, market_at: datetime = NOON
) -> Round:
    return Round(
        connection_no=connection_no, client_id=17, started_seconds=at, ended_seconds=at + 0.5,
        market_at=market_at, started_at=NOON, open_orders=orders, completed_orders=(),
        executions=(),
    )  # fmt: skip


def verdict(*rounds: Round, sought: Sought = SOUGHT) -> Verdict:
    return judge(sought, rounds, interval_seconds=10)


def test_two_rounds_apart_without_it_are_absence() -> None:
    assert verdict(a_round(101), a_round(112)) is Verdict.ABSENT


def test_one_round_is_not_enough() -> None:
    assert verdict(a_round(112)) is Verdict.WAIT


def test_the_gap_counts_from_the_end_of_the_first() -> None:
    assert verdict(a_round(101), a_round(111.4)) is Verdict.WAIT
    assert verdict(a_round(101), a_round(111.5)) is Verdict.ABSENT


def test_rounds_of_two_connections_do_not_add_up() -> None:
    assert verdict(a_round(101), a_round(112, connection_no=2)) is Verdict.WAIT


def test_a_round_before_the_send_was_surely_over_does_not_count() -> None:
    assert verdict(a_round(99), a_round(112)) is Verdict.WAIT


def test_presence_by_reference_or_perm_id_ends_it() -> None:
    assert verdict(a_round(101), a_round(112, shown())) is Verdict.PRESENT
    by_perm = Sought(
        order_ref="theta-" + "b" * 20, perm_id=5, claimed_market_at=NOON, unclear_since_seconds=0
    )
    assert verdict(a_round(101), a_round(112, shown()), sought=by_perm) is Verdict.PRESENT


def test_a_foreign_order_without_perm_id_is_not_it() -> None:
    other = shown(ref="", perm_id=None)
    assert verdict(a_round(101, other), a_round(112, other)) is Verdict.ABSENT


def test_the_next_execution_day_forbids_absence() -> None:
    later = NOON + timedelta(days=1)
    found = verdict(a_round(101, market_at=later), a_round(112, market_at=later))
    assert found is Verdict.AFTER_DAY_BOUNDARY


def test_the_day_changes_at_midnight_in_new_york() -> None:
    before = datetime(2026, 8, 19, 3, 59, tzinfo=UTC)
    assert verdict(a_round(101), a_round(112, market_at=before)) is Verdict.ABSENT
    after = datetime(2026, 8, 19, 4, 0, tzinfo=UTC)
    found = verdict(a_round(101), a_round(112, market_at=after))
    assert found is Verdict.AFTER_DAY_BOUNDARY


@given(st.lists(st.tuples(st.floats(100, 200), st.booleans()), min_size=1, max_size=6))
def test_it_is_never_absent_when_the_last_round_shows_it(
    found: list[tuple[float, bool]],
) -> None:
    rounds = [a_round(at, *([shown()] if here else [])) for at, here in sorted(found)]
    rounds.append(a_round(201, shown()))
    assert verdict(*rounds) is Verdict.PRESENT


@pytest.mark.parametrize(
    ("claimed", "now", "over"),
    [
        ("2026-08-18T16:00Z", "2026-08-18T20:14Z", False),
        ("2026-08-18T16:00Z", "2026-08-18T20:15Z", True),
        ("2026-08-18T21:00Z", "2026-08-19T20:00Z", False),
        ("2026-08-21T21:00Z", "2026-08-23T20:00Z", False),
        ("2026-08-21T21:00Z", "2026-08-24T20:15Z", True),
    ],
)
def test_a_day_order_is_over_after_its_session(claimed: str, now: str, over: bool) -> None:
    at = [datetime.fromisoformat(text) for text in (claimed, now)]
    assert day_order_is_over(*at) is over


def inferred(change: int | None, *, others: int = 0, over: bool = True) -> int | None:
    moved = None if change is None else Decimal(change)
    return infer_from_position(
        remaining=3, sign=-1, change=moved, other_candidates=others, over=over
    ).filled


def test_the_position_tells_after_midnight() -> None:
    assert inferred(-3) == 3
    assert inferred(-3, over=False) == 3
    assert inferred(-1) == 1
    assert inferred(0) == 0


def test_everything_else_needs_a_person() -> None:
    assert inferred(0, over=False) is None
    assert inferred(-4) is None
    assert inferred(1) is None
    assert inferred(-3, others=1) is None
    assert inferred(None) is None
