"""Bearer tokens with roles. Only their hashes are stored; a token is 100 random bits or more."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Any

from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from theta.common.http.problem import ProblemError

TOKEN_CHARACTERS_MAX = 256


class Role(IntEnum):
    """What a token may do; each role may do all that the ones below it may."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def label(self) -> str:
        """The name as written in the database and on the command line."""
        return self.name.lower()

    @classmethod
    def parse(cls, text: str) -> Role:
        """Return the role named `text`. Raises `ValueError` for any other."""
        try:
            return cls[text.upper()]
        except KeyError:
            message = f"unknown role {text!r}: use viewer, operator or admin."
            raise ValueError(message) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """A valid token as stored. A revoked or expired one is not returned by the lookup at all."""

    name: str
    """Who it belongs to; written into the journal as the actor."""
    token_hash: str
    role: Role


TokenLookup = Callable[[str], TokenRecord | None]
"""Maps a token's hash to its record, or `None` when there is no such valid token."""


def hash_token(token: str) -> str:
    """Return the SHA-256 of `token`, 64 hex digits.

    A plain hash is enough, since tokens are random and long, not chosen by people.
    """
    return hashlib.sha256(token.encode()).hexdigest()


_bearer = HTTPBearer(auto_error=False, description="A token made by `thetactl token`.")


def require(role: Role, lookup: TokenLookup) -> Callable[..., TokenRecord]:
    """Return a FastAPI dependency that yields the caller's `TokenRecord`.

    Used through `depends`. `lookup` runs in a worker thread and may block. A missing, malformed or
    unknown token is answered 401, a role below `role` 403, both as problem details.
    """

    def authenticate(
        credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    ) -> TokenRecord:
        if credentials is None or not 0 < len(credentials.credentials) <= TOKEN_CHARACTERS_MAX:
            raise ProblemError(
                401, "unauthorized", "Send a bearer token in the Authorization header."
            )
        digest = hash_token(credentials.credentials)
        record = lookup(digest)
        # Compared again in constant time, so that a lookup that matches loosely lets nobody in.
        if record is None or not hmac.compare_digest(record.token_hash, digest):
            raise ProblemError(401, "unauthorized", "The bearer token is not known or is revoked.")
        if record.role < role:
            raise ProblemError(
                403,
                "forbidden",
                f"This needs the role {role.label}; the token has {record.role.label}.",
            )
        return record

    return authenticate


def depends(role: Role, lookup: TokenLookup) -> Any:
    """Return `Depends(require(role, lookup))`, for `dependencies=[…]` and as a default value.

    In an app factory, where `lookup` is local, a postponed `Annotated[…]` cannot see it; write
    `operator = depends(Role.OPERATOR, lookup)` and in the route `actor: TokenRecord = operator`.
    """
    return Depends(require(role, lookup))
