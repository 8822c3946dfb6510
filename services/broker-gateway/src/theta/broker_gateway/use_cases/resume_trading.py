"""Resuming: by a named person with a reason, never past a halt that is still on disk."""

from __future__ import annotations

from typing import Literal

from theta.broker_gateway.use_cases.guard_session import SessionGuard
from theta.broker_gateway.use_cases.halt_trading import refuse_resume
from theta.broker_gateway.use_cases.stores import GateStore, ReconciliationStore
from theta.common.domain.orders import TradingState
from theta.common.errors import RejectedError

Scope = Literal["account", "strategy", "symbol"]


class ResumeTrading:
    """Called by the API. What a halt withdrew stays withdrawn."""

    def __init__(
        self, *, gate: GateStore, reconciliations: ReconciliationStore, guard: SessionGuard
    ) -> None:
        self._gate = gate
        self._reconciliations = reconciliations
        self._guard = guard

    def resume(
        self, *, scope: Scope, scope_key: str | None, account: str | None, reason: str, actor: str
    ) -> dict[str, TradingState]:
        """Lift the scope's states and return each account's state afterwards.

        Differences of the last reconciliation count as accepted by this person from here on.
        Raises RejectedError while the flag file exists, a halt is unreplayed, or the account was
        never reconciled.
        """
        refuse_resume(self._guard)
        accounts = [account] if account else self._gate.accounts()
        known = self._gate.states()
        unknown = [one for one in accounts if one not in known]
        if unknown or not accounts:
            raise RejectedError(
                "not_reconciled",
                f"{', '.join(unknown) or 'No account'} was never reconciled with the broker:"
                " wait for the first clean reconciliation, then resume.",
            )
        result = {}
        for one in accounts:
            if scope == "account":
                self._reconciliations.accept(one, actor=actor, reason=reason)
            result[one] = self._gate.lift(
                one,
                scope=scope,
                scope_key=scope_key or one,
                cause=None,
                reason=reason,
                actor=actor,
            )
        return result
