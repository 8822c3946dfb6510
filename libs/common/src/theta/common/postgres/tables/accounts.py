"""Trading state, leases, portfolio snapshots and reconciliations."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)

from theta.common.domain.orders import (
    TradingState,
)
from theta.common.postgres.tables.columns import account, at, json, metadata, one_of, session

trading_gate = Table(
    "trading_gate",
    metadata,
    Column("account", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("version", BigInteger, nullable=False, server_default="1"),
    Column("cause", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    at("changed_at", now=True),
    one_of("state", TradingState),
)

trading_state = Table(
    "trading_state",
    metadata,
    Column("id", Uuid, primary_key=True),
    account(),
    Column("scope", Text, nullable=False),
    Column("scope_key", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    at("set_at", now=True),
    at("ended_at", nullable=True),
    Column("ended_by", Text),
    one_of("scope", ["account", "strategy", "symbol"]),
    one_of("state", TradingState),
)
Index(
    "uq_trading_state_open",
    trading_state.c.account,
    trading_state.c.scope,
    trading_state.c.scope_key,
    trading_state.c.cause,
    unique=True,
    postgresql_where=text("ended_at is null"),
)

lease = Table(
    "lease",
    metadata,
    Column("name", Text, primary_key=True),
    account(),
    Column("holder", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    at("acquired_at", now=True),
    at("expires_at"),
)

portfolio_snapshot = Table(
    "portfolio_snapshot",
    metadata,
    Column("id", Uuid, primary_key=True),
    account(),
    session(),
    at("requested_at"),
    at("taken_at", now=True),
    at("market_at"),
    Column("currency", Text, nullable=False),
    Column("net_liquidation", Numeric),
    Column("total_cash", Numeric),
    Column("buying_power", Numeric),
    Column("available_funds", Numeric),
    Column("excess_liquidity", Numeric),
    Column("initial_margin", Numeric),
    Column("maintenance_margin", Numeric),
    Column("cushion_ratio", Numeric),
    Column("complete", Boolean, nullable=False),
)
Index(
    "ix_portfolio_snapshot_newest",
    portfolio_snapshot.c.account,
    portfolio_snapshot.c.taken_at.desc(),
)

position_snapshot = Table(
    "position_snapshot",
    metadata,
    Column("snapshot_id", Uuid, ForeignKey("portfolio_snapshot.id"), nullable=False),
    Column("row_no", Integer, nullable=False),
    account(),
    session(),
    Column("con_id", BigInteger),
    Column("symbol", Text, nullable=False),
    json("contract"),
    Column("quantity", Numeric, nullable=False),
    Column("average_cost", Numeric),
    Column("market_price", Numeric),
    Column("market_value", Numeric),
    Column("unrealised_pnl", Numeric),
    Column("realised_pnl", Numeric),
    Column("delta", Numeric),
    Column("gamma", Numeric),
    Column("vega", Numeric),
    Column("theta", Numeric),
    PrimaryKeyConstraint("snapshot_id", "row_no"),
)

reconciliation = Table(
    "reconciliation",
    metadata,
    Column("id", Uuid, primary_key=True),
    account(),
    session(),
    Column("trigger", Text, nullable=False),
    Column("clean", Boolean, nullable=False),
    json("differences"),
    json("actions"),
    at("started_at"),
    at("finished_at", now=True),
    at("market_at", nullable=True),
)


broker_account = Table(
    "broker_account",
    metadata,
    Column("account", Text, primary_key=True),
    Column("session", Text, nullable=False),
    Column("is_paper", Boolean),
    at("first_seen_at", now=True),
)
"""One row per account: the row that a risk review locks (order-protocol §3)."""
