"""What the broker says and is told, as values: no client library, no socket."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from theta.common.domain.instruments import Contract
from theta.common.domain.orders import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """The session at one moment, as the send check needs it (order-protocol §5.2)."""

    connection_no: int
    """Rises with each connection of this session, across restarts (from `broker_session`). 0:
    never.
    """
    connected: bool
    """The socket is up and TWS accepted our client id."""
    fetched: bool
    """The start-up fetch (all open orders, completed, executions, positions, account) is complete.
    """
    broker_link: bool
    """No 1100 or 2110 is outstanding."""
    client_id: int
    accounts: tuple[str, ...]
    highest_order_id_seen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOrder:
    """An order as the broker reports it. `None` where it did not say. Quantities in contracts or
    shares.
    """

    order_ref: str
    order_id: int
    perm_id: int | None
    client_id: int
    account: str
    contract: Contract
    action: Action
    quantity: Decimal
    filled: Decimal | None
    remaining: Decimal | None
    limit_price: Decimal | None
    status: str
    """TWS's own word: PendingSubmit, PreSubmitted, Submitted, Filled, Cancelled, Inactive, ..."""
    completed_text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerExecution:
    """A fill. `price` per share, `quantity` positive. Commission fields are `None` until its report
    came.
    """

    exec_id: str
    order_ref: str
    order_id: int
    perm_id: int | None
    client_id: int
    account: str
    contract: Contract
    side: Action
    quantity: Decimal
    price: Decimal
    executed_at: datetime
    commission: Decimal | None = None
    commission_currency: str | None = None
    realised_pnl: Decimal | None = None


class EvidenceKind(StrEnum):
    """What kind of callback it was."""

    OPEN_ORDER = "open_order"
    ORDER_STATUS = "order_status"
    COMPLETED_ORDER = "completed_order"
    EXECUTION = "execution"
    COMMISSION = "commission"
    ERROR = "error"
    ORDER_BOUND = "order_bound"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One callback, recorded before the client library handles it (order-protocol §5.4).

    `payload` is JSON-ready and complete: for orders BrokerOrder's fields, for executions
    BrokerExecution's, for ORDER_STATUS {status, filled, remaining, average_fill_price, perm_id,
    client_id, why_held}, for COMMISSION {exec_id, commission, currency, realised_pnl}, for ERROR
    {code, message, advanced}.
    """

    kind: EvidenceKind
    connection_no: int
    sequence: int
    """Rises with each evidence of one connection."""
    received_at: datetime
    received_market_at: datetime | None
    order_id: int | None
    order_ref: str | None
    perm_id: int | None
    account: str | None
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderToPlace:
    """All that goes into one placeOrder message. `order_id` was drawn by `draw_order_id` in
    `connection_no`.
    """

    order_ref: str
    order_id: int
    connection_no: int
    account: str
    contract: Contract
    action: Action
    quantity: int
    limit_price: Decimal
    time_in_force: str = "DAY"
    modifies: bool = False
    """`order_id` is a live order's, seen open in this connection: the message gives it a new price.
    """
