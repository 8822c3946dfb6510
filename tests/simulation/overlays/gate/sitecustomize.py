"""Breaks the gate check: everybody who asks is told that trading is active."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from tests.simulation.overlays.patching import after_import


def patch_records(module: ModuleType) -> None:
    def effective_state(connection: Any, account: str, **scope: Any) -> Any:
        return module.TradingState.ACTIVE

    module.effective_state = effective_state  # type: ignore[attr-defined]  # replaced on purpose


def patch_memory(module: ModuleType) -> None:
    def closed_by(self: Any, account: str) -> None:
        return None

    module.SessionGuard.closed_by = closed_by


after_import("theta.common.postgres.gate", patch_records)
after_import("theta.broker_gateway.use_cases.guard_session", patch_memory)
