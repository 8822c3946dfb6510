"""Storing what the broker said, and moving children along it (§5.4). One writer thread calls it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, Engine, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from theta.broker_gateway.adapters.postgres_modifies import (
    modify_is_unanswered,
    note_refused,
    note_told_price,
)
from theta.broker_gateway.adapters.postgres_orphans import adopt, adoptable
from theta.broker_gateway.adapters.postgres_rows import one_child
from theta.broker_gateway.domain.evidence import ChildView, Meaning, Saying, interpret
from theta.broker_gateway.domain.fills import exec_key, filled_quantity, newest
from theta.broker_gateway.domain.records import ACTOR, ChildRecord, FollowUp
from theta.broker_gateway.ports import Evidence, EvidenceKind
from theta.common.domain.instruments import Contract
from theta.common.domain.orders import OrderState, is_ours, may_become
from theta.common.errors import OutcomeUnknownError, TransientError
from theta.common.ports import FaultPoints, IdSource
from theta.common.postgres import journal
from theta.common.postgres.alerts import raise_alert
from theta.common.postgres.engine import transaction
from theta.common.postgres.orders import get_child, get_intent, move_child
from theta.common.postgres.tables import (
    broker_command,
    child_order,
    execution,
    order_event,
    order_intent,
)

_ADOPTED_FROM = frozenset(
    {EvidenceKind.OPEN_ORDER, EvidenceKind.EXECUTION, EvidenceKind.COMPLETED_ORDER}
)


def number(value: object) -> Decimal | None:
    """Return a payload's number, `None` for what is absent or unreadable."""
    try:
        found = Decimal(str(value)) if value is not None else None
    except InvalidOperation:
        return None
    return found if found is not None and found.is_finite() else None


