"""Budget: approval committed → order bytes on the socket, idle system, durable commits.

From the commit time that PostgreSQL kept for the journal row of the approval to the simulator's
host clock when it had read the order: relay, Redis, worker, claim, commit and the wire between.
"""

from __future__ import annotations

from benchmarks.stage import Stage, percentile, wait_for
from theta.embedded.oracle_readers import fetch_truth
from theta.embedded.settling import query

ORDERS = 20

_APPROVED = """
    select c.order_ref, extract(epoch from pg_xact_commit_timestamp(j.xmin))::float8 as approved_at
    from journal j join child_order c on c.intent_id::text = j.subject
    where j.kind = 'intent.approved'
"""


def measure(stage: Stage) -> dict[str, float]:
    """Send one order at a time, cancelling each before the next."""
    for _ in range(ORDERS):
        stage.run()
        stage.wait_for_working(1)
        working = query(
            stage.servers.reader_url, "select id::text from order_intent where state = 'working'"
        )
        stage.deployment.api("POST", f"/v1/intents/{working[0]['id']}/cancel", {})
        wait_for(lambda: stage.count("working") == 0, 20.0)
    placed = {
        order.order_ref: order.placed_at
        for order in fetch_truth(stage.deployment.control_url).orders
    }
    rows = query(stage.servers.reader_url, _APPROVED)
    waits = [
        (placed[row["order_ref"]] - row["approved_at"]) * 1000
        for row in rows
        if row["order_ref"] in placed
    ]
    return {
        "intent_to_socket_ms_p50": round(percentile(waits, 50), 1),
        "intent_to_socket_ms_p99": round(percentile(waits, 99), 1),
    }
