"""Breaks the unknown rule: whoever did not answer is taken for absent at once."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from tests.simulation.overlays.patching import after_import


def patch(module: ModuleType) -> None:
    def absent_at_once(self: Any, child: Any, found: Any) -> None:
        self._orders.move(child.id, module.OrderState.ABSENT, reason="nobody answered")

    module.ResolveUnknown._judge = absent_at_once


after_import("theta.broker_gateway.use_cases.resolve_unknown", patch)
