"""The official library, where it is installed."""

from __future__ import annotations

import importlib

import pytest

from tests.simulator.wire.libraries import OfficialLibrary

_MODULES = (
    "client", "contract", "decoder", "order", "order_condition", "scanner", "softdollartier",
    "tag_value",
)  # fmt: skip


@pytest.fixture(scope="session")
def ibapi() -> OfficialLibrary:
    pytest.importorskip("ibapi")
    return OfficialLibrary({name: importlib.import_module(f"ibapi.{name}") for name in _MODULES})
