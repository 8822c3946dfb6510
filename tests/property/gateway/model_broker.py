"""One session at the model's broker: the fake one, with what happens between two of its steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tests.support.fake_broker import FakeBroker, Write
from theta.broker_gateway.ports import BrokerExecution, BrokerOrder, OrderToPlace

if TYPE_CHECKING:
    from tests.property.gateway.gateway_process import GatewayProcess
    from tests.property.gateway.world import World


class ModelBroker(FakeBroker):
    """`world.slow_seconds` holds the next place back on its way; `world.between` acts after an
    answer; `world.at_write` acts between the last test and the write.
    """

    def __init__(self, world: World, process: GatewayProcess) -> None:
        super().__init__(process.sink, accounts=world.script.accounts, script=world.script)
        self._world = world
        self._process = process

    def write_place(self, order: OrderToPlace) -> None:
        world, slow = self._world, None
        if not order.modifies:
            slow, world.slow_seconds = world.slow_seconds, None
        if slow is not None:
            taken_broken = self.script.next_write in {Write.BROKEN_TAKEN, Write.BROKEN_LOST}
            self.script.next_write = Write.BROKEN_LOST if taken_broken else Write.LOST
        before = len(self.written), len(self.modified)
        target = world.oracle.order_at(order.order_id) if order.modifies else None
        try:
            super().write_place(order)
        finally:
            if len(self.written) > before[0]:
                world.oracle.placed(order)
                if slow is not None:
                    world.send_slowly(order, slow)
            if len(self.modified) > before[1]:
                world.oracle.modified(order, target)

    def write_cancel(self, order_id: int, connection_no: int) -> None:
        before, target = len(self.cancels_written), self._world.oracle.order_at(order_id)
        seen = None if target is None else self._process.live.find(target)
        try:
            super().write_cancel(order_id, connection_no)
        finally:
            if len(self.cancels_written) > before:
                self._world.oracle.cancelled(seen, order_id, target)

    async def open_orders(self) -> Sequence[BrokerOrder]:
        found = await super().open_orders()
        self._world.answered("open_orders")
        return found

    async def completed_orders(self) -> Sequence[BrokerOrder]:
        found = await super().completed_orders()
        self._world.answered("completed_orders")
        return found

    async def executions(self) -> Sequence[BrokerExecution]:
        found = await super().executions()
        self._world.answered("executions")
        return found

    def _fail(self, method: str) -> None:
        if method == "write_place":
            action, self._world.at_write = self._world.at_write, None
            if action is not None:
                action()
        super()._fail(method)
