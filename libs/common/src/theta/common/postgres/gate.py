"""The trading gate: one row per account that every claim reads and every halt changes
(order-protocol §4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID, uuid4

from sqlalchemy import Connection, Row, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from theta.common.domain.orders import Effect, OrderState, TradingState, strictest
from theta.common.postgres import journal, outbox
from theta.common.postgres.alerts import raise_alert
from theta.common.postgres.orders import move_intent
from theta.common.postgres.tables import (
    child_order,
    order_intent,
    trading_gate,
    trading_state,
)

Scope = Literal["account", "strategy", "symbol"]

CANCEL_JOB = "orders.cancel"


def cancels_queue(session: str) -> str:
    """Return the queue on which a session's cancels travel."""
    return f"cancels.{session}"


def orders_queue(session: str) -> str:
    """Return the queue on which a session's submissions travel."""
    return f"orders.{session}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRow:
    """The gate of one account; `state` is the strictest over the whole account scope."""

    account: str
    state: TradingState
    version: int
    cause: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TightenEffect:
    """What tightening did: openings withdrawn, and live children whose cancel was asked for."""

    withdrawn: tuple[UUID, ...]
    cancels: tuple[UUID, ...]


def lock_gate(
    connection: Connection, account: str, *, mode: Literal["share", "update"]
) -> GateRow | None:
    """Lock and return the account's gate; `None` means there is none, which is halted."""
    statement = select(trading_gate).where(trading_gate.c.account == account)
    statement = statement.with_for_update(read=mode == "share")
    row = connection.execute(statement).one_or_none()
    if row is None:
        return None
    return GateRow(
        account=row.account,
        state=TradingState(row.state),
        version=row.version,
        cause=row.cause,
        reason=row.reason,
    )


def effective_state(
    connection: Connection,
    account: str,
    *,
    strategy: str | None = None,
    symbol: str | None = None,
) -> TradingState:
    """Return the strictest of the gate and the open scopes that cover this order. No gate: HALTED.

    Lock the gate first when the answer must hold until commit.
    """
    gate = connection.execute(
        select(trading_gate.c.state).where(trading_gate.c.account == account)
    ).scalar_one_or_none()
    if gate is None:
        return TradingState.HALTED
    states = [TradingState(gate)]
    covering = {("account", account), ("strategy", strategy), ("symbol", symbol)}
    states.extend(
        TradingState(row.state)
        for row in _open_states(connection, account)
        if (row.scope, row.scope_key) in covering
    )
    return strictest(states)


def create_gate(
    connection: Connection,
    *,
    account: str,
    state: TradingState,
    cause: str,
    reason: str,
    actor: str,
) -> bool:
    """Create the account's gate after the first clean reconciliation; False when it exists."""
    statement = (
        insert(trading_gate)
        .values(account=account, state=state.value, cause=cause, reason=reason, actor=actor)
        .on_conflict_do_nothing()
        .returning(trading_gate.c.account)
    )
    if connection.execute(statement).first() is None:
        return False
    if state is not TradingState.ACTIVE:
        _open_scope(connection, account, "account", account, state, cause, reason, actor)
    journal.append(
        connection,
        account=account,
        actor=actor,
        kind=f"gate.{state.value}",
        subject=account,
        body={"cause": cause, "reason": reason, "created": True},
    )
    return True


def tighten(
    connection: Connection,
    *,
    account: str,
    scope: Scope,
    scope_key: str,
    state: TradingState,
    cause: str,
    reason: str,
    actor: str,
) -> TightenEffect:
    """Halt or reduce a scope, in the caller's transaction: gate, withdrawals, cancels, alert,
    journal.

    A halt withdraws every unsent opening in scope and asks to cancel every live child in scope;
    `reducing` does both for openings only. An account without gate gets one in `state`.
    """
    lock_gate(connection, account, mode="update")
    _open_scope(connection, account, scope, scope_key, state, cause, reason, actor)
    _recompute_gate(connection, account, cause=cause, reason=reason, actor=actor)
    withdrawn = _withdraw_openings(connection, account, scope, scope_key, reason, actor)
    cancels = _ask_for_cancels(connection, account, scope, scope_key, state)
    version = _gate_version(connection, account)
    raise_alert(
        connection,
        account=account,
        session=None,
        severity="critical" if state is TradingState.HALTED else "warning",
        kind=f"trading.{state.value}",
        title=f"Trading is {state.value}: {scope} {scope_key}",
        message=f"{reason} (cause: {cause}, by {actor})",
        context={"scope": scope, "scope_key": scope_key, "cause": cause},
        source_key=f"gate:{account}:{scope}:{scope_key}:{cause}:{version}",
    )
    journal.append(
        connection,
        account=account,
        actor=actor,
        kind=f"gate.{state.value}",
        subject=scope_key,
        body={
            "scope": scope,
            "cause": cause,
            "reason": reason,
            "withdrawn": [str(i) for i in withdrawn],
            "cancels": [str(c) for c in cancels],
        },
    )
    return TightenEffect(withdrawn=withdrawn, cancels=cancels)


