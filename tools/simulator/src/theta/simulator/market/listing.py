"""What is listed at an instant, and how a client's description finds it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from theta.simulator.market import calendar
from theta.simulator.market.contracts import OPTION_EXCHANGES, Contract, Query
from theta.simulator.market.model import last_trading_instant
from theta.simulator.market.recording import Key
from theta.simulator.market.reference import PRICE_RULES, OptionParameters, Steps, rule_of
from theta.simulator.market.source import SymbolSource
from theta.simulator.market.underlyings import OptionClass

if TYPE_CHECKING:
    from theta.simulator.market.quotes import Market


class Listing:
    """The contracts of a market."""

    def __init__(self, market: "Market") -> None:
        self._market = market
        self._book = market.book
        self._book.listed = self._knows

    def listed(self, symbol: str, epoch: float, option_class: str = "") -> list[Key]:
        """Option lines of one class (the first, unless named) that trade at ``epoch``, in the
        order expiry, strike, right."""
        under = self._book.underlyings.get(symbol)
        item = under.option_class(option_class) if under else None
        if item is None:
            return []
        return [
            (expiry, strike, right)
            for expiry in self._expiries(item, epoch)
            for strike, right in self._lines(item, expiry, epoch)
        ]

    def find(self, query: Query, epoch: float) -> list[Contract]:
        """Every contract that fits the description, options in the order expiry, strike, right.

        A description with legs means the combination of them.
        """
        if query.sec_type == "BAG" or query.legs:
            try:
                return [self._book.combination(query.legs, query.symbol)]
            except LookupError:
                return []
        if query.con_id:
            contract = self._book.by_id(query.con_id)
            if contract is None or not query.accepts(contract):
                return []
            alive = query.include_expired or self.exists(contract, epoch)
            return [contract] if alive else []
        if query.sec_type in ("STK", "IND"):
            named = (
                [query.symbol or query.local_symbol]
                if query.symbol or query.local_symbol
                else (self._book.symbols)
            )
            return [c for c in map(self._book.stock, named) if c and query.accepts(c)]
        if query.sec_type != "OPT":
            return []
        return list(self._options(query, epoch))

    def _options(self, query: Query, epoch: float) -> Iterator[Contract]:
        local = query.local_symbol
        named = query.trading_class or local[:6].strip()
        item = self._book.classes.get(named)
        symbol = query.symbol or (item.symbol if item else "")
        under = self._book.underlyings.get(symbol)
        if under is None:
            return
        expiry, right, strike = _narrowed(query)
        for option_class in under.classes:
            if named not in ("", option_class.name):
                continue
            if len(expiry) == 8 and expiry.isdecimal() and strike > 0 and right:
                found = self._one(option_class, (expiry, strike, right), epoch, query)
            else:
                found = self._narrow(option_class, (expiry, strike, right), epoch)
            for place, contract in enumerate(found):
                # What is left to compare is the same for the whole class.
                if place == 0 and not query.accepts(contract):
                    break
                yield contract

    def _narrow(self, item: OptionClass, key: Key, epoch: float) -> Iterator[Contract]:
        """The listed contracts of a class; expiry, strike and right as far as they are given."""
        expiry, strike, right = key
        for listed in self._expiries(item, epoch):
            if listed.startswith(expiry):
                for k, side in self._lines(item, listed, epoch):
                    if strike in (0.0, k) and right in ("", side):
                        yield self._book.option(item.symbol, listed, k, side, item.name)

    def _one(self, item: OptionClass, key: Key, epoch: float, query: Query) -> Iterator[Contract]:
        """The contract of complete terms, if it is listed, or was and may have expired."""
        try:
            day = calendar.expiry_instant(key[0])
        except ValueError:
            return
        contract: Contract | None = None
        if day > epoch and self._has(item, key, epoch):
            contract = self._book.option(item.symbol, *key, option_class=item.name)
            if last_trading_instant(contract) <= epoch and not query.include_expired:
                return
        elif query.include_expired and day <= epoch and self._knows(item, *key):
            contract = self._book.option(item.symbol, *key, option_class=item.name)
        if contract is not None:
            yield contract

    def exists(self, contract: Contract, epoch: float) -> bool:
        """Whether the contract trades at ``epoch``; a combination while each of its legs does."""
        if contract.is_combination:
            members = (self._book.by_id(leg.con_id) for leg in contract.legs)
            return all(member is not None and self.exists(member, epoch) for member in members)
        if not contract.is_option:
            return True
        if last_trading_instant(contract) <= epoch:
            return False
        key = (contract.expiry, contract.strike, contract.right)
        return self._has(self._book.class_of(contract), key, epoch)

    # -- one class, in the units in force after splits ---------------------------------------------

    def _source(self, item: OptionClass) -> SymbolSource:
        return self._market.known_source(item.symbol)

    def _expiries(self, item: OptionClass, epoch: float) -> list[str]:
        source = self._source(item)
        moved = self._market.adjusted_since(item, epoch)
        if moved is not None:
            found = source.expiries(moved - 1.0, "")
            return [e for e in found if calendar.expiry_instant(e) > epoch]
        if self._is_adjusted(item):
            return []
        found = source.expiries(epoch, item.name)
        if not item.morning_settled:
            return [e for e in found if calendar.expiry_instant(e) > epoch]
        # Trading ends at the close of the session before the expiry.
        limit = f"{calendar.trading_date(calendar.next_session(epoch)[1]):%Y%m%d}"
        return [e for e in found if e > limit]

    def _is_adjusted(self, item: OptionClass) -> bool:
        under = self._book.underlyings[item.symbol]
        return not under.is_index and item.name != under.classes[0].name

    def _lines(self, item: OptionClass, expiry: str, epoch: float) -> list[tuple[float, str]]:
        market, source = self._market, self._source(item)
        moved = market.adjusted_since(item, epoch)
        if moved is not None:
            return list(source.lines(expiry, moved - 1.0, 1.0))
        native = source.lines(expiry, epoch, market.shift(item.symbol))
        ratio = market.events.split_ratio(item.symbol, 0.0, epoch)
        if ratio == 1.0:
            return list(native)
        return sorted({(round(strike / ratio, 2), right) for strike, right in native})

    def _has(self, item: OptionClass, key: Key, epoch: float) -> bool:
        market = self._market
        if self._is_adjusted(item) or market.events.split_ratio(item.symbol, 0.0, epoch) != 1.0:
            listed = key[0] in self._expiries(item, epoch)
            return listed and (key[1], key[2]) in self._lines(item, key[0], epoch)
        several = len(self._book.underlyings[item.symbol].classes) > 1
        if several and key[0] not in self._expiries(item, epoch):
            return False
        return self._source(item).lists(key, epoch, market.shift(item.symbol))

    def _knows(self, item: OptionClass, expiry: str, strike: float, right: str) -> bool:
        source = self._source(item)
        key = (expiry, strike, right)
        if source.knows(item.name, key):
            return True
        ratio = self._market.events.split_ratio(item.symbol, 0.0, calendar.expiry_instant(expiry))
        return ratio != 1.0 and source.knows(item.name, (expiry, round(strike * ratio, 2), right))

    # -- reference ---------------------------------------------------------------------------------

    def option_parameters(self, symbol: str, epoch: float) -> list[OptionParameters]:
        """One entry per option exchange and trading class; empty for an unknown symbol or one
        without options."""
        under = self._book.underlyings.get(symbol)
        if under is None:
            return []
        found: list[OptionParameters] = []
        for item in under.classes:
            keys = self.listed(symbol, epoch, item.name)
            if keys:
                expiries = tuple(sorted({key[0] for key in keys}))
                strikes = tuple(sorted({key[1] for key in keys}))
                exchanges = ("SMART", "CBOE") if under.is_index else OPTION_EXCHANGES
                found += [
                    OptionParameters(exchange, item.name, item.multiplier, expiries, strikes)
                    for exchange in exchanges
                ]
        return found

    def price_rules(self, contract: Contract) -> tuple[int, Steps]:
        """Id of the market rule of ``contract`` and its steps: (from this price on, increment)."""
        item = self._book.class_of(contract) if contract.is_option else None
        rule = rule_of(contract, item)
        return rule, PRICE_RULES[rule]


def _narrowed(query: Query) -> tuple[str, str, float]:
    """Expiry, right and strike as far as the description gives them."""
    expiry = query.expiry.split()[0] if query.expiry.split() else ""
    right, strike = query.right[:1].upper(), query.strike
    local = query.local_symbol
    if len(local) == 21 and local[6:12].isdecimal() and local[13:].isdecimal():
        expiry, right, strike = f"20{local[6:12]}", local[12], int(local[13:]) / 1000
    return expiry, right if right in ("C", "P") else "", strike
