"""Budget: connection cut → connected, fetched, reconciled and ready to send again."""

from __future__ import annotations

import time

from benchmarks.stage import Stage, wait_for

CUTS = 3


def measure(stage: Stage) -> dict[str, float]:
    """Cut the broker's connection and wait until the API says ready in a newer connection."""
    seconds = []
    for _ in range(CUTS):
        before = _status(stage)["connection"]["connection_no"]
        started = time.monotonic()
        stage.deployment.control("/fault", {"kind": "drop_connections"})
        wait_for(lambda before=before: _trading(stage, before), 30.0)
        seconds.append(time.monotonic() - started)
    return {"reconnect_to_trading_seconds": round(max(seconds), 2)}


def _status(stage: Stage) -> dict[str, dict[str, int]]:
    body: dict[str, dict[str, int]] = stage.deployment.api("GET", "/v1/status").body
    return body


def _trading(stage: Stage, before: int) -> bool:
    status = _status(stage)
    return bool(status["ready"]) and status["connection"]["connection_no"] > before
