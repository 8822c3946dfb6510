"""Breaks the claim: an approved intent is sent without its claim being committed first."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from tests.simulation.overlays.patching import after_import


def patch(module: ModuleType) -> None:
    def claim(self: Any, request: Any) -> Any:
        with self._engine.connect() as connection:
            intent = module.get_intent(connection, request.intent_id)
            if intent is None or intent.state != "approved":
                return module.NotClaimed(code="not_approved", final=True)
            claimed = self._write_claim(connection, intent, request)
            connection.rollback()
        return claimed

    module.PostgresClaims.claim = claim


after_import("theta.broker_gateway.adapters.postgres_claims", patch)
