"""What contract details say of a contract, put together from the market."""

from datetime import date, datetime, time
from functools import lru_cache

from theta.simulator.market import calendar
from theta.simulator.market.contracts import (
    INDEX_EXCHANGES,
    OPTION_EXCHANGES,
    STOCK_EXCHANGES,
    Contract,
)
from theta.simulator.market.quotes import Market
from theta.simulator.wire.versioned import Details, Hours

_HOURS_DAYS = 7
_OPENS, _CLOSES = time(4, 0), time(20, 0)
_COMMON_TYPES = (
    "ACTIVETIM,ADJUST,ALERT,ALGO,ALLOC,AVGCOST,BASKET,COND,CONDORDER,DAY,GTC,GTD,IOC,LMT"
)
_TYPES = {
    "STK": f"{_COMMON_TYPES},MIDPX,MKT,STP,WHATIF",
    "OPT": f"{_COMMON_TYPES},MKT,STP,WHATIF",
    "BAG": f"{_COMMON_TYPES},MKT,WHATIF",
    "IND": "",
}
_SIZES = {"STK": (0.0001, 0.0001, 100.0), "IND": (1.0, 1.0, 1.0)}


_EXCHANGES = {"STK": STOCK_EXCHANGES, "IND": INDEX_EXCHANGES}
_FUND_WORDS = ("ETF", "FUND", "ISHARES", "SPDR", "TRUST", "SHARES")

_COMBINATION_ID = 28_812_380
"""IBKR's id of every combination that is described by its symbol alone."""


def combination_of(market: Market, symbol: str) -> Contract | None:
    """The combination of ``symbol`` without its legs, as details are asked for it."""
    under = market.book.stock(symbol)
    if under is None:
        return None
    return Contract(_COMBINATION_ID, symbol, "BAG", "", 0.0, "", "", 0)


def details_of(market: Market, contract: Contract, now: float) -> Details:
    """The details of ``contract`` as of ``now``."""
    exchanges = _EXCHANGES.get(contract.sec_type, OPTION_EXCHANGES)
    extended, liquid = _hours(calendar.trading_date(now))
    stock = contract.sec_type == "STK"
    name = market.book.long_name(contract.symbol)
    rule, steps = market.price_rules(contract)
    under = market.book.stock(contract.symbol) if contract.is_option else None
    return Details(
        long_name=name,
        hours=Hours(extended if stock else liquid, liquid),
        min_tick=steps[-1][1] if stock else min(step for _, step in steps),
        exchanges=exchanges,
        rules=(rule,) * len(exchanges),
        order_types=_TYPES.get(contract.sec_type, _COMMON_TYPES),
        sizes=_SIZES.get(contract.sec_type, (1.0, 1.0, 1.0)),
        kind=_kind(name) if stock else "",
        market_name=contract.symbol,
        under_symbol=under.symbol if under else "",
        under_sec_type=under.sec_type if under else "",
    )


@lru_cache(maxsize=8)
def _hours(day: date) -> tuple[str, str]:
    """Extended and regular hours from ``day`` on: the same for thousands of contracts."""
    noon = datetime.combine(day, time(12), calendar.NEW_YORK).timestamp()
    extended = calendar.hours_text(noon, _HOURS_DAYS, _OPENS, _CLOSES)
    return extended, calendar.hours_text(noon, _HOURS_DAYS)


def _kind(name: str) -> str:
    words = name.upper().split()
    return "ETF" if any(word in words for word in _FUND_WORDS) else "COMMON"
