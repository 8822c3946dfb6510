"""Two gateways of one session: one sends, the other waits for its lease and its client id (§7)."""

from __future__ import annotations

import copy
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.integration.gateway.conftest import Service, free_port
from tests.integration.gateway.places import approve, intent_state, rows
from tests.integration.gateway.test_service import account_of
from tests.integration.gateway_adapter.harness import Simulator
from tests.support.eventually import eventually
from theta.common.postgres.tables import broker_command, lease

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]


@pytest.fixture
def other(service: Service, tmp_path: Path) -> Iterator[Service]:
    """Yield a second gateway of the same session, with a spool folder and a port of its own."""
    folder = tmp_path / "other"
    folder.mkdir()
    found = copy.copy(service)
    found.folder, found.process, found.http_port = folder, None, free_port()
    found.environ = service.environ | {
        "THETA_HTTP_PORT": str(found.http_port),
        "THETA_SPOOL_DIR": str(folder / "spool"),
    }
    del found.environ["THETA_FAULT_FILE"]
    yield found
    if found.process is not None:
        found.process.close()


def held(engine: Engine) -> Any:
    """Return the session's lease."""
    return rows(engine, lease, lease.c.name == "session:main")[0]


def test_a_killed_gateway_is_followed_after_its_lease_and_two_seconds(
    service: Service, other: Service, simulator: Simulator, engine: Engine
) -> None:
    service.start_ready()
    account = account_of(service)
    other.start()
    eventually(lambda: "lease" in str(other.ask("/readyz")[1]), 20)
    assert other.ask("/v1/status")[1]["connection"]["connected"] is False
    assert held(engine).epoch == 1

    service.kill()
    left = held(engine)
    intent_id = approve(engine, account=account, price="50.00")
    eventually(lambda: intent_state(engine, intent_id) == "working", 40)
    taken = held(engine)
    assert (taken.epoch, taken.acquired_at >= left.expires_at) == (2, True)
    (command,) = rows(engine, broker_command)
    assert command.epoch == 2
    assert (command.claimed_at - taken.acquired_at).total_seconds() >= 2.0
    status = other.ask("/v1/status")[1]
    assert status["connection"]["client_id"] == 17
    assert len(simulator.truth()["orders"]) == 1


def test_a_frozen_leader_wakes_and_does_not_send(
    service: Service, other: Service, simulator: Simulator, engine: Engine
) -> None:
    service.fault_file.write_text('{"gateway.claim.after_commit": {"action": "stop"}}')
    service.start_ready()
    account = account_of(service)
    assert service.process is not None
    leader = service.process.process
    other.start()
    intent_id = approve(engine, account=account, price="50.00")
    service.submit(intent_id)
    eventually(lambda: intent_state(engine, intent_id) == "submitting", 10)
    eventually(lambda: held(engine).epoch == 2, 30)
    # The frozen socket still holds the client id, so the successor may not act.
    assert other.ask("/v1/status")[1]["connection"]["connected"] is False
    assert simulator.truth()["orders"] == []

    os.kill(leader.pid, signal.SIGCONT)
    eventually(lambda: intent_state(engine, intent_id) == "absent", 60)
    assert simulator.truth()["orders"] == [], "a frozen leader sent after it woke"
    assert {row.kind for row in rows(engine, broker_command)} == {"place"}
    eventually(lambda: other.status_of("/readyz") == 200, 30)
