"""Money and prices: exact decimals, with every rounding named.

Prices are USD (or the contract's currency) per share; a contract's cash amount is price ×
multiplier × quantity. Credits are positive: selling to open a put at 1.25 for one contract of
multiplier 100 is +125.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

CENT = Decimal("0.01")


def finite(value: Decimal | float | int | str | None) -> Decimal | None:
    """Return `value` as a finite Decimal, or `None` for NaN, infinity, an empty text or `None`.

    Floats go through their shortest text form, so 0.1 is Decimal("0.1").
    """
    if value is None or value == "":
        return None
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    return number if number.is_finite() else None


def round_cents_half_even(amount: Decimal) -> Decimal:
    """Round an amount of money to cents, ties to even."""
    return amount.quantize(CENT, rounding=ROUND_HALF_EVEN)


def round_to_tick_down(price: Decimal, tick: Decimal) -> Decimal:
    """Round `price` to the next multiple of `tick` at or below it (toward minus infinity)."""
    return (price / tick).to_integral_value(rounding=ROUND_FLOOR) * tick


def round_to_tick_up(price: Decimal, tick: Decimal) -> Decimal:
    """Round `price` to the next multiple of `tick` at or above it (toward plus infinity)."""
    return (price / tick).to_integral_value(rounding=ROUND_CEILING) * tick


def round_to_tick_nearest(price: Decimal, tick: Decimal) -> Decimal:
    """Round `price` to the nearest multiple of `tick`, ties to even."""
    return (price / tick).to_integral_value(rounding=ROUND_HALF_EVEN) * tick
