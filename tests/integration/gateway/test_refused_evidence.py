"""One callback that the database answers with "no" for ever holds back no other (§2, §5.4)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.integration.gateway.places import rows
from tests.integration.gateway.rig import ACCOUNT, Rig
from tests.support.servers import Database
from theta.broker_gateway.ports import Evidence, EvidenceKind
from theta.broker_gateway.use_cases.record_evidence import REFUSED_SECONDS_MAX
from theta.common.errors import RefusedForNowError
from theta.common.postgres.engine import make_engine
from theta.common.postgres.tables import alert, order_event, trading_gate

POISON = "poisoned"


@pytest.fixture
def owner(database: Database) -> Iterator[Engine]:
    found = make_engine(database.superuser_url, application_name="owner")
    yield found
    found.dispose()


def say(rig: Rig, order_ref: str, sequence: int) -> None:
    """Let the broker speak of an order of somebody else."""
    rig.evidence.sink(
        Evidence(
            kind=EvidenceKind.ORDER_STATUS,
            connection_no=1,
            sequence=sequence,
            received_at=datetime.now(UTC),
            received_market_at=None,
            order_id=None,
            order_ref=order_ref,
            perm_id=None,
            account=ACCOUNT,
            payload={"status": "Submitted"},
        )
    )


def disk_is_full(owner: Engine, condition: str) -> None:
    with owner.begin() as connection:
        connection.execute(
            text(
                "create or replace function no_room() returns trigger language plpgsql as"
                " $$ begin raise exception 'could not extend file: No space left on device'"
                " using errcode = 'disk_full'; end $$"
            )
        )
        connection.execute(
            text(
                "create trigger no_room before insert on order_event for each row"
                f" when ({condition}) execute function no_room()"
            )
        )


def disk_has_room(owner: Engine) -> None:
    with owner.begin() as connection:
        connection.execute(text("drop trigger no_room on order_event"))


def stored(engine: Engine) -> set[str]:
    return {row.order_ref for row in rows(engine, order_event)}


def kept(folder: Path) -> list[Path]:
    return sorted((folder / "quarantine").glob("*.json"))


def refuse_for(rig: Rig, seconds: float) -> None:
    """Write, let time pass, write again; each time in vain."""
    with pytest.raises(RefusedForNowError):
        rig.evidence.write_pending()
    rig.clock.advance(seconds)


def test_an_index_row_too_large_goes_to_quarantine_at_once(
    rig: Rig, rig_engine: Engine, tmp_path: Path
) -> None:
    say(rig, secrets.token_hex(5000), 1)
    say(rig, "other-1", 2)
    rig.evidence.write_pending()
    assert rig.spool.backlog == 0
    assert stored(rig_engine) >= {"other-1"}
    assert len(kept(tmp_path)) == 1
    rig.watch.turn()
    assert len(rows(rig_engine, alert, alert.c.kind == "evidence.quarantined")) == 1
    assert rows(rig_engine, trading_gate)[0].state == "reducing"


def test_what_is_refused_for_now_holds_back_no_other_and_ends_in_quarantine(
    rig: Rig, rig_engine: Engine, owner: Engine, tmp_path: Path
) -> None:
    disk_is_full(owner, f"new.order_ref = '{POISON}'")
    say(rig, POISON, 1)
    say(rig, "other-1", 2)
    refuse_for(rig, REFUSED_SECONDS_MAX - 1)
    assert stored(rig_engine) >= {"other-1"}
    refuse_for(rig, 2)
    assert kept(tmp_path) == []
    rig.evidence.write_pending()
    assert rig.spool.backlog == 0
    assert len(kept(tmp_path)) == 1
    rig.watch.turn()
    assert len(rows(rig_engine, alert, alert.c.kind == "evidence.quarantined")) == 1
    assert rows(rig_engine, trading_gate)[0].state == "reducing"


def test_a_disk_full_for_everybody_is_waited_for(
    rig: Rig, rig_engine: Engine, owner: Engine, tmp_path: Path
) -> None:
    disk_is_full(owner, "true")
    say(rig, "other-1", 1)
    for _ in range(3):
        refuse_for(rig, REFUSED_SECONDS_MAX)
    assert kept(tmp_path) == []
    disk_has_room(owner)
    rig.evidence.write_pending()
    assert stored(rig_engine) >= {"other-1"}
    assert kept(tmp_path) == []


def test_what_was_refused_for_a_while_is_stored_and_forgotten(
    rig: Rig, rig_engine: Engine, owner: Engine, tmp_path: Path
) -> None:
    disk_is_full(owner, f"new.order_ref = '{POISON}'")
    say(rig, POISON, 1)
    refuse_for(rig, REFUSED_SECONDS_MAX - 1)
    disk_has_room(owner)
    rig.evidence.write_pending()
    assert stored(rig_engine) >= {POISON}
    assert kept(tmp_path) == []
