"""Generic ticks: what a line may ask for besides price and size."""

from functools import lru_cache
from itertools import pairwise
from math import log, sqrt
from statistics import stdev
from typing import TYPE_CHECKING

from theta.simulator.gateway.subscriptions import Line
from theta.simulator.market import calendar
from theta.simulator.market.contracts import Contract
from theta.simulator.market.quotes import Market, Quote
from theta.simulator.wire import ticks as wire

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

_DAY = 86_400
_YEAR_SECONDS = 365.0 * _DAY
_WEEKS = ((13, 15, 16), (26, 17, 18), (52, 19, 20))
"""Weeks back, tick type of the low, tick type of the high."""

_AUCTION_VOLUME, _AUCTION_PRICE, _AUCTION_IMBALANCE, _REGULATORY_IMBALANCE = 34, 35, 36, 61
_MARK_PRICE, _RT_VOLUME, _SHORTABLE, _SHORTABLE_SHARES = 37, 48, 46, 89
_FUNDAMENTALS, _DIVIDENDS, _AVERAGE_OPTION_VOLUME = 47, 59, 87
_AVERAGE_VOLUME, _HISTORICAL_VOL, _IMPLIED_VOL = 21, 23, 24
_EASY_TO_BORROW = 3.0


def minimum_tick(market: Market, contract: Contract) -> float:
    """The smallest price step that a client is told for a contract; of a stock the usual one."""
    _, increments = market.price_rules(contract)
    steps = [increment for _, increment in increments]
    return min(steps) if contract.is_option else steps[-1]


def first(gateway: "Gateway", version: int, line: Line, quote: Quote, at: float) -> list[bytes]:
    """The generic ticks that a new line asked for and its contract has."""
    wanted, contract, request = line.generic_ticks, line.contract, line.request
    frames: list[bytes] = []
    if contract.is_combination or not wanted:
        return frames
    frames += _option_figures(gateway.exchange.market, line, at)
    frames += changes(line, None, quote, at)
    if contract.is_option:
        return frames
    market = gateway.exchange.market
    if 104 in wanted:
        frames.append(wire.generic(request, _HISTORICAL_VOL, _historical_vol(market, contract, at)))
    if 106 in wanted:
        frames.append(
            wire.generic(
                request, _IMPLIED_VOL, market.implied_volatility(contract.symbol, at) or 0.0
            )
        )
    if 165 in wanted:
        frames += _statistics(market, line, at)
    if contract.is_index:
        return frames
    if 225 in wanted:
        frames += _auction(market, line, quote, at)
    if 236 in wanted:
        frames.append(wire.generic(request, _SHORTABLE, _EASY_TO_BORROW))
        if version >= 145:
            shares = 1_000_000 + int(9e6 * market.jitter("shortable", contract.symbol))
            frames.append(wire.size(request, _SHORTABLE_SHARES, shares))
    if 258 in wanted:
        frames.append(wire.string(request, _FUNDAMENTALS, _ratios(market, contract, quote, at)))
    if 456 in wanted:
        frames.append(wire.string(request, _DIVIDENDS, _dividends(market, contract, at)))
    return frames


def changes(line: Line, sent: Quote | None, quote: Quote, at: float) -> list[bytes]:
    """The generic ticks that follow the quote: mark price and trades."""
    wanted, request = line.generic_ticks, line.request
    frames: list[bytes] = []
    if wanted & {220, 221, 232}:
        mark = round(quote.mark, 4)
        if sent is None or round(sent.mark, 4) != mark:
            frames.append(wire.price(request, _MARK_PRICE, mark, 0))
    traded = sent is None or quote.volume != sent.volume or quote.last != sent.last
    if 233 in wanted and quote.last is not None and traded:
        average = (line.high + line.low) / 2 if line.high else quote.last
        text = (
            f"{quote.last:.2f};{quote.last_size};{int(at * 1000)};{quote.volume};{average:.8f};true"
        )
        frames.append(wire.string(request, _RT_VOLUME, text))
    return frames


def _option_figures(market: Market, line: Line, at: float) -> list[bytes]:
    """Volume and open interest by right: of the option itself, or of the whole chain."""
    wanted, request = line.generic_ticks, line.request
    if not wanted & {100, 101, 105}:
        return []
    volumes, interest = {"C": 0, "P": 0}, {"C": 0, "P": 0}
    contract = line.contract
    if contract.is_option:
        figures = {contract.right: market.figures(contract, at)}
    else:
        figures = market.option_totals(contract.symbol, at)
    for right, (volume, open_interest) in figures.items():
        volumes[right], interest[right] = volume, open_interest
    frames: list[bytes] = []
    if 101 in wanted:
        frames.append(wire.size(request, 27, interest["C"]))
        frames.append(wire.size(request, 28, interest["P"]))
    if 100 in wanted:
        frames.append(wire.size(request, 29, volumes["C"]))
        frames.append(wire.size(request, 30, volumes["P"]))
    if 105 in wanted and not contract.is_option:
        frames.append(wire.size(request, _AVERAGE_OPTION_VOLUME, sum(volumes.values())))
    return frames


