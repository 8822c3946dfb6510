"""Smiles: what they fit, and that they imply no negative chance."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theta.simulator.market import smile
from theta.simulator.market.smile import Smile


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0.05, 1.5), min_size=6, max_size=30),
    st.floats(0.002, 1.0),
    st.floats(0.05, 0.6),
)
def test_a_fit_of_anything_is_sound(vols: list[float], years: float, width: float) -> None:
    reach = len(vols) // 2
    points = [((i - reach) * width / 4, vol, 1.0) for i, vol in enumerate(vols)]
    found = smile.fit(points, years)
    assert found is not None
    assert found.is_sound(years)
    assert found.is_sound(years / 10)


def test_a_fit_finds_the_smile_it_was_given() -> None:
    given_smile = smile.skewed(0.18, 0.04, 0.3)
    points = [(z / 40, given_smile.vol(z / 40), 1.0) for z in range(-20, 15)]
    found = smile.fit(points, 0.1)
    assert found is not None
    for z, vol, _ in points:
        assert found.vol(z) == pytest.approx(vol, abs=0.004)


def test_too_few_points_give_the_nearest_flat_volatility() -> None:
    found = smile.fit([(0.3, 0.5, 1.0), (0.01, 0.22, 1.0)], 0.1)
    assert found == smile.flat(0.22)
    assert smile.fit([], 0.1) is None
    assert smile.fit([(0.0, float("nan"), 1.0)], 0.1) is None


@given(st.floats(0.05, 1.5), st.floats(-0.08, 0.08), st.floats(0.003, 2.0))
def test_a_made_smile_is_sound_and_leans_as_asked(vol: float, skew: float, years: float) -> None:
    found = smile.skewed(vol, skew, years)
    assert found.is_sound(years)
    assert found.vol(0.0) == pytest.approx(vol, rel=1e-6)
    below, above = found.vol(-0.5 * vol), found.vol(0.5 * vol)
    if skew > 0.005:
        assert below > above
    if skew < -0.005:
        assert below < above


def test_an_unsound_smile_is_seen() -> None:
    steep = Smile(a=-0.02, b=0.8, rho=0.6, m=0.4, s=0.05)
    assert not steep.is_sound(0.5)
    assert steep.tamed(0.5).is_sound(0.5)
