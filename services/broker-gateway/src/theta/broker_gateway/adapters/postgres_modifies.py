"""New prices for live orders in PostgreSQL: what is committed before a modify goes out (§5.5)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, Engine, exists, func, insert, or_, select, update

from theta.broker_gateway.adapters.postgres_rows import one_child
from theta.broker_gateway.domain.modify_check import modify_refusal
from theta.broker_gateway.domain.records import ChildRecord, ModifyRequest, NotClaimed
from theta.common.domain.orders import POSSIBLY_LIVE, gate_allows
from theta.common.ports import FaultPoints
from theta.common.postgres import gate, journal, lease
from theta.common.postgres.engine import transaction
from theta.common.postgres.orders import get_child, get_intent
from theta.common.postgres.tables import broker_command, child_order

PENDING_SECONDS = 10.0
"""How long a modify without an answer stands in the way of the next one."""
_LIVE = [state.value for state in POSSIBLY_LIVE]
_UNANSWERED = ["claimed", "sent", "unknown"]


class PostgresModifies:
    """`ModifyStore` of one broker session."""

    def __init__(self, engine: Engine, *, session: str, faults: FaultPoints) -> None:
        self._engine = engine
        self._session = session
        self._faults = faults

    def child(self, child_id: UUID) -> ChildRecord | None:
        with transaction(self._engine) as connection:
            return one_child(connection, child_id)

    def live_child_of(self, intent_id: UUID) -> UUID | None:
        statement = select(child_order.c.id).where(
            child_order.c.session == self._session,
            child_order.c.intent_id == intent_id,
            child_order.c.state.in_(_LIVE),
        )
        with transaction(self._engine) as connection:
            found = list(connection.execute(statement).scalars())
        return found[0] if len(found) == 1 else None

    def claim_modify(self, request: ModifyRequest) -> ChildRecord | NotClaimed:
        """Record the modify, in one transaction with the claim's locks: lease, gate, intent, child.

        Returns the child as it stood before.
        """
        with transaction(self._engine) as connection:
            claimed = self._claim(connection, request)
            if isinstance(claimed, ChildRecord):
                self._faults.reach("gateway.modify.before_commit")
        return claimed

    def _claim(self, connection: Connection, request: ModifyRequest) -> ChildRecord | NotClaimed:
        seen = one_child(connection, request.child_id)
        if seen is None:
            return NotClaimed(code="no_such_child", final=True)
        if not lease.check(connection, name=f"session:{self._session}", epoch=request.epoch):
            return NotClaimed(code="lease_lost", final=False)
        gate.lock_gate(connection, seen.account, mode="share")
        state = gate.effective_state(
            connection, seen.account, strategy=seen.strategy, symbol=seen.symbol
        )
        if not gate_allows(state, effect=seen.effect, kind=seen.kind):
            return NotClaimed(code=f"gate_{state.value}", final=False)
        get_intent(connection, seen.intent_id, lock=True)
        get_child(connection, seen.id, lock=True)
        child = one_child(connection, seen.id)
        assert child is not None
        refusal = modify_refusal(child, request.limit_price) or self._in_the_way(connection, child)
        if refusal is not None:
            return NotClaimed(code=refusal, final=True)
        self._insert(connection, child, request)
        return child

    def _in_the_way(self, connection: Connection, child: ChildRecord) -> str | None:
        mine = broker_command.c.child_id == child.id
        cancels = select(exists().where(mine, broker_command.c.kind == "cancel"))
        if connection.execute(cancels).scalar_one():
            return "cancel_asked"
        recent = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, PENDING_SECONDS)
        modifies = select(
            exists().where(
                mine,
                broker_command.c.kind == "modify",
                broker_command.c.outcome.in_(_UNANSWERED),
                broker_command.c.claimed_at > recent,
            )
        )
        return "modify_pending" if connection.execute(modifies).scalar_one() else None

    def _insert(self, connection: Connection, child: ChildRecord, request: ModifyRequest) -> None:
        attempt = (
            select(func.coalesce(func.max(broker_command.c.attempt), 0) + 1)
            .where(broker_command.c.child_id == child.id, broker_command.c.kind == "modify")
            .scalar_subquery()
        )
        connection.execute(
            insert(broker_command).values(
                id=request.command_id,
                account=child.account,
                session=self._session,
                child_id=child.id,
                kind="modify",
                attempt=attempt,
                epoch=request.epoch,
                connection_no=request.connection_no,
                order_id=request.order_id,
                claimed_market_at=request.market_at,
                send_within_ms=request.send_within_ms,
                limit_price=request.limit_price,
            )
        )
        journal.append(
            connection,
            account=child.account,
            actor=request.actor,
            kind="order.modify_claimed",
            subject=str(child.id),
            body={
                "order_ref": child.order_ref,
                "from": str(child.limit_price),
                "to": str(request.limit_price),
                "reason": request.reason,
            },
        )

    def modify_stands(self, request: ModifyRequest) -> bool:
        statement = select(
            exists().where(
                broker_command.c.id == request.command_id, broker_command.c.outcome == "claimed"
            )
        )
        with transaction(self._engine) as connection:
            return bool(connection.execute(statement).scalar_one())

    def mark_modify(
        self, command_id: UUID, *, outcome: str, detail: str, sent_at: datetime | None
    ) -> None:
        """Note what came of the write, unless the broker's answer was stored before."""
        with transaction(self._engine) as connection:
            connection.execute(
                update(broker_command)
                .where(broker_command.c.id == command_id, broker_command.c.outcome == "claimed")
                .values(outcome=outcome, detail=detail, sent_at=sent_at)
            )


def note_told_price(
    connection: Connection, child_id: UUID, price: Decimal, *, received_at: datetime
) -> None:
    """Take over the price that an open order was told with, and answer the modify that asked it.

    A modify that crashed is never repeated: its price is the one that the broker tells next.
    """
    connection.execute(
        update(child_order)
        .where(
            child_order.c.id == child_id,
            or_(child_order.c.limit_price != price, child_order.c.limit_price.is_(None)),
        )
        .values(limit_price=price)
    )
    connection.execute(
        update(broker_command)
        .where(
            broker_command.c.child_id == child_id,
            broker_command.c.kind == "modify",
            broker_command.c.limit_price == price,
            broker_command.c.outcome.in_(_UNANSWERED),
        )
        .values(outcome="acknowledged", acknowledged_at=received_at)
    )


def modify_is_unanswered(connection: Connection, child_id: UUID) -> bool:
    """Tell whether an error on the order may speak of a new price rather than of the order."""
    statement = select(
        exists().where(
            broker_command.c.child_id == child_id,
            broker_command.c.kind == "modify",
            broker_command.c.outcome.in_(_UNANSWERED),
        )
    )
    return bool(connection.execute(statement).scalar_one())


def note_refused(connection: Connection, child_id: UUID, detail: str) -> None:
    """End the unanswered modifies of an order whose broker said no to the newest."""
    connection.execute(
        update(broker_command)
        .where(
            broker_command.c.child_id == child_id,
            broker_command.c.kind == "modify",
            broker_command.c.outcome.in_(_UNANSWERED),
        )
        .values(outcome="refused", detail=detail)
    )
