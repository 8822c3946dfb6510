"""Budget: halt committed → the last cancel's bytes at the broker, 50 working orders.

From the commit time that PostgreSQL kept for the halt's journal row to the simulator's host clock
when it read the last cancel. One halt in a run of the benchmark: its largest value is the figure.
"""

from __future__ import annotations

from benchmarks.stage import Stage, wait_for
from theta.common.errors import UnavailableError
from theta.embedded.oracle_readers import fetch_truth, read_records

ORDERS = 50


def measure(stage: Stage) -> dict[str, float]:
    """Bring the working orders to 50, halt, and look when the last cancel arrived."""
    while stage.count("working") < ORDERS:
        before = stage.count("working")
        stage.run()
        stage.wait_for_working(before + len(stage.symbols))
    body = {"reason": "a benchmark", "scope": "account"}
    answer = stage.deployment.api("POST", "/v1/halt", body, timeout_seconds=30.0)
    if answer.status != 200:
        raise UnavailableError(f"POST /v1/halt answered {answer.status}: {answer.body}")
    control = stage.deployment.control_url
    wait_for(lambda: not any(order.live for order in fetch_truth(control).orders), 30.0)
    last = max(order.cancelled_at or 0.0 for order in fetch_truth(control).orders)
    changes = read_records(stage.servers.reader_url).gate_changes
    committed = max(change.committed_at for change in changes if change.halted)
    return {"halt_to_last_cancel_seconds_p99": round(max(0.0, last - committed), 3)}
