"""Runs in PostgreSQL: lease, decisions, intents and the run's end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, func, insert, select, update

from theta.common.domain.decisions import Decision, Reason
from theta.common.domain.instruments import Contract
from theta.common.domain.orders import Action, Effect, OrderState, TradingState
from theta.common.domain.portfolio import PendingOrder
from theta.common.errors import UnavailableError
from theta.common.ports import IdSource
from theta.common.postgres import journal, lease, outbox
from theta.common.postgres.alerts import raise_alert
from theta.common.postgres.engine import CommitUnknownError, transaction
from theta.common.postgres.gate import effective_state, lock_gate
from theta.common.postgres.orders import insert_intent, pending_orders
from theta.common.postgres.tables import (
    config_version,
    decision,
    execution,
    portfolio_snapshot,
    strategy_run,
    trading_state,
)
from theta.common.telemetry.traces import current_traceparent
from theta.strategy.ports import NotStarted, RunResult, RunStart

STRATEGY = "wheel"
RISK_QUEUE = "risk"
REVIEW_JOB = "risk.review"
LEASE_SECONDS = 30.0
"""Longer than any one step of a run; a killed run is taken over after it."""
WAIT_MAX = timedelta(minutes=15)
"""A run not begun within this of its claim is missed: the market is another one by then."""
BEGINNINGS_MAX = 6
"""A run begun this often without an end kills its worker: a person must look."""
_ENDED = ("finished", "failed", "missed")


class PostgresRuns:
    """`RunRecords` of one account."""

    def __init__(
        self, engine: Engine, *, account: str, session: str, config_hash: str, ids: IdSource
    ) -> None:
        self._engine = engine
        self._account = account
        self._session = session
        self._config_hash = config_hash
        self._ids = ids

    def begin(
        self, run_id: UUID, *, market_at: datetime, symbols: Sequence[str]
    ) -> RunStart | NotStarted:
        holder = f"{run_id}:{self._ids.token()}"
        with transaction(self._engine) as connection:
            epoch = lease.acquire(
                connection,
                name=self._lease_name,
                account=self._account,
                holder=holder,
                ttl_seconds=LEASE_SECONDS,
            )
            if epoch is None:
                return NotStarted.BUSY
            gate = lock_gate(connection, self._account, mode="share")
            row = self._locked(connection, run_id)
            refused = self._refused(connection, row)
            if row is None or refused is not None:
                lease.release(connection, name=self._lease_name, holder=holder, epoch=epoch)
                return refused or NotStarted.UNKNOWN
            trading = {
                symbol: effective_state(connection, self._account, strategy=STRATEGY, symbol=symbol)
                for symbol in symbols
            }
            begun = connection.execute(
                update(strategy_run)
                .where(strategy_run.c.id == run_id)
                .values(
                    status="running",
                    started_at=func.clock_timestamp(),
                    started_market_at=market_at,
                    attempts=strategy_run.c.attempts + 1,
                    config_hash=self._config_hash,
                    gate_version=gate.version if gate is not None else None,
                    error=None,
                )
                .returning(strategy_run.c.started_at, strategy_run.c.attempts)
            ).one()
            return RunStart(
                run_id=run_id,
                account=self._account,
                holder=holder,
                epoch=epoch,
                attempt=begun.attempts,
                started_at=begun.started_at,
                actor=row.actor,
                trading=trading,
            )

    def renew(self, start: RunStart) -> bool:
        with transaction(self._engine) as connection:
            return lease.renew(
                connection,
                name=self._lease_name,
                holder=start.holder,
                epoch=start.epoch,
                ttl_seconds=LEASE_SECONDS,
            )

    def pending(self, account: str, snapshot_id: UUID) -> tuple[PendingOrder, ...]:
        with transaction(self._engine) as connection:
            # The snapshot may or may not hold a fill that came after it was asked for. Sales are
            # counted twice rather than not at all; the next run sees it exactly.
            requested_at = connection.execute(
                select(portfolio_snapshot.c.requested_at).where(
                    portfolio_snapshot.c.id == snapshot_id
                )
            ).scalar_one_or_none()
            found = pending_orders(connection, account)
            if requested_at is not None:
                found += _sold_since(connection, account, requested_at)
            return tuple(found)

    def finish(
        self,
        start: RunStart,
        decisions: Sequence[Decision],
        *,
        market_at: datetime,
        summary: Mapping[str, Any],
    ) -> RunResult:
        try:
            with transaction(self._engine) as connection:
                return self._finish(connection, start, decisions, market_at, summary)
        except CommitUnknownError:
            with transaction(self._engine) as connection:
                row = connection.execute(
                    select(strategy_run).where(strategy_run.c.id == start.run_id)
                ).one()
            if row.status != "finished" or row.summary is None:
                raise UnavailableError("the end of the run was not stored.") from None
            return RunResult(
                intents=row.summary["intents"],
                withdrawn=row.summary["withdrawn"],
                decisions=len(decisions),
            )

    def fail(self, start: RunStart, error: str, *, final: bool, alert: bool) -> None:
        with transaction(self._engine) as connection:
            if not lease.check(connection, name=self._lease_name, epoch=start.epoch):
                return  # whoever has the run now records its end
            lease.release(connection, name=self._lease_name, holder=start.holder, epoch=start.epoch)
            connection.execute(
                update(strategy_run)
                .where(strategy_run.c.id == start.run_id, strategy_run.c.status == "running")
                .values(
                    status="failed" if final else "claimed",
                    error=error,
                    finished_at=func.clock_timestamp() if final else None,
                )
            )
            if alert:
                self._alert(connection, start.run_id, "run.failed", "A strategy run failed", error)
            if final:
                self._journal_end(connection, start.run_id, start.actor, "run.failed", error)

    def store_config(self, content: Mapping[str, Any], actor: str) -> None:
        """Record the configuration in force, unless it is the newest one on record already."""
        with transaction(self._engine) as connection:
            newest = connection.execute(
                select(config_version.c.hash)
                .where(config_version.c.account == self._account)
                .order_by(config_version.c.loaded_at.desc())
                .limit(1)
            ).scalar_one_or_none()
            if newest != self._config_hash:
                connection.execute(
                    insert(config_version).values(
                        id=self._ids.uuid(),
                        account=self._account,
                        hash=self._config_hash,
                        content=dict(content),
                        actor=actor,
                    )
                )

    @property
    def _lease_name(self) -> str:
        return f"run:{self._account}"

    def _locked(self, connection: Connection, run_id: UUID) -> Row[Any] | None:
        return connection.execute(
            select(strategy_run, func.clock_timestamp().label("now"))
            .where(strategy_run.c.id == run_id, strategy_run.c.account == self._account)
            .with_for_update()
        ).one_or_none()

    def _refused(self, connection: Connection, row: Row[Any] | None) -> NotStarted | None:
        if row is None:
            return NotStarted.UNKNOWN
        if row.status in _ENDED:
            return NotStarted.DONE
        if row.attempts >= BEGINNINGS_MAX:
            error = f"the run was begun {row.attempts} times without an end: see the service's log."
            self._end(connection, row, "failed", error)
            return NotStarted.GAVE_UP
        if row.now - row.claimed_at > WAIT_MAX:
            minutes = int(WAIT_MAX.total_seconds() // 60)
            error = f"the run did not begin within {minutes} minutes of its slot and was left out."
            self._end(connection, row, "missed", error)
            return NotStarted.MISSED
        return None

    def _end(self, connection: Connection, row: Row[Any], status: str, error: str) -> None:
        connection.execute(
            update(strategy_run)
            .where(strategy_run.c.id == row.id)
            .values(status=status, error=error, finished_at=func.clock_timestamp())
        )
        self._alert(connection, row.id, f"run.{status}", f"Run {row.slot} {status}", error)
        self._journal_end(connection, row.id, row.actor, f"run.{status}", error)

    def _alert(
        self, connection: Connection, run_id: UUID, kind: str, title: str, message: str
    ) -> None:
        raise_alert(
            connection,
            account=self._account,
            session=self._session,
            severity="critical",
            kind=kind,
            title=title,
            message=message,
            context={"run_id": str(run_id)},
            source_key=f"run:{run_id}:{kind}",
        )

    def _journal_end(
        self, connection: Connection, run_id: UUID, actor: str, kind: str, error: str
    ) -> None:
        journal.append(
            connection,
            account=self._account,
            actor=actor,
            kind=kind,
            subject=str(run_id),
            body={"error": error, "config_hash": self._config_hash},
        )

    def _finish(
        self,
        connection: Connection,
        start: RunStart,
        decisions: Sequence[Decision],
        market_at: datetime,
        summary: Mapping[str, Any],
    ) -> RunResult:
        if not lease.check(connection, name=self._lease_name, epoch=start.epoch):
            raise UnavailableError("the run's lease was lost: another process has the run.")
        lock_gate(connection, start.account, mode="share")
        row = self._locked(connection, start.run_id)
        if row is None or row.status != "running":
            raise UnavailableError("the run was ended by another process.")
        entries = [
            self._store(connection, start, one, market_at, row.traceparent) for one in decisions
        ]
        intents = [entry for entry in entries if "intent_id" in entry]
        withdrawn = sum(entry["state"] == OrderState.WITHDRAWN.value for entry in intents)
        whole = {**summary, "intents": len(intents), "withdrawn": withdrawn}
        connection.execute(
            update(strategy_run)
            .where(strategy_run.c.id == start.run_id)
            .values(status="finished", finished_at=func.clock_timestamp(), summary=whole)
        )
        lease.release(connection, name=self._lease_name, holder=start.holder, epoch=start.epoch)
        journal.append(
            connection,
            account=start.account,
            actor=start.actor,
            kind="run.finished",
            subject=str(start.run_id),
            body={
                "slot": row.slot,
                "config_hash": self._config_hash,
                "market_at": market_at.isoformat(),
                "decisions": entries,
            },
        )
        return RunResult(intents=len(intents), withdrawn=withdrawn, decisions=len(entries))

    def _store(
        self,
        connection: Connection,
        start: RunStart,
        one: Decision,
        market_at: datetime,
        traceparent: str | None,
    ) -> dict[str, Any]:
        decision_id = self._ids.uuid()
        connection.execute(
            insert(decision).values(
                id=decision_id,
                account=start.account,
                run_id=start.run_id,
                symbol=one.symbol,
                kind=one.kind.value,
                outcome=one.outcome.value,
                rationale=rationale_record(one),
                market_at=market_at,
            )
        )
        entry: dict[str, Any] = {
            "decision_id": str(decision_id),
            "symbol": one.symbol,
            "outcome": one.outcome.value,
            "code": one.reasons[0].code,
        }
        if one.order is None:
            return entry
        order, intent_id = one.order, self._ids.uuid()
        stopped = None
        if order.effect is Effect.OPENING:
            stopped = _stopped_since(connection, start, one.symbol)
        state = OrderState.PROPOSED if stopped is None else OrderState.WITHDRAWN
        trace = current_traceparent() or traceparent
        insert_intent(
            connection,
            intent_id=intent_id,
            account=start.account,
            session=self._session,
            run_id=start.run_id,
            decision_id=decision_id,
            source="strategy",
            actor=start.actor,
            strategy=STRATEGY,
            symbol=one.symbol,
            order=order,
            decided_market_at=market_at,
            state=state,
            state_reason=stopped or "",
            traceparent=trace,
        )
        if stopped is None:
            outbox.post(
                connection,
                account=start.account,
                queue=RISK_QUEUE,
                job_name=REVIEW_JOB,
                subject_id=intent_id,
                traceparent=trace,
            )
        return {
            **entry,
            "intent_id": str(intent_id),
            "state": state.value,
            "action": order.action.value,
            "quantity": order.quantity,
            "limit_price": str(order.limit_price),
            "contract": order.contract.describe(),
        }


def rationale_record(one: Decision) -> dict[str, Any]:
    """Return the JSON-ready rationale of a decision: reasons in order, candidates with refusals."""
    return {
        "reasons": [_reason_record(reason) for reason in one.reasons],
        "candidates": [
            {
                "contract": seen.contract.to_record(),
                "bid": _text(seen.bid),
                "ask": _text(seen.ask),
                "delta": _text(seen.delta),
                "open_interest": seen.open_interest,
                "refused": [_reason_record(reason) for reason in seen.refused],
                "chosen": seen.chosen,
            }
            for seen in one.candidates
        ],
    }


def _reason_record(reason: Reason) -> dict[str, str | None]:
    return {
        "code": reason.code,
        "text": reason.text,
        "limit": reason.limit,
        "observed": reason.observed,
    }


def _text(value: object | None) -> str | None:
    return None if value is None else str(value)


def _stopped_since(connection: Connection, start: RunStart, symbol: str) -> str | None:
    """Return why an opening on `symbol` may not go out any more, `None` when it may.

    A halt that began after the run counts even if it was lifted since: a resume sends nothing old.
    The caller holds the gate.
    """
    scopes = [("account", start.account), ("strategy", STRATEGY), ("symbol", symbol)]
    rows = connection.execute(
        select(trading_state).where(
            trading_state.c.account == start.account,
            trading_state.c.set_at >= start.started_at,
            trading_state.c.state != TradingState.ACTIVE.value,
        )
    )
    for row in rows:
        if (row.scope, row.scope_key) in scopes:
            return f"{row.scope} {row.scope_key} became {row.state} during the run: {row.reason}"
    now = effective_state(connection, start.account, strategy=STRATEGY, symbol=symbol)
    if now is not TradingState.ACTIVE:
        return f"trading is {now.value}"
    return None


def _sold_since(connection: Connection, account: str, requested_at: datetime) -> list[PendingOrder]:
    rows = connection.execute(
        select(execution.c.contract, execution.c.quantity).where(
            execution.c.account == account,
            execution.c.side == Action.SELL.value,
            execution.c.received_at >= requested_at,
            ~execution.c.superseded,
        )
    )
    return [
        PendingOrder(
            contract=Contract.from_record(row.contract), quantity_signed=-int(row.quantity)
        )
        for row in rows
    ]
