"""What a market tells beside prices: option parameters, price increments, corporate actions,
bars."""

from dataclasses import dataclass

from theta.simulator.market.contracts import MARKET_RULE_PENNY, Contract
from theta.simulator.market.underlyings import INDEX_PENNY, NICKEL, PENNY, PILOT, OptionClass

Steps = tuple[tuple[float, float], ...]
"""(from this price on, increment), lowest price first."""

# Ids of market rules. 26 is IBKR's own for one cent throughout; the others are this market's.
PRICE_RULES: dict[int, Steps] = {
    MARKET_RULE_PENNY: ((0.0, 0.01),),
    32: ((0.0, 0.01), (3.0, 0.05)),
    109: ((0.0, 0.05), (3.0, 0.10)),
    557: ((0.0, 0.0001), (1.0, 0.01)),
}
_RULE_OF_TICKS = {PENNY: MARKET_RULE_PENNY, INDEX_PENNY: MARKET_RULE_PENNY, PILOT: 32, NICKEL: 109}
STOCK_RULE = 557


@dataclass(frozen=True, slots=True)
class OptionParameters:
    """The options of one trading class on one exchange; expiries as YYYYMMDD, all sorted."""

    exchange: str
    trading_class: str
    multiplier: int
    expiries: tuple[str, ...]
    strikes: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CorporateAction:
    """A cash dividend or a split of ``symbol``, in force from ``at``: the opening of the ex-date
    (epoch seconds).

    ``amount_usd`` is per share before the action, 0 for a split. ``ratio`` is how many shares one
    becomes, 1 for a dividend.
    """

    kind: str
    symbol: str
    at: float
    amount_usd: float = 0.0
    ratio: float = 1.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One historical bar; ``at`` is the epoch second of its start, for a day bar the session's
    opening.

    Prices are USD per share, volatilities fractions per year. ``volume`` and ``count`` are -1 and
    ``average`` 0 where the kind of bar has none.
    """

    at: float
    open: float
    high: float
    low: float
    close: float
    volume: int
    average: float
    count: int


def rule_of(contract: Contract, option_class: OptionClass | None) -> int:
    """Id of the price rule of ``contract``; ``option_class`` is that of an option."""
    if option_class is not None:
        return _RULE_OF_TICKS[option_class.ticks]
    return STOCK_RULE if contract.sec_type == "STK" else MARKET_RULE_PENNY


def increment(steps: Steps, price: float) -> float:
    """The increment in force at ``price`` (its size counts, not its sign)."""
    size = abs(price)
    found = steps[0][1]
    for low, step in steps:
        if size >= low - 1e-9:
            found = step
    return found