def _daily(
    market: Market, contract: Contract, days: int, at: float
) -> list[tuple[float, float, float, int]]:
    """Low, high, close and volume of the last ``days`` sessions, the running one included."""
    today = calendar.trading_date(at)
    hours = calendar.session(today)
    running = hours is not None and at >= hours[0]
    past = list(_year_before(market, contract, today.toordinal()))
    if hours is None or not running:
        return past[-days:]
    bars = market.bars(contract, "TRADES", hours[0], at, _DAY)
    return past[-(days - 1) :] + [(bar.low, bar.high, bar.close, bar.volume) for bar in bars]


@lru_cache(maxsize=256)
def _year_before(
    market: Market, contract: Contract, ordinal: int
) -> tuple[tuple[float, float, float, int], ...]:
    """The 252 sessions before a day: a year of bars takes a while, and every line asks for it."""
    day = calendar.date_of(ordinal)
    first_day = calendar.session_days_back(calendar.previous_session_day(day), 252)[0]
    start, end = (calendar.start_of(each) for each in (first_day, day))
    bars = market.bars(contract, "TRADES", start, end, _DAY)
    return tuple((bar.low, bar.high, bar.close, bar.volume) for bar in bars)


def _historical_vol(market: Market, contract: Contract, at: float) -> float:
    """Yearly volatility of the last 30 daily moves."""
    closes = [close for _, _, close, _ in _daily(market, contract, 31, at)]
    moves = [log(b / a) for a, b in pairwise(closes)]
    return stdev(moves) * sqrt(252) if len(moves) > 1 else 0.0


def _statistics(market: Market, line: Line, at: float) -> list[bytes]:
    """Lows and highs of 13, 26 and 52 weeks, and the average daily volume in hundreds."""
    days = _daily(market, line.contract, 252, at)
    if not days:
        return []
    frames: list[bytes] = []
    for weeks, low_tick, high_tick in _WEEKS:
        part = days[-5 * weeks :]
        frames.append(wire.price(line.request, low_tick, min(low for low, *_ in part), 0))
        frames.append(wire.price(line.request, high_tick, max(day[1] for day in part), 0))
    recent = days[-63:]
    average = sum(day[3] for day in recent) // len(recent) // 100
    frames.append(wire.size(line.request, _AVERAGE_VOLUME, average))
    return frames


def _auction(market: Market, line: Line, quote: Quote, at: float) -> list[bytes]:
    """The auction that comes next: pairable shares, indicative price and imbalance."""
    request, symbol = line.request, line.contract.symbol
    opens, closes = calendar.next_session(at)
    near = at < opens or closes - at <= 600
    shares = int(2e6 * market.jitter("auction", symbol, int(closes))) if near else 0
    imbalance = int(shares * (market.jitter("imbalance", symbol, int(closes)) - 0.5) / 5)
    price = quote.last if near and quote.last is not None else 0.0
    return [
        wire.size(request, _AUCTION_VOLUME, shares),
        wire.price(request, _AUCTION_PRICE, price, 0),
        wire.size(request, _AUCTION_IMBALANCE, imbalance),
        wire.size(request, _REGULATORY_IMBALANCE, imbalance),
    ]


def _ratios(market: Market, contract: Contract, quote: Quote, at: float) -> str:
    """Key ratios as TWS tells them: NAME=value pairs, each ended by a semicolon."""
    year = _daily(market, contract, 252, at)
    last = quote.last or quote.close
    low, high = min((d[0] for d in year), default=last), max((d[1] for d in year), default=last)
    volume = sum(d[3] for d in year[-10:]) / max(1, len(year[-10:])) / 1e6
    ahead = market.dividends_ahead(contract.symbol, at, 1.0)
    yearly = sum(amount for _, amount in ahead)
    pairs = {
        "NPRICE": last, "NLOW": low, "NHIGH": high, "VOL10DAVG": volume,
        "YIELD": 100 * yearly / last if last else 0.0, "IAD": yearly, "BETA": 1.0,
    }  # fmt: skip
    return "".join(f"{name}={value:.5f};" for name, value in pairs.items()) + "CURRENCY=USD;"


def _dividends(market: Market, contract: Contract, at: float) -> str:
    """Sum of the past and of the next twelve months, then date and amount of the next dividend."""
    ahead = market.dividends_ahead(contract.symbol, at, 1.0)
    past = sum(
        action.amount_usd
        for action in market.actions(at - _YEAR_SECONDS, at)
        if action.kind == "dividend" and action.symbol == contract.symbol
    )
    if not ahead and not past:
        return ",,,"
    following = sum(amount for _, amount in ahead)
    if not ahead:
        return f"{past:.4g},0,,"
    when, amount = ahead[0]
    return f"{past:.4g},{following:.4g},{calendar.trading_date(when):%Y%m%d},{amount:.4g}"
