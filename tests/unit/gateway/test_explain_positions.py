"""Expiry, assignment and exercise explain what vanished only when every share is accounted for."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theta.broker_gateway.domain.differences import position_differences
from theta.broker_gateway.domain.explain_positions import EXPLAINED
from theta.common.domain.instruments import Contract, Right, SecType, stock

TODAY = date(2026, 8, 21)
Holding = tuple[Contract, Decimal]


def option(strike: int, right: str = "P", expiry: date = TODAY, symbol: str = "SPY") -> Contract:
    return Contract(
        symbol=symbol, sec_type=SecType.OPTION, expiry=expiry, strike=Decimal(strike),
        right=Right(right), multiplier=100,
    )  # fmt: skip


LATER = TODAY + timedelta(days=28)
SPY = stock("SPY")


def kinds(before: list[tuple[Contract, int]], after: list[tuple[Contract, int]]) -> dict[str, str]:
    found = position_differences(
        [(contract, Decimal(n)) for contract, n in before], [],
        [(contract, Decimal(n)) for contract, n in after], today=TODAY,
    )  # fmt: skip
    assert all(one.explained is (one.kind in EXPLAINED) for one in found)
    return {one.subject: one.kind for one in found}


P740, P730 = option(740), option(730)
C760 = option(760, "C")
EARLY_PUT, EARLY_CALL = option(740, expiry=LATER), option(760, "C", LATER)
AT_740, AT_730, AT_760C = P740.describe(), P730.describe(), C760.describe()


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([(P740, -2)], [], {AT_740: "expiry"}),
        ([(P740, -2)], [(SPY, 200)], {AT_740: "assignment", "SPY": "assignment"}),
        ([(P740, -2)], [(SPY, 100)], {AT_740: "assignment", "SPY": "assignment"}),
        ([(P740, 1), (SPY, 100)], [], {AT_740: "exercise", "SPY": "exercise"}),
        ([(C760, -1), (SPY, 100)], [], {AT_760C: "assignment", "SPY": "assignment"}),
        (
            [(P740, -1), (P730, -1)],
            [(SPY, 100)],
            {AT_740: "expiry", AT_730: "assignment", "SPY": "assignment"},
        ),
        (
            [(P740, -3), (C760, -2), (SPY, 200)],
            [(SPY, 300)],
            {AT_740: "assignment", AT_760C: "assignment", "SPY": "assignment"},
        ),
        # The broker may show any one option for the other; what counts is that it adds up.
        ([(P740, -2)], [(SPY, 150)], {AT_740: "expiry", "SPY": "position"}),
        ([(P740, -2)], [(SPY, 300)], {AT_740: "expiry", "SPY": "position"}),
        ([(P740, -2)], [(SPY, -200)], {AT_740: "expiry", "SPY": "position"}),
        # Before expiry: only with its shares.
        (
            [(EARLY_CALL, -1), (SPY, 100)],
            [],
            {EARLY_CALL.describe(): "assignment", "SPY": "assignment"},
        ),
        (
            [(EARLY_PUT, -2)],
            [(EARLY_PUT, -1), (SPY, 100)],
            {EARLY_PUT.describe(): "assignment", "SPY": "assignment"},
        ),
        ([(EARLY_PUT, -1)], [], {EARLY_PUT.describe(): "position"}),
        (
            [(EARLY_PUT, -1)],
            [(SPY, 50)],
            {EARLY_PUT.describe(): "position", "SPY": "position"},
        ),
        (
            [(EARLY_CALL, -1), (P740, -1), (SPY, 100)],
            [(SPY, 100)],
            {
                EARLY_CALL.describe(): "assignment",
                AT_740: "assignment",
            },
        ),
        # Never explained: what grew, changed its side, or moved without an option.
        ([(EARLY_PUT, -1)], [(EARLY_PUT, -2)], {EARLY_PUT.describe(): "position"}),
        ([(EARLY_PUT, -1)], [(EARLY_PUT, 1)], {EARLY_PUT.describe(): "position"}),
        ([(SPY, 100)], [(SPY, 101)], {"SPY": "position"}),
        ([(SPY, 100)], [(SPY, 400)], {"SPY": "split_suspected"}),
        ([(SPY, 1000)], [(SPY, 100)], {"SPY": "split_suspected"}),
        ([(SPY, 100)], [(SPY, 100)], {}),
    ],
)
def test_what_vanished_is_explained_when_the_shares_add_up(
    before: list[tuple[Contract, int]],
    after: list[tuple[Contract, int]],
    expected: dict[str, str],
) -> None:
    assert kinds(before, after) == expected


shorts = st.lists(
    st.tuples(st.integers(700, 800), st.integers(1, 5)), max_size=5, unique_by=lambda x: x[0]
)


@given(shorts=shorts, held=st.integers(-3, 3), data=st.data())
def test_any_mix_of_assignments_at_expiry_is_explained(
    shorts: list[tuple[int, int]], held: int, data: st.DataObject
) -> None:
    before = [(option(strike), -count) for strike, count in shorts] + [(SPY, held * 100)]
    shares = held * 100
    for _, count in shorts:
        shares += 100 * data.draw(st.integers(0, count))
    found = kinds(before, [(SPY, shares)])
    assert set(found.values()) <= EXPLAINED


@given(shorts=shorts, odd=st.integers(1, 99))
def test_a_broken_number_of_shares_is_never_explained(
    shorts: list[tuple[int, int]], odd: int
) -> None:
    before = [(option(strike), -count) for strike, count in shorts]
    assert kinds(before, [(SPY, odd)])["SPY"] == "position"
