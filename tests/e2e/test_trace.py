"""One trace leads from the request for a run over strategy and risk to the order at the broker."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from tests.support.eventually import eventually
from theta.embedded.running import Deployment

Span = dict[str, Any]

EDGES = {
    ("broker-gateway http.server", "schedule outbox.relay strategy.run"),
    ("broker-gateway http.server", "strategy job.run strategy.run"),
    ("strategy job.run strategy.run", "strategy strategy.run"),
    ("strategy strategy.run", "strategy http.client"),
    ("strategy strategy.run", "schedule outbox.relay risk.review"),
    ("strategy strategy.run", "risk job.run risk.review"),
    ("risk job.run risk.review", "risk risk.review"),
    ("risk risk.review", "schedule outbox.relay orders.submit"),
    ("risk risk.review", "broker-gateway job.run orders.submit"),
    ("broker-gateway job.run orders.submit", "broker-gateway order.claim"),
    ("broker-gateway job.run orders.submit", "broker-gateway order.send"),
}


def named(span: Span) -> str:
    """Return service, span name and the job it carries, if any."""
    words = (span["service"], span["name"], span["attributes"].get("job"))
    return " ".join(str(word) for word in words if word)


def edges_of(spans: Iterable[Span]) -> set[tuple[str, str]]:
    by_id = {span["span_id"]: span for span in spans}
    return {
        (named(by_id[span["parent_span_id"]]), named(span))
        for span in by_id.values()
        if span["parent_span_id"] in by_id
    }


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_trace_of_a_run_reaches_the_order(system: Deployment) -> None:
    answer = system.api("POST", "/v1/runs", {})
    assert answer.status == 202, answer.body

    def spans_of_the_run() -> list[Span]:
        lines = system.trace_file.read_text().splitlines()
        spans = [json.loads(line) for line in lines]
        roots = {
            span["trace_id"] for span in spans if span["attributes"].get("route") == "/v1/runs"
        }
        return [span for span in spans if span["trace_id"] in roots]

    eventually(lambda: edges_of(spans_of_the_run()) >= EDGES, timeout_seconds=60)
    assert len({span["trace_id"] for span in spans_of_the_run()}) == 1
