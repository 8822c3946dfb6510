"""Runs as the API shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine

from tests.integration.gateway.conftest import Service
from tests.integration.gateway.places import add, approve
from theta.broker_gateway.adapters.postgres_queries import PostgresQueries
from theta.common.postgres.tables import decision, order_intent, strategy_run

pytestmark = pytest.mark.slow

AT = datetime(2026, 8, 18, 15, tzinfo=UTC)


def add_run(engine: Engine, *, status: str = "finished", error: str | None = None) -> UUID:
    run_id = uuid4()
    add(
        engine, strategy_run, id=run_id, account="DU1000001", slot=f"slot:{run_id}",
        trigger="schedule", actor="schedule", status=status, error=error, started_at=AT,
        finished_at=AT, summary={"orders": 1},
    )  # fmt: skip
    add(
        engine, decision, id=uuid4(), account="DU1000001", run_id=run_id, symbol="SPY",
        kind="write_put", outcome="nothing", rationale={"why": "too little credit"}, market_at=AT,
    )  # fmt: skip
    return run_id


def test_a_run_is_shown_with_decisions_and_intents(service: Service, engine: Engine) -> None:
    run_id = add_run(engine)
    intent_id = approve(engine)
    with engine.begin() as connection:
        connection.execute(
            order_intent.update().where(order_intent.c.id == intent_id).values(run_id=run_id)
        )
    service.start()
    service.until_listening()
    status, run = service.ask(f"/v1/runs/{run_id}", role="viewer")
    assert status == 200
    assert run == {
        "id": str(run_id), "account": "DU1000001", "slot": f"slot:{run_id}", "status": "finished",
        "error": None, "trigger": "schedule", "summary": {"orders": 1},
        "started_at": AT.isoformat(), "finished_at": AT.isoformat(),
        "decisions": [
            {"symbol": "SPY", "kind": "write_put", "outcome": "nothing",
             "rationale": {"why": "too little credit"}}
        ],
        "intents": [{"id": str(intent_id), "state": "approved"}],
    }  # fmt: skip
    assert service.ask(f"/v1/runs/{run_id}", role=None)[0] == 401
    status, problem = service.ask(f"/v1/runs/{uuid4()}", role="viewer")
    assert (status, problem["code"]) == (404, "no_such_run")
    assert service.ask("/v1/runs?limit=0", role="viewer")[0] == 422


def test_the_newest_runs_come_first_and_no_more_than_asked_for(
    service: Service, engine: Engine
) -> None:
    first, second = add_run(engine), add_run(engine, status="failed", error="no quotes")
    queries = PostgresQueries(engine, session="main")
    assert [run["id"] for run in queries.runs(limit=5)] == [str(second), str(first)]
    (newest,) = queries.runs(limit=1)
    assert (newest["status"], newest["error"]) == ("failed", "no quotes")
