"""Operator tokens: only their hashes are stored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, func, insert, or_, select

from theta.common.errors import ConfigError
from theta.common.ports import IdSource
from theta.common.postgres import journal
from theta.common.postgres.tables import operator_token

TOKEN_PREFIX = "theta_"  # noqa: S105  # a public mark that lets scanners find leaked tokens
ROLES = ("viewer", "operator", "admin")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """A valid token: who it names and what it may do."""

    id: UUID
    name: str
    role: str


def token_hash(plain: str) -> str:
    """Return the SHA-256 of a token. A token has 200 random bits, so no salt or stretching is
    needed.
    """
    return hashlib.sha256(plain.encode()).hexdigest()


def create_token(
    connection: Connection,
    *,
    name: str,
    role: str,
    ids: IdSource,
    actor: str,
    expires_at: datetime | None = None,
) -> str:
    """Create a token and return it in plain, the only time that it is shown.

    Raises ConfigError for a role other than viewer, operator or admin.
    """
    if role not in ROLES:
        raise ConfigError(f"there is no role {role!r}; choose one of {', '.join(ROLES)}")
    plain = f"{TOKEN_PREFIX}{ids.token()}{ids.token()}"
    token_id = ids.uuid()
    connection.execute(
        insert(operator_token).values(
            id=token_id,
            account="*",
            name=name,
            role=role,
            token_hash=token_hash(plain),
            expires_at=expires_at,
        )
    )
    journal.append(
        connection,
        account="*",
        actor=actor,
        kind="token.created",
        subject=str(token_id),
        body={"name": name, "role": role, "expires_at": expires_at},
    )
    return plain


def find_token(connection: Connection, hashed: str) -> TokenRow | None:
    """Return the unexpired, unrevoked token with this hash, else `None`."""
    row = connection.execute(
        select(operator_token.c.id, operator_token.c.name, operator_token.c.role).where(
            operator_token.c.token_hash == hashed,
            operator_token.c.revoked_at.is_(None),
            or_(
                operator_token.c.expires_at.is_(None),
                operator_token.c.expires_at > func.clock_timestamp(),
            ),
        )
    ).one_or_none()
    return None if row is None else TokenRow(id=row.id, name=row.name, role=row.role)
