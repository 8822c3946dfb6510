"""The least that each service's role may do. Applied after every migration; safe to repeat."""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import sql
from sqlalchemy import Connection

from theta.common.postgres.tables import metadata

SERVICE_ROLES = (
    "theta_gateway",
    "theta_strategy",
    "theta_risk",
    "theta_alerts",
    "theta_operator",
)

_SECRET_TABLES = frozenset({"operator_token", "idempotency_key"})

_WRITES: Mapping[str, Mapping[str, str]] = {
    "theta_gateway": {
        "strategy_run": "insert",
        "order_intent": "insert, update",
        "child_order": "insert, update",
        "broker_command": "insert, update",
        "buying_power_reservation": "update",
        "order_event": "insert, update",
        "execution": "insert, update",
        "trading_gate": "insert, update",
        "trading_state": "insert, update",
        "lease": "insert, update",
        "portfolio_snapshot": "insert",
        "position_snapshot": "insert",
        "reconciliation": "insert",
        "config_version": "insert",
        "alert": "insert, update",
        "heartbeat": "insert, update",
        "outbox": "insert, update",
        "operator_token": "select",
        "idempotency_key": "select, insert, update, delete",
        "broker_account": "insert, update",
        "broker_session": "insert, update",
        "option_chain_cache": "insert, update, delete",
        "spool_replay": "insert",
    },
    "theta_strategy": {
        "strategy_run": "insert, update",
        "decision": "insert",
        "order_intent": "insert, update",
        "trading_gate": "update (changed_at)",  # FOR SHARE needs a right to update; see guard_gate
        "lease": "insert, update",
        "config_version": "insert",
        "alert": "insert",
        "heartbeat": "insert, update",
        "outbox": "insert, update, delete",
    },
    "theta_risk": {
        "order_intent": "update",
        "risk_verdict": "insert",
        "buying_power_reservation": "insert, update",
        "trading_gate": "update (changed_at)",
        "broker_account": "update",
        "alert": "insert",
        "heartbeat": "insert, update",
        "outbox": "insert",
    },
    "theta_alerts": {
        "alert": "insert, update",
        "alert_delivery": "insert, update",
        "heartbeat": "insert, update",
        "lease": "insert, update",
        "outbox": "insert",
    },
    "theta_operator": {
        "order_intent": "update",
        "trading_gate": "insert, update",
        "trading_state": "insert, update",
        "alert": "insert",
        "outbox": "insert",
        "operator_token": "select, insert, update",
    },
}

_IDLE_IN_TRANSACTION_MS = {"theta_gateway": 1000}
"""A sender frozen inside a claim would hold the gate and block every halt (order-protocol §4)."""


def apply_roles(connection: Connection, passwords: Mapping[str, str]) -> None:
    """Create the service roles and grant exactly their rights.

    `passwords` maps role name to password; a role missing from it must exist already, else it
    cannot log in. The caller is the owner of the tables and may create roles.
    """
    for role in SERVICE_ROLES:
        _create_role(connection, role, passwords.get(role))
        for table in metadata.tables:
            _execute(connection, "revoke all on {} from {}", table, role)
            if table not in _SECRET_TABLES:
                _execute(connection, "grant select on {} to {}", table, role)
        for table, rights in _WRITES[role].items():
            _execute(connection, "grant " + rights + " on {} to {}", table, role)
        _execute(connection, "grant usage on schema {} to {}", "public", role)
        connection.exec_driver_sql(
            "grant execute on function journal_append(text, text, text, text, json) to " + role
        )
        if role == "theta_gateway":
            connection.exec_driver_sql("grant execute on function claim_place to " + role)
        # Each service checks at its start that the schema is the one it was built for.
        _execute(connection, "grant select on {} to {}", "alembic_version", role)
        idle_ms = _IDLE_IN_TRANSACTION_MS.get(role, 60_000)
        connection.exec_driver_sql(
            f"alter role {role} set idle_in_transaction_session_timeout = {idle_ms}"
        )


def _create_role(connection: Connection, role: str, password: str | None) -> None:
    exists = connection.exec_driver_sql(
        "select 1 from pg_roles where rolname = %s", (role,)
    ).first()
    if exists is None:
        connection.exec_driver_sql(f"create role {role} nosuperuser nocreatedb nocreaterole")
    if password is not None:
        statement = sql.SQL("alter role {} login password {}").format(
            sql.Identifier(role), sql.Literal(password)
        )
        connection.connection.cursor().execute(statement.as_string(None))


def _execute(connection: Connection, template: str, *names: str) -> None:
    quoted = [sql.Identifier(name).as_string(None) for name in names]
    connection.exec_driver_sql(template.format(*quoted))
