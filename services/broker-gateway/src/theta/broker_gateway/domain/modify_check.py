"""Whether a live order may be given another price (order-protocol §5.5)."""

from __future__ import annotations

from decimal import Decimal

from theta.broker_gateway.domain.records import ChildRecord, LiveOrder
from theta.common.domain.orders import OrderState


def modify_refusal(child: ChildRecord, limit_price: Decimal) -> str | None:
    """Return why the records forbid `limit_price` (per share) for `child`, or `None`.

    The bounds are those that risk approved: without them no other price was ever reviewed.
    """
    if child.state is not OrderState.WORKING:
        return f"child_is_{child.state.value}"
    if child.perm_id is None:
        return "no_perm_id"
    if child.price_floor is None or child.price_ceiling is None:
        return "no_price_bounds"
    if not limit_price.is_finite() or limit_price <= 0:
        return "price_not_positive"
    if not child.price_floor <= limit_price <= child.price_ceiling:
        return "price_outside_bounds"
    if limit_price == child.limit_price:
        return "price_is_that_already"
    return None


def identity_refusal(
    seen: LiveOrder | None, *, order_id: int, perm_id: int | None, connection_no: int
) -> str | None:
    """Return why what the broker showed is not surely the order that is meant, or `None`.

    After a roll-back of order ids the broker may take a modify for a new order: so the order must
    have been seen open in this very connection, with the same order id and perm id.
    """
    if seen is None or seen.connection_no != connection_no or seen.perm_id is None:
        return "not_seen_open"
    if seen.order_id != order_id:
        return "order_id_differs"
    if seen.perm_id != perm_id:
        return "perm_id_differs"
    return None