def lift(
    connection: Connection,
    *,
    account: str,
    scope: Scope,
    scope_key: str,
    cause: str | None,
    reason: str,
    actor: str,
) -> TradingState:
    """End the open states of a scope (of one cause, or of all with `None`); return the account's
    state.

    Nothing that was withdrawn comes back: the next run decides afresh.
    """
    lock_gate(connection, account, mode="update")
    statement = update(trading_state).where(
        trading_state.c.account == account,
        trading_state.c.scope == scope,
        trading_state.c.scope_key == scope_key,
        trading_state.c.ended_at.is_(None),
    )
    if cause is not None:
        statement = statement.where(trading_state.c.cause == cause)
    ended = connection.execute(statement.values(ended_at=func.clock_timestamp(), ended_by=actor))
    result = _recompute_gate(
        connection, account, cause=cause or "resume", reason=reason, actor=actor
    )
    journal.append(
        connection,
        account=account,
        actor=actor,
        kind="gate.lifted",
        subject=scope_key,
        body={
            "scope": scope,
            "cause": cause,
            "reason": reason,
            "ended": ended.rowcount,
            "state": result.value,
        },
    )
    return result


def _open_states(connection: Connection, account: str) -> list[Row[Any]]:
    statement = select(trading_state).where(
        trading_state.c.account == account, trading_state.c.ended_at.is_(None)
    )
    return list(connection.execute(statement))


def _open_scope(
    connection: Connection,
    account: str,
    scope: str,
    scope_key: str,
    state: TradingState,
    cause: str,
    reason: str,
    actor: str,
) -> None:
    values = {"state": state.value, "reason": reason, "actor": actor}
    statement = insert(trading_state).values(
        id=uuid4(), account=account, scope=scope, scope_key=scope_key, cause=cause, **values
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["account", "scope", "scope_key", "cause"],
            index_where=text("ended_at is null"),
            set_={"reason": reason, "actor": actor, "state": state.value},
        )
    )


def _recompute_gate(
    connection: Connection, account: str, *, cause: str, reason: str, actor: str
) -> TradingState:
    """Set the gate to the strictest open account-wide state; narrower scopes are read beside it."""
    states = [
        TradingState(row.state)
        for row in _open_states(connection, account)
        if row.scope == "account"
    ]
    state = strictest([TradingState.ACTIVE, *states])
    statement = insert(trading_gate).values(
        account=account, state=state.value, cause=cause, reason=reason, actor=actor
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["account"],
            set_={"state": state.value, "cause": cause, "reason": reason, "actor": actor},
        )
    )
    return state


def _gate_version(connection: Connection, account: str) -> int:
    statement = select(trading_gate.c.version).where(trading_gate.c.account == account)
    return int(connection.execute(statement).scalar_one())


def _withdraw_openings(
    connection: Connection, account: str, scope: str, scope_key: str, reason: str, actor: str
) -> tuple[UUID, ...]:
    unsent = ["proposed", "held", "approved"]
    statement = (
        select(order_intent.c.id)
        .where(
            order_intent.c.account == account,
            order_intent.c.effect == Effect.OPENING.value,
            order_intent.c.state.in_(unsent),
            *_in_scope(scope, scope_key),
        )
        .order_by(order_intent.c.id)
        .with_for_update()
    )
    ids = [row.id for row in connection.execute(statement)]
    for intent_id in ids:
        move_intent(connection, intent_id, OrderState.WITHDRAWN, reason=reason, actor=actor)
    return tuple(ids)


def _ask_for_cancels(
    connection: Connection, account: str, scope: str, scope_key: str, state: TradingState
) -> tuple[UUID, ...]:
    live = ["submitting", "working", "unknown"]
    statement = (
        select(child_order.c.id, child_order.c.session)
        .join(order_intent, order_intent.c.id == child_order.c.intent_id)
        .where(
            child_order.c.account == account,
            child_order.c.state.in_(live),
            *_in_scope(scope, scope_key),
        )
        .order_by(child_order.c.id)
    )
    if state is not TradingState.HALTED:
        statement = statement.where(order_intent.c.effect == Effect.OPENING.value)
    rows = list(connection.execute(statement))
    for row in rows:
        outbox.post(
            connection,
            account=account,
            queue=cancels_queue(row.session),
            job_name=CANCEL_JOB,
            subject_id=row.id,
        )
    return tuple(row.id for row in rows)


def _in_scope(scope: str, scope_key: str) -> list[Any]:
    if scope == "strategy":
        return [order_intent.c.strategy == scope_key]
    if scope == "symbol":
        return [order_intent.c.symbol == scope_key]
    return []
