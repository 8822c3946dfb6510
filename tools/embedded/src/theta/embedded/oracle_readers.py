"""Reads both sides for the oracle: the simulator's `GET /truth`, and PostgreSQL by plain SQL."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, LiteralString, Self

import psycopg
from psycopg.rows import dict_row

from theta.embedded.oracle_values import (
    AlertRecord,
    BrokerExecution,
    BrokerOrder,
    ChildRecord,
    CommandRecord,
    ExecutionRecord,
    GateChange,
    IntentRecord,
    JournalEntry,
    Records,
    ReservationRecord,
    RunRecord,
    Truth,
)

HTTP_TIMEOUT_SECONDS = 5.0
STATEMENT_TIMEOUT_MS = 20_000

Row = dict[str, Any]


def fetch_truth(control_url: str) -> Truth:
    """Read the simulator's truth. Raises `OSError` when it does not answer."""
    with urllib.request.urlopen(  # noqa: S310  # the simulator's own loopback address
        f"{control_url}/truth", timeout=HTTP_TIMEOUT_SECONDS
    ) as answer:
        return truth_from(json.load(answer, parse_float=Decimal))


def truth_from(told: Mapping[str, Any]) -> Truth:
    """Build the broker's side from the JSON of `GET /truth` (floats parsed as Decimal)."""
    return Truth(
        account=told["account"],
        orders=tuple(_broker_order(row) for row in told["orders"]),
        executions=tuple(_broker_execution(row) for row in told["executions"]),
        positions={row["con_id"]: _exact(row["quantity"]) for row in told["positions"]},
        cash=_exact(told["cash"]),
    )


def _exact(value: object) -> Decimal:
    """Compare 3, 3.0 and 3.00 as equal: Decimal does; what it needs is a Decimal."""
    return Decimal(str(value))


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _broker_order(row: Row) -> BrokerOrder:
    times: dict[str, float] = {}
    modified: list[tuple[float, Decimal | None]] = []
    for entry in row["timeline"]:
        times.setdefault(entry["event"], _epoch(entry["host_at"]))
        if entry["event"] == "modified":
            limit = entry.get("limit")
            modified.append((_epoch(entry["host_at"]), None if limit is None else _exact(limit)))
    return BrokerOrder(
        order_ref=row["order_ref"],
        perm_id=row["perm_id"],
        con_id=row["contract"]["con_id"],
        action=row["side"],
        quantity=_exact(row["qty"]),
        limit=None if row["limit"] is None else _exact(row["limit"]),
        filled=_exact(row["filled"]),
        status=row["status"],
        end_reason=row["end_reason"],
        placed_at=times["placed"],
        cancelled_at=times.get("cancel_requested"),
        modified=tuple(modified),
    )


def _broker_execution(row: Row) -> BrokerExecution:
    shares = _exact(row["shares"])
    return BrokerExecution(
        exec_id=row["exec_id"],
        order_ref=row["order_ref"],
        con_id=row["contract"]["con_id"],
        signed=shares if row["side"] == "BOT" else -shares,
        price=_exact(row["price"]),
        commission=_exact(row["commission"]),
    )


_INTENTS = """
    select id::text, state, source, effect, action, symbol, quantity, contract from order_intent
"""
_CHILDREN = """
    select id::text, intent_id::text, order_ref, state, quantity, filled_quantity, limit_price
    from child_order
"""
_COMMANDS = """
    select child_id::text, kind, claimed_at, limit_price,
      kind = 'cancel' and sent_at is null and outcome in ('sent', 'acknowledged') as spooled
    from broker_command
"""
_EXECUTIONS = """
    select exec_id, child_id::text, side, quantity, price, commission, contract, is_foreign,
      inferred
    from execution where not superseded
"""
_RESERVATIONS = "select intent_id::text, released_at from buying_power_reservation"
_RUNS = """
    select r.id::text, r.status, array_remove(array_agg(d.symbol), null) as symbols
    from strategy_run r left join decision d on d.run_id = r.id group by r.id, r.status
"""
_ALERTS = """
    select a.id::text, a.severity, a.title, d.state
    from alert a left join alert_delivery d on d.alert_id = a.id and d.channel = 'slack'
"""
_JOURNAL = "select account, sequence, kind, subject, body, previous_hash, hash, at from journal"
_JOURNAL_COMMITS = """
    select account, sequence, pg_xact_commit_timestamp(xmin) as committed from journal
"""
_HEADS = "select account, sequence, hash from journal_head"


class Reader:
    """Reads PostgreSQL on one connection, made at the first look and anew after it was lost.

    A proof looks many times a second: a connection for each look would cost more than the services
    that it watches. Not thread-safe.
    """

    def __init__(self, database_url: str) -> None:
        self._url = database_url.replace("postgresql+psycopg://", "postgresql://", 1)
        self._connection: psycopg.Connection[Row] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def rows(self, statement: str, *values: object) -> list[Row]:
        """Run one reading statement. Raises `psycopg.Error` when the database cannot be read."""
        with self._reading() as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def records(self) -> Records:
        """Read the installation's side in one repeatable-read snapshot.

        Where the server keeps commit times (`track_commit_timestamp`) a claim and a halt count from
        their commit; elsewhere from the moment within their transaction that they recorded.
        Raises `psycopg.Error` when the database cannot be read.
        """
        with self._reading() as connection:
            return _read(connection)

    def close(self) -> None:
        """End the connection; the next look makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _reading(self) -> Iterator[psycopg.Connection[Row]]:
        connection = self._connected()
        try:
            with connection.transaction():
                yield connection
        except psycopg.OperationalError:
            self.close()
            raise

    def _connected(self) -> psycopg.Connection[Row]:
        if self._connection is None:
            options = f"-c statement_timeout={STATEMENT_TIMEOUT_MS}"
            options += " -c default_transaction_read_only=on"
            self._connection = psycopg.connect(
                self._url, row_factory=dict_row, connect_timeout=10, options=options
            )
            self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        return self._connection


def read_records(database_url: str) -> Records:
    """Read the installation's side once; see `Reader.records`."""
    with Reader(database_url) as reader:
        return reader.records()


