"""How much one order may trade."""

from __future__ import annotations

from theta.common.domain.instruments import SecType
from theta.risk.domain.framework import (
    Control,
    ControlResult,
    Passed,
    Refused,
    ReviewInputs,
    RiskLimits,
)

SHARES_PER_CONTRACT = 100
"""By which a stock order is measured against a limit in contracts."""


def check(inputs: ReviewInputs, limits: RiskLimits) -> ControlResult:
    """Pass when the quantity is a whole number from 1 to the limit."""
    order = inputs.order
    unit, most = "contracts", limits.order_contracts_max
    if order.contract.sec_type is SecType.STOCK:
        unit, most = "shares", limits.order_contracts_max * SHARES_PER_CONTRACT
    limit = f"1 to {most} {unit}"
    observed = f"{order.quantity} {unit}"
    # A bool is an int to Python, a float that is whole is not one to us.
    if type(order.quantity) is not int or order.quantity < 1:
        return Refused(
            code="order_quantity.impossible",
            limit=limit,
            observed=observed,
            text="the quantity is not a whole number of 1 or more",
        )
    if order.quantity > most:
        return Refused(
            code="order_quantity.above_limit",
            limit=limit,
            observed=observed,
            text=f"the order is for {observed}, above the limit of {most}",
        )
    return Passed(limit=limit, observed=observed)


CONTROL = Control(
    code="order_quantity",
    title="Order quantity",
    meaning=(
        "One order has at least 1 and at most `risk.max_order_contracts` contracts; 100 shares "
        "of stock count as one contract."
    ),
    keys=("risk.max_order_contracts",),
    codes=(
        ("order_quantity.impossible", "not a whole number of 1 or more"),
        ("order_quantity.above_limit", "above the limit"),
    ),
    what_to_do="Lower the symbol's weight, or raise the limit on purpose.",
    check=check,
)
