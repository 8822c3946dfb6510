"""The one import of the TWS client library: `ib_insync`, or its successor `ib_async`.

Which of the two is `tws_client.chosen()`; they have the same names and the same shapes where the
adapter touches them, and where they differ the difference is a name of this module.

`eventkit`, below both, asks for an event loop at import: from Python 3.14 on, and in any thread but
the first, there is none. So the first import happens in a thread that has one, which leaves the
loops of all others as they are.

`eventkit` also imports numpy (15 MB, and it sets environment variables) for two array operators
that nothing here uses; an empty stand-in takes its place during the import. No long-lived process
loads numpy: the architecture tests check it.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import threading
from types import ModuleType
from typing import TYPE_CHECKING

from theta.broker_gateway.adapters.ibkr.tws_client import chosen

CLIENT = chosen()


def _import_with_a_loop() -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    stand_in = ModuleType("numpy")
    placed = sys.modules.setdefault("numpy", stand_in)
    try:
        importlib.import_module(CLIENT.value)
    finally:
        if placed is stand_in:
            del sys.modules["numpy"]
        asyncio.set_event_loop(None)
        loop.close()


_importer = threading.Thread(target=_import_with_a_loop, name="tws-library-import")
_importer.start()
_importer.join()

if TYPE_CHECKING:  # the shapes of both; ib_insync's are the ones that are checked
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
else:
    _package = importlib.import_module(CLIENT.value)
    IB = _package.IB
    BarData = _package.BarData
    Client = _package.Client
    CommissionReport = _package.CommissionReport
    ContractDetails = _package.ContractDetails
    Execution = _package.Execution
    ExecutionFilter = _package.ExecutionFilter
    IbContract = _package.Contract
    OptionChain = _package.OptionChain
    Order = _package.Order
    OrderState = _package.OrderState
    Decoder = importlib.import_module(f"{CLIENT}.decoder").Decoder
    UNSET_DOUBLE = importlib.import_module(f"{CLIENT}.util").UNSET_DOUBLE
    UNSET_INTEGER = importlib.import_module(f"{CLIENT}.util").UNSET_INTEGER
    RequestError = importlib.import_module(f"{CLIENT}.wrapper").RequestError
    Wrapper = importlib.import_module(f"{CLIENT}.wrapper").Wrapper

__all__ = [
    "CLIENT",
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