def _read(connection: psycopg.Connection[Row]) -> Records:
    def rows(statement: LiteralString) -> list[Row]:
        return connection.execute(statement).fetchall()

    journal = rows(_JOURNAL)
    committed = _commit_times(connection, journal)
    claims = {
        row["subject"]: committed[row["account"], row["sequence"]]
        for row in journal
        if row["kind"] == "child.submitting"
    }
    return Records(
        intents=tuple(_intent(row) for row in rows(_INTENTS)),
        children=tuple(_child(row) for row in rows(_CHILDREN)),
        commands=tuple(_command(row, claims) for row in rows(_COMMANDS)),
        executions=tuple(_execution(row) for row in rows(_EXECUTIONS)),
        reservations=tuple(
            ReservationRecord(intent_id=row["intent_id"], released=row["released_at"] is not None)
            for row in rows(_RESERVATIONS)
        ),
        gate_changes=_gate_changes(journal, committed),
        runs=tuple(
            RunRecord(id=row["id"], status=row["status"], decided_symbols=frozenset(row["symbols"]))
            for row in rows(_RUNS)
        ),
        alerts=tuple(
            AlertRecord(
                id=row["id"],
                severity=row["severity"],
                title=row["title"],
                delivery_state=row["state"],
            )
            for row in rows(_ALERTS)
        ),
        judged_absent=frozenset(
            str(json.loads(row["body"])["body"]["order_ref"])
            for row in journal
            if row["kind"] == "child.absent"
        ),
        journal=tuple(
            JournalEntry(
                account=row["account"],
                sequence=row["sequence"],
                body=row["body"],
                previous_hash=row["previous_hash"],
                hash=row["hash"],
            )
            for row in journal
        ),
        journal_heads={row["account"]: (row["sequence"], row["hash"]) for row in rows(_HEADS)},
    )


def _commit_times(
    connection: psycopg.Connection[Row], journal: list[Row]
) -> dict[tuple[str, int], float]:
    times = {(row["account"], row["sequence"]): row["at"].timestamp() for row in journal}
    kept = connection.execute("show track_commit_timestamp").fetchone()
    if kept is not None and kept["track_commit_timestamp"] == "on":
        for row in connection.execute(_JOURNAL_COMMITS):
            if row["committed"] is not None:
                times[row["account"], row["sequence"]] = row["committed"].timestamp()
    return times


def _gate_changes(
    journal: list[Row], committed: Mapping[tuple[str, int], float]
) -> tuple[GateChange, ...]:
    changes = []
    for row in journal:
        if not row["kind"].startswith("gate."):
            continue
        body = json.loads(row["body"])["body"]
        if body.get("scope", "account") == "account":
            changes.append(
                GateChange(
                    committed_at=committed[row["account"], row["sequence"]],
                    halted=row["kind"] == "gate.halted"
                    or (row["kind"] == "gate.lifted" and body.get("state") == "halted"),
                )
            )
    return tuple(changes)


def _intent(row: Row) -> IntentRecord:
    return IntentRecord(
        id=row["id"],
        state=row["state"],
        source=row["source"],
        effect=row["effect"],
        action=row["action"],
        symbol=row["symbol"],
        quantity=Decimal(row["quantity"]),
        con_id=row["contract"].get("con_id"),
        multiplier=_multiplier(row),
    )


def _multiplier(row: Row) -> Decimal:
    return _exact(row["contract"].get("multiplier") or 1)


def _child(row: Row) -> ChildRecord:
    return ChildRecord(
        id=row["id"],
        intent_id=row["intent_id"],
        order_ref=row["order_ref"],
        state=row["state"],
        quantity=Decimal(row["quantity"]),
        filled_quantity=Decimal(row["filled_quantity"]),
        limit=row["limit_price"],
    )


def _command(row: Row, claims: Mapping[str, float]) -> CommandRecord:
    claimed_at = row["claimed_at"].timestamp()
    if row["kind"] == "place":
        claimed_at = claims.get(row["child_id"], claimed_at)
    return CommandRecord(
        child_id=row["child_id"],
        kind=row["kind"],
        committed_at=claimed_at,
        spooled=row["spooled"],
        limit=row["limit_price"],
    )


def _execution(row: Row) -> ExecutionRecord:
    return ExecutionRecord(
        exec_id=row["exec_id"],
        child_id=row["child_id"],
        con_id=row["contract"].get("con_id"),
        signed=row["quantity"] if row["side"] == "BUY" else -row["quantity"],
        price=row["price"],
        commission=row["commission"],
        multiplier=_multiplier(row),
        foreign=row["is_foreign"],
        inferred=row["inferred"],
    )
