"""The tables of `portfolio` and `strategies.wheel`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from theta.common.config.sections import (
    Count,
    NonNegative,
    Positive,
    PositiveCount,
    PositiveRatio,
    Ratio,
    Section,
)


class SymbolWriteWhen(Section):
    green: bool | None = None
    red: bool | None = None


class SymbolPuts(Section):
    delta: Ratio | None = None
    write_threshold: Ratio | None = None
    write_threshold_sigma: Positive | None = None
    strike_limit: Positive | None = None
    """Highest strike a put may have, USD."""
    write_when: SymbolWriteWhen = Field(default_factory=SymbolWriteWhen)


class SymbolCalls(SymbolPuts):
    """`strike_limit` is the lowest strike a call may have, USD."""

    cap_factor: Ratio | None = None
    cap_target_floor: Ratio | None = None
    excess_only: bool | None = None
    maintain_high_water_mark: bool | None = None


class VolatilityWeight(Section):
    enabled: bool = False
    target_vol: Positive | None = None
    lookback_days: int | None = Field(default=None, ge=2)
    min_weight: PositiveRatio | None = None
    max_weight: Ratio | None = None
    rebalance_band: Ratio = 0.0
    smoothing_factor: PositiveRatio = 0.3
    increase_smoothing_factor: PositiveRatio | None = None
    decrease_smoothing_factor: PositiveRatio | None = None


class TrendPolicy(Section):
    mode: Literal["cliff", "deadband"] = "cliff"
    exit_depth: Ratio = 0.0
    min_dwell_sessions: Count = 0


class AbsoluteTrend(Section):
    enabled: bool = False
    lookback_days: int = Field(default=168, ge=2)
    risk_off_multiplier: Ratio = 0.15
    policy: TrendPolicy = Field(default_factory=TrendPolicy)


OnTimeout = Literal["leave_open", "cancel", "marketable_limit", "market"]


class Execution(Section):
    buy_price: Literal["bid", "ask", "mid"] | None = None
    sell_price: Literal["bid", "ask", "mid"] | None = None
    fill_timeout: Positive | None = None
    """Seconds."""
    on_timeout: OnTimeout = "leave_open"
    on_inactive: OnTimeout | None = None
    final_wait: PositiveCount = 30
    """Seconds."""


class Symbol(Section):
    """One underlying. `None` means that the default of `strategies.wheel.defaults` holds."""

    weight: Ratio
    """Share of the target notional; the weights of all symbols sum to 1."""
    primary_exchange: str = ""
    delta: Ratio | None = None
    dte: Count | None = None
    max_dte: PositiveCount | None = None
    write_threshold: Ratio | None = None
    write_threshold_sigma: Positive | None = None
    adjust_price_after_delay: bool = False
    no_trading: bool | None = None
    close_if_unable_to_roll: bool | None = None
    puts: SymbolPuts = Field(default_factory=SymbolPuts)
    calls: SymbolCalls = Field(default_factory=SymbolCalls)
    buy_only_rebalancing: bool | None = None
    buy_only_min_threshold_shares: PositiveCount | None = None
    buy_only_min_threshold_amount: NonNegative | None = None
    buy_only_min_threshold_percent: Ratio | None = None
    buy_only_min_threshold_percent_relative: Ratio | None = None
    sell_only_rebalancing: bool | None = None
    sell_only_min_threshold_shares: PositiveCount | None = None
    sell_only_min_threshold_amount: NonNegative | None = None
    sell_only_min_threshold_percent: Ratio | None = None
    sell_only_min_threshold_percent_relative: Ratio | None = None
    write_calls_only_min_threshold_percent: Ratio | None = None
    write_calls_only_min_threshold_percent_relative: Ratio | None = None
    volatility_weight: VolatilityWeight = Field(default_factory=VolatilityWeight)
    absolute_trend: AbsoluteTrend = Field(default_factory=AbsoluteTrend)
    execution: Execution = Field(default_factory=Execution)


class Portfolio(Section):
    symbols: dict[str, Symbol] = Field(min_length=1)

    @model_validator(mode="after")
    def _weights_sum_to_one(self) -> Portfolio:
        total = sum(symbol.weight for symbol in self.symbols.values())
        if abs(total - 1.0) > 1e-5:
            message = f"the weights of all symbols must sum to 1, they sum to {total:.6g}"
            raise ValueError(message)
        return self


class WheelRisk(Section):
    margin_usage: NonNegative | None = None


class TargetSide(Section):
    delta: Ratio | None = None


class Target(Section):
    dte: Count
    minimum_open_interest: Count
    delta: Ratio = 0.3
    puts: TargetSide = Field(default_factory=TargetSide)
    calls: TargetSide = Field(default_factory=TargetSide)
    max_dte: PositiveCount | None = None
    maximum_new_contracts_percent: Ratio = 0.05
    maximum_new_contracts: PositiveCount | None = None
    """Read for compatibility; it has never had an effect."""


class WritePuts(Section):
    green: bool = False
    red: bool = True


class WriteCalls(Section):
    green: bool = True
    red: bool = False
    cap_factor: Ratio = 1.0
    cap_target_floor: Ratio = 0.0
    excess_only: bool = False
    min_threshold_percent: Ratio | None = None
    min_threshold_percent_relative: Ratio | None = None


class WriteWhen(Section):
    calculate_net_contracts: bool = False
    puts: WritePuts = Field(default_factory=WritePuts)
    calls: WriteCalls = Field(default_factory=WriteCalls)


class RollPuts(Section):
    itm: bool = False
    always_when_itm: bool = False
    credit_only: bool = False
    has_excess: bool = True


class RollCalls(Section):
    itm: bool = True
    always_when_itm: bool = False
    credit_only: bool = False
    has_excess: bool = True
    maintain_high_water_mark: bool = False


class RollWhen(Section):
    dte: Count
    pnl: Ratio = 0.9
    """Ratio of the credit. Ours: an omitted key is 0.9, never a silent 0 that rolls anything."""
    min_pnl: float = Field(default=0.0, allow_inf_nan=False)
    close_at_pnl: float = Field(default=1.0, allow_inf_nan=False)
    max_dte: PositiveCount | None = None
    close_if_unable_to_roll: bool = False
    puts: RollPuts = Field(default_factory=RollPuts)
    calls: RollCalls = Field(default_factory=RollCalls)

    @model_validator(mode="after")
    def _consistent(self) -> RollWhen:
        if self.close_at_pnl <= self.min_pnl:
            message = "close_at_pnl must be greater than min_pnl"
            raise ValueError(message)
        if self.close_if_unable_to_roll and self.max_dte is None:
            message = "close_if_unable_to_roll needs roll_when.max_dte"
            raise ValueError(message)
        return self


class ConstantsSide(Section):
    write_threshold: Ratio | None = None
    write_threshold_sigma: NonNegative | None = None


class Constants(Section):
    daily_stddev_window: str = Field(default="30 D", pattern=r"^[1-9][0-9]* [SDWMY]$")
    write_threshold: Ratio | None = None
    write_threshold_sigma: NonNegative | None = None
    puts: ConstantsSide = Field(default_factory=ConstantsSide)
    calls: ConstantsSide = Field(default_factory=ConstantsSide)


class WheelDefaults(Section):
    target: Target
    write_when: WriteWhen = Field(default_factory=WriteWhen)
    roll_when: RollWhen
    constants: Constants = Field(default_factory=Constants)
    write_calls_only_min_threshold_percent: Ratio | None = None
    write_calls_only_min_threshold_percent_relative: Ratio | None = None


class SymbolOverride(Section):
    write_calls_only_min_threshold_percent: Ratio | None = None
    write_calls_only_min_threshold_percent_relative: Ratio | None = None


class RebalanceRule(Section):
    mode: Literal["off", "buy_only", "sell_only", "both"] = "off"
    min_threshold_shares: PositiveCount | None = None
    min_threshold_amount: NonNegative | None = None
    min_threshold_percent: Ratio | None = None
    min_threshold_percent_relative: Ratio | None = None


class EquityRebalance(Section):
    defaults: RebalanceRule = Field(default_factory=RebalanceRule)
    symbol_overrides: dict[str, RebalanceRule] = Field(default_factory=dict)


class Wheel(Section):
    defaults: WheelDefaults
    risk: WheelRisk = Field(default_factory=WheelRisk)
    symbol_overrides: dict[str, SymbolOverride] = Field(default_factory=dict)
    equity_rebalance: EquityRebalance = Field(default_factory=EquityRebalance)
