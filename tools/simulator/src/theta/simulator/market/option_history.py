"""Bars of options and combinations, made of those of their underlyings."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from theta.simulator.market import calendar
from theta.simulator.market.contracts import Contract
from theta.simulator.market.model import last_trading_instant
from theta.simulator.market.reference import Bar, increment

if TYPE_CHECKING:
    from theta.simulator.market.quotes import Market

_LISTED_DAYS = 90
Shape = tuple[float, float, float, float]


class OptionHistory:
    """Prices an option over the bars of its underlying."""

    def __init__(self, market: "Market") -> None:
        self._market = market

    def head(self, contract: Contract) -> float:
        """The first bar: 90 days before the expiry, or where the underlying begins."""
        first = self._market.known_source(contract.symbol).path.first_day
        listed = calendar.expiry_instant(contract.expiry) - _LISTED_DAYS * 86_400
        return max(listed, calendar.start_of(first))

    def members(self, contract: Contract) -> list[Contract]:
        """The contracts of a combination's legs."""
        found = (self._market.book.by_id(leg.con_id) for leg in contract.legs)
        return [member for member in found if member is not None]

    def bar(
        self,
        contract: Contract,
        what: str,
        slot: tuple[float, float],
        shape_of: Callable[[str], Shape],
    ) -> Bar | None:
        """One bar between two instants; ``shape_of`` gives open, high, low and close of an
        underlying in it. ``None`` after the last trade."""
        at, until = slot
        if contract.is_combination:
            return self._net(contract, what, slot, shape_of)
        if at >= last_trading_instant(contract):
            return None
        opened, high, low, closed = shape_of(contract.symbol)
        last = max(at, until - 1)
        o, c = self._side(contract, what, at, opened), self._side(contract, what, last, closed)
        top, bottom = (high, low) if contract.is_call else (low, high)
        best = max(o, c, self._side(contract, what, at, top))
        worst = min(o, c, self._side(contract, what, last, bottom))
        if what not in ("TRADES", "ADJUSTED_LAST"):
            return Bar(at, o, best, worst, c, -1, 0.0, -1)
        volume = self._traded(contract, at, until)
        average = round((best + worst + c) / 3, 3)
        return Bar(at, o, best, worst, c, volume, average, volume // 3)

    def _side(self, contract: Contract, what: str, at: float, spot: float) -> float:
        bid, ask = self._market.option_prices(contract, at, spot)
        if what == "BID":
            return bid
        if what == "ASK":
            return ask
        middle = (bid + ask) / 2
        if what == "MIDPOINT":
            return round(middle, 4)
        step = increment(self._market.price_rules(contract)[1], middle)
        return max(step, round(round(middle / step) * step, 4))

    def _traded(self, contract: Contract, at: float, until: float) -> int:
        day = calendar.trading_date(at)
        opened, closed = calendar.session(day) or (at, until)
        whole = self._market.figures(contract, closed - 1)[0]
        share = (min(until, closed) - max(at, opened)) / (closed - opened)
        return int(whole * max(0.0, share))

    def _net(
        self,
        contract: Contract,
        what: str,
        slot: tuple[float, float],
        shape_of: Callable[[str], Shape],
    ) -> Bar | None:
        """The net of the legs at the opening and the end, with the legs' extremes between."""
        opened = closed = best = worst = 0.0
        for leg, member in zip(contract.legs, self.members(contract), strict=True):
            side = {"BID": "ASK", "ASK": "BID"}.get(what, what) if leg.sign < 0 else what
            if member.is_option:
                bar = self.bar(member, side, slot, shape_of)
                if bar is None:
                    return None
                o, h, low, c = bar.open, bar.high, bar.low, bar.close
            else:
                o, h, low, c = shape_of(member.symbol)
            weight = leg.sign * leg.ratio * member.multiplier / contract.multiplier
            opened, closed = opened + weight * o, closed + weight * c
            best += weight * (h if weight > 0 else low)
            worst += weight * (low if weight > 0 else h)
        prices = [round(price, 4) for price in (opened, best, worst, closed)]
        return Bar(slot[0], prices[0], prices[1], prices[2], prices[3], -1, 0.0, -1)
