"""The orders of the broker, by identity and by the ids that clients know them under."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from theta.simulator.clock import SimClock
from theta.simulator.exchange.model import Order
from theta.simulator.exchange.store import Change, Store


class Register:
    """Every order, those at work apart, and the highest order id of each client."""

    def __init__(self, clock: SimClock, store: Store, host_now: Callable[[], float]) -> None:
        self.clock = clock
        self.store = store
        self.orders: dict[int, Order] = {}
        self.working: dict[int, Order] = {}
        """Orders that are not final, by perm id, oldest first."""

        self.children: dict[int, list[Order]] = {}
        """Orders by the perm id of their parent."""

        self.highest_ids: dict[int, int] = {}
        self._host_now = host_now
        self._by_id: dict[tuple[int, int], int] = {}

    def _restore_orders(self) -> None:
        for body in self.store.load("order").values():
            self._enter(Order.restore(body))
        for client, body in self.store.load("client").items():
            self.highest_ids[int(client)] = body["highest"]

    def _enter(self, order: Order) -> None:
        self.orders[order.perm_id] = order
        if not order.is_final:
            self.working[order.perm_id] = order
        if order.parent_perm:
            self.children.setdefault(order.parent_perm, []).append(order)
        if order.bound and order.order_id:
            self._by_id[order.client_id, order.order_id] = order.perm_id

    def find(self, client_id: int, order_id: int) -> Order | None:
        """The newest order that this id of this client leads to."""
        perm_id = self._by_id.get((client_id, order_id))
        return None if perm_id is None else self.orders[perm_id]

    def roll_back_ids(self, by: int) -> None:
        """Forget the last ``by`` order ids of every client, as a restarted gateway may.

        The orders stay; the ids no longer lead to them.
        """
        for client, highest in self.highest_ids.items():
            lowered = max(0, highest - by)
            self._remember_highest(client, lowered)
            for order in self.orders.values():
                if order.client_id == client and order.order_id > lowered:
                    order.bound = False
                    self._by_id.pop((client, order.order_id), None)
                    self._stage(order)

    def bind(self, order: Order) -> None:
        """Give an order from the TWS window the next order id of client 0."""
        order.client_id = 0
        order.order_id = self.highest_ids.get(0, 0) + 1
        self._by_id[0, order.order_id] = order.perm_id
        self._remember_highest(0, order.order_id)
        self._stage(order)

    def _remember_highest(self, client_id: int, highest: int) -> None:
        self.highest_ids[client_id] = highest
        self.store.stage([("client", str(client_id), {"highest": highest})])

    def _stage(self, *orders: Order) -> None:
        self.store.stage(order_change(order) for order in orders)

    def _note(self, order: Order, event: str, **details: Any) -> None:
        plain = {
            name: float(value) if isinstance(value, Decimal) else value
            for name, value in details.items()
        }
        order.timeline.append(
            {"event": event, "market_at": self.clock.now(), "host_at": self._host_now(), **plain}
        )


def order_change(order: Order) -> Change:
    """The record of an order, made when it is written."""
    return ("order", str(order.perm_id), order.dump)
