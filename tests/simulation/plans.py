"""What is done to the system in one seed: faults and acts of an operator, drawn from the seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

RUN_POINTS = (
    "strategy.run.before_commit",
    "strategy.run.after_commit",
    "risk.review.before_commit",
    "risk.review.after_commit",
    "relay.before_enqueue",
    "relay.after_enqueue",
    "gateway.claim.before_commit",
    "gateway.claim.after_commit",
    "gateway.send.before_write",
    "gateway.send.after_write",
    "gateway.sent.after_commit",
    "gateway.record.after_spool",
    "gateway.record.before_commit",
    "gateway.record.after_commit",
    "alerts.deliver.before_send",
    "alerts.deliver.after_send",
)
"""Fault points that a run passes by itself."""
HALT_POINTS = (
    "gateway.cancel.before_write",
    "gateway.cancel.after_write",
    "gateway.halt.before_commit",
    "gateway.halt.after_commit",
)
"""Fault points that only a halt leads to."""
POINTS = (*RUN_POINTS, *HALT_POINTS)

FREEZE_POINTS = ("gateway.send.before_write", "gateway.claim.after_commit")

BROKER_FAULTS: tuple[Mapping[str, Any], ...] = (
    {"kind": "drop_connections"},
    {"kind": "drop_connections", "refuse_seconds": 1},
    {"kind": "hang_after_place", "n": 1},
    {"kind": "swallow_next_ack", "n": 1},
    {"kind": "delay_callbacks_ms", "ms": 1500},
    {"kind": "fill_during_disconnect"},
    {"kind": "refuse_next_order"},
)


@dataclass(frozen=True, slots=True)
class Act:
    """Something done `after_seconds` into the run: `flush_redis`, `halt`, `resume`, `run`, `cancel`
    or `broker` with the body of the simulator's `POST /fault`.

    With `needs_order` it waits besides for an order to be sent, and the acts after it as long:
    else a slow machine would halt before there is anything to cancel.
    """

    after_seconds: float
    kind: str
    body: Mapping[str, Any] = field(default_factory=dict)
    needs_order: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedPlan:
    """One seed's plan. `points` are armed before the run; `tune` sets how the market fills."""

    seed: int
    market_seed: int
    tune: Mapping[str, Any]
    points: Mapping[str, Mapping[str, Any]]
    acts: tuple[Act, ...]
    restart_after_seconds: float

    def describe(self) -> str:
        """Return the plan as one line for people."""
        armed = [
            f"{spec['action']} at {name}+{spec['after']}" for name, spec in self.points.items()
        ]
        done = [f"{_name(act)} after {act.after_seconds:.1f} s" for act in self.acts]
        return ", ".join([*armed, *done]) or "no fault"


def _name(act: Act) -> str:
    return str(act.body.get("kind", act.kind))


def draw(seed: int) -> SeedPlan:
    """Draw the plan of `seed`. Twenty seeds in a row kill at every fault point at least once."""
    rng = random.Random(seed)
    points: dict[str, dict[str, Any]] = {}
    first = POINTS[seed % len(POINTS)]
    # A halt comes once, so its points are passed once.
    after = 0 if first in HALT_POINTS else rng.choice((0, 0, 1))
    points[first] = {"action": "kill", "after": after}
    if rng.random() < 0.4:
        second = rng.choice(RUN_POINTS)
        points.setdefault(second, {"action": "kill", "after": rng.choice((0, 1, 2))})
    if rng.random() < 0.15:
        frozen = rng.choice(FREEZE_POINTS)
        points[frozen] = {"action": "stop", "after": rng.choice((0, 1))}
    acts: list[Act] = []
    if rng.random() < 0.4:
        acts.append(Act(_moment(rng), "flush_redis"))
    if rng.random() < 0.6:
        fault = rng.choice(BROKER_FAULTS)
        early = fault["kind"] not in ("drop_connections",)
        acts.append(Act(0.0 if early else _moment(rng), "broker", fault))
        if fault["kind"] == "fill_during_disconnect":
            acts.append(Act(_moment(rng) + 2.0, "broker", {"kind": "drop_connections"}))
    if rng.random() < 0.25:
        acts.append(Act(_moment(rng), "run"))
    if rng.random() < 0.15:
        acts.append(Act(_moment(rng) + 1.5, "cancel"))
    if first in HALT_POINTS or rng.random() < 0.2:
        halted = _moment(rng) + (2.0 if first.startswith("gateway.cancel") else 0.5)
        acts.append(Act(halted, "halt", needs_order=first.startswith("gateway.cancel")))
        draw_after = rng.random()
        if draw_after < 0.4:
            acts.append(Act(halted + 1.5, "resume"))
        if draw_after < 0.8:
            acts.append(Act(halted + 1.7, "run"))
    return SeedPlan(
        seed=seed,
        market_seed=rng.randrange(1, 100_000),
        tune={
            "kind": "tune",
            "hazard_seconds": rng.choice((2, 20, 120)),
            "fill_probability": rng.choice((1.0, 1.0, 0.5)),
        },
        points=points,
        acts=tuple(sorted(acts, key=lambda act: act.after_seconds)),
        restart_after_seconds=rng.choice((0.0, 0.3, 1.0)),
    )


def _moment(rng: random.Random) -> float:
    return round(rng.uniform(0.2, 4.0), 2)
