"""What the broker said, stored in memory: the manners of `PostgresEvidence`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from tests.support.memory_database import ExecutionRow, MemoryDatabase
from tests.support.memory_orders import adopt
from tests.support.memory_stores import UNANSWERED
from theta.broker_gateway.adapters import postgres_evidence as stored
from theta.broker_gateway.adapters.postgres_evidence import number
from theta.broker_gateway.adapters.postgres_orphans import adoptable
from theta.broker_gateway.domain.evidence import ChildView, Meaning, interpret
from theta.broker_gateway.domain.fills import exec_key, filled_quantity, newest
from theta.broker_gateway.domain.records import ChildRecord, FollowUp
from theta.broker_gateway.ports import Evidence, EvidenceKind
from theta.common.domain.instruments import Contract
from theta.common.domain.orders import Action, OrderState, is_ours, may_become
from theta.common.ports import FaultPoints, IdSource

_ADOPTED_FROM = frozenset(
    {EvidenceKind.OPEN_ORDER, EvidenceKind.EXECUTION, EvidenceKind.COMPLETED_ORDER}
)


class MemoryEvidence:
    """`EvidenceStore` of one session."""

    def __init__(
        self,
        db: MemoryDatabase,
        *,
        session: str,
        installation: str,
        client_id: int,
        ids: IdSource,
        faults: FaultPoints,
    ) -> None:
        self._db = db
        self._session = session
        self._installation = installation
        self._client_id = client_id
        self._ids = ids
        self._faults = faults

    def record(self, batch: Sequence[tuple[str, Evidence]]) -> list[FollowUp]:
        with self._db.transaction():
            follow_ups: list[FollowUp] = []
            first = batch[0][1]
            child = self._find(first)
            if child is None and self._is_orphan(first):
                child = self._adopt(first)
                reason = f"order {child.order_ref} is ours but was not recorded"
                follow_ups.append(FollowUp(kind="reduce", account=child.account, reason=reason))
            for record_id, evidence in batch:
                follow_ups += self._one(record_id, evidence, child)
            self._faults.reach("gateway.record.before_commit")
        self._faults.reach("gateway.record.after_commit")
        return follow_ups

    def takes_others(self) -> bool:
        return not self._db.away

    def _one(self, record_id: str, evidence: Evidence, child: ChildRecord | None) -> list[FollowUp]:
        account = evidence.account or (child.account if child else "*")
        if record_id not in self._db.events:
            self._db.events.put(record_id, child.id if child else None)
        found: list[FollowUp] = []
        if evidence.kind is EvidenceKind.EXECUTION:
            if self._insert_execution(evidence, child, account):
                found = [FollowUp(kind="snapshot", account=account, reason="a fill was stored")]
        elif evidence.kind is EvidenceKind.COMMISSION:
            self._db.commissions.put(str(evidence.payload.get("exec_id")), evidence.payload)
            self._set_commission(str(evidence.payload.get("exec_id")))
        if child is None:
            return found
        if evidence.kind is EvidenceKind.EXECUTION:
            self._count_fills(child)
        current = self._db.one_child(child.id)
        assert current is not None
        # What a payload says is read by the adapter's own functions: only the storing is modelled.
        meaning = interpret(stored._saying(evidence), self._view(current))
        contradiction = meaning.contradiction or stored._other_terms(evidence, current)
        self._apply(evidence, current, meaning)
        return found + stored._follow_ups(current, meaning, contradiction)

    # -- finding -------------------------------------------------------------------------------

    def _find(self, evidence: Evidence) -> ChildRecord | None:
        client = evidence.payload.get("client_id", self._client_id)
        by_id = (
            not evidence.order_ref
            and evidence.order_id is not None
            and evidence.order_id > 0
            and client == self._client_id
        )
        for row in reversed(self._db.children.values()):
            if row.session != self._session:
                continue
            if (
                (evidence.order_ref and row.order_ref == evidence.order_ref)
                or (evidence.perm_id and row.perm_id == evidence.perm_id)
                or (
                    by_id
                    and row.order_id == evidence.order_id
                    and row.connection_no == evidence.connection_no
                )
            ):
                return self._db.child_record(row)
        return None

    def _is_orphan(self, evidence: Evidence) -> bool:
        return (
            evidence.kind in _ADOPTED_FROM
            and is_ours(evidence.order_ref, self._installation)
            and adoptable(evidence.payload)
        )

    def _adopt(self, evidence: Evidence) -> ChildRecord:
        payload = evidence.payload
        child_id = adopt(
            self._db, session=self._session, ids=self._ids, account=str(payload["account"]),
            intent={
                "contract": Contract.from_record(payload["contract"]),
                "action": Action(payload.get("action") or payload["side"]),
                "quantity": int(Decimal(str(payload["quantity"]))),
                "limit_price": number(payload.get("limit_price")),
            },
            order_ref=str(payload["order_ref"]), client_id=payload.get("client_id"),
            order_id=payload.get("order_id"), perm_id=payload.get("perm_id"),
            market_at=evidence.received_market_at or evidence.received_at,
        )  # fmt: skip
        child = self._db.one_child(child_id)
        assert child is not None
        return child

    # -- storing -------------------------------------------------------------------------------

    def _insert_execution(
        self, evidence: Evidence, child: ChildRecord | None, account: str
    ) -> bool:
        payload = evidence.payload
        quantity, price = number(payload.get("quantity")), number(payload.get("price"))
        exec_id = payload.get("exec_id")
        if not exec_id or quantity is None or price is None or "unreadable" in payload:
            self._db.alert(f"fill.unreadable:{exec_id}", "fill.unreadable", "critical")
            return False
        if exec_id in self._db.executions:
            return False
        executed = payload.get("executed_at")
        row = ExecutionRow(
            exec_id=exec_id, exec_key=exec_key(exec_id), account=account,
            child_id=child.id if child else None, order_ref=evidence.order_ref,
            perm_id=evidence.perm_id, side=payload["side"], quantity=quantity, price=price,
            contract=Contract.from_record(payload["contract"]),
            executed_at=datetime.fromisoformat(executed) if executed else evidence.received_at,
            received_at=evidence.received_at, stored_at=self._db.now(),
        )  # fmt: skip
        self._db.executions.put(exec_id, row)
        self._supersede(row.exec_key)
        self._set_commission(exec_id)
        if child is not None:
            for other in self._db.fills_of(child.id):
                # An inferred fill makes room for the statement that confirms it.
                if other.inferred:
                    self._db.executions.put(other.exec_id, replace(other, superseded=True))
            self._db.alert(f"fill:{exec_id}", "order.filled", "info")
        return True

    def _supersede(self, key: str) -> None:
        known = [row for row in self._db.executions.values() if row.exec_key == key]
        kept = newest([row.exec_id for row in known])[key]
        for row in known:
            if row.superseded != (row.exec_id != kept):
                changed = replace(row, superseded=row.exec_id != kept)
                self._db.executions.put(row.exec_id, changed)

    def _set_commission(self, exec_id: str) -> None:
        row, told = self._db.executions.get(exec_id), self._db.commissions.get(exec_id)
        if row is not None and told is not None:
            commission = number(told.get("commission"))
            self._db.executions.put(exec_id, replace(row, commission=commission))

    def _count_fills(self, child: ChildRecord) -> None:
        fills = {row.exec_id: row.quantity for row in self._db.fills_of(child.id)}
        self._db.set_child(child.id, filled_quantity=int(filled_quantity(fills)))
        total = sum(row.filled_quantity for row in self._db.children_of(child.intent_id))
        self._db.set_intent(child.intent_id, filled_quantity=total)

    # -- moving --------------------------------------------------------------------------------

    def _view(self, child: ChildRecord) -> ChildView:
        modifies = self._db.commands_of(child.id, "modify")
        return ChildView(
            state=child.state,
            quantity=child.quantity,
            filled_quantity=child.filled_quantity,
            perm_id=child.perm_id,
            modifying=any(row.outcome in UNANSWERED for row in modifies),
        )

    def _apply(self, evidence: Evidence, child: ChildRecord, meaning: Meaning) -> None:
        if evidence.perm_id and child.perm_id is None:
            self._db.set_child(child.id, perm_id=evidence.perm_id)
        status = evidence.payload.get("status")
        if isinstance(status, str) and status:
            self._db.set_child(child.id, broker_status=status)
        if meaning.acknowledges:
            for row in self._db.commands_of(child.id, "place"):
                if row.acknowledged_at is None:
                    changed = replace(
                        row, acknowledged_at=evidence.received_at, outcome="acknowledged"
                    )
                    self._db.commands.put(row.id, changed)
        price = number(evidence.payload.get("limit_price"))
        if evidence.kind is EvidenceKind.OPEN_ORDER and price is not None and price > 0:
            self._note_told_price(child.id, price, evidence.received_at)
        if meaning.modify_refused:
            self._answer_modifies(child.id, outcome="refused", detail=meaning.reason)
        if meaning.page:
            key = f"page:{child.id}:{child.state.value}:{meaning.reason}"
            self._db.alert(key, stored._alert_kind(meaning), "critical")
        target = meaning.target
        if target is None:
            return
        if (
            target is not child.state
            and not may_become(child.state, target)
            and child.state is OrderState.SUBMITTING
        ):
            self._db.move_child(child.id, OrderState.UNKNOWN, reason=meaning.reason)
        moved = self._db.move_child(child.id, target, reason=meaning.reason)
        if moved and evidence.kind is EvidenceKind.EXECUTION:
            self._db.note("execution.recorded", evidence.payload["exec_id"])

    def _note_told_price(self, child_id: UUID, price: Decimal, received_at: datetime) -> None:
        if self._db.children[child_id].limit_price != price:
            self._db.set_child(child_id, limit_price=price)
        for row in self._db.commands_of(child_id, "modify"):
            if row.limit_price == price and row.outcome in UNANSWERED:
                changed = replace(row, outcome="acknowledged", acknowledged_at=received_at)
                self._db.commands.put(row.id, changed)

    def _answer_modifies(self, child_id: UUID, *, outcome: str, detail: str) -> None:
        for row in self._db.commands_of(child_id, "modify"):
            if row.outcome in UNANSWERED:
                self._db.commands.put(row.id, replace(row, outcome=outcome, detail=detail))
