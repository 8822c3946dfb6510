"""A live account is not traded by accident: only `rollout.stage = "live"` opens it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.integration.gateway.conftest import Service
from tests.integration.gateway.places import approve, intent_state, rows
from tests.integration.gateway.rig import Rig
from tests.integration.gateway_adapter.harness import Simulator
from tests.support.eventually import eventually
from theta.broker_gateway.bootstrap import rollout_stage
from theta.broker_gateway.use_cases.refuse_live import LIVE_NOT_ALLOWED, RefuseLive
from theta.common.domain.orders import TradingState
from theta.common.postgres.tables import broker_command

LIVE = "U7654321"
SHIPPED = Path(__file__).resolve().parents[3] / "config" / "thetagang.toml"


def live_rig(engine: Engine, folder: Path, *, allowed: bool) -> Rig:
    """A live account that a person has resumed already."""
    rig = Rig(engine, folder, accounts=(LIVE,))
    rule = RefuseLive(guard=rig.guard, allowed=allowed, faults_armed=False)
    assert rule.see((LIVE,)) is None
    rig.ready()
    state = rig.gate.lift(
        LIVE, scope="account", scope_key=LIVE, cause=None, reason="open", actor="ann"
    )
    assert state is TradingState.ACTIVE
    return rig


def test_a_live_account_is_refused_before_the_claim(rig_engine: Engine, tmp_path: Path) -> None:
    rig = live_rig(rig_engine, tmp_path, allowed=False)
    intent_id = approve(rig_engine, account=LIVE)
    assert rig.submit(intent_id) == "gate_closed"
    assert rig.guard.reasons() == [LIVE_NOT_ALLOWED]
    assert rig.broker.written == []
    assert rows(rig_engine, broker_command) == []
    assert intent_state(rig_engine, intent_id) == "approved"
    rig.close()


def test_a_live_account_is_traded_at_the_stage_live(rig_engine: Engine, tmp_path: Path) -> None:
    rig = live_rig(rig_engine, tmp_path, allowed=True)
    assert rig.submit(approve(rig_engine, account=LIVE)) == "sent"
    rig.close()


def test_the_next_connection_to_a_paper_account_opens_again(rig: Rig) -> None:
    rule = RefuseLive(guard=rig.guard, allowed=False, faults_armed=False)
    rule.see((LIVE, "DU0000001"))
    assert rig.guard.is_closed(LIVE_NOT_ALLOWED)
    rule.see(("DU0000001", "DF0000002"))
    assert rig.guard.reasons() == []


@pytest.mark.parametrize("allowed", [False, True])
def test_armed_fault_points_end_the_process_on_a_live_account(rig: Rig, allowed: bool) -> None:
    rule = RefuseLive(guard=rig.guard, allowed=allowed, faults_armed=True)
    assert rule.see(("DU0000001",)) is None
    error = rule.see((LIVE,))
    assert error is not None
    assert str(error) == "THETA_FAULT_FILE is set and U7654321 is a live account: unset it."
    assert rig.guard.is_closed("fault_file_on_live_account")


def test_a_file_that_cannot_be_read_does_not_open_a_live_account(tmp_path: Path) -> None:
    assert rollout_stage(tmp_path / "none.toml") == "simulated"
    broken = tmp_path / "broken.toml"
    broken.write_text("[rollout\nstage = 'live'")
    assert rollout_stage(broken) == "simulated"
    live = tmp_path / "live.toml"
    live.write_text(SHIPPED.read_text().replace('stage = "simulated"', 'stage = "live"'))
    assert rollout_stage(live) == "live"


@pytest.fixture
def simulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """Serve an account whose name is a live one's."""
    monkeypatch.setenv("THETA_SIMULATOR_SET", f'account.id="{LIVE}"')
    found = Simulator(tmp_path)
    yield found
    found.stop()


@pytest.mark.slow
def test_status_and_readiness_say_why_nothing_is_sent(service: Service) -> None:
    del service.environ["THETA_FAULT_FILE"]
    service.start()
    eventually(lambda: "live_not_allowed" in str(service.ask("/readyz")), 20)
    assert service.status_of("/readyz") == 503
    status = service.ask("/v1/status", role="viewer")[1]
    assert status["connection"]["accounts"] == [LIVE]
    assert "live_not_allowed" in status["gate_closed_by"]
    assert status["ready"] is False


@pytest.mark.slow
def test_a_process_with_a_fault_file_ends_at_a_live_account(service: Service) -> None:
    service.start()
    assert service.process is not None
    assert service.process.wait() == 78
    assert f"THETA_FAULT_FILE is set and {LIVE} is a live account" in service.process.output()
