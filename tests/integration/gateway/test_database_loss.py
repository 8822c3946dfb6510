"""PostgreSQL stops while an order works: fill and halt are kept, and stored when it is back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.integration.gateway.conftest import Service
from tests.integration.gateway.places import approve, intent_state, only_child, put, rows
from tests.integration.gateway.test_service import account_of
from tests.integration.gateway_adapter.harness import Simulator
from tests.support.eventually import eventually
from tests.support.servers import ROLE_PASSWORDS, Database
from theta.common.postgres import journal
from theta.common.postgres.tables import execution, trading_gate
from theta.embedded.postgres import EmbeddedPostgres
from theta.embedded.schema import create_database, migrate, with_database

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]


@pytest.fixture
def stoppable(server_folder: Path) -> Iterator[EmbeddedPostgres]:
    """Yield a server of this test's own."""
    with EmbeddedPostgres(server_folder / "stoppable") as server:
        yield server


@pytest.fixture
def durable_database(stoppable: EmbeddedPostgres, request: pytest.FixtureRequest) -> Database:
    """Take the place of the shared server's database, which nobody may stop."""
    name = f"loss_{abs(hash(request.node.nodeid))}"
    create_database(stoppable.superuser_url, name)
    url = with_database(stoppable.superuser_url, name)
    migrate(url, ROLE_PASSWORDS)
    return Database(superuser_url=url)


def status_at_broker(simulator: Simulator, order_ref: str) -> str:
    (found,) = [o for o in simulator.truth()["orders"] if o["order_ref"] == order_ref]
    return str(found["status"])


@pytest.mark.parametrize("by", ["api", "flag"])
def test_a_fill_and_a_halt_survive_the_loss_of_the_database(
    service: Service, simulator: Simulator, engine: Engine, stoppable: EmbeddedPostgres, by: str
) -> None:
    service.start_ready()
    account = account_of(service)
    filling = approve(engine, account=account, price="50.00")
    open_still = approve(engine, account=account, price="50.00", contract=put(strike="735"))
    service.submit(filling)
    service.submit(open_still)
    eventually(lambda: intent_state(engine, filling) == "working", 10)
    eventually(lambda: intent_state(engine, open_still) == "working", 10)
    waiting = approve(engine, account=account, price="50.00", contract=put(strike="730"))
    fills, stays = (only_child(engine, each).order_ref for each in (filling, open_still))
    engine.dispose()
    stoppable.stop()

    simulator.fault("fill_order", order_ref=fills)
    if by == "api":
        status, answer = service.ask("/v1/halt", {"reason": "the database is away"})
        assert (status, answer["committed"]) == (200, False)
    else:
        service.flag_file.touch()
    eventually(lambda: status_at_broker(simulator, stays) == "Cancelled", 15)
    service.submit(waiting)

    stoppable.start()
    eventually(lambda: intent_state(engine, filling) == "filled", 40)
    eventually(lambda: rows(engine, trading_gate)[0].state == "halted", 40)
    eventually(lambda: intent_state(engine, open_still) == "cancelled", 40)
    assert [row.order_ref for row in rows(engine, execution)] == [fills]
    assert intent_state(engine, waiting) == "withdrawn"
    assert len(simulator.truth()["orders"]) == 2, "an order left in spite of the halt"
    with engine.connect() as connection:
        report = journal.verify(journal.read_rows(connection), journal.read_heads(connection))
    assert report.intact, report.faults
