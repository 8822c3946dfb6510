"""Quotes of every contract at any instant: recorded at the recorded instants, re-priced between
them."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor

from theta.simulator.market import calendar, chains, pricing
from theta.simulator.market.book import ContractBook
from theta.simulator.market.chains import Chain, Key, Row
from theta.simulator.market.contracts import Contract, Query
from theta.simulator.market.events import PLANS, Events
from theta.simulator.market.history import History
from theta.simulator.market.listing import Listing
from theta.simulator.market.path import PricePath
from theta.simulator.market.reference import PRICE_RULES
from theta.simulator.market.underlyings import underlying
from theta.simulator.randomness import between, whole

TICK = 0.01


@dataclass(frozen=True, slots=True)
class Quote:
    """Top of book, USD per share; sizes in shares or contracts.

    ``bid`` and ``ask`` are ``None`` when nobody quotes (an option outside its session); a bid of 0
    means that
    nobody bids. ``last`` is ``None`` for a contract that has not traded.
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


@dataclass(frozen=True, slots=True)
class OptionView:
    """What prices an option at one instant."""

    spot: float
    years: float
    carry: float
    vol: float
    offset: float
    half_spread: float
    row: Row


class Market:
    """Prices, chains and quotes for one seed. Pure in the instant, but for the price shifts that a
    person sets.

    ``symbols`` maps each tradable symbol to the recorded symbol whose chain it uses.
    """

    def __init__(self, seed: int, symbols: dict[str, str], yearly_vol: float) -> None:
        self._seed = seed
        self._sources = dict(symbols)
        self.book = ContractBook(
            underlying(symbol, like=source) for symbol, source in symbols.items()
        )
        self.events = Events()
        for symbol, source in symbols.items():
            self.events.plan(symbol, PLANS.get(source))
        self.actions = self.events.actions
        self.rate = self.events.rate
        self.dividends_ahead = self.events.dividends_ahead
        self.listing = Listing(self)
        self.option_parameters = self.listing.option_parameters
        self.price_rules = self.listing.price_rules
        self.rule = PRICE_RULES.get
        history = History(self)
        self.bars = history.bars
        self.head = history.head
        self.halted: set[str] = set()
        self.frozen: set[str] = set()
        self.blank_greeks: set[str] = set()
        self._frozen_at: dict[str, float] = {}
        self.paths = {
            symbol: PricePath(seed, symbol, source, yearly_vol)
            for symbol, source in symbols.items()
        }
        self.shifts: dict[str, float] = {}
        self._quote = lru_cache(maxsize=2048)(self._quote_at)
        self._path_price = lru_cache(maxsize=512)(self._price_at)
        self._terms = lru_cache(maxsize=2048)(_terms)
        self._listing = lru_cache(maxsize=64)(_listing)

    # -- underlyings -------------------------------------------------------------------------------

    def spot(self, symbol: str, epoch: float) -> float:
        """Price of the underlying, unrounded."""
        return self._path_price(symbol, int(epoch)) * self.shifts.get(symbol, 1.0)

    def _price_at(self, symbol: str, second: int) -> float:
        return self.paths[symbol].price(second)

    def set_price(self, symbol: str, price: float, epoch: float) -> None:
        """Move the underlying to ``price`` now; later prices keep the same ratio to the seeded
        path."""
        self.shifts[symbol] = price / self._path_price(symbol, int(epoch))
        self._quote.cache_clear()

    def prior_close(self, symbol: str, epoch: float) -> float:
        """Close of the session before the one of ``epoch``."""
        day = calendar.trading_date(epoch)
        return round(self.paths[symbol].close(calendar.previous_session_day(day)), 2)

    # -- contracts ---------------------------------------------------------------------------------

    def chain(self, symbol: str, epoch: float) -> Chain:
        """The chain in force: the newest snapshot taken by then."""
        return chains.load(chains.index_at(epoch), self._sources[symbol])

    def listed(self, symbol: str, epoch: float) -> list[Key]:
        """Option lines that still trade at ``epoch``, in the order expiry, strike, right."""
        chain = self.chain(symbol, epoch)
        alive = frozenset(e for e in chain.expiries if calendar.expiry_instant(e) > epoch)
        return self._listing(chain, alive)

    def find(self, query: Query, epoch: float) -> list[Contract]:
        """Every contract that fits the description, options in the order expiry, strike, right.

        A description with legs means the combination of them.
        """
        if query.sec_type == "BAG" or query.legs:
            try:
                return [self.book.combination(query.legs, query.symbol)]
            except LookupError:
                return []
        if query.con_id:
            contract = self.book.by_id(query.con_id)
            if contract is None or not query.accepts(contract) or not self.exists(contract, epoch):
                return []
            return [contract]
        if query.sec_type in ("STK", "IND"):
            return [c for c in map(self.book.stock, self.book.symbols) if c and query.accepts(c)]
        if query.sec_type != "OPT":
            return []
        symbol = query.symbol or query.local_symbol[:6].strip() or query.trading_class
        if symbol not in self._sources:
            return []
        found = (self.book.option(symbol, *key) for key in self._candidates(symbol, query, epoch))
        return [contract for contract in found if query.accepts(contract)]

    def _candidates(self, symbol: str, query: Query, epoch: float) -> list[Key]:
        """The listed keys narrowed by expiry and strike, before contracts are built for them."""
        expiry = query.expiry.split()[0] if query.expiry.split() else ""
        if len(expiry) == 8 and query.strike > 0 and query.right[:1] in ("C", "P"):
            key = (expiry, query.strike, query.right[:1])
            alive = key in self.chain(symbol, epoch).rows
            return [key] if alive and calendar.expiry_instant(expiry) > epoch else []
        return [
            key
            for key in self.listed(symbol, epoch)
            if key[0].startswith(expiry) and query.strike in (0.0, key[1])
        ]

    def exists(self, contract: Contract, epoch: float) -> bool:
        """Whether the contract trades at ``epoch``."""
        if not contract.is_option:
            return True
        if calendar.expiry_instant(contract.expiry) <= epoch:
            return False
        key = (contract.expiry, contract.strike, contract.right)
        return self._row_chain(contract.symbol, key, epoch) is not None

    def _row_chain(self, symbol: str, key: Key, epoch: float) -> Chain | None:
        """The newest chain in force that has the line; a line dropped by a later recording stays
        alive."""
        for index in range(chains.index_at(epoch), -1, -1):
            chain = chains.load(index, self._sources[symbol])
            if key in chain.rows:
                return chain
        return None

    # -- quotes ------------------------------------------------------------------------------------

    def quote(self, contract: Contract, epoch: float) -> Quote:
        """The top of book at ``epoch``, at a resolution of one second."""
        return self._quote(contract, int(epoch))

    def _quote_at(self, contract: Contract, second: int) -> Quote:
        if contract.is_option:
            return self._option_quote(contract, second)
        if contract.is_combination:
            return self._combination_quote(contract, second)
        return self._stock_quote(contract.symbol, second)

    def _stock_quote(self, symbol: str, second: int) -> Quote:
        spot = self.spot(symbol, second)
        half = 0.005 if calendar.is_open(second) else 0.05
        bid = _floor(spot - half)
        ask = max(_ceil(spot + half), round(bid + TICK, 2))
        bucket = second // 5
        opened = calendar.next_session(second)[0]
        elapsed = max(0.0, min(1.0, (second - opened) / 23_400))
        return Quote(
            bid=max(bid, TICK),
            ask=max(ask, 2 * TICK),
            bid_size=100 * whole(1, 20, self._seed, "size", symbol, "bid", bucket),
            ask_size=100 * whole(1, 20, self._seed, "size", symbol, "ask", bucket),
            last=round(spot, 2),
            last_size=100 * whole(1, 5, self._seed, "size", symbol, "last", bucket),
            close=self.prior_close(symbol, second),
            volume=int(elapsed * 45_000_000),
        )

    def _combination_quote(self, contract: Contract, second: int) -> Quote:
        """The net of the legs, per share of the options; no bid or ask while a leg has none."""
        bid: float | None = 0.0
        ask: float | None = 0.0
        close = 0.0
        sizes: tuple[list[int], list[int]] = ([], [])
        for leg in contract.legs:
            member = self.book.by_id(leg.con_id)
            assert member is not None
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
        mid = model_price(contract, view)
        key = (self._seed, "size", contract.con_id, second // 5)
        close = self._prior_option_close(contract, view, second)
        last = view.row.last if view.row.last > 0 else None
        if not calendar.is_open(second):
            return Quote(None, None, 0, 0, last, 1, close, view.row.volume)
        # At a recorded instant mid ± half spread is the recorded quote; the nudge keeps it through
        # rounding.
        bid = max(0.0, _floor(mid - view.half_spread))
        ask = max(_ceil(mid + view.half_spread), round(bid + TICK, 2))
        return Quote(
            bid=bid,
            ask=ask,
            bid_size=whole(1, 60, *key, "bid") if bid > 0 else 0,
            ask_size=whole(1, 60, *key, "ask"),
            last=last,
            last_size=whole(1, 10, *key, "last"),
            close=close,
            volume=view.row.volume,
        )

    def _prior_option_close(self, contract: Contract, view: OptionView, second: int) -> float:
        """The model price at the prior close with the volatility in force now."""
        day = calendar.previous_session_day(calendar.trading_date(second))
        hours = calendar.session(day)
        if hours is None:
            return 0.0
        years = view.years + (second - hours[1]) / pricing.YEAR_SECONDS
        value = pricing.price(
            is_call=contract.is_call,
            spot=self.prior_close(contract.symbol, second),
            strike=contract.strike,
            years=years,
            vol=view.vol,
            carry=view.carry,
        )
        return round(max(value, 0.0), 2)

    # -- option model ------------------------------------------------------------------------------

    def view(self, contract: Contract, epoch: float) -> OptionView | None:
        """Volatility, carry and spread of an option, moving from one recording to the next with
        market time.

        ``None`` for a line that no chain in force has.
        """
        key = (contract.expiry, contract.strike, contract.right)
        chain = self._row_chain(contract.symbol, key, epoch)
        if chain is None:
            return None
        index = chains.index_at(epoch)
        following = None
        if index + 1 < len(chains.snapshots()) and epoch >= chain.snapshot.taken_at:
            later = chains.load(index + 1, self._sources[contract.symbol])
            following = later if key in later.rows else None
        weight = 0.0
        if following is not None:
            start, end = chain.snapshot.taken_at, following.snapshot.taken_at
            weight = (epoch - start) / (end - start)
        return self._blend(contract, chain, following, weight, epoch)

    def _blend(
        self,
        contract: Contract,
        chain: Chain,
        following: Chain | None,
        weight: float,
        epoch: float,
    ) -> OptionView:
        key = (contract.expiry, contract.strike, contract.right)
        now = self._terms(contract, chain, key)
        terms = now
        if following is not None:
            then = self._terms(contract, following, key)
            terms = tuple(a + weight * (b - a) for a, b in zip(now, then, strict=True))
        vol, carry, offset, half_spread = terms
        expires = calendar.expiry_instant(contract.expiry)
        return OptionView(
            spot=self.spot(contract.symbol, epoch),
            years=(expires - epoch) / pricing.YEAR_SECONDS,
            carry=carry,
            vol=vol,
            offset=offset,
            half_spread=half_spread,
            row=chain.rows[key],
        )

    def intrinsic(self, contract: Contract, epoch: float) -> float:
        """What an option is worth exercised at once, at the latest at its expiry."""
        at = min(epoch, calendar.expiry_instant(contract.expiry) - 1)
        spot = self.spot(contract.symbol, at)
        gain = spot - contract.strike if contract.is_call else contract.strike - spot
        return max(0.0, gain)

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
            vol = pricing.implied_vol(
                price,
                is_call=contract.is_call,
                spot=view.spot,
                strike=contract.strike,
                years=view.years,
                carry=view.carry,
            )
        if vol is None:
            return None
        return vol, pricing.greeks(
            is_call=contract.is_call,
            spot=view.spot,
            strike=contract.strike,
            years=view.years,
            vol=vol,
            carry=view.carry,
        )

    def settlement(self, contract: Contract, epoch: float) -> float:
        """Price of the underlying that an expiry at or before ``epoch`` settles on, unrounded."""
        return self.spot(contract.symbol, min(epoch, calendar.expiry_instant(contract.expiry) - 1))

    def freeze(self, symbols: Collection[str], epoch: float) -> None:
        """Let the books of ``symbols`` stand still as they are at ``epoch``."""
        for symbol in symbols:
            self.frozen.add(symbol)
            self._frozen_at[symbol] = epoch

    def thaw(self, symbols: Collection[str]) -> None:
        """Let the books of ``symbols`` move again."""
        for symbol in symbols:
            self.frozen.discard(symbol)
            self._frozen_at.pop(symbol, None)

    def jitter(self, *key: object) -> float:
        """A stable number in 0..1 for this market's seed."""
        return between(0.0, 1.0, self._seed, *key)


def _listing(chain: Chain, alive: frozenset[str]) -> list[Key]:
    return sorted(key for key in chain.rows if key[0] in alive)


def _floor(price: float) -> float:
    return round(floor(price / TICK + 1e-3) * TICK, 2)


def _ceil(price: float) -> float:
    return round(ceil(price / TICK - 1e-3) * TICK, 2)


def _terms(contract: Contract, chain: Chain, key: Key) -> tuple[float, ...]:
    """Volatility, carry, what the model leaves unexplained of the recorded mid, and half the
    spread."""
    row = chain.rows[key]
    vol, carry = chain.vol(key), chain.carry(key[0])
    ask = row.ask if row.ask > row.bid else row.bid + TICK
    mid = (row.bid + ask) / 2
    value = pricing.price(
        is_call=contract.is_call,
        spot=chain.spot,
        strike=contract.strike,
        years=chain.years(key[0]),
        vol=vol,
        carry=carry,
    )
    offset = mid - value
    return vol, carry, offset if abs(offset) > 1e-4 else 0.0, (ask - row.bid) / 2


def model_price(contract: Contract, view: OptionView) -> float:
    """Mid by the model, never negative."""
    value = pricing.price(
        is_call=contract.is_call,
        spot=view.spot,
        strike=contract.strike,
        years=view.years,
        vol=view.vol,
        carry=view.carry,
    )
    return max(0.0, value + view.offset)
