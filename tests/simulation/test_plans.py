"""Plans come from their seed alone, and a full round of seeds visits every fault point."""

from __future__ import annotations

import pytest

from tests.simulation.mutations import MUTATIONS, OVERLAYS, Mutation, seeds_for
from tests.simulation.plans import HALT_POINTS, POINTS, draw

SEEDS = range(1, 401)


def test_a_plan_depends_on_its_seed_alone() -> None:
    assert [draw(seed) for seed in SEEDS] == [draw(seed) for seed in SEEDS]
    assert draw(1) != draw(2)


@pytest.mark.parametrize("first", [1, 7, 1000])
def test_as_many_seeds_as_points_kill_at_each(first: int) -> None:
    armed = {
        name
        for seed in range(first, first + len(POINTS))
        for name, spec in draw(seed).points.items()
        if spec["action"] == "kill"
    }
    assert armed == set(POINTS)


def test_a_point_that_only_a_halt_passes_comes_with_a_halt() -> None:
    for seed in SEEDS:
        plan = draw(seed)
        if set(plan.points) & set(HALT_POINTS):
            assert "halt" in [act.kind for act in plan.acts]


def test_a_halt_that_must_find_something_to_cancel_waits_for_an_order() -> None:
    for seed in SEEDS:
        plan = draw(seed)
        needs_order = any(name.startswith("gateway.cancel") for name in plan.points)
        halts = [act for act in plan.acts if act.kind == "halt"]
        assert all(act.needs_order is needs_order for act in halts)


def test_acts_are_in_order_and_every_kind_is_drawn() -> None:
    kinds = set()
    for seed in SEEDS:
        acts = draw(seed).acts
        assert [act.after_seconds for act in acts] == sorted(act.after_seconds for act in acts)
        kinds |= {act.kind for act in acts}
    assert kinds == {"flush_redis", "broker", "run", "cancel", "halt", "resume"}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_has_seeds_and_an_overlay(mutation: Mutation) -> None:
    assert len(seeds_for(mutation, 2)) == 2
    assert (OVERLAYS / mutation.name / "sitecustomize.py").is_file()
