"""Evidence that the database refuses for its content is kept, told, and tried again (§2, §5.4)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.integration.gateway.places import approve, only_child, rows
from tests.integration.gateway.rig import ACCOUNT, Rig
from tests.support.servers import Database
from theta.common.postgres.engine import make_engine
from theta.common.postgres.tables import alert, execution, order_event, trading_gate, trading_state

pytestmark = pytest.mark.slow
"""Each waits for seconds of the gateway's own timing: `make e2e` runs them."""


@pytest.fixture
def owner(database: Database) -> Iterator[Engine]:
    found = make_engine(database.superuser_url, application_name="owner")
    yield found
    found.dispose()


def run(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def refuse_fills(owner: Engine) -> None:
    run(owner, "alter table execution add constraint refused check (false) not valid")


def accept_fills(owner: Engine) -> None:
    run(owner, "alter table execution drop constraint refused")


def kept(folder: Path) -> list[Path]:
    return sorted((folder / "quarantine").glob("*.json"))


def told(engine: Engine) -> list[Any]:
    return rows(engine, alert, alert.c.kind == "evidence.quarantined")


def restart(rig: Rig, engine: Engine, folder: Path) -> Rig:
    rig.close()
    successor = Rig(engine, folder)
    successor.ready()
    return successor


def filled_in_vain(rig: Rig, engine: Engine) -> None:
    """A fill arrives that cannot be stored."""
    intent_id = approve(engine, account=ACCOUNT)
    rig.submit(intent_id)
    rig.controls.fill(only_child(engine, intent_id).order_ref, 1, Decimal("5.00"))
    rig.evidence.write_pending()


def test_a_fill_that_cannot_be_stored_is_kept_and_the_account_reduced(
    rig: Rig, rig_engine: Engine, owner: Engine, tmp_path: Path
) -> None:
    refuse_fills(owner)
    filled_in_vain(rig, rig_engine)
    assert rows(rig_engine, execution) == []
    assert len(kept(tmp_path)) == 1
    assert rig.spool.backlog == 0, "later evidence must not wait behind it"
    assert "Filled" in {row.payload.get("status") for row in rows(rig_engine, order_event)}
    rig.watch.turn()
    (found,) = told(rig_engine)
    assert found.severity == "critical"
    assert rows(rig_engine, trading_gate)[0].state == "reducing"
    (state,) = rows(rig_engine, trading_state, trading_state.c.cause == "contradicted_evidence")
    assert state.ended_at is None


def test_it_is_tried_at_every_start_until_it_is_stored(
    rig: Rig, rig_engine: Engine, owner: Engine, tmp_path: Path
) -> None:
    refuse_fills(owner)
    filled_in_vain(rig, rig_engine)
    rig = restart(rig, rig_engine, tmp_path)
    assert rows(rig_engine, execution) == []
    assert len(kept(tmp_path)) == 1
    accept_fills(owner)
    rig = restart(rig, rig_engine, tmp_path)
    assert [row.price for row in rows(rig_engine, execution)] == [Decimal("5.00")]
    assert kept(tmp_path) == []
    rig.close()


def test_it_is_told_once_and_a_persons_resume_stands_over_a_restart(
    rig: Rig, rig_engine: Engine, owner: Engine, tmp_path: Path
) -> None:
    refuse_fills(owner)
    filled_in_vain(rig, rig_engine)
    rig = restart(rig, rig_engine, tmp_path)
    rig.watch.turn()
    assert rows(rig_engine, trading_gate)[0].state == "reducing"
    rig.gate.lift(
        ACCOUNT, scope="account", scope_key=ACCOUNT, cause="contradicted_evidence",
        reason="seen", actor="ann",
    )  # fmt: skip
    rig = restart(rig, rig_engine, tmp_path)
    rig.watch.turn()
    assert len(kept(tmp_path)) == 1
    assert len(told(rig_engine)) == 1
    assert not rows(
        rig_engine,
        trading_state,
        trading_state.c.cause == "contradicted_evidence",
        trading_state.c.ended_at.is_(None),
    )
    rig.close()
