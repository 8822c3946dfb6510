"""One round of the three complete answers, in the order that §6 asks for."""

from __future__ import annotations

from theta.broker_gateway.domain.absence import Round
from theta.broker_gateway.ports import BrokerPort
from theta.broker_gateway.use_cases.stores import SessionLoop
from theta.common.errors import UnavailableError
from theta.common.ports import ProcessClock

ROUND_TIMEOUT_SECONDS = 60.0


def ask_round(broker: BrokerPort, loop: SessionLoop, clock: ProcessClock) -> Round:
    """Ask for all open orders, then completed orders, then executions.

    Raises UnavailableError when any answer is incomplete, when the connection changed, or while
    the link to the broker is down: such a round proves nothing.
    """

    async def ask() -> Round:
        before = broker.state()
        if not before.connected or not before.broker_link:
            raise UnavailableError("the broker cannot be asked now")
        started, started_at = clock.boottime_seconds(), clock.wall_at()
        open_orders = tuple(await broker.open_orders())
        completed = tuple(await broker.completed_orders())
        executions = tuple(await broker.executions())
        after, market_at = broker.state(), broker.market_at()
        same = after.connection_no == before.connection_no and after.connected
        if not same or not after.broker_link or market_at is None:
            raise UnavailableError("the connection changed between two answers")
        return Round(
            connection_no=after.connection_no,
            client_id=after.client_id,
            started_seconds=started,
            ended_seconds=clock.boottime_seconds(),
            market_at=market_at,
            started_at=started_at,
            open_orders=open_orders,
            completed_orders=completed,
            executions=executions,
        )

    return loop.run(ask, timeout_seconds=ROUND_TIMEOUT_SECONDS)
