"""The market clock from an answer that tells whole seconds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theta.broker_gateway.adapters.ibkr.market_time import MarketTimeEstimator

START = 1_755_500_000.37


def _watch(
    estimator: MarketTimeEstimator,
    rate: float,
    *,
    beats: int,
    flight: float = 0.004,
    begin: float = 1_000.0,
    market: float = START,
    every: float = 2.0,
) -> tuple[float, float]:
    """Observe `beats` answers; return process and market time of the last receipt."""
    now = begin
    for number in range(beats):
        now = begin + number * every
        truth = market + (now + flight / 2 - begin) * rate
        estimator.observe(now, now + flight, int(truth))
    return now + flight, market + (now + flight - begin) * rate


@settings(max_examples=60)
@given(st.floats(0, 1), st.floats(0.0005, 0.2))
def test_real_time_is_known_to_a_fraction_of_a_second(phase: float, flight: float) -> None:
    estimator = MarketTimeEstimator()
    now, truth = _watch(estimator, 1.0, beats=15, flight=flight, market=START + phase, every=1.93)
    assert estimator.rate == 1.0
    told = estimator.market_epoch(now)
    precision = estimator.precision_seconds
    assert told is not None
    assert precision is not None
    assert abs(told - truth) <= precision + 0.05
    assert precision < 0.6


@pytest.mark.parametrize("rate", [2.0, 10.0, 60.0, 500.0])
def test_sped_up_market_is_extrapolated_at_its_rate(rate: float) -> None:
    estimator = MarketTimeEstimator()
    now, truth = _watch(estimator, rate, beats=6)
    assert estimator.rate == pytest.approx(rate, rel=0.02)
    told = estimator.market_epoch(now + 1.0)
    assert told == pytest.approx(truth + rate, abs=1.0 + 0.02 * rate)


def test_jump_of_the_market_is_followed_at_once() -> None:
    estimator = MarketTimeEstimator()
    now, truth = _watch(estimator, 1.0, beats=10)
    assert estimator.market_epoch(now) == pytest.approx(truth, abs=0.6)
    night = truth + 40_000
    estimator.observe(now + 2, now + 2.004, int(night + 2))
    assert estimator.market_epoch(now + 2.004) == pytest.approx(night + 2, abs=1.1)


def test_change_of_rate_is_followed() -> None:
    estimator = MarketTimeEstimator()
    now, truth = _watch(estimator, 1.0, beats=10)
    _watch(estimator, 60.0, beats=4, begin=now + 2, market=truth + 2)
    assert estimator.rate == pytest.approx(60, rel=0.03)


def test_told_time_never_goes_back_by_itself() -> None:
    estimator = MarketTimeEstimator()
    told: list[float] = []
    for number in range(40):
        now = 1_000 + number * 2.03
        estimator.observe(now, now + 0.05, int(START + now - 1_000))
        for ahead in (0.05, 1.0, 2.0):
            epoch = estimator.market_epoch(now + ahead)
            assert epoch is not None
            told.append(epoch)
    assert told == sorted(told)


def test_nothing_is_told_before_the_first_answer() -> None:
    estimator = MarketTimeEstimator()
    assert estimator.market_epoch(5.0) is None
    assert estimator.observed_at is None
    assert estimator.precision_seconds is None
