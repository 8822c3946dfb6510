"""A live account is traded only where the configuration says so; found out at every connection."""

from __future__ import annotations

from collections.abc import Collection

from theta.broker_gateway.use_cases.guard_session import SessionGuard
from theta.broker_gateway.use_cases.reconcile import is_paper_account
from theta.common.errors import ConfigError

LIVE_NOT_ALLOWED = "live_not_allowed"
FAULTS_ON_LIVE = "fault_file_on_live_account"


class RefuseLive:
    """`see` is called on the session loop before anything of a new connection may be sent."""

    def __init__(self, *, guard: SessionGuard, allowed: bool, faults_armed: bool) -> None:
        self._guard = guard
        self._allowed = allowed
        self._faults_armed = faults_armed

    def see(self, accounts: Collection[str]) -> ConfigError | None:
        """Close the gate in memory for a live account; return why the process must end, if so.

        The gate is closed for the whole session: a login is live or paper as a whole. Cancels and
        reconciliation go on.
        """
        live = sorted(account for account in accounts if not is_paper_account(account))
        if live and not self._allowed:
            self._guard.close(LIVE_NOT_ALLOWED)
        else:
            self._guard.open(LIVE_NOT_ALLOWED)
        if live and self._faults_armed:
            self._guard.close(FAULTS_ON_LIVE)
            return ConfigError(
                f"THETA_FAULT_FILE is set and {live[0]} is a live account: unset it."
            )
        return None
