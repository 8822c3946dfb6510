"""Historical bars, the same for the same seed whenever they are asked for."""

from typing import TYPE_CHECKING

from theta.simulator.market import calendar
from theta.simulator.market.contracts import Contract
from theta.simulator.market.reference import Bar

if TYPE_CHECKING:
    from theta.simulator.market.quotes import Market

DAY_SECONDS = 86_400


class History:
    """Bars of every contract of a market."""

    def __init__(self, market: "Market") -> None:
        self._market = market

    def head(self, contract: Contract, what: str) -> float:
        """Epoch second of the first bar there is of this kind."""
        del contract, what
        return calendar.session_days_back(calendar.trading_date(1_786_637_613), 750)[0].toordinal()

    def bars(
        self,
        contract: Contract,
        what: str,
        start: float,
        end: float,
        bar_seconds: int,
        regular_hours: bool = True,  # noqa: FBT001,FBT002 - the client's own flag, passed on
    ) -> list[Bar]:
        """Bars that start in [start, end), oldest first; the running bar ends at the price of
        ``end``.

        ``what`` is TRADES, ADJUSTED_LAST, MIDPOINT, BID, ASK, HISTORICAL_VOLATILITY or
        OPTION_IMPLIED_VOLATILITY; ``bar_seconds`` 86,400 means one bar per session. Empty when
        there is nothing, or for a kind that the contract does not have.
        """
        del what, bar_seconds, regular_hours
        market, path = self._market, self._market.known_source(contract.symbol).path
        bars: list[Bar] = []
        last = calendar.trading_date(end)
        count = max(1, int((end - start) / DAY_SECONDS * 5 / 7) + 1)
        for day in calendar.session_days_back(last, min(count, 700)):
            opens, closes = calendar.session(day) or (0.0, 0.0)
            if opens >= end or opens < start:
                continue
            close = market.spot(contract.symbol, end) if end < closes else path.close(day)
            before = path.close(calendar.previous_session_day(day))
            opening = before + (close - before) * market.jitter("open", contract.symbol, day)
            reach = abs(close - before) * 0.5 + close * 0.002
            high = max(opening, close) + reach * market.jitter("high", contract.symbol, day)
            low = min(opening, close) - reach * market.jitter("low", contract.symbol, day)
            volume = int(30e6 + 30e6 * market.jitter("volume", contract.symbol, day))
            o, h, x, c = (round(value, 2) for value in (opening, high, low, close))
            average = round((high + low + close) / 3, 3)
            bars.append(Bar(opens, o, h, x, c, volume, average, volume // 120))
        return bars
