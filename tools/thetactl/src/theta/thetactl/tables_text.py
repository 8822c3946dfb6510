"""How answers look in a terminal: pure functions from JSON to rich tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def rows(title: str, columns: Sequence[str], items: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table with one line for each item, showing the named columns."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for item in items:
        table.add_row(*(plain(item.get(column)) for column in columns))
    return table


def contract_text(record: Mapping[str, Any] | None) -> str:
    """Return `SPY 2026-09-18 760 P` from a contract's record."""
    if not record:
        return "-"
    parts = [record.get("symbol"), record.get("expiry"), record.get("strike"), record.get("right")]
    return " ".join(str(part) for part in parts if part)