class PostgresEvidence:
    """`EvidenceStore` of one session."""

    def __init__(
        self,
        engine: Engine,
        *,
        session: str,
        installation: str,
        client_id: int,
        ids: IdSource,
        faults: FaultPoints,
    ) -> None:
        self._engine = engine
        self._session = session
        self._installation = installation
        self._client_id = client_id
        self._ids = ids
        self._faults = faults

    def record(self, batch: Sequence[tuple[str, Evidence]]) -> list[FollowUp]:
        """Store a batch about one order in one transaction; a repetition changes nothing."""
        with transaction(self._engine) as connection:
            follow_ups: list[FollowUp] = []
            child = self._find(connection, batch[0][1])
            if child is None and self._is_orphan(batch[0][1]):
                child = adopt(
                    connection,
                    batch[0][1].payload,
                    session=self._session,
                    market_at=batch[0][1].received_market_at or batch[0][1].received_at,
                    ids=self._ids,
                )
                reason = f"order {child.order_ref} is ours but was not recorded"
                follow_ups.append(FollowUp(kind="reduce", account=child.account, reason=reason))
            if child is not None:
                get_intent(connection, child.intent_id, lock=True)
                get_child(connection, child.id, lock=True)
            for record_id, evidence in batch:
                follow_ups += self._one(connection, record_id, evidence, child)
            self._faults.reach("gateway.record.before_commit")
        self._faults.reach("gateway.record.after_commit")
        return follow_ups

    def takes_others(self) -> bool:
        """Insert an event like any other, and roll back."""
        probe = insert(order_event).values(
            account="*",
            session=self._session,
            spool_id=f"probe-{self._ids.uuid()}",
            connection_no=0,
            sequence=0,
            kind="probe",
            payload={},
            received_at=func.clock_timestamp(),
        )
        try:
            with transaction(self._engine) as connection:
                connection.execute(probe)
                connection.rollback()
        except (TransientError, OutcomeUnknownError, DBAPIError):
            return False
        return True

    def _one(
        self, connection: Connection, record_id: str, evidence: Evidence, child: ChildRecord | None
    ) -> list[FollowUp]:
        account = evidence.account or (child.account if child else "*")
        self._insert_event(connection, record_id, evidence, child, account)
        found: list[FollowUp] = []
        if evidence.kind is EvidenceKind.EXECUTION:
            if self._insert_execution(connection, evidence, child, account):
                found = [FollowUp(kind="snapshot", account=account, reason="a fill was stored")]
        elif evidence.kind is EvidenceKind.COMMISSION:
            self._apply_commission(connection, evidence)
        if child is None:
            return found
        current = one_child(connection, child.id)
        assert current is not None
        if evidence.kind is EvidenceKind.EXECUTION:
            current = self._count_fills(connection, current)
        meaning = interpret(_saying(evidence), _view(connection, current))
        contradiction = meaning.contradiction or _other_terms(evidence, current)
        self._apply(connection, evidence, current, meaning)
        return found + _follow_ups(current, meaning, contradiction)

    # -- finding -------------------------------------------------------------------------------

    def _find(self, connection: Connection, evidence: Evidence) -> ChildRecord | None:
        """Find by reference, then perm id, then by an order id of the same connection."""
        conditions: list[Any] = []
        if evidence.order_ref:
            conditions.append(child_order.c.order_ref == evidence.order_ref)
        if evidence.perm_id:
            conditions.append(child_order.c.perm_id == evidence.perm_id)
        if not evidence.order_ref and evidence.order_id and evidence.order_id > 0:
            client = evidence.payload.get("client_id", self._client_id)
            if client == self._client_id:
                same_connection = child_order.c.connection_no == evidence.connection_no
                conditions.append((child_order.c.order_id == evidence.order_id) & same_connection)
        if not conditions:
            return None
        statement = (
            select(child_order.c.id)
            .where(child_order.c.session == self._session, or_(*conditions))
            .order_by(child_order.c.created_at.desc())
            .limit(1)
        )
        found = connection.execute(statement).scalar_one_or_none()
        return None if found is None else one_child(connection, found)

    def _is_orphan(self, evidence: Evidence) -> bool:
        return (
            evidence.kind in _ADOPTED_FROM
            and is_ours(evidence.order_ref, self._installation)
            and adoptable(evidence.payload)
        )

    # -- storing -------------------------------------------------------------------------------

    def _insert_event(
        self,
        connection: Connection,
        record_id: str,
        evidence: Evidence,
        child: ChildRecord | None,
        account: str,
    ) -> None:
        client_id = evidence.payload.get("client_id")
        connection.execute(
            insert(order_event)
            .values(
                account=account,
                session=self._session,
                spool_id=record_id,
                child_id=child.id if child else None,
                order_ref=evidence.order_ref,
                order_id=evidence.order_id,
                perm_id=evidence.perm_id,
                client_id=client_id if isinstance(client_id, int) else None,
                connection_no=evidence.connection_no,
                sequence=evidence.sequence,
                kind=evidence.kind.value,
                payload=evidence.payload,
                received_at=evidence.received_at,
                received_market_at=evidence.received_market_at,
            )
            .on_conflict_do_nothing(index_elements=["spool_id"])
        )

    def _insert_execution(
        self, connection: Connection, evidence: Evidence, child: ChildRecord | None, account: str
    ) -> bool:
        """Store a fill; True when it is new."""
        payload = evidence.payload
        quantity, price = number(payload.get("quantity")), number(payload.get("price"))
        exec_id = payload.get("exec_id")
        if not exec_id or quantity is None or price is None or "unreadable" in payload:
            self._alert(
                connection,
                account,
                severity="critical",
                kind="fill.unreadable",
                title="A fill could not be read",
                message=str(payload.get("unreadable", "fields are missing")),
                context={"order_ref": evidence.order_ref},
                source_key=f"fill.unreadable:{exec_id}",
            )
            return False
        statement = (
            insert(execution)
            .values(
                exec_id=exec_id,
                account=account,
                session=self._session,
                exec_key=exec_key(exec_id),
                child_id=child.id if child else None,
                order_ref=evidence.order_ref,
                perm_id=evidence.perm_id,
                client_id=payload.get("client_id"),
                side=payload["side"],
                quantity=quantity,
                price=price,
                contract=payload["contract"],
                executed_at=_moment(payload.get("executed_at")) or evidence.received_at,
                is_foreign=child is None,
                received_at=evidence.received_at,
            )
            .on_conflict_do_nothing(index_elements=["exec_id"])
            .returning(execution.c.exec_id)
        )
        if connection.execute(statement).first() is None:
            return False
        self._supersede(connection, exec_id)
        self._commission_before_fill(connection, exec_id)
        if child is not None:
            self._tell_fill(connection, evidence, child, quantity, price)
        return True

    def _supersede(self, connection: Connection, exec_id: str) -> None:
        key = exec_key(exec_id)
        known = list(
            connection.execute(
                select(execution.c.exec_id).where(execution.c.exec_key == key)
            ).scalars()
        )
        kept = newest(known)[key]
        connection.execute(
            update(execution)
            .where(execution.c.exec_key == key)
            .values(superseded=execution.c.exec_id != kept)
        )

    def _tell_fill(
        self,
        connection: Connection,
        evidence: Evidence,
        child: ChildRecord,
        quantity: Decimal,
        price: Decimal,
    ) -> None:
        # An inferred fill makes room for the statement that confirms it.
        connection.execute(
            update(execution)
            .where(execution.c.child_id == child.id, execution.c.inferred)
            .values(superseded=True)
        )
        what = child.contract.describe()
        self._alert(
            connection,
            child.account,
            severity="info",
            kind="order.filled",
            title=f"Filled: {child.action.value} {quantity} {what} at {price}",
            message=f"Execution {evidence.payload['exec_id']} of order {child.order_ref}.",
            context={"symbol": child.symbol, "order_ref": child.order_ref},
            source_key=f"fill:{evidence.payload['exec_id']}",
        )

    def _commission_before_fill(self, connection: Connection, exec_id: str) -> None:
        early = connection.execute(
            select(order_event.c.payload)
            .where(
                order_event.c.kind == EvidenceKind.COMMISSION.value,
                order_event.c.payload["exec_id"].astext == exec_id,
            )
            .order_by(order_event.c.id.desc())
            .limit(1)
        ).scalar_one_or_none()
        if early is not None:
            _set_commission(connection, early)

    def _apply_commission(self, connection: Connection, evidence: Evidence) -> None:
        _set_commission(connection, evidence.payload)

    def _count_fills(self, connection: Connection, child: ChildRecord) -> ChildRecord:
        """Set the filled quantities of the child and its intent from the stored executions."""
        rows = connection.execute(
            select(execution.c.exec_id, execution.c.quantity).where(
                execution.c.child_id == child.id, ~execution.c.superseded
            )
        )
        filled = int(filled_quantity({row.exec_id: row.quantity for row in rows}))
        connection.execute(
            update(child_order).where(child_order.c.id == child.id).values(filled_quantity=filled)
        )
        total = select(func.coalesce(func.sum(child_order.c.filled_quantity), 0)).where(
            child_order.c.intent_id == child.intent_id
        )
        connection.execute(
            update(order_intent)
            .where(order_intent.c.id == child.intent_id)
            .values(filled_quantity=total.scalar_subquery())
        )
        found = one_child(connection, child.id)
        assert found is not None
        return found

    # -- moving --------------------------------------------------------------------------------

    def _apply(
        self, connection: Connection, evidence: Evidence, child: ChildRecord, meaning: Meaning
    ) -> None:
        perm_id = evidence.perm_id
        if perm_id and child.perm_id is None:
            connection.execute(
                update(child_order).where(child_order.c.id == child.id).values(perm_id=perm_id)
            )
        status = evidence.payload.get("status")
        if isinstance(status, str) and status:
            connection.execute(
                update(child_order).where(child_order.c.id == child.id).values(broker_status=status)
            )
        if meaning.acknowledges:
            connection.execute(
                update(broker_command)
                .where(
                    broker_command.c.child_id == child.id,
                    broker_command.c.kind == "place",
                    broker_command.c.acknowledged_at.is_(None),
                )
                .values(acknowledged_at=evidence.received_at, outcome="acknowledged")
            )
        price = number(evidence.payload.get("limit_price"))
        if evidence.kind is EvidenceKind.OPEN_ORDER and price is not None and price > 0:
            note_told_price(connection, child.id, price, received_at=evidence.received_at)
        if meaning.modify_refused:
            note_refused(connection, child.id, meaning.reason)
        if meaning.page:
            self._alert(
                connection,
                child.account,
                severity="critical",
                kind=_alert_kind(meaning),
                title=f"{child.contract.describe()}: {meaning.reason}"[:200],
                message=f"Order {child.order_ref} was {child.state.value}: {meaning.reason}",
                context={"symbol": child.symbol, "order_ref": child.order_ref},
                source_key=f"page:{child.id}:{child.state.value}:{meaning.reason}",
            )
        target = meaning.target
        if target is None:
            return
        if target is not child.state and not may_become(child.state, target):
            target = self._by_way_of_unknown(connection, child, target, meaning.reason)
        moved = move_child(connection, child.id, target, reason=meaning.reason, actor=ACTOR)
        if moved and evidence.kind is EvidenceKind.EXECUTION:
            journal.append(
                connection,
                account=child.account,
                actor=ACTOR,
                kind="execution.recorded",
                subject=str(evidence.payload["exec_id"]),
                body={"child_id": str(child.id), "order_ref": child.order_ref},
            )

    def _by_way_of_unknown(
        self, connection: Connection, child: ChildRecord, target: OrderState, reason: str
    ) -> OrderState:
        """§2 has no submitting → expired: the answer came before an acknowledgement."""
        if child.state is OrderState.SUBMITTING:
            move_child(connection, child.id, OrderState.UNKNOWN, reason=reason, actor=ACTOR)
        return target

    def _alert(
        self,
        connection: Connection,
        account: str,
        *,
        severity: Literal["info", "warning", "critical"],
        kind: str,
        title: str,
        message: str,
        context: dict[str, Any],
        source_key: str,
    ) -> UUID | None:
        return raise_alert(
            connection,
            account=account,
            session=self._session,
            severity=severity,
            kind=kind,
            title=title,
            message=message,
            context=context,
            source_key=source_key,
        )


