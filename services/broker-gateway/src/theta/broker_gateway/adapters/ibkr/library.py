"""The one import of the TWS client library, so that its successor could be put in its place here.

`eventkit`, below the library, asks for an event loop at import: from Python 3.14 on, and in any
thread but the first, there is none, so one is set before the import and taken away after it.
"""

from __future__ import annotations

import asyncio


def _import_needs_loop() -> asyncio.AbstractEventLoop | None:
    """Set a loop for the time of the import when this thread has none; return it to be closed."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        return loop
    return None


_loop = _import_needs_loop()
try:
    from ib_insync import (
        IB,
        BarData,
        Client,
        CommissionReport,
        ContractDetails,
        Execution,
        ExecutionFilter,
        OptionChain,
        Order,
        OrderState,
    )
    from ib_insync import Contract as IbContract
    from ib_insync.decoder import Decoder
    from ib_insync.util import UNSET_DOUBLE, UNSET_INTEGER
    from ib_insync.wrapper import RequestError, Wrapper
finally:
    if _loop is not None:
        _loop.close()
        asyncio.set_event_loop(None)

__all__ = [
    "IB",
    "UNSET_DOUBLE",
    "UNSET_INTEGER",
    "BarData",
    "Client",
    "CommissionReport",
    "ContractDetails",
    "Decoder",
    "Execution",
    "ExecutionFilter",
    "IbContract",
    "OptionChain",
    "Order",
    "OrderState",
    "RequestError",
    "Wrapper",
]
