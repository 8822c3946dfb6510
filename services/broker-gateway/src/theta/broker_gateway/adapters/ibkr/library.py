"""The one import of the TWS client library, so that its successor could be put in its place here.

`eventkit`, below the library, asks for an event loop at import: from Python 3.14 on, and in any
thread but the first, there is none. So the first import happens in a thread that has one, which
leaves the loops of all others as they are.

`eventkit` also imports numpy (15 MB, and it sets environment variables) for two array operators
that nothing here uses; an empty stand-in takes its place during the import. No long-lived process
loads numpy: the architecture tests check it.
"""

# ruff: noqa: E402 - the import comes after the loop it needs

from __future__ import annotations

import asyncio
import importlib
import sys
import threading
from types import ModuleType


def _import_with_a_loop() -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    stand_in = ModuleType("numpy")
    placed = sys.modules.setdefault("numpy", stand_in)
    try:
        importlib.import_module("ib_insync")
    finally:
        if placed is stand_in:
            del sys.modules["numpy"]
        asyncio.set_event_loop(None)
        loop.close()


_importer = threading.Thread(target=_import_with_a_loop, name="tws-library-import")
_importer.start()
_importer.join()

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
