"""Which conditions permit a send (order-protocol §5.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theta.broker_gateway.domain.send_check import SendConditions, send_refusal

GOOD = SendConditions(
    attempt_is_ours=True,
    epoch_claimed=3,
    epoch_held=3,
    connection_claimed=5,
    connection_now=5,
    connected=True,
    fetched=True,
    reconciled=True,
    broker_link=True,
    gate_closed_by=None,
    lock_held=True,
    elapsed_seconds=0.1,
    wall_elapsed_seconds=0.1,
    send_within_seconds=2.0,
)

BAD: list[tuple[str, Any, str]] = [
    ("attempt_is_ours", False, "not_our_attempt"),
    ("epoch_held", None, "lease_lost"),
    ("epoch_held", 4, "lease_lost"),
    ("connection_now", 6, "connection_changed"),
    ("connected", False, "not_connected"),
    ("fetched", False, "start_fetch_incomplete"),
    ("reconciled", False, "not_reconciled"),
    ("broker_link", False, "broker_link_down"),
    ("gate_closed_by", "halt", "gate_closed"),
    ("lock_held", False, "sender_lock_lost"),
    ("elapsed_seconds", 2.0, "send_by_passed"),
    ("elapsed_seconds", -0.1, "send_by_passed"),
    ("wall_elapsed_seconds", 60.0, "clocks_disagree"),
    ("wall_elapsed_seconds", -60.0, "clocks_disagree"),
]


def test_all_conditions_met_permit_the_send() -> None:
    assert send_refusal(GOOD) is None


@pytest.mark.parametrize(("field", "value", "code"), BAD)
def test_each_condition_alone_refuses(field: str, value: Any, code: str) -> None:
    changes: dict[str, Any] = {field: value}
    assert send_refusal(replace(GOOD, **changes)) == code


@given(st.lists(st.sampled_from(BAD), min_size=1, max_size=5))
def test_no_combination_of_faults_permits_a_send(faults: list[tuple[str, Any, str]]) -> None:
    changes: dict[str, Any] = {field: value for field, value, _ in faults}
    assert send_refusal(replace(GOOD, **changes)) is not None
