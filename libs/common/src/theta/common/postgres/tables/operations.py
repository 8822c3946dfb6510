"""Alerts, heartbeats, the outbox, tokens, the broker session, caches and the journal."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
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

from theta.common.postgres.tables.columns import account, at, json, metadata, one_of

config_version = Table(
    "config_version",
    metadata,
    Column("id", Uuid, primary_key=True),
    account(),
    Column("hash", Text, nullable=False),
    json("content"),
    json("difference", nullable=True),
    Column("actor", Text, nullable=False),
    at("loaded_at", now=True),
)

alert = Table(
    "alert",
    metadata,
    Column("id", Uuid, primary_key=True),
    account(),
    Column("session", Text),
    Column("severity", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("message", Text, nullable=False),
    json("context"),
    Column("source_key", Text, nullable=False, unique=True),
    at("raised_at", now=True),
    at("acknowledged_at", nullable=True),
    Column("acknowledged_by", Text),
    one_of("severity", ["info", "warning", "critical"]),
)

Index("ix_alert_raised_at", alert.c.raised_at)

alert_delivery = Table(
    "alert_delivery",
    metadata,
    Column("id", Uuid, primary_key=True),
    account(),
    Column("alert_id", Uuid, ForeignKey("alert.id"), nullable=False),
    Column("channel", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="pending"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    at("next_attempt_at", now=True),
    Column("last_error", Text),
    at("created_at", now=True),
    at("delivered_at", nullable=True),
    UniqueConstraint("alert_id", "channel"),
    one_of("state", ["pending", "sending", "delivered", "dead"]),
)

Index(
    "ix_alert_delivery_due",
    alert_delivery.c.next_attempt_at,
    postgresql_where=text("state in ('pending', 'sending')"),
)

heartbeat = Table(
    "heartbeat",
    metadata,
    Column("service", Text, nullable=False),
    Column("instance", Text, nullable=False),
    account(),
    at("beat_at", now=True),
    json("detail"),
    PrimaryKeyConstraint("service", "instance"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    account(),
    Column("queue", Text, nullable=False),
    Column("job_name", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("traceparent", Text),
    at("created_at", now=True),
    at("enqueued_at", nullable=True),
    at("voided_at", nullable=True),
)
Index(
    "ix_outbox_open",
    outbox.c.id,
    postgresql_where=text("enqueued_at is null and voided_at is null"),
)

Index("ix_outbox_subject", outbox.c.job_name, outbox.c.subject_id)

operator_token = Table(
    "operator_token",
    metadata,
    Column("id", Uuid, primary_key=True),
    account(),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("token_hash", Text, nullable=False, unique=True),
    at("created_at", now=True),
    at("expires_at", nullable=True),
    at("revoked_at", nullable=True),
    one_of("role", ["viewer", "operator", "admin"]),
)

idempotency_key = Table(
    "idempotency_key",
    metadata,
    Column("key", Text, nullable=False),
    account(),
    Column("route", Text, nullable=False),
    Column("request_hash", Text, nullable=False),
    Column("response_status", Integer),
    json("response", nullable=True),
    at("created_at", now=True),
    PrimaryKeyConstraint("key", "route"),
)

adjustment = Table(
    "adjustment",
    metadata,
    Column("id", Uuid, primary_key=True),
    account(),
    Column("reconciliation_id", Uuid, ForeignKey("reconciliation.id")),
    json("difference"),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    at("accepted_at", now=True),
)

broker_session = Table(
    "broker_session",
    metadata,
    Column("session", Text, primary_key=True),
    account(),
    Column("client_id", Integer, nullable=False),
    Column("order_id_floor", BigInteger, nullable=False, server_default="0"),
    Column("connection_no", BigInteger, nullable=False, server_default="0"),
    Column("connected", Boolean, nullable=False, server_default=text("false")),
    Column("ready", Boolean, nullable=False, server_default=text("false")),
    Column("is_paper", Boolean),
    at("market_at", nullable=True),
    at("observed_at", nullable=True),
    Column("market_rate", Numeric, nullable=False, server_default="1"),
    at("updated_at", now=True),
)

option_chain_cache = Table(
    "option_chain_cache",
    metadata,
    account(),
    Column("symbol", Text, nullable=False),
    Column("trading_class", Text, nullable=False),
    Column("exchange_day", Date, nullable=False),
    json("chain"),
    at("stored_at", now=True),
    PrimaryKeyConstraint("account", "symbol", "trading_class", "exchange_day"),
)

spool_replay = Table(
    "spool_replay",
    metadata,
    Column("record_id", Text, primary_key=True),
    account(),
    at("replayed_at", now=True),
)

journal = Table(
    "journal",
    metadata,
    account(),
    Column("sequence", BigInteger, nullable=False),
    at("at"),
    Column("actor", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    PrimaryKeyConstraint("account", "sequence"),
)

journal_head = Table(
    "journal_head",
    metadata,
    Column("account", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
)
