"""Whatever is posted to the control API, it answers in one sentence and lives on."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from theta.simulator.faults.catalogue import CATALOGUE
from theta.simulator.inprocess import ControlRefusedError, ThreadedSimulator

REQUESTS = 2_000
PATHS = ("/clock", "/events", "/fault", "/news", "/order", "/price", "/quote", "/reset_counters")
VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2, 1.5, 1e308, float("inf"), float("nan"), "", "SPY", "*", "tick",
    "x" * 2_000, [], [1], {}, "2027-01-01T00:00:00+00:00", "day 1 open", "max", "LMT", "BUY",
    "20260918", 700.0, "P", "next_open", "event",
)  # fmt: skip
KEYS = (
    "kind", "at", "symbol", "price", "text", "type", "step", "speed", "pause", "jump_to",
    "advance_seconds", "expiry", "strike", "right", "action", "quantity", "limit", "order_type",
)  # fmt: skip


def body(draw: random.Random, path: str) -> dict[str, Any]:
    if path in ("/fault", "/events") and draw.random() < 0.9:
        kind = draw.choice(list(CATALOGUE.values()))
        keys = [p.name for p in kind.parameters if draw.random() < 0.6]
        made = {"kind": kind.name, **{key: draw.choice(VALUES) for key in keys}}
        return made | ({"at": draw.choice(VALUES)} if path == "/events" else {})
    return {key: draw.choice(VALUES) for key in draw.sample(KEYS, draw.randint(0, 4))}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_any_body_is_carried_out_or_refused(
    start: Callable[..., ThreadedSimulator], seed: int
) -> None:
    draw, simulator = random.Random(seed), start("broker.polite=true")
    refused: list[ControlRefusedError] = []
    for _ in range(REQUESTS):
        path = draw.choice(PATHS)
        try:
            simulator.control(path, body(draw, path))
        except ControlRefusedError as error:
            refused.append(error)
    assert 0 < len(refused) < REQUESTS
    assert {error.status for error in refused} <= {400, 404, 409}
    assert [str(error) for error in refused if not str(error).endswith(".")] == []
    assert simulator.control("/health")["status"] == "ok"
    assert simulator.control("/truth")["clock"]["epoch"] > 0
