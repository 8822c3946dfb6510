"""The campaign's short times keep the relations of the long ones."""

from __future__ import annotations

from tests.simulation import timing
from tests.simulation.plans import BROKER_FAULTS
from theta.broker_gateway.use_cases.last_test import SEND_WITHIN_SECONDS
from theta.common.config.environment import VARIABLES


def test_every_time_is_shorter_than_in_production() -> None:
    for name, value in timing.TIMING.items():
        default = VARIABLES[name].default
        assert default is not None
        assert float(value) < float(default), name


def test_a_frozen_sender_wakes_after_its_send_by() -> None:
    assert timing.FREEZE_SECONDS > SEND_WITHIN_SECONDS


def test_the_calm_outlasts_whatever_would_still_be_swept() -> None:
    due_for = timing.SWEEP_AGE_SECONDS + timing.SWEEP_INTERVAL_SECONDS
    assert due_for < timing.CALM_SECONDS


def test_an_honest_broker_answers_before_its_order_counts_as_unknown() -> None:
    slowest = max(fault.get("ms", 0) / 1000 for fault in BROKER_FAULTS)
    assert slowest < timing.ACKNOWLEDGE_WITHIN_SECONDS


def test_two_rounds_lie_as_far_apart_as_the_protocol_asks() -> None:
    assert timing.RESOLVE_INTERVAL_SECONDS >= 1
