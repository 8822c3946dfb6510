"""What people read of an alert. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

TITLE_CHARACTERS_MAX = 150
TEXT_CHARACTERS_MAX = 2900
SHOWN_CONTEXT = ("symbol", "order_ref", "intent_id", "service", "scope", "cause")
"""Keys of an alert's context that go to people, in this order; the rest stays in the database."""

_ACCOUNT_NUMBER = re.compile(r"\b(?:D?[UFI]|DU[A-Z]|U[A-Z])\d{4,10}\b")
"""The broker's account numbers: U1234567, DU1234567, F1234567, DUH123456."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alert as stored. `severity` is info, warning or critical; `raised_at` in aware UTC."""

    id: UUID
    account: str
    severity: str
    kind: str
    title: str
    message: str
    context: Mapping[str, Any]
    raised_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a channel shows. Account numbers are cut to their last three characters."""

    severity: str
    title: str
    text: str
    facts: tuple[tuple[str, str], ...]
    """Name and value, such as ("symbol", "SPY"), in the order in which they are shown."""


def mask_account(account: str) -> str:
    """Return `…567` for an account number; anything of three characters or fewer as it is."""
    return account if len(account) <= 3 else f"…{account[-3:]}"


def mask_accounts(text: str, account: str) -> str:
    """Return `text` with `account`, and all that looks like an account number, masked."""
    if len(account) > 3:
        text = text.replace(account, mask_account(account))
    return _ACCOUNT_NUMBER.sub(lambda found: mask_account(found.group()), text)


def compose(alert: Alert) -> Message:
    """Return the message of an alert, each part within the channels' limits."""
    facts = [("severity", alert.severity), ("time", f"{alert.raised_at:%Y-%m-%d %H:%M:%S} UTC")]
    if alert.account != "*":
        facts.append(("account", mask_account(alert.account)))
    facts += [(key, str(alert.context[key])) for key in SHOWN_CONTEXT if alert.context.get(key)]
    return Message(
        severity=alert.severity,
        title=_cut(mask_accounts(alert.title, alert.account), TITLE_CHARACTERS_MAX),
        text=_cut(mask_accounts(alert.message, alert.account), TEXT_CHARACTERS_MAX),
        facts=tuple((name, mask_accounts(value, alert.account)) for name, value in facts),
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
