"""What one callback of the broker says about a child order (order-protocol §2, §5.4)."""

from __future__ import annotations

from dataclasses import dataclass

from theta.broker_gateway.domain.broker import EvidenceKind
from theta.common.domain.orders import POSSIBLY_LIVE, REOPENED_BY_EVIDENCE, OrderState

LIVE_STATUSES = frozenset({"PreSubmitted", "Submitted"})
"""With a perm_id, these mean working. PendingSubmit, ApiPending and PendingCancel do not."""
CANCELLED_STATUSES = frozenset({"Cancelled", "ApiCancelled"})
ENDED_STATUSES = CANCELLED_STATUSES | {"Filled", "Inactive"}

RECONCILE_CODES = frozenset({135, 136, 161, 10147, 10148})
"""A cancel was refused, perhaps because the order filled: the code proves nothing."""
LIVE_CODES = frozenset({105, 329, 399, 404, 434, 10349})
"""The order is still live, or the message only informs. 10349 is the known false cancel."""
REJECTION_CODES = frozenset(
    {106, 107, 109, 110, 111, 113, 116, 132, 160, 163, 164, 200, 201, 203, 355, 382, 383, 387}
    | {388, 392, 412, 426, 435, 460, 461, 463, 10015, 10289, 10293}
)
MODIFY_CODES = frozenset({105, 329})
"""A modify failed; the order is live as it was."""
REFUSES_PRICE = REJECTION_CODES | {103, 104, 133, 134, 321}
"""Codes that end a new order, and that a live one may get for the price it was to have."""
WARNING_RANGE = range(2100, 2200)
DATA_CODES = frozenset({10167, 10090, 10089, 354, 10091, 10168, 10186, 10197, 300, 162, 165, 366})
PAGED_LIVE_CODES = frozenset({404, 105, 329})


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """A callback reduced to what decides: `None` and 0 where it did not say."""

    kind: EvidenceKind
    status: str = ""
    perm_id: int | None = None
    filled: int = 0
    code: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildView:
    """The child as the records have it before the callback."""

    state: OrderState
    quantity: int
    filled_quantity: int
    """Sum of its stored executions."""
    perm_id: int | None
    modifying: bool = False
    """A new price was asked for and not answered yet: an error may be its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What follows. `target` is a state to move to if §2 allows it; `resolve` asks the broker."""

    target: OrderState | None = None
    reason: str = ""
    resolve: bool = False
    page: bool = False
    contradiction: str | None = None
    acknowledges: bool = False
    modify_refused: bool = False
    """The broker said no to a new price; the order stays as it was."""


NOTHING = Meaning()


def interpret(saying: Saying, child: ChildView) -> Meaning:
    """Return what `saying` means for `child`. Pure; storing the evidence never depends on it."""
    known = child.perm_id
    if known and saying.perm_id and known != saying.perm_id:
        return Meaning(
            contradiction=f"perm_id {saying.perm_id} where {known} was recorded", resolve=True
        )
    if saying.kind is EvidenceKind.EXECUTION:
        return _of_execution(saying, child)
    if saying.kind is EvidenceKind.ERROR:
        return _of_error(saying, child)
    if saying.kind in {
        EvidenceKind.OPEN_ORDER,
        EvidenceKind.ORDER_STATUS,
        EvidenceKind.COMPLETED_ORDER,
    }:
        return _of_status(saying, child)
    return NOTHING


