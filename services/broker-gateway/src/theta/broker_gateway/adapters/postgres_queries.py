"""What the API reads, and the few rows it writes by itself: runs, cancel requests, keys."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, Row, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from theta.common.domain.orders import FINAL, UNSENT, OrderState
from theta.common.domain.portfolio import Portfolio
from theta.common.errors import UnavailableError
from theta.common.http.auth import Role, TokenRecord
from theta.common.postgres import journal, outbox
from theta.common.postgres.engine import transaction
from theta.common.postgres.gate import CANCEL_JOB, cancels_queue
from theta.common.postgres.orders import children_of, get_intent, move_intent
from theta.common.postgres.snapshots import newest_portfolio
from theta.common.postgres.tables import (
    alert,
    broker_command,
    broker_session,
    decision,
    execution,
    idempotency_key,
    order_event,
    order_intent,
    risk_verdict,
    strategy_run,
    trading_gate,
    trading_state,
)
from theta.common.postgres.tables import (
    outbox as outbox_table,
)
from theta.common.postgres.tokens import find_token

TOKENS_KEPT = 100
"""Tokens that were let in and are remembered for an outage of the database."""
RUN_JOB = "strategy.run"
RUN_QUEUE = "strategy"
KEY_KEPT = text("interval '24 hours'")
_RUN: list[Any] = [
    strategy_run.c.id,
    strategy_run.c.account,
    strategy_run.c.slot,
    strategy_run.c.status,
    strategy_run.c.error,
    strategy_run.c.trigger,
    strategy_run.c.summary,
    strategy_run.c.started_at,
    strategy_run.c.finished_at,
]
_DECISION: list[Any] = [
    decision.c.symbol,
    decision.c.kind,
    decision.c.outcome,
    decision.c.rationale,
]
_INTENT_STATE: list[Any] = [order_intent.c.id, order_intent.c.state]
_FINAL = [state.value for state in FINAL]


def plain(value: Any) -> Any:
    """Return a column's value as JSON can hold it."""
    if isinstance(value, (UUID, Decimal)):
        return str(value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return value


def mapping(row: Row[Any]) -> dict[str, Any]:
    """Return a row as a JSON-ready mapping."""
    return {key: plain(value) for key, value in row._mapping.items()}


class PostgresQueries:
    """Reads for the API. Every method is one short transaction."""

    def __init__(self, engine: Engine, *, session: str) -> None:
        self._engine = engine
        self._session = session
        self._tokens: dict[str, TokenRecord] = {}

    def token(self, token_hash: str) -> TokenRecord | None:
        """Look a bearer token up by its hash; `None` when unknown, expired or revoked."""
        try:
            with transaction(self._engine) as connection:
                row = find_token(connection, token_hash)
        except UnavailableError:
            # A halt must work without the database: who was let in lately is let in.
            known = self._tokens.get(token_hash)
            if known is None:
                raise
            return known
        self._tokens.pop(token_hash, None)
        if row is None:
            return None
        record = TokenRecord(name=row.name, token_hash=token_hash, role=Role.parse(row.role))
        self._tokens[token_hash] = record
        while len(self._tokens) > TOKENS_KEPT:
            self._tokens.pop(next(iter(self._tokens)), None)
        return record

    def revision(self) -> None:
        """Ask the database anything. Raises UnavailableError when it does not answer."""
        with transaction(self._engine) as connection:
            connection.execute(text("select 1"))

    def status(self) -> dict[str, Any]:
        with transaction(self._engine) as connection:
            session = connection.execute(
                select(broker_session).where(broker_session.c.session == self._session)
            ).one_or_none()
            gates = connection.execute(select(trading_gate)).all()
            scopes = connection.execute(
                select(trading_state).where(trading_state.c.ended_at.is_(None))
            ).all()
            counts = connection.execute(
                select(order_intent.c.state, func.count()).group_by(order_intent.c.state)
            ).all()
            waiting = connection.execute(
                select(func.count())
                .select_from(outbox_table)
                .where(outbox_table.c.enqueued_at.is_(None), outbox_table.c.voided_at.is_(None))
            ).scalar_one()
            newest_run = connection.execute(
                select(strategy_run).order_by(strategy_run.c.claimed_at.desc()).limit(1)
            ).one_or_none()
            alerts = connection.execute(
                select(func.count()).select_from(alert).where(alert.c.acknowledged_at.is_(None))
            ).scalar_one()
        return {
            "session": mapping(session) if session else None,
            "gates": [mapping(row) for row in gates],
            "trading_states": [mapping(row) for row in scopes],
            "intents": {row[0]: row[1] for row in counts},
            "outbox_waiting": waiting,
            "alerts_open": alerts,
            "newest_run": mapping(newest_run) if newest_run else None,
        }

    def intents(self, *, state: str | None, limit: int) -> list[dict[str, Any]]:
        """Return the newest intents, of one state or of all."""
        statement = select(order_intent).order_by(order_intent.c.created_at.desc()).limit(limit)
        if state is not None:
            statement = statement.where(order_intent.c.state == state)
        with transaction(self._engine) as connection:
            return [mapping(row) for row in connection.execute(statement)]

    def intent(self, intent_id: UUID) -> dict[str, Any] | None:
        """Return an intent with children, commands, events, executions and verdicts."""
        with transaction(self._engine) as connection:
            found = get_intent(connection, intent_id)
            if found is None:
                return None
            children = children_of(connection, intent_id)
            ids = [child.id for child in children]
            commands = connection.execute(
                select(broker_command)
                .where(broker_command.c.child_id.in_(ids))
                .order_by(broker_command.c.claimed_at)
            ).all()
            events = connection.execute(
                select(order_event)
                .where(order_event.c.child_id.in_(ids))
                .order_by(order_event.c.id)
            ).all()
            fills = connection.execute(
                select(execution)
                .where(execution.c.child_id.in_(ids))
                .order_by(execution.c.executed_at)
            ).all()
            verdicts = connection.execute(
                select(risk_verdict)
                .where(risk_verdict.c.intent_id == intent_id)
                .order_by(risk_verdict.c.review)
            ).all()
        return {
            **mapping(found),
            "children": [mapping(row) for row in children],
            "commands": [mapping(row) for row in commands],
            "events": [mapping(row) for row in events],
            "executions": [mapping(row) for row in fills],
            "verdicts": [mapping(row) for row in verdicts],
        }

    def runs(self, *, limit: int) -> list[dict[str, Any]]:
        """Return the newest runs without their decisions and intents."""
        statement = select(*_RUN).order_by(strategy_run.c.claimed_at.desc()).limit(limit)
        with transaction(self._engine) as connection:
            return [mapping(row) for row in connection.execute(statement)]

    def run(self, run_id: UUID) -> dict[str, Any] | None:
        """Return a run with what it decided and the intents that came of it."""
        with transaction(self._engine) as connection:
            found = connection.execute(
                select(*_RUN).where(strategy_run.c.id == run_id)
            ).one_or_none()
            if found is None:
                return None
            decisions = connection.execute(
                select(*_DECISION)
                .where(decision.c.run_id == run_id)
                .order_by(decision.c.symbol, decision.c.kind)
            ).all()
            intents = connection.execute(
                select(*_INTENT_STATE)
                .where(order_intent.c.run_id == run_id)
                .order_by(order_intent.c.created_at)
            ).all()
        return {
            **mapping(found),
            "decisions": [mapping(row) for row in decisions],
            "intents": [mapping(row) for row in intents],
        }

    def newest_portfolio(self, account: str) -> tuple[UUID, Portfolio] | None:
        with transaction(self._engine) as connection:
            stored = newest_portfolio(connection, account)
        if stored is None:
            return None
        return stored.snapshot_id, stored.portfolio

    # -- writes --------------------------------------------------------------------------------

    def create_run(
        self, *, run_id: UUID, account: str, actor: str, traceparent: str | None
    ) -> dict[str, Any]:
        """Store a run asked for by a person and ask for its job; return the run."""
        slot = f"api:{run_id}"
        with transaction(self._engine) as connection:
            connection.execute(
                insert(strategy_run).values(
                    id=run_id,
                    account=account,
                    slot=slot,
                    trigger="api",
                    actor=actor,
                    traceparent=traceparent,
                )
            )
            outbox.post(
                connection,
                account=account,
                queue=RUN_QUEUE,
                job_name=RUN_JOB,
                subject_id=run_id,
                traceparent=traceparent,
            )
            journal.append(
                connection,
                account=account,
                actor=actor,
                kind="run.requested",
                subject=str(run_id),
                body={"slot": slot, "trigger": "api"},
            )
        return {"run_id": str(run_id), "account": account, "slot": slot, "status": "claimed"}

    def request_cancel(self, intent_id: UUID, *, actor: str, reason: str) -> dict[str, Any] | None:
        """Withdraw an unsent intent, or ask to cancel its live children; `None`: no such intent."""
        with transaction(self._engine) as connection:
            found = get_intent(connection, intent_id, lock=True)
            if found is None:
                return None
            state = OrderState(found.state)
            if state in UNSENT:
                move_intent(connection, intent_id, OrderState.WITHDRAWN, reason=reason, actor=actor)
                return {"intent_id": str(intent_id), "state": "withdrawn", "cancels": []}
            asked = []
            for child in children_of(connection, intent_id):
                if child.state in _FINAL:
                    continue
                outbox.post(
                    connection,
                    account=child.account,
                    queue=cancels_queue(child.session),
                    job_name=CANCEL_JOB,
                    subject_id=child.id,
                )
                asked.append(str(child.id))
            journal.append(
                connection,
                account=found.account,
                actor=actor,
                kind="intent.cancel_requested",
                subject=str(intent_id),
                body={"reason": reason, "children": asked},
            )
        return {"intent_id": str(intent_id), "state": state.value, "cancels": asked}

    # -- idempotency ---------------------------------------------------------------------------

    def claim_key(self, key: str, route: str, request_hash: str) -> dict[str, Any] | None:
        """Take an idempotency key; `None` when it is ours now, else what was stored under it."""
        with transaction(self._engine) as connection:
            connection.execute(
                delete(idempotency_key).where(
                    idempotency_key.c.created_at < func.clock_timestamp() - KEY_KEPT
                )
            )
            taken = connection.execute(
                upsert(idempotency_key)
                .values(key=key, route=route, account="*", request_hash=request_hash)
                .on_conflict_do_nothing()
                .returning(idempotency_key.c.key)
            ).first()
            if taken is not None:
                return None
            row = connection.execute(
                select(idempotency_key).where(
                    idempotency_key.c.key == key, idempotency_key.c.route == route
                )
            ).one()
            return mapping(row)

    def finish_key(self, key: str, route: str, status: int, response: dict[str, Any]) -> None:
        with transaction(self._engine) as connection:
            connection.execute(
                update(idempotency_key)
                .where(idempotency_key.c.key == key, idempotency_key.c.route == route)
                .values(
                    response_status=status, response=json.loads(json.dumps(response, default=str))
                )
            )
