"""What two option quotes must never allow: written on its own, from the definitions.

Whoever trades can buy at the ask and sell at the bid only; nothing here may then pay for certain.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from math import exp

from theta.simulator.market import calendar
from theta.simulator.market.contracts import Contract
from theta.simulator.market.quotes import Market, Quote

CENT = 0.0101
"""Rounding of the underlying's quote, and of what a cent of interest decides."""
YEAR = 365.0 * 86_400.0

Book = dict[tuple[float, str], tuple[Contract, Quote]]


def quotes(market: Market, symbol: str, expiry: str, option_class: str, now: float) -> Book:
    """Every quoted line of one expiry."""
    found: Book = {}
    for listed, strike, right in market.listed(symbol, now, option_class):
        if listed == expiry:
            contract = market.book.option(symbol, expiry, strike, right, option_class)
            found[strike, right] = (contract, market.quote(contract, now))
    return found


def offences(
    market: Market, symbol: str, expiry: str, now: float, option_class: str = ""
) -> Iterator[str]:
    """Every certain gain that the quotes of one expiry offer, and every malformed quote."""
    name = option_class or market.book.underlyings[symbol].classes[0].name
    book = quotes(market, symbol, expiry, name, now)
    for (strike, right), (contract, quote) in book.items():
        yield from malformed(market, contract, quote, f"{expiry} {strike:g}{right}")
        if not contract.european:
            yield from below_intrinsic(market, contract, quote, now)
    for right in ("C", "P"):
        yield from between_strikes(book, right)
    if not market.book.underlyings[symbol].is_index:
        yield from parity(market, book, symbol, expiry, now)


def malformed(market: Market, contract: Contract, quote: Quote, name: str) -> Iterator[str]:
    bid, ask = quote.bid, quote.ask
    if bid is None or ask is None:
        yield f"{name}: unquoted"
        return
    if not 0 <= bid < ask:
        yield f"{name}: crossed or negative {bid} {ask}"
    if (quote.bid_size > 0) != (bid > 0) or quote.ask_size <= 0:
        yield f"{name}: sizes {quote.bid_size} {quote.ask_size} at {bid} {ask}"
    _, steps = market.price_rules(contract)
    for price in (bid, ask):
        step = [width for low, width in steps if price >= low - 1e-9][-1]
        if abs(price / step - round(price / step)) > 1e-6:
            yield f"{name}: {price} is off the increment {step}"


def below_intrinsic(market: Market, contract: Contract, quote: Quote, now: float) -> Iterator[str]:
    spot = market.spot(contract.symbol, now)
    gain = spot - contract.strike if contract.is_call else contract.strike - spot
    most = spot if contract.is_call else contract.strike
    name = f"{contract.expiry} {contract.strike:g}{contract.right}"
    if quote.ask is not None and quote.ask < gain - CENT:
        yield f"{name}: ask {quote.ask} below intrinsic value {gain:.3f}"
    if quote.bid is not None and quote.bid > most + CENT:
        yield f"{name}: bid {quote.bid} above {most:.3f}"


def between_strikes(book: Book, right: str) -> Iterator[str]:
    strikes = sorted(k for k, side in book if side == right)
    sides = {k: (book[k, right][1].bid or 0.0, book[k, right][1].ask or 0.0) for k in strikes}
    for low, high in itertools.pairwise(strikes):
        dear, cheap = (low, high) if right == "C" else (high, low)
        if sides[dear][1] < sides[cheap][0] - CENT:
            yield f"{right} {dear:g} asked {sides[dear][1]} below bid of {cheap:g}"
        if sides[dear][0] - sides[cheap][1] > high - low + CENT:
            yield f"{right} {dear:g}-{cheap:g} spread bid above its width"
    for low, middle, high in zip(strikes, strikes[1:], strikes[2:], strict=False):
        share = (high - middle) / (high - low)
        wings = share * sides[low][1] + (1 - share) * sides[high][1]
        if wings < sides[middle][0] - CENT:
            yield f"{right} butterfly {low:g}/{middle:g}/{high:g} costs {wings:.3f}"


def parity(market: Market, book: Book, symbol: str, expiry: str, now: float) -> Iterator[str]:
    """S - PV(dividends) - K <= C - P <= S - K exp(-rT), beyond the spreads."""
    spot = market.spot(symbol, now)
    years = (calendar.expiry_instant(expiry) - now) / YEAR
    rate = market.rate(now)
    dividends = sum(
        amount * exp(-rate * (at - now) / YEAR)
        for at, amount in market.dividends_ahead(symbol, now, years)
    )
    for strike, right in book:
        if right != "C" or (strike, "P") not in book:
            continue
        call, put = book[strike, "C"][1], book[strike, "P"][1]
        if None in (call.bid, call.ask, put.bid, put.ask):
            continue
        assert call.ask is not None
        assert put.bid is not None
        assert call.bid is not None
        assert put.ask is not None
        low, high = spot - dividends - strike, spot - strike * exp(-rate * years)
        if call.ask - put.bid < low - CENT:
            yield f"{expiry} {strike:g}: C - P bought at {call.ask - put.bid:.3f} under {low:.3f}"
        if call.bid - put.ask > high + CENT:
            yield f"{expiry} {strike:g}: C - P sold at {call.bid - put.ask:.3f} over {high:.3f}"
