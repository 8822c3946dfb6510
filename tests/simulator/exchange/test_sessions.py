"""When orders may trade."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.simulator.exchange.floor import Floor
from theta.simulator.exchange import sessions
from theta.simulator.market import calendar

FLOOR = Floor()


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=calendar.NEW_YORK).timestamp()


@pytest.mark.parametrize(
    ("moment", "stock", "stock_outside", "option_outside"),
    [
        ("2026-08-13T12:00", True, True, True),
        ("2026-08-13T05:00", False, True, False),
        ("2026-08-13T17:00", False, True, False),
        ("2026-08-13T20:00", False, False, False),
        ("2026-08-15T12:00", False, False, False),
        ("2026-11-27T13:30", False, True, False),
        ("2026-11-27T17:00", False, False, False),
    ],
)
def test_hours_hang_on_the_contract_and_the_flag(
    moment: str, stock: bool, stock_outside: bool, option_outside: bool
) -> None:
    put = FLOOR.option(740.0, "P")
    assert sessions.is_open(FLOOR.stock(), at(moment), outside_rth=False) == stock
    assert sessions.is_open(FLOOR.stock(), at(moment), outside_rth=True) == stock_outside
    assert sessions.is_open(put, at(moment), outside_rth=True) == option_outside


@pytest.mark.parametrize(
    ("moment", "opening"),
    [
        ("2026-08-13T09:29:59", "2026-08-13T09:30"),
        ("2026-08-13T09:30", "2026-08-14T09:30"),
        ("2026-08-14T18:00", "2026-08-17T09:30"),
        ("2026-09-04T12:00", "2026-09-08T09:30"),
    ],
)
def test_the_next_opening_passes_over_nights_weekends_and_holidays(
    moment: str, opening: str
) -> None:
    assert sessions.next_opening(at(moment)) == at(opening)
