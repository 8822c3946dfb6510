"""A pytest plugin: `pytest -p tests.support.use_ib_async` runs the adapter on ib_async."""

from __future__ import annotations

import sys

from theta.broker_gateway.adapters.ibkr.tws_client import TwsClient, choose

choose(TwsClient.IB_ASYNC)


def pytest_report_header() -> str:
    return "TWS client library: ib_async"


def pytest_sessionfinish() -> None:
    """Fail a session that went past the choice."""
    assert "ib_async" in sys.modules, "the adapter was not loaded"
    assert "ib_insync" not in sys.modules, "the other library was loaded too"
