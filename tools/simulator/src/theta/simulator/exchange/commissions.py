"""What the broker charges for a trade.

IBKR Pro as published (interactivebrokers.com, "Commissions: Stocks, ETFs" and "Commissions:
Options", United States, up to 300,000 shares and 10,000 contracts a month). Exchange, clearing and
regulatory fees are left out: they are fractions of a cent per share.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from theta.simulator.market.contracts import Contract

CENT = Decimal("0.01")

_OPTION_TIERS = (
    (Decimal("0.10"), Decimal("0.65")),
    (Decimal("0.05"), Decimal("0.50")),
    (Decimal(0), Decimal("0.25")),
)
"""Premium per share from which on the charge per contract holds."""

_OPTION_MINIMUM = Decimal(1)


@dataclass(frozen=True, slots=True)
class StockPlan:
    """Charge per share, least charge of an order, and the most as a share of the trade's value."""

    per_share: Decimal
    minimum: Decimal
    maximum_ratio: Decimal


FIXED = StockPlan(Decimal("0.005"), Decimal("1.00"), Decimal("0.01"))
TIERED = StockPlan(Decimal("0.0035"), Decimal("0.35"), Decimal("0.01"))
PLANS = {"fixed": FIXED, "tiered": TIERED}


@dataclass(frozen=True, slots=True)
class Charged:
    """What an order has been charged: with and, ``units``, without the minimum, for trades worth
    ``value``. USD."""

    total: Decimal = Decimal(0)
    units: Decimal = Decimal(0)
    value: Decimal = Decimal(0)


NOTHING = Charged()


def charge(
    contract: Contract,
    quantity: Decimal,
    price: Decimal,
    before: Charged = NOTHING,
    plan: StockPlan = FIXED,
) -> tuple[Decimal, Charged]:
    """The commission of one execution, to the cent, and what the order has been charged with it.

    The minimum holds for the order: its first execution pays it, later ones pay nothing until
    the order's units are worth more. A stock order pays at most one per cent of its value.
    """
    value = before.value + abs(price) * quantity
    if contract.is_option:
        rate = next((fee for floor, fee in _OPTION_TIERS if abs(price) >= floor), Decimal(0))
        units = before.units + rate * quantity
        due = max(units, _OPTION_MINIMUM)
    else:
        units = before.units + plan.per_share * quantity
        due = min(max(units, plan.minimum), value * plan.maximum_ratio)
    total = max(before.total, due.quantize(CENT, ROUND_HALF_UP))
    return total - before.total, Charged(total, units, value)
