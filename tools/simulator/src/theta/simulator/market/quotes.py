"""The market: quotes and greeks of every contract at any instant."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import pairwise
from math import ceil, floor, log, sqrt
from statistics import stdev

from theta.simulator.market import american, calendar, pricing, schedule, spreads
from theta.simulator.market.assembly import Listed
from theta.simulator.market.contracts import Contract
from theta.simulator.market.history import History
from theta.simulator.market.listing import Listing
from theta.simulator.market.model import (
    OptionView,
    last_trading_instant,
    model_price,
    settling_instant,
    shock,
)
from theta.simulator.market.recording import Chain, Key, day_of
from theta.simulator.market.reference import PRICE_RULES, Steps, increment
from theta.simulator.market.underlying_prices import UnderlyingPrices
from theta.simulator.randomness import whole

__all__ = ["TICK", "Market", "OptionView", "Quote", "model_price"]

TICK = 0.01
_SHIPPED_VOLUME = 45_000_000
_SHIPPED = frozenset({"SPY", "QQQ", "IWM"})
_HISTORY_SESSIONS = 31
_MONTH_SECONDS = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Quote:
    """Top of book, USD per share; sizes in shares or contracts.

    ``bid`` and ``ask`` are ``None`` when nobody quotes (an option outside its session, an index
    ever); a bid of 0 means that nobody bids. ``last`` is ``None`` for a contract that has not
    traded.
    """

    bid: float | None
    ask: float | None
    bid_size: int
    ask_size: int
    last: float | None
    last_size: int
    close: float
    volume: int

    @property
    def mark(self) -> float:
        """The value of the position per share: the mid, else last, else close."""
        if self.bid is not None and self.ask is not None:
            return (self.bid + self.ask) / 2
        return self.last if self.last is not None else self.close


class Market(UnderlyingPrices):
    """Contracts, quotes and greeks on the prices of their underlyings."""

    def __init__(
        self,
        seed: int,
        symbols: Mapping[str, str] | Iterable[Listed],
        yearly_vol: float = 0.14,
        rate: float = pricing.RATE,
    ) -> None:
        super().__init__(seed, symbols, yearly_vol, rate)
        self._quote = lru_cache(maxsize=8192)(self._quote_at)
        self._view = lru_cache(maxsize=8192)(self._view_at)
        self._closes = lru_cache(maxsize=8192)(self._prior_option_close)
        self._totals = lru_cache(maxsize=4096)(self._totals_on)
        self._interest = lru_cache(maxsize=65_536)(self._interest_on)
        self._steps = lru_cache(maxsize=65_536)(self._steps_of)
        listing = Listing(self)
        self.find, self.exists, self.listed = listing.find, listing.exists, listing.listed
        self.option_parameters, self.price_rules = listing.option_parameters, listing.price_rules
        self.rule = PRICE_RULES.get
        self._history = history = History(self)
        self.bars, self.head = history.bars, history.head

    def refresh(self) -> None:
        """Compute anew what was kept: prices or events have changed."""
        super().refresh()
        for kept in (self._quote, self._view, self._closes, self._totals, self._interest):
            kept.cache_clear()
        self._history.forget()

    def chain(self, symbol: str, epoch: float) -> Chain | None:
        """The recorded chain in force: the newest one taken by then; ``None`` where the options of
        a symbol are modelled."""
        return self.known_source(symbol).chain(epoch)

    # -- quotes ------------------------------------------------------------------------------------

    def quote(self, contract: Contract, epoch: float) -> Quote:
        """The top of book at ``epoch``, at a resolution of one second."""
        if contract.is_combination:
            return self._combination_quote(contract, int(epoch))
        return self._quote(contract.con_id, int(self._frozen_at.get(contract.symbol, epoch)))

    def _contract(self, con_id: int) -> Contract:
        contract = self.book.by_id(con_id)
        assert contract is not None
        return contract

    def _quote_at(self, con_id: int, second: int) -> Quote:
        contract = self._contract(con_id)
        if contract.is_option:
            return self._option_quote(contract, second)
        if contract.is_index:
            spot, close = self.spot(contract.symbol, second), contract.symbol
            return Quote(None, None, 0, 0, round(spot, 2), 0, self.prior_close(close, second), 0)
        return self._stock_quote(contract, second)

    def _steps_of(self, con_id: int) -> Steps:
        return self.price_rules(self._contract(con_id))[1]

    def _stock_quote(self, contract: Contract, second: int) -> Quote:
        symbol, steps = contract.symbol, self._steps(contract.con_id)
        spot = self.spot(symbol, second)
        half = 0.005 if calendar.is_open(second) else 0.05
        half = min(half, 0.02 * spot)
        bid = _floor(spot - half, steps)
        ask = _above(max(spot + half, bid), bid, steps)
        bucket = second // 5
        opened = calendar.next_session(second)[0]
        elapsed = max(0.0, min(1.0, (second - opened) / 23_400))
        daily = _SHIPPED_VOLUME
        if symbol not in _SHIPPED:
            daily = whole(1_000_000, 40_000_000, self.seed, "traded", symbol)
        return Quote(
            bid=bid,
            ask=ask,
            bid_size=100 * whole(1, 20, self.seed, "size", symbol, "bid", bucket),
            ask_size=100 * whole(1, 20, self.seed, "size", symbol, "ask", bucket),
            last=round(spot, 2 if spot >= 1 else 4),
            last_size=100 * whole(1, 5, self.seed, "size", symbol, "last", bucket),
            close=self.prior_close(symbol, second),
            volume=int(elapsed * daily),
        )

    def _combination_quote(self, contract: Contract, second: int) -> Quote:
        """The net of the legs, per share of the options; no bid or ask while a leg has none."""
        bid: float | None = 0.0
        ask: float | None = 0.0
        close = 0.0
        sizes: tuple[list[int], list[int]] = ([], [])
        for leg in contract.legs:
            member = self._contract(leg.con_id)
            quote = self.quote(member, second)
            weight = leg.ratio * member.multiplier / contract.multiplier
            near, far = (quote.bid, quote.ask) if leg.sign > 0 else (quote.ask, quote.bid)
            near_size, far_size = quote.bid_size, quote.ask_size
            if leg.sign < 0:
                near_size, far_size = far_size, near_size
            bid = None if bid is None or near is None else bid + leg.sign * weight * near
            ask = None if ask is None or far is None else ask + leg.sign * weight * far
            close += leg.sign * weight * quote.close
            sizes[0].append(near_size // leg.ratio)
            sizes[1].append(far_size // leg.ratio)
        return Quote(
            bid=None if bid is None else round(bid, 4),
            ask=None if ask is None else round(ask, 4),
            bid_size=min(sizes[0]),
            ask_size=min(sizes[1]),
            last=None,
            last_size=0,
            close=round(close, 4),
            volume=0,
        )

    def _option_quote(self, contract: Contract, second: int) -> Quote:
        view = self.view(contract, second)
        if view is None or view.years <= 0:
            value = self.intrinsic(contract, second)
            return Quote(None, None, 0, 0, None, 0, round(value, 2), 0)
        fair = american.price(view.terms, view.vol)
        mid = max(0.0, fair + view.offset)
        steps = self._steps(contract.con_id)
        volume = self._volume(contract, view, second)
        last = self._last(view, mid, volume, steps)
        close = self._closes(contract.con_id, calendar.trading_date(second).toordinal())
        if not calendar.is_open(second) or second >= last_trading_instant(contract):
            return Quote(None, None, 0, 0, last, 1, close, volume)
        bid, ask = self._sides(contract, view, fair)
        key = (self.seed, "size", contract.con_id, second // 5)
        return Quote(
            bid=bid,
            ask=ask,
            bid_size=whole(1, 60, *key, "bid") if bid > 0 else 0,
            ask_size=whole(1, 60, *key, "ask"),
            last=last,
            last_size=whole(1, 10, *key, "last") if last is not None else 0,
            close=close,
            volume=volume,
        )

    @staticmethod
    def _last(view: OptionView, mid: float, volume: int, steps: Steps) -> float | None:
        if view.row.last > 0:
            return view.row.last
        if volume <= 0:
            return None
        step = increment(steps, mid)
        return max(step, round(round(mid / step) * step, 4))

    def _volume(self, contract: Contract, view: OptionView, second: int) -> int:
        if view.modelled:
            return self.figures(contract, second)[0]
        return view.row.volume

    def _prior_option_close(self, con_id: int, ordinal: int) -> float:
        """The model price at the prior close with the volatility in force at the opening."""
        day = calendar.previous_session_day(calendar.date_of(ordinal))
        hours = calendar.session(day)
        view = self._view(con_id, hours[1] - 1) if hours else None
        if view is None or view.years <= 0:
            return 0.0
        return round(model_price(self._contract(con_id), view), 2)

    # -- option model ------------------------------------------------------------------------------

    def view(self, contract: Contract, epoch: float) -> OptionView | None:
        """Volatility, carry and spread of an option, moving from one recording to the next with
        market time, at a resolution of one second. ``None`` for what is no option."""
        if not contract.is_option:
            return None
        at = self._frozen_at.get(contract.symbol, epoch)
        return self._view(contract.con_id, float(int(at)))

    def _view_at(self, con_id: int, epoch: float) -> OptionView | None:
        contract = self._contract(con_id)
        source, symbol = self.known_source(contract.symbol), contract.symbol
        ratio = self.events.split_ratio(symbol, 0.0, epoch)
        share = contract.shares / contract.price_multiplier
        key = (contract.expiry, contract.strike, contract.right)
        if ratio != 1.0:
            key = self._before_splits(contract, epoch, ratio / share)
        line = source.line(key, epoch)
        spot = self.path_price(symbol, epoch)
        shift = self.shift(symbol, epoch)
        return self.model.view(contract, line, spot, epoch, share / ratio, shift)

    def option_prices(self, contract: Contract, epoch: float, spot: float) -> tuple[float, float]:
        """Bid and ask of an option at ``epoch`` were its underlying at ``spot``."""
        view = self.view(contract, epoch)
        assert view is not None
        share = contract.shares / contract.price_multiplier
        return self._sides(contract, view, american.price(view.terms, view.vol, spot * share))

    def _sides(self, contract: Contract, view: OptionView, fair: float) -> tuple[float, float]:
        """The model price lies within every quote: whoever sells at the bid and buys at the ask
        cannot gain what the model does not give."""
        steps = self._steps(contract.con_id)
        mid = max(0.0, fair + view.offset)
        bid = max(0.0, _floor(min(mid - view.half_spread, fair), steps))
        return bid, _above(max(mid + view.half_spread, fair), bid, steps)

    def _before_splits(self, contract: Contract, epoch: float, ratio: float) -> Key:
        """The key by which the source knows an option whose underlying has been split."""
        strike = round(contract.strike * ratio, 4)
        for native, _ in self.known_source(contract.symbol).lines(contract.expiry, epoch, 1.0):
            if round(native / ratio, 2) == contract.strike:
                strike = native
                break
        return contract.expiry, strike, contract.right

    def intrinsic(self, contract: Contract, epoch: float) -> float:
        """What an option is worth exercised at once, at the latest at its expiry."""
        at = min(epoch, settling_instant(contract) - 1)
        spot = self.spot(contract.symbol, at) * contract.shares / contract.price_multiplier
        gain = spot - contract.strike if contract.is_call else contract.strike - spot
        return max(0.0, gain)

    def settlement(self, contract: Contract, epoch: float) -> float:
        """Price of the underlying that an expiry at or before ``epoch`` settles on, unrounded: that
        of the close, or of the opening for a class that settles in the morning."""
        instant = settling_instant(contract)
        at = instant if contract.morning_settled else instant - 1
        return self.spot(contract.symbol, min(epoch, at))

    def greeks(
        self, contract: Contract, epoch: float, price: float | None
    ) -> tuple[float, pricing.Greeks] | None:
        """Implied volatility and greeks at ``price`` (``None``: at the model price).

        ``None`` where no volatility explains the price.
        """
        view = self.view(contract, epoch)
        if view is None or view.years <= 0:
            return None
        vol: float | None = view.vol
        if price is not None:
            vol = american.implied_vol(price, view.terms, view.vol)
        return None if vol is None else (vol, american.greeks(view.terms, vol))

    # -- volumes and volatilities ------------------------------------------------------------------

    def figures(self, contract: Contract, epoch: float) -> tuple[int, int]:
        """(volume so far today, open interest) of an option, in contracts."""
        view = self.view(contract, epoch)
        if view is None:
            return 0, 0
        if not view.modelled:
            return view.row.volume, view.row.open_interest
        day = calendar.trading_date(epoch)
        interest, traded = self._interest(contract.con_id, day)
        hours = calendar.session(day)
        if hours is None:
            return 0, interest
        elapsed = max(0.0, min(1.0, (epoch - hours[0]) / (hours[1] - hours[0])))
        return int(elapsed * traded), interest

    def _interest_on(self, con_id: int, day: date) -> tuple[int, int]:
        """Open interest of a modelled line all day, and its volume in the whole session."""
        contract = self._contract(con_id)
        interest = spreads.interest(
            self.seed, contract.symbol, contract.expiry, contract.strike, contract.right,
            spot=self.prior_close(contract.symbol, calendar.start_of(day)),
            monthly=schedule.is_month_expiry(day_of(contract.expiry)),
        )  # fmt: skip
        return interest, spreads.daily_volume(self.seed, interest, day.isoformat(), con_id)

    def option_totals(self, symbol: str, epoch: float) -> dict[str, tuple[int, int]]:
        """(volume, open interest) of all listed calls (C) and puts (P), to the minute."""
        return dict(self._totals(symbol, int(epoch) // 60))

    def _totals_on(self, symbol: str, minute: int) -> dict[str, tuple[int, int]]:
        found = {"C": [0, 0], "P": [0, 0]}
        chain = self.chain(symbol, minute * 60)
        if chain is not None:
            for (_, _, right), row in chain.rows.items():
                found[right][0] += row.volume
                found[right][1] += row.open_interest
        else:
            for key in self.listed(symbol, minute * 60):
                volume, interest = self.figures(self.book.option(symbol, *key), minute * 60)
                found[key[2]][0] += volume
                found[key[2]][1] += interest
        return {right: (volume, interest) for right, (volume, interest) in found.items()}

    def implied_volatility(self, symbol: str, epoch: float) -> float | None:
        """At-the-money volatility about 30 days out; ``None`` for a symbol without options."""
        source = self.known_source(symbol)
        under = self.book.underlyings[symbol]
        if not under.classes:
            return None
        listed = source.expiries(epoch, under.classes[0].name)
        if not listed:
            return None
        target = epoch + _MONTH_SECONDS
        expiry = min(listed, key=lambda e: abs(calendar.expiry_instant(e) - target))
        # No line is listed at this strike, so the surface answers alone.
        line = source.line((expiry, -1.0, "P"), epoch)
        return shock(self.shift(symbol, epoch)) * line.vol(0.0)

    def historical_volatility(self, symbol: str, epoch: float) -> float:
        """Standard deviation per year of the daily log returns of the last 30 sessions."""
        path = self.known_source(symbol).path
        last = calendar.previous_session_day(calendar.trading_date(epoch))
        days = calendar.session_days_back(last, _HISTORY_SESSIONS)
        closes = [path.unsplit_close(day) for day in days]
        return stdev(log(b / a) for a, b in pairwise(closes)) * sqrt(252)


def _floor(price: float, steps: Steps) -> float:
    if price <= 0:
        return 0.0
    step = increment(steps, price)
    return round(floor(price / step + 1e-4) * step, 4)


def _above(price: float, bid: float, steps: Steps) -> float:
    """The lowest price on the grid at or above ``price`` that is above ``bid``."""
    step = increment(steps, price)
    found = round(ceil(price / step - 1e-4) * step, 4)
    return found if found > bid else round(bid + increment(steps, bid), 4)
