"""Market time from the broker's clock, which tells whole seconds, at any rate of a simulator.

Each answer says: somewhere between the sending and the receipt, market time lay in [n, n + 1).
At a known rate such statements bound the offset from both sides, and the bounds meet; at an unknown
one a line is fitted through the middles. A statement far off the line (a jump, a change of speed, a
pause) starts anew.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

SAMPLES = 60
_SLACK_SECONDS = 0.02
"""Disagreement between host and broker clocks over the kept samples that is no change of rate."""
_RATE_MIN = 0.001


@dataclass(frozen=True, slots=True)
class _Sample:
    sent: float
    received: float
    epoch: int

    @property
    def middle(self) -> float:
        return (self.sent + self.received) / 2


@dataclass(frozen=True, slots=True)
class _Line:
    rate: float
    offset: float
    precision: float
    rate_error: float

    def at(self, process: float) -> float:
        return self.offset + self.rate * process


class MarketTimeEstimator:
    """Fits market time = offset + rate × process time. Pure: process times are arguments."""

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque(maxlen=SAMPLES)
        self._line: _Line | None = None
        self._last_told: float | None = None
        self.observed_at: float | None = None
        """Process time of the newest answer; `None` before the first."""

    @property
    def rate(self) -> float:
        """Market seconds per process second; 1 until measured."""
        return self._line.rate if self._line else 1.0

    @property
    def precision_seconds(self) -> float | None:
        """Half the width, in market seconds, in which market time lay at the newest answer."""
        return self._line.precision if self._line else None

    def observe(self, sent: float, received: float, epoch: int) -> None:
        """Take in one answer: whole market second `epoch`, asked at `sent`, here at `received`."""
        sample = _Sample(sent, received, epoch)
        if self._is_off_the_line(sample):
            self._samples.clear()
            self._last_told = None
        self._samples.append(sample)
        self.observed_at = received
        prior = self.rate
        self._line = self._bounded(1.0) or self._bounded(prior) or self._fitted(prior)

    def market_epoch(self, now: float) -> float | None:
        """Return market time at process time `now`, in epoch seconds; `None` when never observed.

        It goes back only after a jump of the market itself.
        """
        if self._line is None:
            return None
        told = self._line.at(now)
        if self._last_told is not None:
            told = max(told, self._last_told)
        self._last_told = told
        return told

    def _is_off_the_line(self, sample: _Sample) -> bool:
        line = self._line
        if line is None or len(self._samples) < 2:
            return False
        last = self._samples[-1]
        elapsed = sample.received - last.received
        flight = line.rate * (sample.received - sample.sent)
        allowed = 1.0 + flight + line.precision + line.rate_error * elapsed
        return abs(line.at(sample.middle) - (sample.epoch + 0.5)) > allowed

    def _bounded(self, rate: float) -> _Line | None:
        low = max(s.epoch - rate * s.received for s in self._samples)
        high = min(s.epoch + 1 - rate * s.sent for s in self._samples)
        if low > high + _SLACK_SECONDS:
            return None
        precision = max((high - low) / 2, _SLACK_SECONDS)
        return _Line(rate, (low + high) / 2, precision, rate_error=0.0005 * rate)

    def _fitted(self, prior: float) -> _Line:
        count = len(self._samples)
        xs = [s.middle for s in self._samples]
        ys = [s.epoch + 0.5 for s in self._samples]
        x0, y0 = sum(xs) / count, sum(ys) / count
        spread = sum((x - x0) ** 2 for x in xs)
        if count < 2 or spread <= 0:
            return _Line(prior, y0 - prior * x0, 0.5, rate_error=prior)
        slope = sum((x - x0) * (y - y0) for x, y in zip(xs, ys, strict=True)) / spread
        rate = max(slope, _RATE_MIN)
        snapped = self._bounded(float(round(rate))) if rate >= 1.5 else None
        if snapped is not None:
            return snapped
        baseline = xs[-1] - xs[0]
        worst = max(abs(y0 + rate * (x - x0) - y) for x, y in zip(xs, ys, strict=True))
        return _Line(rate, y0 - rate * x0, worst + 0.5, rate_error=1.0 / max(baseline, 1e-3))
