"""The order protocol in one process: search with Hypothesis, and many stories told by seeds.

A failure of a story names its seed: `walk(seed)` tells it again.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property.gateway.machine import OrderModel
from tests.property.gateway.mutations import MUTATIONS
from tests.property.gateway.oracle import BrokenRuleError
from tests.property.gateway.walk import walk

SEEDS_FAST = range(40)
SEEDS_TO_SEE_A_MUTATION = range(150)
"""The budget in which a broken rule must show: some seconds of one core."""
SEARCH = settings(
    deadline=None,
    database=None,
    stateful_step_count=20,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
FRESH_SECONDS = 40.0


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """Keep the program's log lines out: they would take half the time."""
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(wrapper_class=before)


def test_search_finds_no_broken_rule() -> None:
    few = settings(SEARCH, max_examples=15, derandomize=True, phases=[Phase.generate, Phase.shrink])
    run_state_machine_as_test(OrderModel, settings=few)


def test_no_story_breaks_a_rule() -> None:
    for seed in SEEDS_FAST:
        _tell(seed)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_longer_search_finds_no_broken_rule() -> None:
    many = settings(SEARCH, max_examples=150)
    run_state_machine_as_test(OrderModel, settings=many)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_thousands_of_fresh_stories_break_no_rule(capsys: pytest.CaptureFixture[str]) -> None:
    first, told, began = int.from_bytes(os.urandom(4), "big"), 0, time.monotonic()
    while time.monotonic() - began < FRESH_SECONDS:
        _tell(first + told)
        told += 1
    a_minute = told / (time.monotonic() - began) * 60
    with capsys.disabled():
        print(f"\norder model: {told} stories, {a_minute:.0f} a minute, seeds from {first}")
    assert told >= 100


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_rule_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutation = MUTATIONS[name]
    mutation.apply(monkeypatch)
    for seed in SEEDS_TO_SEE_A_MUTATION:
        try:
            walk(seed, mutation.rules())
        except BrokenRuleError:
            return
    pytest.fail(f"{name}: nothing was seen in {len(SEEDS_TO_SEE_A_MUTATION)} stories")


def _tell(seed: int) -> None:
    try:
        walk(seed)
    except BrokenRuleError as broken:
        pytest.fail(f"walk({seed}): {broken}")
