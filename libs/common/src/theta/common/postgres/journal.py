"""The append-only, hash-chained journal: appending in the caller's transaction, and verifying.

Each row holds the exact text that was hashed: hash = SHA-256(previous hash + text). Any changed,
deleted, reordered or inserted row breaks the chain; a cut tail is seen against the head row or an
exported head.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

FIRST_PREVIOUS_HASH = "0" * 64
"""What the first row of an account follows."""

_APPEND = text("select journal_append(:account, :actor, :kind, :subject, cast(:body as json))")
_READ = """
    select account, sequence, actor, kind, subject, body, previous_hash, hash
    from journal {where} order by account, sequence
"""


class JournalRow(NamedTuple):
    """One row as stored. `body` is the canonical JSON text that was hashed.

    A tuple, since verifying makes one for each of millions of rows.
    """

    account: str
    sequence: int
    actor: str
    kind: str
    subject: str
    body: str
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalFault:
    """The first thing wrong with one account's chain."""

    account: str
    sequence: int
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What verification found. `heads` maps each account to its last (sequence, hash)."""

    rows: int
    heads: Mapping[str, tuple[int, str]]
    faults: tuple[JournalFault, ...]

    @property
    def intact(self) -> bool:
        return not self.faults


def append(
    connection: Connection,
    *,
    account: str,
    actor: str,
    kind: str,
    subject: str,
    body: Mapping[str, Any],
) -> int:
    """Append one entry in the caller's transaction and return its sequence number.

    Make it the last statement before COMMIT: it locks the account's head row until then. `body`
    must be JSON-ready apart from Decimal, date and UUID, which become text.
    """
    parameters = {
        "account": account,
        "actor": actor,
        "kind": kind,
        "subject": subject,
        "body": json.dumps(body, default=str, sort_keys=True, separators=(",", ":")),
    }
    return int(connection.execute(_APPEND, parameters).scalar_one())


def read_rows(connection: Connection, account: str | None = None) -> Iterator[JournalRow]:
    """Yield rows in order, of one account or of all, streaming."""
    where = "where account = :account" if account is not None else ""
    statement = text(_READ.format(where=where)).execution_options(yield_per=5000)
    parameters = {"account": account} if account is not None else {}
    for row in connection.execute(statement, parameters):
        yield JournalRow._make(row)


def read_heads(connection: Connection) -> dict[str, tuple[int, str]]:
    """Return each account's head row: what the last row must be."""
    rows = connection.execute(text("select account, sequence, hash from journal_head"))
    return {row[0]: (row[1], row[2]) for row in rows}


def verify(
    rows: Iterable[JournalRow], heads: Mapping[str, tuple[int, str]] | None = None
) -> VerifyReport:
    """Check chain, numbering, and that each row's columns say what its hashed text says.

    `rows` are ordered by account and sequence. With `heads` (from `read_heads`, or exported
    earlier) a cut tail is a fault too. After a fault in an account the rest of that account is not
    judged.
    """
    ends: dict[str, tuple[int, str]] = {}
    faults: dict[str, JournalFault] = {}
    count = 0
    for row in rows:
        count += 1
        if row.account in faults:
            continue
        last_sequence, last_hash = ends.get(row.account, (0, FIRST_PREVIOUS_HASH))
        problem = _problem_with(row, last_sequence, last_hash)
        if problem is not None:
            faults[row.account] = JournalFault(
                account=row.account, sequence=row.sequence, problem=problem
            )
            continue
        ends[row.account] = (row.sequence, row.hash)
    for account, head in (heads or {}).items():
        end = ends.get(account, (0, FIRST_PREVIOUS_HASH))
        if account not in faults and end != head:
            faults[account] = JournalFault(
                account=account,
                sequence=end[0],
                problem=f"the journal ends at {end[0]} but its head says {head[0]}",
            )
    return VerifyReport(rows=count, heads=ends, faults=tuple(faults.values()))


def _problem_with(row: JournalRow, last_sequence: int, last_hash: str) -> str | None:
    if row.sequence != last_sequence + 1:
        return f"row {last_sequence + 1} is missing: the next is {row.sequence}"
    if row.previous_hash != last_hash:
        return "it does not follow the row before it"
    if hashlib.sha256((last_hash + row.body).encode()).hexdigest() != row.hash:
        return "its text does not match its hash"
    said = json.loads(row.body)
    names = ("account", "sequence", "actor", "kind", "subject")
    if row[:5] != tuple(said[name] for name in names):
        return "its columns differ from its hashed text"
    return None
