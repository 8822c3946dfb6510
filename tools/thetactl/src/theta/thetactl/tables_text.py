"""How answers look in a terminal: pure functions from JSON to rich tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.table import Table


def plain(value: object) -> str:
    """Return a cell's text; absence is a dash."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def facts(title: str, values: Mapping[str, object]) -> Table:
    """Return a two-column table of names and values."""
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column("name", style="bold")
    table.add_column("value", overflow="fold")
    for name, value in values.items():
        table.add_row(name, plain(value))
    return table


def rows(
    title: str, columns: Sequence[str], items: Sequence[Mapping[str, Any]], *, whole: str = ""
) -> Table:
    """Return a table with one line for each item, showing the named columns.

    The cells of the column `whole` are never folded, so that they can be copied.
    """
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == whole)
    for item in items:
        table.add_row(*(plain(item.get(column)) for column in columns))
    return table


def contract_text(record: Mapping[str, Any] | None) -> str:
    """Return `SPY 2026-09-18 760 P` from a contract's record."""
    if not record:
        return "-"
    parts = [record.get("symbol"), record.get("expiry"), record.get("strike"), record.get("right")]
    return " ".join(str(part) for part in parts if part)


def moment(text: object) -> str:
    """Return `2026-08-13 16:14:10 UTC` from an ISO time; anything else as it is."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return plain(text)
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def status_facts(found: Mapping[str, Any]) -> dict[str, object]:
    """Return the answer of `/v1/status` as a person asks for it, in that order."""
    session, link = found.get("session") or {}, found.get("connection") or {}
    if link.get("connected"):
        broker = f"connected as client {link.get('client_id')}"
        broker += "" if link.get("broker_link") else ", but TWS has lost its link to the broker"
    else:
        broker = "not connected"
    counts = found.get("intents") or {}
    return {
        "ready": "yes" if found.get("ready") else f"no: {found.get('not_ready')}",
        "broker": broker,
        "accounts": ", ".join(link.get("accounts") or ()),
        "market time": moment(session.get("market_at")),
        "newest run": _run_text(found.get("newest_run")),
        "intents": ", ".join(f"{count} {state}" for state, count in sorted(counts.items())),
        "jobs waiting": found.get("outbox_waiting"),
        "open alerts": found.get("alerts_open"),
    }


def _run_text(run: Mapping[str, Any] | None) -> str:
    if not run:
        return "none yet"
    symbols = ((run.get("summary") or {}).get("symbols") or {}).items()
    outcomes = ", ".join(f"{symbol} {seen.get('outcome')}" for symbol, seen in symbols)
    at = run.get("finished_at") or run.get("started_at") or run.get("claimed_at")
    text = f"{run.get('status')} {moment(at)} ({run.get('trigger')}, {run.get('actor')})"
    return ": ".join(part for part in (text, outcomes or run.get("error")) if part)


STATE_COLUMNS = ("scope", "state", "since", "by", "cause", "reason")


def state_rows(found: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the trading state of each account, then the other open states that tighten it."""
    causes = {(gate.get("account"), gate.get("cause")) for gate in found.get("gates") or ()}
    gates = [
        {
            "scope": gate.get("account"),
            "since": moment(gate.get("changed_at")),
            "by": gate.get("actor"),
        }
        | {key: gate.get(key) for key in ("state", "cause", "reason")}
        for gate in found.get("gates") or ()
    ]
    held = [
        {"scope": f"{one.get('scope')} {one.get('scope_key')}", "by": one.get("actor")}
        | {"since": moment(one.get("set_at"))}
        | {key: one.get(key) for key in ("state", "cause", "reason")}
        for one in found.get("trading_states") or ()
        if one.get("scope") != "account" or (one.get("account"), one.get("cause")) not in causes
    ]
    return [{key: plain(value) for key, value in row.items()} for row in (*gates, *held)]


def intent_row(item: Mapping[str, Any]) -> dict[str, object]:
    """Return one line of the list of intents: `SELL 1 SPY 2026-09-18 760 P`, limit, fills."""
    words = (item.get("action"), item.get("quantity"), contract_text(item.get("contract")))
    return {
        "order": " ".join(str(word) for word in words),
        "limit": item.get("limit_price"),
        "filled": f"{item.get('filled_quantity')}/{item.get('quantity')}",
        "state": item.get("state"),
        "id": item.get("id"),
    }
