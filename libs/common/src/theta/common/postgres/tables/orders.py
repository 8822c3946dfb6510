"""Runs, decisions, intents, child orders and the evidence about them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from theta.common.domain.decisions import Outcome
from theta.common.domain.orders import (
    CHILD_STATES,
    Action,
    Effect,
    IntentKind,
    OrderState,
)
from theta.common.postgres.tables.columns import account, at, json, metadata, one_of, session

strategy_run = Table(
    "strategy_run",
    metadata,
    Column("id", Uuid, primary_key=True),
    account(),
    Column("slot", Text, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("status", Text, nullable=False, server_default="claimed"),
    at("claimed_at", now=True),
    at("started_at", nullable=True),
    at("started_market_at", nullable=True),
    at("finished_at", nullable=True),
    Column("config_hash", Text),
    Column("gate_version", BigInteger),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("error", Text),
    json("summary", nullable=True),
    Column("traceparent", Text),
    UniqueConstraint("account", "slot"),
    one_of("status", ["claimed", "running", "finished", "failed", "missed"]),
    one_of("trigger", ["schedule", "api", "cli"]),
)

decision = Table(
    "decision",
    metadata,
    Column("id", Uuid, primary_key=True),
    account(),
    Column("run_id", Uuid, ForeignKey("strategy_run.id"), nullable=False),
    Column("symbol", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    json("rationale"),
    at("decided_at", now=True),
    at("market_at"),
    UniqueConstraint("run_id", "symbol", "kind"),
    one_of("outcome", Outcome),
)

order_intent = Table(
    "order_intent",
    metadata,
    Column("id", Uuid, primary_key=True),
    account(),
    session(),
    Column("run_id", Uuid, ForeignKey("strategy_run.id")),
    Column("decision_id", Uuid, ForeignKey("decision.id")),
    Column("source", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("strategy", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("effect", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("filled_quantity", Integer, nullable=False, server_default="0"),
    Column("limit_price", Numeric),
    Column("price_floor", Numeric),
    Column("price_ceiling", Numeric),
    json("contract"),
    json("quote", nullable=True),
    Column("state", Text, nullable=False),
    Column("state_reason", Text, nullable=False, server_default=""),
    at("created_at", now=True),
    at("updated_at", now=True),
    at("decided_market_at"),
    at("expires_market_at"),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("traceparent", Text),
    CheckConstraint("quantity > 0", name="quantity"),
    CheckConstraint("filled_quantity >= 0", name="filled_quantity"),
    CheckConstraint("kind = 'orphan' or limit_price > 0", name="limit_price"),
    one_of("source", ["strategy", "operator", "orphan"]),
    one_of("kind", IntentKind),
    one_of("effect", Effect),
    one_of("action", Action),
    one_of("state", OrderState),
)
Index(
    "ix_order_intent_unfinished",
    order_intent.c.account,
    order_intent.c.state,
    postgresql_where=text(
        "state in ('proposed','held','approved','submitting','working','unknown','needs_person')"
    ),
)

child_order = Table(
    "child_order",
    metadata,
    Column("id", Uuid, primary_key=True),
    account(),
    session(),
    Column("intent_id", Uuid, ForeignKey("order_intent.id"), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("order_ref", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False),
    Column("state_reason", Text, nullable=False, server_default=""),
    Column("quantity", Integer, nullable=False),
    Column("filled_quantity", Integer, nullable=False, server_default="0"),
    Column("limit_price", Numeric),
    Column("client_id", Integer),
    Column("order_id", BigInteger),
    Column("perm_id", BigInteger),
    Column("connection_no", BigInteger),
    Column("broker_status", Text),
    Column("inferred", Boolean, nullable=False, server_default=text("false")),
    at("claimed_market_at", nullable=True),
    at("final_event_at", nullable=True),
    at("created_at", now=True),
    at("updated_at", now=True),
    UniqueConstraint("intent_id", "sequence"),
    CheckConstraint("quantity > 0", name="quantity"),
    CheckConstraint("filled_quantity >= 0", name="filled_quantity"),
    one_of("state", CHILD_STATES),
)
Index("ix_child_order_perm_id", child_order.c.perm_id)
Index("ix_child_order_session_state", child_order.c.session, child_order.c.state)

broker_command = Table(
    "broker_command",
    metadata,
    Column("id", Uuid, primary_key=True),
    account(),
    session(),
    Column("child_id", Uuid, ForeignKey("child_order.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("connection_no", BigInteger, nullable=False),
    Column("order_id", BigInteger, nullable=False),
    at("claimed_at", now=True),
    at("claimed_market_at"),
    Column("send_within_ms", Integer, nullable=False),
    at("sent_at", nullable=True),
    at("acknowledged_at", nullable=True),
    Column("outcome", Text, nullable=False, server_default="claimed"),
    Column("detail", Text, nullable=False, server_default=""),
    Column("limit_price", Numeric),
    UniqueConstraint("child_id", "kind", "attempt"),
    CheckConstraint("kind <> 'modify' or limit_price > 0", name="modify_price"),
    one_of("kind", ["place", "modify", "cancel"]),
    one_of("outcome", ["claimed", "sent", "not_sent", "acknowledged", "unknown", "refused"]),
)
# The heart of "never twice": a child is placed at most once.
Index(
    "uq_broker_command_one_place",
    broker_command.c.child_id,
    unique=True,
    postgresql_where=text("kind = 'place'"),
)

risk_verdict = Table(
    "risk_verdict",
    metadata,
    Column("id", Uuid, primary_key=True),
    account(),
    Column("intent_id", Uuid, ForeignKey("order_intent.id"), nullable=False),
    Column("review", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    json("controls"),
    Column("limits_hash", Text, nullable=False),
    at("reviewed_at", now=True),
    at("market_at", nullable=True),
    UniqueConstraint("intent_id", "review"),
    one_of("outcome", ["approved", "rejected", "held"]),
)

buying_power_reservation = Table(
    "buying_power_reservation",
    metadata,
    Column("id", Uuid, primary_key=True),
    account(),
    Column("intent_id", Uuid, ForeignKey("order_intent.id"), nullable=False, unique=True),
    Column("amount", Numeric, nullable=False),
    Column("currency", Text, nullable=False),
    at("reserved_at", now=True),
    at("released_at", nullable=True),
    Column("release_reason", Text),
    CheckConstraint("amount >= 0", name="amount"),
)

order_event = Table(
    "order_event",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    account(),
    session(),
    Column("spool_id", Text, nullable=False, unique=True),
    Column("child_id", Uuid, ForeignKey("child_order.id")),
    Column("order_ref", Text),
    Column("order_id", BigInteger),
    Column("perm_id", BigInteger),
    Column("client_id", Integer),
    Column("connection_no", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    json("payload"),
    at("received_at"),
    at("received_market_at", nullable=True),
    at("stored_at", now=True),
)
Index("ix_order_event_order_ref", order_event.c.order_ref)

execution = Table(
    "execution",
    metadata,
    Column("exec_id", Text, primary_key=True),
    account(),
    session(),
    Column("exec_key", Text, nullable=False),
    Column("child_id", Uuid, ForeignKey("child_order.id")),
    Column("order_ref", Text),
    Column("perm_id", BigInteger),
    Column("client_id", Integer),
    Column("side", Text, nullable=False),
    Column("quantity", Numeric, nullable=False),
    Column("price", Numeric, nullable=False),
    json("contract"),
    at("executed_at"),
    Column("commission", Numeric),
    Column("commission_currency", Text),
    Column("realised_pnl", Numeric),
    Column("is_foreign", Boolean, nullable=False),
    Column("inferred", Boolean, nullable=False, server_default=text("false")),
    Column("superseded", Boolean, nullable=False, server_default=text("false")),
    at("received_at"),
    at("stored_at", now=True),
    one_of("side", Action),
)
Index("ix_execution_exec_key", execution.c.exec_key)
Index("ix_execution_child_id", execution.c.child_id)

order_transition = Table(
    "order_transition",
    metadata,
    Column("from_state", Text, nullable=False),
    Column("to_state", Text, nullable=False),
    PrimaryKeyConstraint("from_state", "to_state"),
)
"""The transition table as the triggers read it; filled by migration from the domain's."""
