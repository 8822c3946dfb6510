"""Margin calls and thin cushions are told, what is not reported is not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from theta.broker_gateway.domain.account_warnings import account_warnings
from theta.common.domain.portfolio import AccountValues


def values(**figures: Any) -> AccountValues:
    sound: dict[str, Any] = {
        "net_liquidation": 100_000, "total_cash": 100_000, "buying_power": 400_000,
        "excess_liquidity": 60_000, "look_ahead_excess_liquidity": 60_000,
        "cushion_ratio": "0.6",
    }  # fmt: skip
    said = {
        name: None if figure is None else Decimal(figure)
        for name, figure in (sound | figures).items()
    }
    return AccountValues(currency="USD", **said)


@pytest.mark.parametrize(
    ("figures", "kinds"),
    [
        ({}, []),
        ({"cushion_ratio": "0.10"}, []),
        ({"cushion_ratio": "0.0999"}, [("account.cushion_low", "warning")]),
        ({"cushion_ratio": "0.0499"}, [("account.cushion_critical", "critical")]),
        ({"cushion_ratio": None, "excess_liquidity": 9_000}, [("account.cushion_low", "warning")]),
        ({"look_ahead_excess_liquidity": -1}, [("account.margin_call_ahead", "critical")]),
        (
            {"excess_liquidity": -1, "look_ahead_excess_liquidity": -1, "cushion_ratio": "-0.01"},
            [("account.margin_call", "critical"), ("account.cushion_critical", "critical")],
        ),
        (
            {"net_liquidation": 0, "cushion_ratio": None},
            [("account.no_equity", "critical")],
        ),
        (
            dict.fromkeys(
                (
                    "net_liquidation",
                    "excess_liquidity",
                    "look_ahead_excess_liquidity",
                    "cushion_ratio",
                )
            ),
            [],
        ),
    ],
)
def test_each_figure_warns_at_its_limit(
    figures: dict[str, Any], kinds: list[tuple[str, str]]
) -> None:
    found = account_warnings(values(**figures))
    assert [(warning.kind, warning.severity) for warning in found] == kinds


def test_the_message_says_the_figure() -> None:
    (warning,) = account_warnings(values(look_ahead_excess_liquidity=-1234))
    assert "-1234 USD" in warning.message
