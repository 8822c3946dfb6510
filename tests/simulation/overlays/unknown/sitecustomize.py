"""Breaks the unknown rule: an order that nobody acknowledged in time is taken for absent."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from tests.simulation.overlays.patching import after_import


def patch(module: ModuleType) -> None:
    def mark_overdue(self: Any, epoch: int) -> int:
        overdue = self._orders.overdue(within_seconds=self._acknowledge_within, epoch=epoch)
        for child in overdue:
            self._orders.mark_unknown(child.id, reason="nobody answered")
            self._orders.move(child.id, module.OrderState.ABSENT, reason="nobody answered")
        return len(overdue)

    module.ResolveUnknown.mark_overdue = mark_overdue


after_import("theta.broker_gateway.use_cases.resolve_unknown", patch)
