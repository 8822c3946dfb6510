"""Values that pass between the use cases and the stores."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from theta.common.domain.instruments import Contract
from theta.common.domain.orders import Action, Effect, IntentKind, OrderState

ACTOR = "broker-gateway"
"""Who acts when no person does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRecord:
    """A child order with the terms of its intent. Quantities in contracts or shares."""

    id: UUID
    intent_id: UUID
    account: str
    order_ref: str
    state: OrderState
    quantity: int
    filled_quantity: int
    action: Action
    contract: Contract
    symbol: str
    strategy: str
    effect: Effect
    kind: IntentKind
    order_id: int | None = None
    perm_id: int | None = None
    client_id: int | None = None
    connection_no: int | None = None
    claimed_market_at: datetime | None = None
    final_event_at: datetime | None = None
    inferred: bool = False
    limit_price: Decimal | None = None
    """Per share, as the broker told it last, else as it was claimed."""
    price_floor: Decimal | None = None
    price_ceiling: Decimal | None = None

    @property
    def remaining(self) -> int:
        """What may still fill; 0 or more."""
        return max(0, self.quantity - self.filled_quantity)

    @property
    def sign(self) -> int:
        """+1 when its fills raise the position, -1 when they lower it."""
        return 1 if self.action is Action.BUY else -1


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRequest:
    """What a claim writes, chosen before its transaction so that it can be recognised after."""

    intent_id: UUID
    command_id: UUID
    child_id: UUID
    order_ref: str
    epoch: int
    connection_no: int
    client_id: int
    order_id: int
    market_at: datetime
    send_within_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedOrder:
    """An intent claimed for one place of one child."""

    intent_id: UUID
    child_id: UUID
    command_id: UUID
    epoch: int
    connection_no: int
    order_id: int
    order_ref: str
    account: str
    contract: Contract
    action: Action
    quantity: int
    limit_price: Decimal
    strategy: str
    symbol: str
    effect: Effect
    kind: IntentKind
    approved_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NotClaimed:
    """Why an intent was not claimed. `final`: it will never be; else a later attempt may."""

    code: str
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequest:
    """One cancel, as it is recorded before it is written."""

    command_id: UUID
    child_id: UUID
    order_ref: str
    account: str
    epoch: int
    connection_no: int
    order_id: int
    market_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ModifyRequest:
    """One change of a live order's price, as it is recorded before it is written.

    The quantity stays: a modify never raises it, and an order for less is a cancel and a new
    decision.
    """

    command_id: UUID
    child_id: UUID
    order_ref: str
    account: str
    epoch: int
    connection_no: int
    order_id: int
    perm_id: int
    market_at: datetime
    limit_price: Decimal
    send_within_ms: int
    actor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """Something to do after evidence was committed.

    `kind`: `resolve` asks the broker about unclear orders, `reduce` makes the account reducing,
    `cancel` cancels `child_id` on sight, `snapshot` asks for a fresh account download,
    `quarantine` tells of the callback `record_id` that could not be stored and makes the account
    (`*`: all of the session) reducing.
    """

    kind: str
    account: str
    reason: str
    child_id: UUID | None = None
    record_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOrder:
    """An order of ours seen open in the connection `connection_no`."""

    order_ref: str
    account: str
    symbol: str
    order_id: int
    perm_id: int | None
    connection_no: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredExecution:
    """A fill as stored: signed contracts or shares (bought positive), the newest correction."""

    contract: Contract
    quantity_signed: Decimal
    order_ref: str | None
    executed_at: datetime
    stored_at: datetime
    child_id: UUID | None = None
    exec_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Positions that were accounted for, and the fills already counted in them.

    Fills stored after `counted_to` come on top.
    """

    positions: tuple[tuple[Contract, Decimal], ...]
    counted_to: datetime
    market_at: datetime
