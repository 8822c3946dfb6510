"""Orders that depend on one another: parent and children, one-cancels-all groups."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from theta.simulator.exchange.model import FILLED, PENDING, Order

CANCEL_REST = 1
"""The one-cancels-all type that cancels the others; 2 and 3 reduce them in proportion."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a fill does to another order of its group: its new quantity, ``None`` to cancel it."""

    order: Order
    quantity: Decimal | None


def group_of(order: Order) -> tuple[str, object] | None:
    """What the members of a group have in common. Children of one parent are a group too."""
    if order.oca_group:
        return order.account, order.oca_group
    if order.parent_perm:
        return "children", order.parent_perm
    return None


def effects_of_fill(order: Order, shares: Decimal, orders: Iterable[Order]) -> list[Effect]:
    """How the other live orders of the group change after ``order`` traded ``shares``."""
    group = group_of(order)
    if group is None:
        return []
    cancels = order.oca_type == CANCEL_REST
    before = order.remaining + shares
    found: list[Effect] = []
    for other in orders:
        if other is order or other.is_final or group_of(other) != group:
            continue
        left = (other.remaining * order.remaining / before).to_integral_value(ROUND_DOWN)
        gone = cancels or not left
        found.append(Effect(other, None if gone else other.filled + left))
    return found


def waits(order: Order, orders: dict[int, Order]) -> bool:
    """Whether the order is held because its parent has not filled yet."""
    parent = orders.get(order.parent_perm)
    return parent is not None and parent.status != FILLED


def transmitted_with(order: Order, orders: dict[int, Order], siblings: list[Order]) -> list[Order]:
    """Parent first, the orders that reach the exchange together with this one: a child takes its
    parent and its siblings along, as far as they have not gone yet."""
    parent = orders.get(order.parent_perm)
    if parent is None:
        return [order]
    family = [parent, *siblings]
    return [member for member in family if member.status == PENDING]
