"""The trading gate: what the account, the strategy and the symbol are allowed to do now."""

from __future__ import annotations

from theta.common.domain.orders import gate_allows
from theta.risk.domain.framework import (
    Control,
    ControlResult,
    Passed,
    Refused,
    ReviewInputs,
    RiskLimits,
)


def check(inputs: ReviewInputs, limits: RiskLimits) -> ControlResult:
    """Pass when the strictest state in scope lets this order's effect through."""
    order = inputs.order
    limit = f"{order.effect.value} {order.kind.value} allowed"
    state = inputs.trading_state
    if state is None:
        return Refused(
            code="trading_gate.missing",
            limit=limit,
            observed="no trading state",
            text="the trading state of the account is not known, which counts as halted",
        )
    if not gate_allows(state, effect=order.effect, kind=order.kind):
        return Refused(
            code=f"trading_gate.{state.value}",
            limit=limit,
            observed=state.value,
            text=f"trading is {state.value}, so no {order.effect.value} order may pass",
        )
    return Passed(limit=limit, observed=state.value)


CONTROL = Control(
    code="trading_gate",
    title="Trading gate",
    meaning=(
        "The strictest of the states set for the account, the strategy and the symbol decides: "
        "`active` lets everything pass, `reducing` only what reduces risk, `halted` only an "
        "explicit flatten. An account without a gate is halted."
    ),
    keys=(),
    codes=(
        ("trading_gate.missing", "the state could not be read"),
        ("trading_gate.reducing", "only orders that reduce risk may pass"),
        ("trading_gate.halted", "nothing but an explicit flatten may pass"),
    ),
    what_to_do=(
        "`thetactl status` names cause and actor of the state. Mend the cause, then "
        "`thetactl resume`. A refused opening is not sent later: the next run decides afresh."
    ),
    check=check,
)
