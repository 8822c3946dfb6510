"""Budgets: API messages per symbol, cold and warm, and a 10-symbol run.

Every message that the gateway sent to the simulator from the run's claim to the arrival of its last
order counts (account download, market data, cancels of market data, orders), divided by symbols.
"""

from __future__ import annotations

from benchmarks.stage import Stage, median

WARM_RUNS = 3


def measure(stage: Stage) -> dict[str, float]:
    """Run once cold, then warm; leaves (1 + `WARM_RUNS`) orders per symbol working."""
    symbols = len(stage.symbols)
    cold = _messages(stage, 1)[0] / symbols
    warm = [_messages(stage, 2 + number) for number in range(WARM_RUNS)]
    return {
        "messages_per_symbol_cold": round(cold, 1),
        "messages_per_symbol_warm": round(median([item[0] for item in warm]) / symbols, 1),
        "run_10_symbols_seconds": round(median([item[1] for item in warm]), 2),
    }


def _messages(stage: Stage, number: int) -> tuple[int, float]:
    stage.deployment.control("/reset_counters", {})
    _, seconds = stage.run()
    stage.wait_for_working(number * len(stage.symbols))
    told = stage.deployment.control("/truth")["messages"]
    return int(told["total"]), seconds
