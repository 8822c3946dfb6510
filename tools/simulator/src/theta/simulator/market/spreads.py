"""Spreads, volumes and open interest of option lines that no recording has.

The widths follow the medians of the shipped chains: one or two cents for cheap options, about half
a percent of the price above that, and much wider once an option is well in the money.
"""

from math import exp

from theta.simulator.randomness import between

LIQUIDITY = {"SPY": 1.0, "QQQ": 1.4, "IWM": 1.6, "SPX": 2.0, "XSP": 2.0}
_DEFAULT_LIQUIDITY = 2.5


def half_spread(symbol: str, *, price: float, spot: float, inside: float) -> float:
    """Half the width of a quote around ``price``, USD; ``inside`` is how far the option is in the
    money, as a fraction of ``spot`` (negative outside)."""
    factor = LIQUIDITY.get(symbol, _DEFAULT_LIQUIDITY)
    deep = min(1.0, max(0.0, (inside - 0.01) / 0.05))
    width = factor * (0.005 + 0.0025 * min(price, 0.1 * spot)) + 0.0012 * spot * deep
    return min(width, 0.005 + 0.25 * price)


def interest(
    seed: int, symbol: str, expiry: str, strike: float, right: str, *, spot: float, monthly: bool
) -> int:
    """Open interest of a line: more near the money, below it for puts and above it for calls, on
    round strikes and in monthly expiries."""
    distance = strike / spot - 1.0
    favoured = -0.05 if right == "P" else 0.04
    shape = exp(-(((distance - favoured) / 0.10) ** 2))
    size = 12_000.0 / LIQUIDITY.get(symbol, 2 * _DEFAULT_LIQUIDITY)
    size *= 2.5 if monthly else 1.0
    size *= 3.0 if strike % 10 == 0 else 1.5 if strike % 5 == 0 else 1.0
    drawn = between(0.2, 1.0, seed, "interest", symbol, expiry, strike, right)
    return int(size * shape * drawn)


def daily_volume(seed: int, open_interest: int, day: str, *key: object) -> int:
    """Contracts traded in the whole session of ``day``: a share of the open interest."""
    return int(open_interest * between(0.02, 0.5, seed, "traded", day, *key))
