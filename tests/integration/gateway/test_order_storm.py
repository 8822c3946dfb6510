"""Five hundred orders at once: the broker's limit holds, and a cancel goes in between (§5.3)."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import Engine, func, select

from tests.integration.gateway.conftest import Service
from tests.integration.gateway.places import approve, only_child
from tests.integration.gateway_adapter.harness import Simulator
from tests.support.eventually import eventually
from theta.common.domain.instruments import stock
from theta.common.domain.orders import Action
from theta.common.postgres.tables import order_intent

pytestmark = pytest.mark.slow
"""Half a minute of sending at the broker's pace."""

INTENTS = 500
CANCEL_WITHIN_SECONDS = 1.0


def states(engine: Engine) -> dict[str, int]:
    """How many intents are in each state."""
    with engine.connect() as connection:
        statement = select(order_intent.c.state, func.count()).group_by(order_intent.c.state)
        return {str(state): int(number) for state, number in connection.execute(statement)}


def told_at(simulator: Simulator, order_ref: str, event: str) -> datetime | None:
    for order in simulator.truth()["orders"]:
        if order["order_ref"] == order_ref:
            for entry in order["timeline"]:
                if entry["event"] == event:
                    return datetime.fromisoformat(entry["host_at"])
    return None


@pytest.mark.timeout(240)
def test_five_hundred_intents_keep_the_limit_and_let_a_cancel_through(
    service: Service, simulator: Simulator, engine: Engine
) -> None:
    simulator.fault("tune", fill_probability=0)
    service.start_ready()
    account = service.ask("/v1/status")[1]["connection"]["accounts"][0]
    intents = [
        approve(engine, account=account, contract=stock("SPY"), action=Action.BUY, price="300.00")
        for _ in range(INTENTS)
    ]
    for intent_id in intents:
        service.submit(intent_id)
    eventually(lambda: states(engine).get("working", 0) >= 50, 60)
    first = only_child(engine, intents[0])
    assert states(engine).get("approved", 0) > 100, "the storm was over before the cancel"
    asked_at = datetime.now().astimezone()
    service.cancel(first.id)
    cancelled_at = eventually(lambda: told_at(simulator, first.order_ref, "cancel_requested"), 20)
    assert cancelled_at is not None
    delay = (cancelled_at - asked_at).total_seconds()
    eventually(lambda: states(engine) == {"working": INTENTS - 1, "cancelled": 1}, 150)
    truth = simulator.truth()
    assert truth["messages"]["pacing_violations"] == 0
    refs = [order["order_ref"] for order in truth["orders"]]
    assert len(refs) == len(set(refs)) == INTENTS
    assert delay <= CANCEL_WITHIN_SECONDS
