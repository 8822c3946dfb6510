"""How fast the session speaks."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theta.broker_gateway.adapters.ibkr.pacing import (
    HISTORY_REQUESTS,
    HistoryPacer,
    Lane,
    LinePool,
    MessageBudget,
    PacingError,
    wait_for_budget,
)


class HandClock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(
    st.lists(st.tuples(st.floats(0, 0.3), st.sampled_from(list(Lane))), min_size=1, max_size=300)
)
def test_no_second_ever_holds_more_than_the_limit(steps: list[tuple[float, Lane]]) -> None:
    clock = HandClock()
    budget = MessageBudget(clock, 40)
    sent: list[float] = []
    for pause, lane in steps:
        clock.now += pause
        if budget.take(lane):
            sent.append(clock.now)
    for first in sent:
        assert sum(1 for at in sent if first <= at < first + 1.0) <= 40


def test_each_lane_leaves_what_is_reserved_for_the_later_ones() -> None:
    budget = MessageBudget(HandClock(), 40)
    taken = dict.fromkeys(Lane, 0)
    for lane in Lane:
        while budget.take(lane):
            taken[lane] += 1
    assert taken == {Lane.DATA: 30, Lane.CONTROL: 2, Lane.PULSE: 1, Lane.ORDER: 2, Lane.CANCEL: 5}


@given(st.sampled_from(list(Lane)), st.integers(0, 60))
def test_waiting_as_told_is_enough(lane: Lane, already: int) -> None:
    clock = HandClock()
    budget = MessageBudget(clock, 40)
    for _ in range(already):
        budget.take(Lane.CANCEL)
    clock.now += budget.wait_seconds(lane)
    assert budget.take(lane)


async def test_wait_that_would_be_too_long_is_refused_at_once() -> None:
    budget = MessageBudget(HandClock(), 40)
    while budget.take(Lane.CANCEL):
        pass
    with pytest.raises(PacingError):
        await wait_for_budget(budget, Lane.DATA, 0.5)


def test_budget_too_small_for_its_reserves_is_refused() -> None:
    with pytest.raises(ValueError, match="per_second"):
        MessageBudget(HandClock(), 10)


async def test_line_pool_bounds_lines_and_waits() -> None:
    pool = LinePool(2)
    assert await pool.acquire(0.1)
    assert await pool.acquire(0.1)
    assert not await pool.acquire(0.01)
    assert pool.in_use == 2
    waiting = asyncio.ensure_future(pool.acquire(5))
    pool.release()
    assert await waiting
    assert pool.in_use == 2


def test_identical_history_waits_fifteen_seconds_and_sixty_fill_ten_minutes() -> None:
    clock = HandClock()
    pacer = HistoryPacer(clock)
    pacer.record("SPY")
    assert pacer.wait_seconds("SPY") == 15
    assert pacer.wait_seconds("QQQ") == 0
    clock.now = 15
    assert pacer.wait_seconds("SPY") == 0
    for number in range(HISTORY_REQUESTS - 1):
        pacer.record(number)
    assert pacer.wait_seconds("new") == 600 - 15
    clock.now = 600
    assert pacer.wait_seconds("new") == 0
