"""Orders of ours that this connection has seen open: what a halt cancels without a database."""

from __future__ import annotations

import threading
from uuid import UUID

from theta.broker_gateway.domain.evidence import ENDED_STATUSES
from theta.broker_gateway.domain.records import LiveOrder
from theta.broker_gateway.ports import Evidence, EvidenceKind
from theta.common.domain.orders import is_ours


class LiveOrders:
    """Fed on the session loop by every callback; read from any thread."""

    def __init__(self, *, installation: str, client_id: int) -> None:
        self._installation = installation
        self._client_id = client_id
        self._lock = threading.Lock()
        self._orders: dict[str, LiveOrder] = {}
        self._children: dict[UUID, str] = {}
        self._connection_no = 0

    def see(self, evidence: Evidence) -> None:
        """Take in one callback; a new connection starts with nothing seen."""
        if evidence.kind not in {EvidenceKind.OPEN_ORDER, EvidenceKind.ORDER_STATUS}:
            return
        ref = evidence.order_ref
        if ref is None or not is_ours(ref, self._installation):
            return
        with self._lock:
            if evidence.connection_no != self._connection_no:
                self._orders.clear()
                self._connection_no = evidence.connection_no
            if evidence.payload.get("status") in ENDED_STATUSES:
                self._orders.pop(ref, None)
            elif evidence.kind is EvidenceKind.OPEN_ORDER:
                self._add(ref, evidence)

    def placed(self, child_id: UUID, order: LiveOrder) -> None:
        """Note an order just written, which the broker has not shown yet."""
        with self._lock:
            if order.connection_no != self._connection_no:
                self._orders.clear()
                self._connection_no = order.connection_no
            self._orders.setdefault(order.order_ref, order)
            self._children[child_id] = order.order_ref

    def find(self, order_ref: str) -> LiveOrder | None:
        with self._lock:
            return self._orders.get(order_ref)

    def of_child(self, child_id: UUID) -> LiveOrder | None:
        with self._lock:
            return self._orders.get(self._children.get(child_id, ""))

    def all(self, connection_no: int) -> list[LiveOrder]:
        """Return what is open in `connection_no`."""
        with self._lock:
            return list(self._orders.values()) if connection_no == self._connection_no else []

    def _add(self, ref: str, evidence: Evidence) -> None:
        payload = evidence.payload
        contract = payload.get("contract") or {}
        if payload.get("client_id") != self._client_id or not evidence.order_id:
            return
        self._orders[ref] = LiveOrder(
            order_ref=ref,
            account=evidence.account or str(payload.get("account") or ""),
            symbol=str(contract.get("symbol") or ""),
            order_id=evidence.order_id,
            perm_id=evidence.perm_id,
            connection_no=evidence.connection_no,
        )
