"""The stores in memory give the answers of the PostgreSQL ones: the model stands on that."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, insert, select

from tests.contract.store_story import ACCOUNT, MARKET_AT, NoFaults, Stores, Story
from tests.contract.store_tales import TALES
from tests.support.memory_database import IntentRow, MemoryDatabase, ReservationRow
from tests.support.memory_evidence import MemoryEvidence
from tests.support.memory_orders import MemoryOrders
from tests.support.memory_session import MemoryGate, MemorySession, MemorySnapshots
from tests.support.memory_stores import MemoryClaims, MemoryModifies
from tests.support.servers import Database
from theta.broker_gateway.adapters.postgres_claims import PostgresClaims
from theta.broker_gateway.adapters.postgres_evidence import PostgresEvidence
from theta.broker_gateway.adapters.postgres_gate import PostgresGate
from theta.broker_gateway.adapters.postgres_modifies import PostgresModifies
from theta.broker_gateway.adapters.postgres_orders import PostgresOrders
from theta.broker_gateway.adapters.postgres_session import PostgresSession, PostgresSnapshots
from theta.common.adapters import RandomIds
from theta.common.domain.decisions import ProposedOrder
from theta.common.domain.orders import OrderState
from theta.common.postgres.engine import make_engine, transaction
from theta.common.postgres.orders import insert_intent, move_intent
from theta.common.postgres.tables import (
    broker_command,
    buying_power_reservation,
    child_order,
    execution,
    journal,
    order_intent,
)


def memory_stores() -> Stores:
    db, faults, ids = MemoryDatabase(lambda: datetime.now(UTC)), NoFaults(), RandomIds()

    def plant(what: dict[str, Any]) -> None:
        now = db.now()
        db.intents[what["id"]] = IntentRow(
            account=ACCOUNT, session="main", source="operator", strategy="wheel",
            symbol=what["contract"].symbol, state=OrderState.APPROVED, created_at=now,
            updated_at=now, limit_price=Decimal("5.00"), price_floor=Decimal("4.50"),
            price_ceiling=Decimal("5.50"), **what,
        )  # fmt: skip

    def reserve(intent_id: UUID) -> None:
        db.reservations[intent_id] = ReservationRow(intent_id=intent_id, account=ACCOUNT)

    def rows() -> dict[str, Any]:
        return {
            "intents": [(r.state.value, r.filled_quantity) for r in db.intents.values()],
            "children": [
                (r.state.value, r.filled_quantity, r.perm_id, r.order_id, r.limit_price,
                 r.inferred, r.final_event_at is not None)
                for r in db.children.values()
            ],
            "commands": [
                (r.kind, r.attempt, r.outcome, r.acknowledged_at is not None)
                for r in db.commands.values()
            ],
            "executions": [
                (r.exec_id if not r.inferred else "", r.quantity, r.superseded, r.commission)
                for r in db.executions.values()
            ],
            "journal": sorted(kind for kind, _ in db.journal.values()),
            "reservations": [r.released_at is not None for r in db.reservations.values()],
        }  # fmt: skip

    common: dict[str, Any] = {"session": "main", "faults": faults}
    return Stores(
        claims=MemoryClaims(db, **common), modifies=MemoryModifies(db, **common),
        orders=MemoryOrders(db, session="main", ids=ids),
        evidence=MemoryEvidence(db, installation="theta", client_id=17, ids=ids, **common),
        gate=MemoryGate(db, faults=faults), session=MemorySession(db, session="main"),
        snapshots=MemorySnapshots(db), faults=faults, plant=plant, reserve=reserve, rows=rows,
    )  # fmt: skip


def postgres_stores(engine: Engine, owner: Engine) -> Stores:
    faults, ids = NoFaults(), RandomIds()

    def plant(what: dict[str, Any]) -> None:
        order = ProposedOrder(
            contract=what["contract"], action=what["action"], quantity=what["quantity"],
            limit_price=Decimal("5.00"), price_floor=Decimal("4.50"),
            price_ceiling=Decimal("5.50"), kind=what["kind"], effect=what["effect"],
            expires_market_at=what["expires_market_at"], quote={},
        )  # fmt: skip
        with transaction(owner) as connection:
            insert_intent(
                connection, intent_id=what["id"], account=ACCOUNT, session="main", run_id=None,
                decision_id=None, source="operator", actor="test", strategy="wheel",
                symbol=what["contract"].symbol, order=order, decided_market_at=MARKET_AT,
            )  # fmt: skip
            move_intent(connection, what["id"], OrderState.APPROVED, reason="test", actor="test")

    def reserve(intent_id: UUID) -> None:
        with owner.begin() as connection:
            connection.execute(
                insert(buying_power_reservation).values(
                    id=uuid4(), account=ACCOUNT, intent_id=intent_id, amount=Decimal(74_000),
                    currency="USD",
                )
            )  # fmt: skip

    def rows() -> dict[str, Any]:
        with owner.connect() as connection:
            return _rows(connection)

    common: dict[str, Any] = {"session": "main", "faults": faults}
    return Stores(
        claims=PostgresClaims(engine, **common), modifies=PostgresModifies(engine, **common),
        orders=PostgresOrders(engine, session="main", ids=ids),
        evidence=PostgresEvidence(engine, installation="theta", client_id=17, ids=ids, **common),
        gate=PostgresGate(engine, **common), session=PostgresSession(engine, session="main"),
        snapshots=PostgresSnapshots(engine, session="main", ids=ids), faults=faults, plant=plant,
        reserve=reserve, rows=rows,
    )  # fmt: skip


def _rows(connection: Any) -> dict[str, Any]:
    def read(table: Any, by: Any) -> list[Any]:
        return list(connection.execute(select(table).order_by(by)))

    return {
        "intents": [
            (r.state, r.filled_quantity) for r in read(order_intent, order_intent.c.created_at)
        ],
        "children": [
            (r.state, r.filled_quantity, r.perm_id, r.order_id, r.limit_price, r.inferred,
             r.final_event_at is not None)
            for r in read(child_order, child_order.c.created_at)
        ],
        "commands": [
            (r.kind, r.attempt, r.outcome, r.acknowledged_at is not None)
            for r in read(broker_command, broker_command.c.claimed_at)
        ],
        "executions": [
            (r.exec_id if not r.inferred else "", r.quantity, r.superseded, r.commission)
            for r in read(execution, execution.c.stored_at)
        ],
        # Planting an intent journals its approval, which the memory has no need of.
        "journal": sorted(
            r.kind for r in read(journal, journal.c.kind) if r.kind != "intent.approved"
        ),
        "reservations": [
            r.released_at is not None
            for r in read(buying_power_reservation, buying_power_reservation.c.reserved_at)
        ],
    }  # fmt: skip


@pytest.fixture
def both(database: Database) -> Iterator[tuple[Stores, Stores]]:
    engine = make_engine(database.url_for("theta_gateway"), application_name="contract")
    owner = make_engine(database.superuser_url, application_name="owner")
    yield memory_stores(), postgres_stores(engine, owner)
    engine.dispose()
    owner.dispose()


@pytest.mark.parametrize("name", sorted(TALES))
def test_memory_and_postgres_tell_the_same_tale(both: tuple[Stores, Stores], name: str) -> None:
    told = []
    for stores in both:
        story = Story(stores)
        TALES[name](story)
        told.append((story.says, stores.rows()))
    in_memory, in_postgres = told
    assert in_memory == in_postgres
