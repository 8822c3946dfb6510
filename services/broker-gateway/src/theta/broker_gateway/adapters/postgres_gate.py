"""Trading states and alerts in PostgreSQL, as the gateway changes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import Engine, select

from theta.broker_gateway.adapters.postgres_claims import mark_replayed
from theta.broker_gateway.domain.records import ACTOR
from theta.common.domain.orders import TradingState
from theta.common.ports import FaultPoints
from theta.common.postgres import gate
from theta.common.postgres.alerts import raise_alert
from theta.common.postgres.engine import transaction
from theta.common.postgres.tables import broker_account, trading_gate, trading_state

Scope = Literal["account", "strategy", "symbol"]


class PostgresGate:
    """`GateStore` of one session."""

    def __init__(self, engine: Engine, *, session: str, faults: FaultPoints) -> None:
        self._engine = engine
        self._session = session
        self._faults = faults

    def accounts(self) -> list[str]:
        with transaction(self._engine) as connection:
            statement = select(broker_account.c.account).where(
                broker_account.c.session == self._session
            )
            return sorted(connection.execute(statement).scalars())

    def states(self) -> dict[str, TradingState]:
        """Return the account-wide state of each account that has a gate."""
        with transaction(self._engine) as connection:
            rows = connection.execute(select(trading_gate.c.account, trading_gate.c.state))
            return {row.account: TradingState(row.state) for row in rows}

    def tighten(
        self,
        account: str,
        *,
        scope: Scope,
        scope_key: str,
        state: TradingState,
        cause: str,
        reason: str,
        actor: str,
        record_id: str | None,
    ) -> bool:
        """Commit it; with `record_id`, only once ever. False when that id was applied before."""
        with transaction(self._engine) as connection:
            gate.lock_gate(connection, account, mode="update")
            if record_id is not None:
                marker = f"{record_id}:{account}"
                if not mark_replayed(connection, marker, account=account):
                    return False
            gate.tighten(
                connection,
                account=account,
                scope=scope,
                scope_key=scope_key,
                state=state,
                cause=cause,
                reason=reason,
                actor=actor,
            )
            if state is TradingState.HALTED:
                self._faults.reach("gateway.halt.before_commit")
        if state is TradingState.HALTED:
            self._faults.reach("gateway.halt.after_commit")
        return True

    def lift(
        self,
        account: str,
        *,
        scope: Scope,
        scope_key: str,
        cause: str | None,
        reason: str,
        actor: str,
    ) -> TradingState:
        with transaction(self._engine) as connection:
            return gate.lift(
                connection,
                account=account,
                scope=scope,
                scope_key=scope_key,
                cause=cause,
                reason=reason,
                actor=actor,
            )

    def create(self, account: str, *, state: TradingState, reason: str) -> bool:
        with transaction(self._engine) as connection:
            return gate.create_gate(
                connection,
                account=account,
                state=state,
                cause="first_reconciliation",
                reason=reason,
                actor=ACTOR,
            )

    def has_open(self, account: str, cause: str) -> bool:
        with transaction(self._engine) as connection:
            statement = select(trading_state.c.id).where(
                trading_state.c.account == account,
                trading_state.c.scope == "account",
                trading_state.c.cause == cause,
                trading_state.c.ended_at.is_(None),
            )
            return connection.execute(statement).first() is not None

    def alert(
        self,
        *,
        account: str,
        severity: Literal["info", "warning", "critical"],
        kind: str,
        title: str,
        message: str,
        context: Mapping[str, Any],
        source_key: str,
    ) -> None:
        with transaction(self._engine) as connection:
            raise_alert(
                connection,
                account=account,
                session=self._session,
                severity=severity,
                kind=kind,
                title=title,
                message=message,
                context=context,
                source_key=source_key,
            )
