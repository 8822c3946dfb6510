"""What the command line does in PostgreSQL itself, as `theta_operator`: halting, tokens, the
journal.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from theta.common.adapters import RandomIds
from theta.common.domain.orders import TradingState
from theta.common.errors import ConfigError
from theta.common.postgres import gate, journal, tokens
from theta.common.postgres.engine import make_engine, transaction
from theta.common.postgres.gate import Scope, TightenEffect
from theta.common.postgres.journal import VerifyReport


@contextmanager
def operator_transaction(url: str | None) -> Iterator[Connection]:
    """Open one transaction as the operator's role.

    Raises ConfigError when no database is named, UnavailableError when it does not answer.
    """
    if url is None:
        raise ConfigError(
            "THETA_DATABASE_URL is not set; name the database with the role theta_operator, or with"
            " the embedded servers begin the command with"
            " `python -m theta.embedded run --role theta_operator --`"
        )
    engine = make_engine(url, application_name="thetactl", pool_size=1)
    try:
        with transaction(engine) as connection:
            yield connection
    finally:
        engine.dispose()


def halt_in_database(
    url: str | None, *, account: str, scope: Scope, scope_key: str, reason: str, actor: str
) -> TightenEffect:
    """Halt without the gateway: gate, withdrawals and cancel jobs in one transaction."""
    with operator_transaction(url) as connection:
        return gate.tighten(
            connection,
            account=account,
            scope=scope,
            scope_key=scope_key,
            state=TradingState.HALTED,
            cause="manual",
            reason=reason,
            actor=actor,
        )


def verify_journal(url: str | None, account: str | None) -> VerifyReport:
    """Verify the chain of one account or of all, tail included."""
    with operator_transaction(url) as connection:
        heads = journal.read_heads(connection)
        if account is not None:
            heads = {name: head for name, head in heads.items() if name == account}
        return journal.verify(journal.read_rows(connection, account), heads)


def create_token(url: str | None, *, name: str, role: str, actor: str) -> str:
    """Create a token; the plain text is returned once and stored nowhere."""
    with operator_transaction(url) as connection:
        return tokens.create_token(connection, name=name, role=role, ids=RandomIds(), actor=actor)