def _alert_kind(meaning: Meaning) -> str:
    if meaning.target is OrderState.REJECTED_BY_BROKER:
        return "order.rejected"
    if meaning.target is OrderState.UNKNOWN:
        return "order.unknown"
    return "order.attention"


def _set_commission(connection: Connection, payload: dict[str, Any]) -> None:
    connection.execute(
        update(execution)
        .where(execution.c.exec_id == payload.get("exec_id"))
        .values(
            commission=number(payload.get("commission")),
            commission_currency=payload.get("currency"),
            realised_pnl=number(payload.get("realised_pnl")),
        )
    )


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str) or not value:
        return None
    at = datetime.fromisoformat(value)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _saying(evidence: Evidence) -> Saying:
    payload = evidence.payload
    return Saying(
        kind=evidence.kind,
        status=str(payload.get("status") or ""),
        perm_id=evidence.perm_id,
        filled=int(number(payload.get("filled")) or 0),
        code=int(payload.get("code") or 0),
        text=str(payload.get("message") or payload.get("completed_text") or ""),
    )


def _view(connection: Connection, child: ChildRecord) -> ChildView:
    return ChildView(
        state=child.state,
        quantity=child.quantity,
        filled_quantity=child.filled_quantity,
        perm_id=child.perm_id,
        modifying=modify_is_unanswered(connection, child.id),
    )


def _other_terms(evidence: Evidence, child: ChildRecord) -> str | None:
    """Return what an execution says of another contract or side than its order's, else `None`."""
    if evidence.kind is not EvidenceKind.EXECUTION or "unreadable" in evidence.payload:
        return None
    if evidence.payload.get("side") != child.action.value:
        return f"execution on side {evidence.payload.get('side')}"
    contract = Contract.from_record(evidence.payload["contract"])
    if contract.economic_key != child.contract.economic_key:
        return f"execution in {contract.describe()}"
    return None


def _follow_ups(child: ChildRecord, meaning: Meaning, contradiction: str | None) -> list[FollowUp]:
    found = []
    if contradiction is not None:
        reason = f"order {child.order_ref}: {contradiction}"
        found.append(FollowUp(kind="reduce", account=child.account, reason=reason))
        if child.state is OrderState.ABSENT:
            found.append(
                FollowUp(kind="cancel", account=child.account, reason=reason, child_id=child.id)
            )
    if meaning.resolve or contradiction is not None:
        reason = meaning.reason or contradiction or "unclear"
        found.append(
            FollowUp(kind="resolve", account=child.account, reason=reason, child_id=child.id)
        )
    return found
