"""The underlyings of a market: their sources, prices, splits, and what a person does to them."""

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

from theta.simulator.market import calendar, pricing
from theta.simulator.market.assembly import Listed, shipped
from theta.simulator.market.book import ContractBook
from theta.simulator.market.events import Events
from theta.simulator.market.model import OptionModel
from theta.simulator.market.shifts import Shifts
from theta.simulator.market.source import SymbolSource
from theta.simulator.market.underlyings import OptionClass
from theta.simulator.randomness import between


class UnderlyingPrices:
    """Prices of the underlyings for one seed. Pure in the instant, but for what a person changes:
    shifted prices, frozen symbols, added events.

    ``symbols`` maps each tradable symbol to the shipped chain it uses, or says how to open each.
    """

    def __init__(
        self,
        seed: int,
        symbols: Mapping[str, str] | Iterable[Listed],
        yearly_vol: float = 0.14,
        rate: float = pricing.RATE,
    ) -> None:
        listed = shipped(symbols, yearly_vol) if isinstance(symbols, Mapping) else list(symbols)
        self.seed = seed
        self.events = Events(rate)
        self.model = OptionModel(self.events)
        self.book = ContractBook(item.under for item in listed)
        self._openers = {item.under.symbol: item for item in listed}
        self._sources: dict[str, SymbolSource] = {}
        for item in listed:
            if item.plan is not None:
                self.events.plan(item.under.symbol, item.plan)
        self.shifts = Shifts()
        self.halted: set[str] = set()
        self.frozen: set[str] = set()
        self.blank_greeks: set[str] = set()
        self._frozen_at: dict[str, float] = {}
        self._path_price = lru_cache(maxsize=4096)(self._price_at)
        self.events.listeners.append(self._events_changed)
        self.actions = self.events.actions
        self.rate = self.events.rate
        self.dividends_ahead = self.events.dividends_ahead

    def source(self, symbol: str) -> SymbolSource | None:
        """What the market knows of ``symbol``, opened when first needed; ``None`` for an unknown
        one."""
        found = self._sources.get(symbol)
        if found is None and symbol in self._openers:
            found = self._sources[symbol] = self._openers[symbol].open(self)
        return found

    def known_source(self, symbol: str) -> SymbolSource:
        """As ``source``. Raises ``KeyError`` for an unknown symbol."""
        found = self.source(symbol)
        if found is None:
            raise KeyError(symbol)
        return found

    def shift(self, symbol: str, epoch: float | None = None) -> float:
        """What a person made of the price of ``symbol``: the ratio to its seeded path, at
        ``epoch`` or by the last change."""
        own = self.shifts.at(symbol, epoch)
        follows = self._sources[symbol].follows if symbol in self._sources else None
        if follows is None:
            return own
        base, power = follows
        return own * float(self.shifts.at(base, epoch) ** power)

    def adjusted_since(self, item: OptionClass, epoch: float) -> float | None:
        """When the lines of an adjusted class moved there: its last split that is not whole;
        ``None`` for a class that is none, or before that split."""
        under = self.book.underlyings[item.symbol]
        if item.name in {item.symbol, under.classes[0].name} or under.is_index:
            return None
        found = None
        for action in self.events.actions(0.0, epoch, item.symbol):
            if action.kind == "split" and action.ratio != int(action.ratio):
                found = action.at
        return found

    def spot(self, symbol: str, epoch: float) -> float:
        """Price of the underlying, unrounded."""
        return self.path_price(symbol, self._frozen_at.get(symbol, epoch))

    def path_price(self, symbol: str, epoch: float) -> float:
        """As ``spot``, also of a frozen symbol."""
        return self._path_price(symbol, int(epoch)) * self.shift(symbol, epoch)

    def _price_at(self, symbol: str, second: int) -> float:
        return self.known_source(symbol).path.price(second)

    def set_price(self, symbol: str, price: float, epoch: float) -> None:
        """Move the underlying to ``price`` now; later prices keep the same ratio to the seeded
        path, earlier ones stay what they were."""
        self.shifts.move(symbol, price / self.path_price(symbol, epoch), epoch)
        self.refresh()

    def prior_close(self, symbol: str, epoch: float) -> float:
        """Close of the session before the one of ``epoch``, in today's units after a split."""
        day = calendar.trading_date(epoch)
        before = calendar.previous_session_day(day)
        price = self.known_source(symbol).path.close(before)
        hours = calendar.session(before)
        if hours is not None:
            price *= self.shift(symbol, hours[1])
            price /= self.events.split_ratio(symbol, hours[1], epoch)
        return round(price, 2)

    def freeze(self, symbols: Collection[str], epoch: float) -> None:
        """Let the books of ``symbols`` stand still as they are at ``epoch``."""
        for symbol in symbols:
            self.frozen.add(symbol)
            self._frozen_at[symbol] = epoch
        self.refresh()

    def thaw(self, symbols: Collection[str]) -> None:
        """Let the books of ``symbols`` move again."""
        for symbol in symbols:
            self.frozen.discard(symbol)
            self._frozen_at.pop(symbol, None)
        self.refresh()

    def _events_changed(self) -> None:
        self.refresh()

    def refresh(self) -> None:
        """Compute anew what was kept: prices or events have changed."""
        self._path_price.cache_clear()
        self.model.forget()

    def jitter(self, *key: object) -> float:
        """A stable number in 0..1 for this market's seed."""
        return between(0.0, 1.0, self.seed, *key)
