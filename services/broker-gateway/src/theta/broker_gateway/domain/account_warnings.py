"""What in the broker's account figures must be told to a person: margin calls and thin cushions."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from theta.common.domain.portfolio import AccountValues

CUSHION_WARNING = Decimal("0.10")
"""Excess liquidity as a share of net liquidation below which a person is told."""
CUSHION_CRITICAL = Decimal("0.05")
"""Below this the broker may close positions on the next bad hour: a person is paged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountWarning:
    """One thing to tell. `kind` names it for good: it is told once per account and market day."""

    kind: str
    severity: Literal["warning", "critical"]
    title: str
    message: str


def account_warnings(values: AccountValues) -> list[AccountWarning]:
    """Return what `values` warn of, the worst first; nothing where the broker did not report.

    A margin call is told from ExcessLiquidity below zero (IBKR liquidates then), one ahead from
    the look-ahead figure, which holds after the next margin change.
    """
    found: list[AccountWarning] = []
    excess, ahead = values.excess_liquidity, values.look_ahead_excess_liquidity
    currency = values.currency
    if values.net_liquidation is not None and values.net_liquidation <= 0:
        found.append(
            AccountWarning(
                kind="account.no_equity",
                severity="critical",
                title="The account has no equity left",
                message=f"Net liquidation is {values.net_liquidation} {currency}.",
            )
        )
    if excess is not None and excess < 0:
        found.append(
            AccountWarning(
                kind="account.margin_call",
                severity="critical",
                title="Margin call: the broker may liquidate positions now",
                message=f"Excess liquidity is {excess} {currency}. Close positions or add cash.",
            )
        )
    elif ahead is not None and ahead < 0:
        found.append(
            AccountWarning(
                kind="account.margin_call_ahead",
                severity="critical",
                title="Margin call ahead: it comes with the next margin change",
                message=f"Look-ahead excess liquidity is {ahead} {currency}.",
            )
        )
    cushion = _cushion(values)
    if cushion is not None and cushion < CUSHION_WARNING:
        critical = cushion < CUSHION_CRITICAL
        limit = CUSHION_CRITICAL if critical else CUSHION_WARNING
        found.append(
            AccountWarning(
                kind="account.cushion_critical" if critical else "account.cushion_low",
                severity="critical" if critical else "warning",
                title=f"Low cushion: {cushion:.1%} of net liquidation is left above the margin",
                message=f"The limit is {limit:.0%}. Excess liquidity: {excess} {currency}.",
            )
        )
    return found


def _cushion(values: AccountValues) -> Decimal | None:
    if values.cushion_ratio is not None:
        return values.cushion_ratio
    if values.excess_liquidity is None or not values.net_liquidation:
        return None
    return values.excess_liquidity / values.net_liquidation