def _of_execution(saying: Saying, child: ChildView) -> Meaning:
    """`child.filled_quantity` already contains this execution."""
    if child.filled_quantity > child.quantity:
        return Meaning(
            target=OrderState.FILLED,
            reason="filled above its quantity",
            contradiction=f"{child.filled_quantity} filled of {child.quantity}",
        )
    if child.filled_quantity == child.quantity:
        late = child.state in REOPENED_BY_EVIDENCE
        return Meaning(
            target=OrderState.FILLED,
            reason="filled late" if late else "filled",
            page=late,
            contradiction="filled after absent" if child.state is OrderState.ABSENT else None,
            acknowledges=True,
        )
    if child.state is OrderState.ABSENT:
        return Meaning(
            target=OrderState.WORKING,
            reason="a fill of an order judged absent",
            page=True,
            contradiction="partly filled after absent",
        )
    if child.state in REOPENED_BY_EVIDENCE:
        return Meaning(page=True, resolve=True, reason=f"partial fill after {child.state}")
    if child.state in {OrderState.SUBMITTING, OrderState.UNKNOWN, OrderState.NEEDS_PERSON}:
        return Meaning(target=OrderState.WORKING, reason="partly filled", acknowledges=True)
    return Meaning(acknowledges=True)


def _of_status(saying: Saying, child: ChildView) -> Meaning:
    perm_id = saying.perm_id or child.perm_id
    live_here = child.state in POSSIBLY_LIVE
    if saying.status in LIVE_STATUSES:
        if not live_here:
            # A status alone never reopens a final child: ask (order-protocol §2). After the fill
            # it is merely late.
            return Meaning(resolve=child.state in REOPENED_BY_EVIDENCE)
        if not perm_id:
            return NOTHING
        moves = child.state is not OrderState.WORKING
        return Meaning(
            target=OrderState.WORKING if moves else None,
            reason=f"broker says {saying.status}",
            acknowledges=True,
        )
    if saying.status == "Filled":
        # Executions decide; without them the fill is not yet known by price.
        return Meaning(
            resolve=live_here and child.filled_quantity < child.quantity, acknowledges=True
        )
    if saying.status in CANCELLED_STATUSES and live_here:
        if saying.filled > child.filled_quantity or child.filled_quantity >= child.quantity:
            return Meaning(
                target=OrderState.CANCELLED if child.filled_quantity < child.quantity else None,
                reason=f"broker says {saying.status} after {saying.filled} filled",
                resolve=True,
                acknowledges=True,
            )
        expired = "expired" in saying.text.lower() and child.state is not OrderState.SUBMITTING
        return Meaning(
            target=OrderState.EXPIRED if expired else OrderState.CANCELLED,
            reason=saying.text or f"broker says {saying.status}",
            acknowledges=True,
        )
    if saying.status == "Inactive" and live_here:
        if saying.kind is EvidenceKind.COMPLETED_ORDER:
            return Meaning(
                target=OrderState.REJECTED_BY_BROKER,
                reason=saying.text or "completed as inactive",
                page=True,
            )
        return Meaning(resolve=True)
    return NOTHING


def _of_error(saying: Saying, child: ChildView) -> Meaning:
    code = saying.code
    reason = f"broker code {code}: {saying.text}"
    if code in WARNING_RANGE or code in DATA_CODES:
        return NOTHING
    if code in LIVE_CODES:
        refused = child.modifying and code in MODIFY_CODES
        return Meaning(
            page=code in PAGED_LIVE_CODES and not refused, reason=reason, modify_refused=refused
        )
    if code in RECONCILE_CODES:
        return Meaning(resolve=True, reason=reason)
    if child.modifying and child.state is OrderState.WORKING and code in REFUSES_PRICE:
        # It may speak of the new price alone, the order being live as before: ask, never assume.
        return Meaning(resolve=True, page=True, reason=reason, modify_refused=True)
    if child.state not in POSSIBLY_LIVE:
        return NOTHING
    if code == 202:
        if child.filled_quantity >= child.quantity:
            return NOTHING
        return Meaning(target=OrderState.CANCELLED, reason=reason, acknowledges=True)
    if code in REJECTION_CODES:
        return Meaning(
            target=OrderState.REJECTED_BY_BROKER, reason=reason, page=True, acknowledges=True
        )
    # Every list of codes was incomplete: what is not known is unknown, never a rejection.
    return Meaning(target=OrderState.UNKNOWN, reason=reason, page=True, resolve=True)
