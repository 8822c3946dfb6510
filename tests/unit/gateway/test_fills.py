"""Fills and their corrections."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theta.broker_gateway.domain.fills import (
    FillAt,
    correction_no,
    exec_key,
    filled_quantity,
    fills_since,
    newest,
)

SNAPSHOT_AT = datetime(2026, 8, 18, 15, 0, 5, 300_000, tzinfo=UTC)
ID = st.builds(
    lambda base, no: f"0000e0d5.{base:04x}.{no:02d}",
    st.integers(0, 3),
    st.integers(1, 4),
)


def test_a_correction_replaces_what_it_corrects() -> None:
    quantities = {"a.b.01": Decimal(3), "a.b.02": Decimal(2), "c.d.01": Decimal(1)}
    assert filled_quantity(quantities) == 3
    assert newest(quantities) == {"a.b": "a.b.02", "c.d": "c.d.01"}


def test_an_id_without_dots_is_its_own_key() -> None:
    assert (exec_key("plain"), correction_no("plain")) == ("plain", 0)


@given(st.dictionaries(ID, st.integers(1, 9).map(Decimal)))
def test_order_of_arrival_changes_nothing(quantities: dict[str, Decimal]) -> None:
    backwards = dict(reversed(list(quantities.items())))
    assert filled_quantity(quantities) == filled_quantity(backwards)


@given(st.dictionaries(ID, st.integers(1, 9).map(Decimal), min_size=1))
def test_one_execution_counts_per_key(quantities: dict[str, Decimal]) -> None:
    kept = newest(quantities)
    assert set(kept) == {exec_key(one) for one in quantities}
    for key, exec_id in kept.items():
        rivals = [correction_no(one) for one in quantities if exec_key(one) == key]
        assert correction_no(exec_id) == max(rivals)


@pytest.mark.parametrize(
    ("executed_seconds", "claimed_seconds", "expected"),
    [
        (-0.3, 0.2, -1),  # told with the snapshot's second, of an order claimed after it
        (-0.3, None, None),
        (-0.3, -60.0, None),
        (0.7, -60.0, -1),
        (-1.3, -60.0, 0),
    ],
)
def test_a_fill_near_a_snapshot_is_placed_by_its_orders_claim_or_not_at_all(
    executed_seconds: float, claimed_seconds: float | None, expected: int | None
) -> None:
    claimed_at = None
    if claimed_seconds is not None:
        claimed_at = SNAPSHOT_AT + timedelta(seconds=claimed_seconds)
    fill = FillAt(
        quantity_signed=Decimal(-1),
        executed_at=SNAPSHOT_AT + timedelta(seconds=executed_seconds),
        claimed_at=claimed_at,
    )
    assert fills_since([fill], SNAPSHOT_AT) == expected
