"""Tables of strategies that this version reads but does not run yet.

They are checked like all others, so that a file that users bring along loads unchanged as long as
none of them is enabled; an enabled one is refused (`theta.common.config.thetagang`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from theta.common.config.sections import (
    Algo,
    Count,
    NonNegative,
    Positive,
    PositiveCount,
    PositiveRatio,
    Ratio,
    Section,
)
from theta.common.config.wheel import EquityRebalance, RebalanceRule, WheelRisk

OnError = Literal["baseline", "skip", "abort"]


class RatioGate(Section):
    enabled: bool = False
    anchor: str
    drift_max: NonNegative = 1.25
    vol_min: NonNegative | None = None


class DecisionMarketData(Section):
    lookback_days: PositiveCount = 252
    symbols: list[str] = Field(default_factory=list)


class TargetPolicySymbol(Section):
    min_multiplier: NonNegative = 0
    max_multiplier: NonNegative = 1
    min_target_weight: NonNegative | None = None
    max_target_weight: NonNegative | None = None
    clamp_to_volatility_bounds: bool = True


class TargetWeightPolicy(Section):
    enabled: bool = False
    provider: str = ""
    max_signal_age_sessions: Count = 0
    market_data: DecisionMarketData = Field(default_factory=DecisionMarketData)
    on_error: OnError = "baseline"
    max_total_weight: Positive | None = None
    symbols: dict[str, TargetPolicySymbol] = Field(default_factory=dict)


class RegimeEquityRebalance(EquityRebalance):
    defaults: RebalanceRule = Field(default_factory=lambda: RebalanceRule(mode="both"))


class RegimeRebalance(Section):
    enabled: bool = False
    symbols: list[str] = Field(default_factory=list)
    lookback_days: PositiveCount = 40
    cooldown_days: Count = 5
    order_history_lookback_days: PositiveCount = 30
    soft_band: Ratio = 0.10
    hard_band: Ratio = 0.50
    hard_band_rebalance_fraction: PositiveRatio = 1.0
    choppiness_min: NonNegative = 3.0
    efficiency_max: Ratio = 0.30
    flow_trade_min: Ratio = 0.025
    flow_trade_stop: Ratio = 0.0125
    flow_imbalance_tau: Ratio = 0.70
    deficit_rail_start: Ratio = 0.06
    deficit_rail_stop: Ratio = 0.03
    eps: Positive = 1e-8
    shares_only: bool = False
    weight_base: Literal["net_liq", "managed_stocks", "net_liq_ex_options"] = "net_liq_ex_options"
    ratio_gate: RatioGate | None = None
    risk: WheelRisk = Field(default_factory=WheelRisk)
    equity_rebalance: RegimeEquityRebalance = Field(default_factory=RegimeEquityRebalance)
    target_weight_policy: TargetWeightPolicy = Field(default_factory=TargetWeightPolicy)


class VixAllocation(Section):
    weight: NonNegative
    lower_bound: NonNegative | None = None
    upper_bound: NonNegative | None = None


class VixCallHedge(Section):
    enabled: bool = False
    delta: Ratio = 0.3
    target_dte: Count = 30
    ignore_dte: Count = 0
    max_dte: PositiveCount | None = None
    close_hedges_when_vix_exceeds: NonNegative | None = None
    allocation: list[VixAllocation] = Field(default_factory=list)


class CashOrders(Section):
    exchange: str = "SMART"
    algo: Algo = Field(default_factory=lambda: Algo(strategy="Vwap", params=[]))


class CashManagement(Section):
    enabled: bool = False
    cash_fund: str = "SGOV"
    primary_exchange: str = ""
    target_cash_balance: Count = 0
    buy_threshold: Count = 10_000
    sell_threshold: Count = 10_000
    orders: CashOrders = Field(default_factory=CashOrders)


class HarvestDecision(Section):
    enabled: bool = False
    provider: str = ""
    on_error: OnError = "baseline"
    max_signal_age_sessions: Count = 0
    market_data: DecisionMarketData = Field(default_factory=DecisionMarketData)


class TailTarget(Section):
    symbol: str
    budget_weight: Ratio
    entries_per_year: int = Field(default=6, ge=1, le=24)
    entry_gate: Literal["vix", "none"] = "vix"
    entry_vix_max: NonNegative = 20
    target_dte: PositiveCount = 180
    min_dte: PositiveCount = 120
    max_dte: PositiveCount = 240
    exit_dte: Count = 30
    minimum_open_interest: Count = 50
    minimum_bid: NonNegative = 0.01
    max_bid_ask_ratio: NonNegative = 0.50
    max_premium_ratio: NonNegative = 0.05
    catastrophe_drawdowns: list[float] = Field(default_factory=lambda: [0.4, 0.5, 0.6])


class TailHedge(Section):
    enabled: bool = False
    annual_budget: PositiveRatio = 0.005
    harvest_trigger_weight: Ratio = 0.05
    harvest_target_weight: Ratio = 0.03
    harvest_decision: HarvestDecision = Field(default_factory=HarvestDecision)
    targets: list[TailTarget] = Field(default_factory=list)
