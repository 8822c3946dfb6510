"""Budget: proportional set size of our idle processes, without PostgreSQL, Redis and simulator."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.stage import Stage
from theta.embedded.running import SERVICES

IDLE_SECONDS = 5.0


def measure(stage: Stage) -> dict[str, float]:
    """Read `Pss` of each service's `/proc/<pid>/smaps_rollup` after a moment of rest."""
    time.sleep(IDLE_SECONDS)
    kilobytes = 0
    for name in SERVICES:
        process_id = stage.deployment.processes.process_id(name)
        for line in Path(f"/proc/{process_id}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                kilobytes += int(line.split()[1])
    return {"stack_pss_mb": round(kilobytes / 1024, 1)}
