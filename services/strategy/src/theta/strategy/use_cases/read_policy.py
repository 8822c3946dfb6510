"""From `thetagang.toml` to the policy that decides: no decision reads the file itself.

A setting is taken from the closest place that gives it (wheel rules 1.23): the symbol's side, the
symbol, the default of the side, the default.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import TypeVar

from theta.common.config.thetagang import ThetagangConfig
from theta.common.config.wheel import Symbol, WheelDefaults
from theta.strategy.domain.policy import PutPolicy, WheelPolicy, WriteThreshold

_TRADING_DAYS = {"D": 1, "W": 5, "M": 21, "Y": 252}
_SECONDS_PER_DAY = 86_400
_Value = TypeVar("_Value")


def policy_from(config: ThetagangConfig) -> WheelPolicy:
    """Resolve a whole configuration. It was checked on loading, so nothing is refused here."""
    runtime, wheel = config.runtime, config.strategies.wheel
    hours, target = runtime.exchange_hours, wheel.defaults.target
    modes = wheel.equity_rebalance
    symbols = []
    for name, symbol in config.portfolio.symbols.items():
        rule = modes.symbol_overrides.get(name, modes.defaults)
        symbols.append(
            _put_policy(
                name, symbol, wheel.defaults, rebalance_buys=rule.mode in ("buy_only", "both")
            )
        )
    return WheelPolicy(
        account=runtime.account.number,
        exchange=runtime.orders.exchange,
        margin_usage=_decimal(config.margin_usage),
        symbols=tuple(symbols),
        expirations=runtime.option_chains.expirations,
        strikes=runtime.option_chains.strikes,
        minimum_credit=_decimal(runtime.orders.minimum_credit),
        minimum_open_interest=target.minimum_open_interest,
        maximum_new_ratio=_decimal(target.maximum_new_contracts_percent),
        max_order_contracts=config.risk.max_order_contracts,
        net_long_puts=wheel.defaults.write_when.calculate_net_contracts,
        stddev_days=trading_days(wheel.defaults.constants.daily_stddev_window),
        quote_age_max=timedelta(seconds=config.risk.quote_age_seconds_max),
        ignore_hours=hours.action_when_closed == "continue",
        delay_after_open=timedelta(seconds=hours.delay_after_open),
        delay_before_close=timedelta(seconds=hours.delay_before_close),
    )


def trading_days(window: str) -> int:
    """Return how many daily bars a window such as `30 D`, `6 W` or `1 Y` has, at least 1."""
    count, unit = window.split()
    if unit == "S":
        return max(1, -(-int(count) // _SECONDS_PER_DAY))
    return int(count) * _TRADING_DAYS[unit]


def _put_policy(
    name: str, symbol: Symbol, defaults: WheelDefaults, *, rebalance_buys: bool
) -> PutPolicy:
    target, when = defaults.target, symbol.puts.write_when
    dte_max = symbol.max_dte if symbol.max_dte is not None else target.max_dte
    return PutPolicy(
        symbol=name,
        primary_exchange=symbol.primary_exchange,
        weight=_decimal(symbol.weight),
        delta_max=_decimal(
            _first((symbol.puts.delta, symbol.delta, target.puts.delta), target.delta)
        ),
        dte_min=_first((symbol.dte,), target.dte),
        dte_max=dte_max,
        on_green=_first((when.green,), defaults.write_when.puts.green),
        on_red=_first((when.red,), defaults.write_when.puts.red),
        threshold=_threshold(symbol, defaults),
        strike_limit=None
        if symbol.puts.strike_limit is None
        else _decimal(symbol.puts.strike_limit),
        no_trading=bool(symbol.no_trading),
        rebalance_buys=rebalance_buys,
    )


def _threshold(symbol: Symbol, defaults: WheelDefaults) -> WriteThreshold:
    constants = defaults.constants
    steps: tuple[tuple[str, float | None], ...] = (
        ("sigma", symbol.puts.write_threshold_sigma),
        ("ratio", symbol.puts.write_threshold),
        ("sigma", symbol.write_threshold_sigma),
        ("ratio", symbol.write_threshold),
        # A sigma of 0 is how the constants say "none".
        ("sigma", constants.puts.write_threshold_sigma or None),
        ("sigma", constants.write_threshold_sigma or None),
        ("ratio", constants.puts.write_threshold),
        ("ratio", constants.write_threshold),
    )
    for kind, value in steps:
        if value is not None:
            number = _decimal(value)
            return WriteThreshold(sigma=number) if kind == "sigma" else WriteThreshold(ratio=number)
    return WriteThreshold(ratio=Decimal(0))


def _first(choices: Iterable[_Value | None], default: _Value) -> _Value:
    return next((value for value in choices if value is not None), default)


def _decimal(value: float) -> Decimal:
    return Decimal(str(value))
