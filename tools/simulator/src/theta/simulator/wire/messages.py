"""Messages to the client that do not depend on the negotiated version, as lists of fields."""

from datetime import UTC, datetime

from theta.simulator.exchange.model import Execution
from theta.simulator.market.calendar import ZONE_NAME, new_york
from theta.simulator.wire.codes import UNSET_DOUBLE

Fields = list[object]


def broker_time(epoch: float) -> str:
    """Date and time with zone, as executions carry it."""
    return f"{new_york(epoch):%Y%m%d %H:%M:%S} {ZONE_NAME}"


def greeting(version: int, epoch: float) -> Fields:
    return [version, f"{datetime.fromtimestamp(epoch, UTC):%Y%m%d %H:%M:%S} GMT"]


def managed_accounts(account: str) -> Fields:
    return [15, 1, account]


def next_valid_id(order_id: int) -> Fields:
    return [9, 1, order_id]


def current_time(epoch: float) -> Fields:
    return [49, 1, int(epoch)]


def end(message: int, request: int) -> Fields:
    """An End message that carries a version and a request id."""
    return [message, 1, request]


def tick_generic(request: int, tick: int, value: float) -> Fields:
    return [45, 6, request, tick, value]


def commission_report(item: Execution) -> Fields:
    """TWS sends its largest double for a gain that an opening fill does not have, and for the
    yield."""
    realized = UNSET_DOUBLE if item.realized is None else str(round(item.realized, 4))
    return [59, 1, item.exec_id, float(item.commission), "USD", realized, UNSET_DOUBLE, ""]
