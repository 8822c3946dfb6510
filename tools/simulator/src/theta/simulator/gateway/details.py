"""What contract details say of a contract, put together from the market."""

from datetime import time

from theta.simulator.market import calendar
from theta.simulator.market.contracts import (
    MARKET_RULE_PENNY,
    OPTION_EXCHANGES,
    STOCK_EXCHANGES,
    Contract,
)
from theta.simulator.market.quotes import TICK, Market
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


def details_of(market: Market, contract: Contract, now: float) -> Details:
    """The details of ``contract`` as of ``now``."""
    exchanges = _exchanges(contract)
    liquid = calendar.hours_text(now, _HOURS_DAYS)
    extended = calendar.hours_text(now, _HOURS_DAYS, _OPENS, _CLOSES)
    stock = contract.sec_type == "STK"
    return Details(
        long_name=market.book.long_name(contract.symbol),
        hours=Hours(extended if stock else liquid, liquid),
        min_tick=TICK,
        exchanges=exchanges,
        rules=(MARKET_RULE_PENNY,) * len(exchanges),
        order_types=_TYPES.get(contract.sec_type, _COMMON_TYPES),
        sizes=_SIZES.get(contract.sec_type, (1.0, 1.0, 1.0)),
        kind="ETF" if stock else "",
        market_name=contract.symbol,
        under_symbol=contract.symbol if contract.is_option else "",
        under_sec_type="STK" if contract.is_option else "",
    )


def _exchanges(contract: Contract) -> tuple[str, ...]:
    if contract.sec_type == "STK":
        return STOCK_EXCHANGES
    if contract.sec_type == "IND":
        return (contract.primary_exchange or "CBOE",)
    return OPTION_EXCHANGES
