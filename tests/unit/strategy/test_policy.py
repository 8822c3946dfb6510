"""Where a setting comes from (wheel rules 1.23)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.support.wheel_market import CONFIG_FILE, example_policy
from theta.common.config.thetagang import parse_config
from theta.strategy.domain.policy import PutPolicy, WriteThreshold
from theta.strategy.use_cases.read_policy import policy_from, trading_days

TEXT = CONFIG_FILE.read_text()


def spy(symbol: str = "", constants: str = "", target: str = "") -> PutPolicy:
    text = TEXT.replace(
        '[portfolio.symbols.SPY]\nweight = 0.4\nprimary_exchange = "ARCA"\n',
        f"[portfolio.symbols.SPY]\nweight = 0.4\n{symbol}\n",
    )
    text = text.replace(
        "[strategies.wheel.defaults.write_when]",
        f"{target}\n{constants}\n[strategies.wheel.defaults.write_when]",
    )
    return policy_from(parse_config(text)).symbols[0]


def ratio(value: str) -> WriteThreshold:
    return WriteThreshold(ratio=Decimal(value))


def sigma(value: str) -> WriteThreshold:
    return WriteThreshold(sigma=Decimal(value))


CONSTANTS = "[strategies.wheel.defaults.constants]\n"


@pytest.mark.parametrize(
    ("settings", "field", "expected"),
    [
        ({}, "delta_max", Decimal("0.3")),
        (
            {"target": "[strategies.wheel.defaults.target.puts]\ndelta = 0.2"},
            "delta_max",
            Decimal("0.2"),
        ),
        (
            {
                "symbol": "delta = 0.15",
                "target": "[strategies.wheel.defaults.target.puts]\ndelta = 0.2",
            },
            "delta_max",
            Decimal("0.15"),
        ),
        ({"symbol": "delta = 0.15\nputs = {delta = 0.1}"}, "delta_max", Decimal("0.1")),
        ({"symbol": "dte = 0\nmax_dte = 9"}, "dte_min", 0),
        ({"symbol": "dte = 0\nmax_dte = 9"}, "dte_max", 9),
        ({"symbol": "puts = {write_when = {green = false}}"}, "on_green", False),
        ({"symbol": "puts = {strike_limit = 500.5}"}, "strike_limit", Decimal("500.5")),
        ({"symbol": "no_trading = true"}, "no_trading", True),
        ({}, "threshold", ratio("0")),
        ({"constants": CONSTANTS + "write_threshold = 0.01"}, "threshold", ratio("0.01")),
        (
            {"constants": CONSTANTS + "write_threshold = 0.01\nputs = {write_threshold = 0.02}"},
            "threshold",
            ratio("0.02"),
        ),
        (
            {
                "constants": CONSTANTS + "write_threshold_sigma = 1.5\n"
                "puts = {write_threshold = 0.02}"
            },
            "threshold",
            sigma("1.5"),
        ),
        (
            {"constants": CONSTANTS + "write_threshold_sigma = 0.0\nwrite_threshold = 0.02"},
            "threshold",
            ratio("0.02"),
        ),
        (
            {
                "symbol": "write_threshold = 0.03",
                "constants": CONSTANTS + "write_threshold_sigma = 1.5",
            },
            "threshold",
            ratio("0.03"),
        ),
        (
            {"symbol": "write_threshold = 0.03\nputs = {write_threshold_sigma = 2.0}"},
            "threshold",
            sigma("2.0"),
        ),
    ],
)
def test_the_closest_setting_wins(settings: dict[str, str], field: str, expected: Any) -> None:
    assert getattr(spy(**settings), field) == expected


def test_the_rebalance_mode_can_take_the_place_of_puts() -> None:
    text = TEXT.replace('mode = "off"', 'mode = "buy_only"')
    assert all(put.rebalance_buys for put in policy_from(parse_config(text)).symbols)
    assert not any(put.rebalance_buys for put in example_policy().symbols)


@pytest.mark.parametrize(
    ("window", "days"),
    [("30 D", 30), ("6 W", 30), ("2 M", 42), ("1 Y", 252), ("90000 S", 2), ("1 S", 1)],
)
def test_a_window_counts_trading_days(window: str, days: int) -> None:
    assert trading_days(window) == days
