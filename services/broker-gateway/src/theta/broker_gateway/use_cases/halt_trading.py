"""Halting: memory first, cancels at once, then the commit; also without a database (§4)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Literal, cast

from theta.broker_gateway.domain.records import LiveOrder
from theta.broker_gateway.ports import BrokerPort, SendRefusedError
from theta.broker_gateway.use_cases.guard_session import SessionGuard
from theta.broker_gateway.use_cases.stores import (
    CancelStore,
    GateStore,
    SenderLock,
    SessionLoop,
    Spool,
)
from theta.broker_gateway.use_cases.watch_live_orders import LiveOrders
from theta.common.domain.orders import TradingState
from theta.common.errors import OutcomeUnknownError, RejectedError, ThetaError, TransientError
from theta.common.ports import IdSource, ProcessClock
from theta.common.telemetry import names
from theta.common.telemetry.logs import get_logger
from theta.common.telemetry.metrics import histogram
from theta.common.telemetry.traces import span

Scope = Literal["account", "strategy", "symbol"]

LOCK_WAIT_SECONDS = 2.0
"""The whole `send_by`: no send that passed its last test can still be before its write."""
CANCELS_TIMEOUT_SECONDS = 20.0
UNREPLAYED = "unreplayed_halt"
FLAG = "halt_flag_file"

_log = get_logger(__name__)


class HaltTrading:
    """Called by the API and by the flag file's watch."""

    def __init__(
        self,
        *,
        broker: BrokerPort,
        loop: SessionLoop,
        gate: GateStore,
        cancels: CancelStore,
        lock: SenderLock,
        live: LiveOrders,
        guard: SessionGuard,
        spool: Spool,
        clock: ProcessClock,
        ids: IdSource,
    ) -> None:
        self._broker = broker
        self._loop = loop
        self._gate = gate
        self._cancels = cancels
        self._lock = lock
        self._live = live
        self._guard = guard
        self._spool = spool
        self._clock = clock
        self._ids = ids

    def halt(
        self,
        *,
        scope: Scope,
        scope_key: str | None,
        account: str | None,
        reason: str,
        actor: str,
        record_id: str | None = None,
    ) -> dict[str, Any]:
        """Halt a scope; return {"id", "committed", "cancels"}.

        When it returns, nothing new of the scope is sent by this process, the cancels are
        written, and the halt is committed or, without a database, on disk to be committed later.
        """
        began = self._clock.boottime_seconds()
        halt_id = record_id or str(self._ids.uuid())
        with span(names.SPAN_HALT):
            self._guard.close(f"halt:{halt_id}", [account] if account else None)
            state = self._loop.call(self._broker.state, timeout_seconds=5.0)
            orders = self._orders(state.connection_no, scope, scope_key, account)
            record = self._record(halt_id, scope, scope_key, account, reason, actor, orders)
            self._spool.append(record)
            self._guard.close(UNREPLAYED)
            written = self._write_cancels(orders)
            committed = self._commit(record)
            if committed:
                self.replay()  # the database says halted by now: the extra bolt may go
        histogram(names.HALT_SECONDS).record(self._clock.boottime_seconds() - began)
        _log.warning("trading halted", scope=scope, committed=committed, cancels=written)
        return {"id": halt_id, "committed": committed, "cancels": written}

    def replay(self) -> bool:
        """Commit what is spooled, oldest first; True when nothing is left. Before every claim."""
        pending = self._spool.pending()
        for record_id, record in pending:
            if record.get("kind") == "halt" and not self._commit(record):
                return False
            if not self._store_cancels(record):
                return False
            self._spool.done(record_id)
            self._guard.open(f"halt:{record_id}")
        self._guard.open(UNREPLAYED)
        return True

    def _orders(
        self, connection_no: int, scope: Scope, scope_key: str | None, account: str | None
    ) -> list[LiveOrder]:
        """Orders to cancel at once; a strategy's are known to the database only."""
        found = self._live.all(connection_no)
        if account is not None:
            found = [order for order in found if order.account == account]
        if scope == "symbol":
            return [order for order in found if order.symbol == scope_key]
        return found if scope == "account" else []

    def _record(
        self,
        halt_id: str,
        scope: Scope,
        scope_key: str | None,
        account: str | None,
        reason: str,
        actor: str,
        orders: list[LiveOrder],
    ) -> dict[str, Any]:
        market_at = self._loop.call(self._broker.market_at, timeout_seconds=5.0)
        return {
            "id": halt_id,
            "kind": "halt",
            "scope": scope,
            "scope_key": scope_key,
            "account": account or "*",
            "reason": reason,
            "actor": actor,
            "market_at": (market_at or self._clock.wall_at()).isoformat(),
            "cancels": [
                {
                    "command_id": str(self._ids.uuid()),
                    "order_ref": order.order_ref,
                    "order_id": order.order_id,
                    "connection_no": order.connection_no,
                }
                for order in orders
            ],
        }

    def _write_cancels(self, orders: list[LiveOrder]) -> int:
        if not orders:
            return 0

        async def write_all() -> int:
            written = 0
            for order in orders:
                written += await self._write_one(order)
            return written

        try:
            return self._loop.run(write_all, timeout_seconds=CANCELS_TIMEOUT_SECONDS)
        except ThetaError as error:
            _log.error("not every cancel of the halt was written", error=str(error))
            return 0

    async def _write_one(self, order: LiveOrder) -> int:
        for _ in range(200):
            try:
                self._broker.write_cancel(order.order_id, order.connection_no)
            except SendRefusedError as refused:
                if refused.reason in {"not_connected", "connection_changed"}:
                    return 0
                await asyncio.sleep(0.02)  # our own pacing: the bucket fills again
            except Exception as error:  # noqa: BLE001 - one cancel must not stop the others
                _log.warning("a cancel of the halt failed", error=str(error))
                return 0
            else:
                return 1
        return 0

    def _commit(self, record: Mapping[str, Any]) -> bool:
        try:
            accounts = [record["account"]] if record["account"] != "*" else self._gate.accounts()
            if not accounts:
                return False
            with self._lock.exclusive_within(LOCK_WAIT_SECONDS) as alone:
                if not alone:
                    _log.warning("halting while a send may be in flight: it is cancelled on sight")
                for account in accounts:
                    scope = cast("Scope", record["scope"])
                    self._gate.tighten(
                        account,
                        scope=scope,
                        scope_key=record["scope_key"] or account,
                        state=TradingState.HALTED,
                        cause="operator" if record["actor"] != FLAG else FLAG,
                        reason=record["reason"],
                        actor=record["actor"],
                        record_id=str(record["id"]),
                    )
        except (TransientError, OutcomeUnknownError) as error:
            _log.error("the halt waits in the spool for the database", error=str(error))
            return False
        return True

    def _store_cancels(self, record: Mapping[str, Any]) -> bool:
        try:
            self._cancels.store_spooled_cancels(record, self._guard.epoch_held)
        except (TransientError, OutcomeUnknownError):
            return False
        return True


def refuse_resume(guard: SessionGuard) -> None:
    """Raise RejectedError while a halt on disk stands against a resume."""
    if guard.is_closed(FLAG):
        raise RejectedError(
            "halt_flag_file", "The halt flag file exists: remove it first, then resume."
        )
    if guard.is_closed(UNREPLAYED):
        raise RejectedError(
            "unreplayed_halt", "A halt waits for the database: resume once it is committed."
        )
