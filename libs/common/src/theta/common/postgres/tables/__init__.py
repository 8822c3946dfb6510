"""Every table, once. The first migration creates them; a drift test compares both.

Rules: every row carries `account` (`'*'` for what belongs to the installation) and, where it has
one, `session`; times are `timestamptz`; money is `numeric`; texts with a closed set of values have
a check.
"""

from theta.common.postgres.tables.accounts import (
    broker_account,
    lease,
    portfolio_snapshot,
    position_snapshot,
    reconciliation,
    trading_gate,
    trading_state,
)
from theta.common.postgres.tables.columns import metadata
from theta.common.postgres.tables.operations import (
    adjustment,
    alert,
    alert_delivery,
    broker_session,
    config_version,
    heartbeat,
    idempotency_key,
    journal,
    journal_head,
    operator_token,
    option_chain_cache,
    outbox,
    spool_replay,
)
from theta.common.postgres.tables.orders import (
    broker_command,
    buying_power_reservation,
    child_order,
    decision,
    execution,
    order_event,
    order_intent,
    order_transition,
    risk_verdict,
    strategy_run,
)

__all__ = [
    "adjustment",
    "alert",
    "alert_delivery",
    "broker_account",
    "broker_command",
    "broker_session",
    "buying_power_reservation",
    "child_order",
    "config_version",
    "decision",
    "execution",
    "heartbeat",
    "idempotency_key",
    "journal",
    "journal_head",
    "lease",
    "metadata",
    "operator_token",
    "option_chain_cache",
    "order_event",
    "order_intent",
    "order_transition",
    "outbox",
    "portfolio_snapshot",
    "position_snapshot",
    "reconciliation",
    "risk_verdict",
    "spool_replay",
    "strategy_run",
    "trading_gate",
    "trading_state",
]
