"""The metadata and the columns that tables share."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    MetaData,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def account() -> Column[str]:
    return Column("account", Text, nullable=False)


def session() -> Column[str]:
    return Column("session", Text, nullable=False)


def at(name: str, *, nullable: bool = False, now: bool = False) -> Column[object]:
    default = text("clock_timestamp()") if now else None
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=default)


def json(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, JSONB, nullable=nullable)


def one_of(column: str, values: Iterable[object]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in sorted(str(v) for v in values))
    return CheckConstraint(f"{column} in ({listed})", name=column)
