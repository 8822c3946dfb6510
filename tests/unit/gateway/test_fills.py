"""Fills and their corrections."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from theta.broker_gateway.domain.fills import correction_no, exec_key, filled_quantity, newest

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
