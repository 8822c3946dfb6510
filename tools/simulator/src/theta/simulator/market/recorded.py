"""Source over recorded chains; after the last of them its surface rolls forward."""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache

from theta.simulator.market import calendar, schedule
from theta.simulator.market.path import Path
from theta.simulator.market.recording import (
    Chain,
    Chains,
    Economics,
    Key,
    Recording,
    Slice,
    day_of,
    mixed,
)
from theta.simulator.market.smile import Smile
from theta.simulator.market.source import Line

_LOOK_BACK = 6
_WEEKS, _MONTHS, _EACH_SIDE = 8, 4, 60
_DAILY = frozenset({"SPY", "QQQ", "IWM", "SPX", "XSP"})
_DAILY_AHEAD = 14
_REACH = 2.5


class RecordedSource:
    """One symbol on the chains of ``recording``, with a path that may or may not be the recorded
    one.

    Between two chains every line moves from the one to the other with market time. After the last
    one its lines live on until they expire, and further weekly and monthly expiries are listed on
    its surface.
    """

    def __init__(self, recording: Recording, economics: Economics, path: Path) -> None:
        self.path = path
        self.follows: tuple[str, float] | None = None
        self._recording = recording
        self.known_from = recording.instants[0]
        self._chains = Chains(recording, economics)
        self._days = _DAILY_AHEAD if recording.symbol in _DAILY else 0
        self._rolled = lru_cache(maxsize=512)(self._rolled_strikes)
        self._found = lru_cache(maxsize=8192)(self._chain_of)

    def chain(self, epoch: float) -> Chain:
        """The newest chain taken by ``epoch``."""
        return self._chains.at(self._recording.index_at(epoch))

    def expiries(self, epoch: float, option_class: str) -> Sequence[str]:
        """Recorded expiries, and after the recording those that a listing schedule adds."""
        del option_class
        known: set[str] = set(self.chain(epoch).expiries)
        if self._is_over(epoch):
            day = calendar.trading_date(epoch)
            known.update(schedule.expiries(day, _WEEKS, _MONTHS, self._days))
        return sorted(e for e in known if calendar.expiry_instant(e) > epoch)

    def _is_over(self, epoch: float) -> bool:
        return epoch >= calendar.next_midnight(self._recording.instants[-1])

    def lines(self, expiry: str, epoch: float, shift: float) -> Sequence[tuple[float, str]]:
        """Recorded lines, or a grid of strikes around the closes since the expiry was listed."""
        recorded = self.chain(epoch).lines(expiry)
        if not self._is_over(epoch):
            return recorded
        monday = schedule.monday_of(calendar.trading_date(epoch))
        grid = [(k, right) for k in self._rolled(expiry, monday, shift) for right in ("C", "P")]
        return sorted({*recorded, *grid})

    def _rolled_strikes(self, expiry: str, until: date, shift: float) -> tuple[float, ...]:
        last = calendar.trading_date(self._recording.instants[-1])
        day = day_of(expiry)
        weeks = _MONTHS * 31 // 7 + 2 if schedule.is_month_expiry(day) else _WEEKS
        days = [d for d in schedule.anchors(day, until, weeks) if d >= last]
        closes = [self.path.unsplit_close(day) for day in days or [last]]
        prices = [*closes, *(close * shift for close in closes)] if shift != 1.0 else closes
        width = self._width()
        return tuple(
            sorted(
                {
                    *schedule.grid(prices, width, _EACH_SIDE // 2),
                    *schedule.grid(prices, 5 * width, _EACH_SIDE // 2),
                }
            )
        )

    def _width(self) -> float:
        spot = self._recording.prices[-1]
        return 1.0 if 100 <= spot < 1_500 and self._days else schedule.step(spot)

    def lists(self, key: Key, epoch: float, shift: float) -> bool:
        """Whether a chain in force has the line, or the schedule lists it."""
        if self._found(key, self._recording.index_at(epoch)) is not None:
            return True
        expiry, strike, right = key
        scheduled = self._is_over(epoch) and expiry in self.expiries(epoch, "")
        return scheduled and (strike, right) in self.lines(expiry, epoch, shift)

    def knows(self, option_class: str, key: Key) -> bool:
        """Whether a chain has the line, or the schedule lists its expiry and the grid its strike
        some day."""
        del option_class
        expiry, strike, _ = key
        first, last = self._recording.instants[0], self._recording.instants[-1]
        instant = calendar.expiry_instant(expiry)
        if instant < first:
            return False
        for index in range(len(self._chains)):
            if self._recording.instants[index] < instant and key in self._chains.at(index).rows:
                return True
        spot = self._recording.prices[-1]
        near = spot / _REACH < strike < spot * _REACH and strike % self._width() == 0
        listed = schedule.expiries(day_of(expiry), 0, 0, 1 if self._days else 0)
        return instant > last and near and expiry in listed

    def _chain_of(self, key: Key, index: int) -> Chain | None:
        """The newest chain up to number ``index`` that has the line: one dropped by a later
        recording stays alive."""
        for number in range(index, max(-1, index - _LOOK_BACK), -1):
            chain = self._chains.at(number)
            if key in chain.rows:
                return chain
        return None

    def line(self, key: Key, epoch: float) -> Line:
        """The surface of the expiry on its way to the next chain, with what the recorded line
        adds to it, if there is one. All lines of an expiry share the surface."""
        index = self._recording.index_at(epoch)
        chain, following = self._chains.at(index), None
        share = 0.0
        if index + 1 < len(self._chains) and epoch >= chain.taken_at:
            following = self._chains.at(index + 1)
            share = (epoch - chain.taken_at) / (following.taken_at - chain.taken_at)
        near, far, weight, basis = self._surface(key[0], index, following, share)
        found = self._found(key, index)
        if found is None:
            return Line(near, far, weight, basis=basis)
        offset, half = found.residual(key)
        if following is not None and key in following.rows:
            then_offset, then_half = following.residual(key)
            offset, half = (
                offset + share * (then_offset - offset),
                half + share * (then_half - half),
            )
        return Line(near, far, weight, 1.0, basis, offset, half, found.rows[key])

    def _surface(
        self, expiry: str, index: int, following: Chain | None, share: float
    ) -> tuple[Smile, Smile, float, float]:
        """Two smiles, the share of the second, and the basis of one expiry."""
        now = self._slice(expiry, index)
        then = following.slice(expiry) if following is not None else None
        if now is None and then is None:
            chain = self._chains.at(index)
            near, far, weight = mixed(chain.slices(), chain.years(expiry))
            return near, far, weight, 0.0
        if now is None or then is None:
            only = now or then
            assert only is not None
            return only.smile, only.smile, 0.0, only.basis
        return now.smile, then.smile, share, now.basis + share * (then.basis - now.basis)

    def _slice(self, expiry: str, index: int) -> Slice | None:
        """The slice of the newest chain up to number ``index`` that has one."""
        for number in range(index, max(-1, index - _LOOK_BACK), -1):
            found = self._chains.at(number).slice(expiry)
            if found is not None:
                return found
        return None
