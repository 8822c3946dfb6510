"""Numbers every contract: ids follow from the terms alone, and lead back to them.

Ids fit a signed 32-bit number, as the broker's do. An underlying that IBKR lists keeps its id
there; others take one from a block by a hash of their symbol. An option's id is made of its expiry,
strike and right, turned by a hash of its trading class, so that two options of one class never
meet. Should options of two classes meet, the later one moves on to the next free number.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import lru_cache
from hashlib import blake2b

from theta.simulator.market.contracts import Contract, Leg
from theta.simulator.market.underlyings import OptionClass, Underlying, underlying

Terms = tuple[str, str, float, str]
"""Trading class, expiry, strike, right."""

_STOCK_BLOCK, _STOCK_SPAN = 700_000_000, 100_000_000
_COMBO_BLOCK, _COMBO_SPAN = 800_000_000, 99_000_000
_OPTION_BLOCK = 900_000_000
_HALVES = 28_000  # strikes on the half-dollar grid, up to USD 14,000
_CENTS = 25_000  # other strikes in cents, up to USD 250
_CODES = _HALVES + _CENTS
_WEEKDAYS = 11_740  # 45 years from the first day
_SPAN = _WEEKDAYS * _CODES * 2
_FIRST_DAY = date(2000, 1, 3)


def _hash(span: int, *parts: object) -> int:
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) % span


@lru_cache(maxsize=65_536)
def _day_number(expiry: str) -> int:
    day = date(int(expiry[:4]), int(expiry[4:6]), int(expiry[6:8]))
    weeks, weekday = divmod((day - _FIRST_DAY).days, 7)
    return (weeks * 5 + min(weekday, 4)) % _WEEKDAYS


@lru_cache(maxsize=4096)
def _expiry_of(number: int) -> str:
    weeks, weekday = divmod(number, 5)
    return f"{_FIRST_DAY + timedelta(weeks * 7 + weekday):%Y%m%d}"


def _strike_code(strike: float) -> int | None:
    """The strike as a number below ``_CODES``; ``None`` for one off both grids."""
    cents = round(strike * 100)
    if abs(strike * 100 - cents) > 1e-6:
        return None
    if cents % 50 == 0 and cents // 50 < _HALVES:
        return cents // 50
    return _HALVES + cents if cents < _CENTS else None


def _strike_of(code: int) -> float:
    return code / 2 if code < _HALVES else (code - _HALVES) / 100


class ContractBook:
    """Every contract of a market, by its terms and by its id.

    ``listed`` tells whether a class ever lists (expiry, strike, right); it decides what an id
    means that this book has not given out itself (one that a client kept from an earlier run).
    """

    def __init__(self, underlyings: Iterable[Underlying | str]) -> None:
        self.underlyings: dict[str, Underlying] = {}
        self.classes: dict[str, OptionClass] = {}
        self.listed: Callable[[OptionClass, str, float, str], bool] = lambda *_: True
        self._stocks: dict[str, Contract] = {}
        self._by_id: dict[int, Contract] = {}
        self._options: dict[Terms, Contract] = {}
        self._offsets: dict[str, int] = {}
        for item in underlyings:
            self.add(item if isinstance(item, Underlying) else underlying(item))

    @property
    def symbols(self) -> list[str]:
        return list(self.underlyings)

    def add(self, item: Underlying) -> Contract:
        """List another underlying, or further classes on one that is listed."""
        known = self._stocks.get(item.symbol)
        self.underlyings[item.symbol] = item
        for option_class in item.classes:
            self.classes[option_class.name] = option_class
            self._offsets[option_class.name] = _hash(_SPAN, "class", option_class.name)
        if known is not None:
            return known
        con_id = item.con_id or self._free(
            _STOCK_BLOCK + _hash(_STOCK_SPAN, "underlying", item.symbol)
        )
        contract = Contract(
            con_id, item.symbol, item.sec_type, "", 0.0, "", item.primary_exchange, 0
        )
        self._stocks[item.symbol] = self._by_id[con_id] = contract
        return contract

    def _free(self, con_id: int) -> int:
        while con_id in self._by_id:
            con_id += 1
        return con_id

    def long_name(self, symbol: str) -> str:
        found = self.underlyings.get(symbol)
        return found.long_name if found and found.long_name else f"SIMULATED {symbol}"

    def stock(self, symbol: str) -> Contract | None:
        """The underlying contract, a stock or an index; ``None`` for an unknown symbol."""
        return self._stocks.get(symbol)

    def class_of(self, contract: Contract) -> OptionClass:
        """The trading class of an option. Raises ``KeyError`` for anything else."""
        return self.classes[contract.option_class or contract.symbol]

    def option(
        self, symbol: str, expiry: str, strike: float, right: str, option_class: str = ""
    ) -> Contract:
        """The option with these terms; ``expiry`` is YYYYMMDD, ``right`` C or P.

        ``option_class`` defaults to the first class of the symbol. Whether it is listed is the
        market's to say. Raises ``KeyError`` for an unknown symbol or class.
        """
        under = self.underlyings[symbol]
        name = option_class or under.classes[0].name
        terms = (name, expiry, strike, right)
        found = self._options.get(terms)
        if found is None:
            found = self._options[terms] = self._new_option(under, self.classes[name], terms)
            self._by_id[found.con_id] = found
        return found

    def _new_option(self, under: Underlying, item: OptionClass, terms: Terms) -> Contract:
        name, expiry, strike, right = terms
        return Contract(
            con_id=self._free(self._option_id(terms)),
            symbol=under.symbol,
            sec_type="OPT",
            expiry=expiry,
            strike=strike,
            right=right,
            primary_exchange="",
            under_con_id=self._stocks[under.symbol].con_id,
            option_class="" if name == under.symbol else name,
            price_multiplier=item.multiplier,
            shares=item.shares,
            cash_settled=item.cash_settled,
            european=item.european,
            morning_settled=item.morning_settled,
        )

    def _option_id(self, terms: Terms) -> int:
        name, expiry, strike, right = terms
        code = _strike_code(strike)
        if code is None:
            return _OPTION_BLOCK + _hash(_SPAN, *terms)
        number = (_day_number(expiry) * _CODES + code) * 2 + (right == "P")
        return _OPTION_BLOCK + (number + self._offsets[name]) % _SPAN

    def combination(self, legs: Sequence[Leg], symbol: str = "") -> Contract:
        """The combination of these legs; the same legs give the same id.

        A combination with options is priced per share of them (multiplier 100); one of stocks
        alone has multiplier 1. ``symbol`` defaults to that of its legs. Raises ``LookupError`` when
        there are no legs, or a leg's id is unknown or is itself a combination.
        """
        members = [self.by_id(leg.con_id) for leg in legs]
        known = [member for member in members if member and not member.is_combination]
        if len(known) < len(legs) or not legs:
            raise LookupError("A leg of the combination is no stock, index or option known here.")
        key = [(leg.con_id, leg.ratio, leg.action) for leg in legs]
        con_id = _COMBO_BLOCK + _hash(_COMBO_SPAN, "combination", *key)
        while con_id in self._by_id:
            held = self._by_id[con_id]
            if [(leg.con_id, leg.ratio, leg.action) for leg in held.legs] == key:
                return held
            con_id += 1
        contract = Contract(
            con_id=con_id,
            symbol=symbol or ",".join(dict.fromkeys(member.symbol for member in known)),
            sec_type="BAG",
            expiry="",
            strike=0.0,
            right="",
            primary_exchange="",
            under_con_id=0,
            legs=tuple(legs),
            price_multiplier=max(member.multiplier for member in known),
        )
        self._by_id[con_id] = contract
        return contract

    def adjusted(self, option: Contract, ratio: float) -> Contract:
        """What ``option`` becomes when one share becomes ``ratio`` shares.

        A whole ratio divides the strike and multiplies the number of contracts, which go on in the
        same class. Any other one keeps strike, multiplier and number, and moves the option to an
        adjusted class (its symbol and a digit) that delivers ``ratio`` times the shares.
        """
        old = self.class_of(option)
        if ratio >= 1 and ratio == int(ratio):
            strike = round(option.strike / ratio, 2)
            return self.option(option.symbol, option.expiry, strike, option.right, old.name)
        shares = int(round(old.shares * ratio, 6))
        under = self.underlyings[option.symbol]
        for item in under.classes:
            if item.name != under.classes[0].name and item.shares == shares:
                break
        else:
            number = 1 + sum(item.name[-1:].isdigit() for item in under.classes)
            item = replace(old, name=f"{option.symbol}{number}", shares=shares)
            self.add(replace(under, classes=(*under.classes, item)))
        return self.option(option.symbol, option.expiry, option.strike, option.right, item.name)

    def by_id(self, con_id: int) -> Contract | None:
        """The contract with this id, ``None`` when the number means none.

        An option may have expired or lost its listing since. A combination is known once it was
        made.
        """
        found = self._by_id.get(con_id)
        if found is not None:
            return found
        if not _OPTION_BLOCK <= con_id < _OPTION_BLOCK + _SPAN:
            return None
        for name, item in self.classes.items():
            rest = (con_id - _OPTION_BLOCK - self._offsets[name]) % _SPAN
            number, put = divmod(rest, 2)
            day, code = divmod(number, _CODES)
            terms = (_expiry_of(day), _strike_of(code), "P" if put else "C")
            if code and self.listed(item, *terms):
                return self.option(item.symbol, *terms, option_class=name)
        return None
