"""Prices options from their source's volatility, the price now, and the events ahead."""

from dataclasses import dataclass
from functools import lru_cache
from math import log, sqrt

from theta.simulator.market import american, calendar, pricing, spreads
from theta.simulator.market.contracts import Contract
from theta.simulator.market.events import Events
from theta.simulator.market.recording import Economics, Row
from theta.simulator.market.source import Line

_SHOCK_POWER = -3.0
_SHOCK_LIMITS = (0.6, 3.0)
_EMPTY = Row(0.0, 0.0, 0.0, 0, 0)


@dataclass(frozen=True, slots=True)
class OptionView:
    """What prices an option at one instant, USD per share.

    ``spot`` is the price of what one multiplier of the option delivers, ``offset`` what its quotes
    lie above the model.
    """

    spot: float
    years: float
    carry: float
    vol: float
    offset: float
    half_spread: float
    row: Row
    terms: american.Terms

    @property
    def modelled(self) -> bool:
        """Whether no recording has the line: its volume and open interest are modelled too."""
        return self.row is _EMPTY


def last_trading_instant(contract: Contract) -> float:
    """When an option stops trading: at the close of its expiry, or of the session before it when
    it settles in the morning."""
    closes = calendar.expiry_instant(contract.expiry)
    if not contract.morning_settled:
        return closes
    day = calendar.previous_session_day(calendar.trading_date(closes))
    return (calendar.session(day) or (0.0, closes))[1]


def settling_instant(contract: Contract) -> float:
    """The instant whose price an expiry settles on."""
    closes = calendar.expiry_instant(contract.expiry)
    if not contract.morning_settled:
        return closes
    return (calendar.session(calendar.trading_date(closes)) or (closes, closes))[0]


def shock(shift: float) -> float:
    """What a price that a person moved by ``shift`` makes of the volatility."""
    if shift == 1.0:
        return 1.0
    low, high = _SHOCK_LIMITS
    return min(high, max(low, float(shift**_SHOCK_POWER)))


class OptionModel:
    """Views of options; pure in its arguments and the events."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self.economics = lru_cache(maxsize=4096)(self._economics_of)
        self._chances = lru_cache(maxsize=4096)(self._exits)

    def forget(self) -> None:
        """Compute anew what was kept: events have changed."""
        self._chances.cache_clear()

    def _economics_of(self, symbol: str) -> Economics:

        def present_value(epoch: float, years: float) -> float:
            return self._events.present_value(symbol, epoch, years)

        return Economics(self._events.rate(0.0), present_value)

    def view(
        self, contract: Contract, line: Line, spot: float, epoch: float, scale: float, shift: float
    ) -> OptionView:
        """``spot`` is the price now, ``scale`` turns the line's USD into those of the contract."""
        years = (settling_instant(contract) - epoch) / pricing.YEAR_SECONDS
        share = contract.shares / contract.price_multiplier
        economics = self.economics(contract.symbol)
        vol, carry = line.vol(0.0), 0.0
        if years > 0:
            forward = economics.forward(spot, epoch, years, line.basis)
            carry = log(forward / spot) / years
            level = shock(shift)
            z = log(contract.strike / (forward * share)) / sqrt(years)
            vol = level * line.vol(z / level)
        exits: tuple[tuple[float, float], ...] = ()
        if years > 0 and contract.is_call and not contract.european:
            exits = self._chances(contract.symbol, spot, epoch, years)
        terms = american.Terms(
            is_call=contract.is_call,
            spot=spot * share,
            strike=contract.strike,
            years=years,
            carry=carry,
            rate=economics.rate,
            european=contract.european,
            exits=exits,
        )
        half = line.half_spread
        if half is None:
            half = self._modelled_half(contract, terms, vol)
        return OptionView(
            terms.spot, years, carry, vol, line.offset * scale, half * scale,
            line.row or _EMPTY, terms,
        )  # fmt: skip

    def _modelled_half(self, contract: Contract, terms: american.Terms, vol: float) -> float:
        inside = (terms.spot - terms.strike) / terms.spot * (1 if contract.is_call else -1)
        return spreads.half_spread(
            contract.symbol, price=american.price(terms, vol), spot=terms.spot, inside=inside
        )

    def _exits(
        self, symbol: str, spot: float, epoch: float, years: float
    ) -> tuple[tuple[float, float], ...]:
        """The last instants at which a call can be exercised for its share before a dividend."""
        economics = self.economics(symbol)
        found: list[tuple[float, float]] = []
        for at, _ in self._events.dividends_ahead(symbol, epoch, years):
            day = calendar.previous_session_day(calendar.trading_date(at))
            left = ((calendar.session(day) or (0.0, 0.0))[1] - epoch) / pricing.YEAR_SECONDS
            if left > 0:
                found.append((left, log(economics.forward(spot, epoch, left) / spot) / left))
        return tuple(found)


def model_price(contract: Contract, view: OptionView) -> float:
    """Mid by the model, never negative."""
    del contract
    return max(0.0, american.price(view.terms, view.vol) + view.offset)
