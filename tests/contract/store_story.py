"""One story told to the gateway's stores, of either kind, and what they answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from theta.broker_gateway.domain.records import ClaimRequest
from theta.broker_gateway.ports import Evidence, EvidenceKind
from theta.common.domain.instruments import Contract, Right, SecType
from theta.common.domain.orders import Action, Effect, IntentKind, TradingState
from theta.common.domain.portfolio import AccountValues, Portfolio, Position

ACCOUNT = "DU0000001"
MARKET_AT = datetime(2026, 8, 18, 15, 0, tzinfo=UTC)
FAR = datetime(2099, 1, 1, tzinfo=UTC)
PUT = Contract(
    symbol="SPY", sec_type=SecType.OPTION, expiry=MARKET_AT.date() + timedelta(days=30),
    strike=Decimal(740), right=Right.PUT, multiplier=100, trading_class="SPY",
)  # fmt: skip


class NoFaults:
    def __init__(self) -> None:
        self.raising: dict[str, Exception] = {}

    def reach(self, name: str) -> None:
        error = self.raising.pop(name, None)
        if error is not None:
            raise error


@dataclass
class Stores:
    """Either kind, with the few things a test reads and plants by itself."""

    claims: Any
    modifies: Any
    orders: Any
    evidence: Any
    gate: Any
    session: Any
    snapshots: Any
    faults: NoFaults
    plant: Callable[[dict[str, Any]], None]
    reserve: Callable[[UUID], None]
    rows: Callable[[], dict[str, Any]]
    """States, quantities and outcomes, without what is random in them."""


class Story:
    """One run of the same operations on one kind of stores; `says` is what they answered."""

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self.says: list[Any] = []
        self.intents: list[UUID] = []
        self.refs: list[str] = []
        self.child_ids: list[UUID] = []
        self._commands = 0
        self.epoch = stores.session.acquire_lease("one", 60.0)
        stores.session.register_accounts({ACCOUNT: True})
        stores.gate.create(ACCOUNT, state=TradingState.ACTIVE, reason="test")
        self.command_id = uuid4()

    def approve(
        self, *, quantity: int = 2, opening: bool = True, contract: Contract = PUT,
        expires: datetime = FAR,
    ) -> UUID:  # fmt: skip
        intent_id = uuid4()
        self.stores.plant(
            {
                "id": intent_id,
                "contract": contract,
                "quantity": quantity,
                "action": Action.SELL if opening else Action.BUY,
                "effect": Effect.OPENING if opening else Effect.REDUCING,
                "kind": IntentKind.WRITE if opening else IntentKind.CLOSE,
                "expires_market_at": expires,
            }
        )
        self.intents.append(intent_id)
        return intent_id

    def claim(
        self, intent_id: UUID, *, epoch: int | None = None, order_id: int = 7
    ) -> ClaimRequest:
        ref = "theta-" + "abcdefgh"[len(self.refs)] * 20
        request = ClaimRequest(
            intent_id=intent_id, command_id=uuid4(), child_id=uuid4(), order_ref=ref,
            epoch=self.epoch if epoch is None else epoch, connection_no=1, client_id=17,
            order_id=order_id, market_at=MARKET_AT, send_within_ms=2000,
        )  # fmt: skip
        claimed = self.stores.claims.claim(request)
        self.says.append(getattr(claimed, "code", "claimed"))
        self.refs.append(ref)
        self.child_ids.append(request.child_id)
        return request

    def claimed(self, **what: Any) -> ClaimRequest:
        return self.claim(self.approve(**what), order_id=7 + len(self.refs))

    def hear(self, kind: EvidenceKind, request: ClaimRequest, **payload: Any) -> None:
        perm_id = 1000 + request.order_id
        evidence = Evidence(
            kind=kind, connection_no=1, sequence=1, received_at=MARKET_AT,
            received_market_at=MARKET_AT, order_id=request.order_id, order_ref=request.order_ref,
            perm_id=None if kind is EvidenceKind.ERROR else perm_id, account=ACCOUNT,
            payload=payload,
        )  # fmt: skip
        found = self.stores.evidence.record([(str(uuid4()), evidence)])
        self.says.append([(one.kind, one.child_id is not None) for one in found])

    def open(
        self, request: ClaimRequest, *, status: str = "Submitted", price: str = "5.00"
    ) -> None:
        self.hear(
            EvidenceKind.OPEN_ORDER, request, status=status, limit_price=price, client_id=17,
            filled="0",
        )  # fmt: skip

    def fill(self, request: ClaimRequest, exec_id: str, quantity: int, **other: Any) -> None:
        payload = {
            "exec_id": exec_id, "quantity": str(quantity), "price": "5.00", "side": "SELL",
            "contract": PUT.to_record(), "executed_at": MARKET_AT.isoformat(), "client_id": 17,
            "account": ACCOUNT, "order_ref": request.order_ref, **other,
        }  # fmt: skip
        self.hear(EvidenceKind.EXECUTION, request, **payload)

    def tighten(self, state: TradingState, record_id: str | None = None, **what: str) -> None:
        self.says.append(
            self.stores.gate.tighten(
                ACCOUNT, scope=what.get("scope", "account"),
                scope_key=what.get("scope_key", ACCOUNT), state=state, cause="operator",
                reason="test", actor="ann", record_id=record_id,
            )
        )  # fmt: skip

    def snapshot(self, *, quantity: int, requested_at: datetime | None = None) -> list[UUID]:
        held = Position(contract=PUT, quantity=Decimal(quantity), average_cost_usd=None)
        values = AccountValues(
            currency="USD", net_liquidation=None, total_cash=None, buying_power=None
        )
        portfolio = Portfolio(
            account=ACCOUNT, market_at=MARKET_AT - timedelta(minutes=5), values=values,
            positions=(held,) if quantity else (), complete=True,
        )  # fmt: skip
        released: list[UUID] = self.stores.snapshots.store_portfolio(
            portfolio, snapshot_id=uuid4(),
            requested_at=requested_at or self.stores.snapshots.now(),
        )  # fmt: skip
        self.says.append(len(released))
        return released

    def read(self, method: Callable[[], Any]) -> None:
        self.says.append(method())
