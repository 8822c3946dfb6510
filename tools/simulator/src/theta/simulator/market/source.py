"""The port through which a market learns about one underlying."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Protocol

from theta.simulator.market.path import Path
from theta.simulator.market.recording import Chain, Key, Row
from theta.simulator.market.smile import Smile


@dataclass(frozen=True, slots=True)
class Line:
    """How one option is priced at one instant.

    Its volatility is that of ``near`` and ``far`` mixed by ``weight`` (the share of ``far``), times
    ``level``. ``basis`` is the log of the forward over the one that rate and dividends give.
    ``offset`` and ``half_spread`` (USD per share) are the recorded quote's; ``half_spread`` is
    ``None`` where the width is to be modelled. ``row`` is the recorded line, if there is one.
    """

    near: Smile
    far: Smile
    weight: float
    level: float = 1.0
    basis: float = 0.0
    offset: float = 0.0
    half_spread: float | None = None
    row: Row | None = None

    def vol(self, z: float) -> float:
        """Volatility per year at ``z`` = ln(strike / forward) / sqrt(years)."""
        inner = z / self.level
        variance = self.near.variance(inner)
        if self.weight > 0.0 and self.far is not self.near:
            variance += self.weight * (self.far.variance(inner) - variance)
        return self.level * sqrt(variance)


class SymbolSource(Protocol):
    """Everything a market is told about one underlying.

    Keys and strikes are in the units in force before any split of the underlying.
    """

    path: Path
    follows: tuple[str, float] | None
    """Another symbol and the power to which a change that a person makes of its price counts."""
    known_from: float
    """The instant from which the volatility is known: what comes before follows the closes."""

    def expiries(self, epoch: float, option_class: str) -> Sequence[str]:
        """Expiries of a class that are listed and alive at ``epoch``, sorted."""

    def lines(self, expiry: str, epoch: float, shift: float) -> Sequence[tuple[float, str]]:
        """(strike, right) listed in an expiry; ``shift`` is what a person made of the price."""

    def lists(self, key: Key, epoch: float, shift: float) -> bool:
        """Whether ``key`` can be traded at ``epoch``."""

    def knows(self, option_class: str, key: Key) -> bool:
        """Whether the class ever lists this key: what an id stands for that was kept elsewhere."""

    def line(self, key: Key, epoch: float) -> Line:
        """How to price ``key`` at ``epoch``, listed or not."""

    def chain(self, epoch: float) -> Chain | None:
        """The recorded chain in force; ``None`` for a source without one."""
