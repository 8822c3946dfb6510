"""The limit price lies near the market and inside the decision's own bounds."""

from __future__ import annotations

from decimal import Decimal

from theta.common.domain.money import finite
from theta.common.domain.orders import Action
from theta.risk.domain.framework import (
    Control,
    ControlResult,
    Passed,
    Refused,
    ReviewedOrder,
    ReviewInputs,
    RiskLimits,
)


def check(inputs: ReviewInputs, limits: RiskLimits) -> ControlResult:
    """Pass when the limit is within the collar of the midpoint and within floor and ceiling."""
    order = inputs.order
    price = finite(order.limit_price)
    if price is None or price <= 0:
        return _refuse("no_limit", "a price above 0", str(order.limit_price), "no limit price")
    outside = _outside_bounds(order, price)
    if outside is not None:
        return outside
    quote = inputs.quote
    middle = None if quote is None else finite(quote.midpoint())
    if middle is None or quote is None:
        return _refuse(
            "no_reference", "a midpoint", "none", "no midpoint to measure the limit price by"
        )
    if quote.contract.economic_key != order.contract.economic_key:
        return _refuse(
            "no_reference",
            order.contract.describe(),
            quote.contract.describe(),
            "the midpoint is of another contract",
        )
    width = max(limits.price_collar_ratio * middle, limits.price_collar_usd_min)
    limit = f"{middle - width} to {middle + width}"
    if abs(price - middle) > width:
        return _refuse(
            "outside",
            limit,
            str(price),
            f"the limit {price} is {abs(price - middle)} from the midpoint {middle},"
            f" more than {width}",
        )
    return Passed(limit=limit, observed=str(price))


def _outside_bounds(order: ReviewedOrder, price: Decimal) -> Refused | None:
    floor, ceiling = finite(order.price_floor), finite(order.price_ceiling)
    if floor is None or ceiling is None or floor < 0 or floor > ceiling:
        return _refuse(
            "no_bounds",
            "0 ≤ floor ≤ ceiling",
            f"{order.price_floor} to {order.price_ceiling}",
            "the order's own price bounds are missing or contradict each other",
        )
    if order.action is Action.SELL and price < floor:
        return _refuse("below_floor", f"at least {floor}", str(price), "sold below its floor")
    if order.action is Action.BUY and price > ceiling:
        return _refuse(
            "above_ceiling", f"at most {ceiling}", str(price), "bought above its ceiling"
        )
    return None


def _refuse(what: str, limit: str, observed: str, text: str) -> Refused:
    return Refused(code=f"price_collar.{what}", limit=limit, observed=observed, text=text)


CONTROL = Control(
    code="price_collar",
    title="Price collar",
    meaning=(
        "The limit price is at most `risk.price_collar_ratio` of the midpoint away from the "
        "midpoint (never less than `risk.price_collar_usd_min` per share), a sale is not below "
        "the order's own floor, a purchase not above its ceiling. Without a limit price or a "
        "reference nothing passes: there are no market orders."
    ),
    keys=("risk.price_collar_ratio", "risk.price_collar_usd_min"),
    codes=(
        ("price_collar.no_limit", "no limit price, or not above 0"),
        ("price_collar.no_bounds", "floor or ceiling missing or contradictory"),
        ("price_collar.below_floor", "a sale below the order's own floor"),
        ("price_collar.above_ceiling", "a purchase above the order's own ceiling"),
        ("price_collar.no_reference", "no midpoint of this contract"),
        ("price_collar.outside", "farther from the midpoint than the collar allows"),
    ),
    what_to_do=(
        "Compare the decision's price with its quote in `thetactl intents`. A wide market makes "
        "a midpoint meaningless: let the next run choose another contract."
    ),
    check=check,
)
