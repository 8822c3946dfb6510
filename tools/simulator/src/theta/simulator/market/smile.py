"""The implied volatility of one expiry over all strikes, free of arbitrage between strikes.

A smile is Gatheral's SVI curve in z = ln(strike / forward) / sqrt(years): the variance per year is
v(z) = a + b (rho (z - m) + sqrt((z - m)^2 + s^2)). In z the shape stays put as time passes and the
price moves. The density that the curve implies is nowhere negative where

    g(z) = (1 - z v' / (2 v))^2 - v'^2 / (4 v) - years v'^2 / 16 + v'' / 2 >= 0

("Arbitrage-free SVI volatility surfaces", Gatheral and Jacquier, 2014, put in z), which only gets
easier as ``years`` shrinks, and does not depend on the price of the underlying.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, sqrt

_LOWEST = 1e-4
"""Least variance per year anywhere: a volatility of 1 %."""
_CHECKED = [step / 32 for step in range(-32, 33)]
_ROUNDS = 5
_POINTS_MAX = 40


@dataclass(frozen=True, slots=True)
class Smile:
    """``a``, ``b``, ``rho``, ``m`` and ``s`` as above; ``b`` >= 0, ``s`` > 0, -1 < ``rho`` < 1."""

    a: float
    b: float
    rho: float
    m: float
    s: float

    def variance(self, z: float) -> float:
        """Variance per year at ``z``, at least 0.0001."""
        d = z - self.m
        return max(_LOWEST, self.a + self.b * (self.rho * d + sqrt(d * d + self.s * self.s)))

    def vol(self, z: float) -> float:
        return sqrt(self.variance(z))

    def density(self, z: float, years: float) -> float:
        """g(z): negative where butterflies would be worth less than nothing."""
        d = z - self.m
        root = sqrt(d * d + self.s * self.s)
        v = self.a + self.b * (self.rho * d + root)
        first = self.b * (self.rho + d / root)
        second = self.b * self.s * self.s / root**3
        inside = 1.0 - z * first / (2.0 * v)
        return inside * inside - first * first * (0.25 / v + years / 16.0) + second / 2.0

    def is_sound(self, years: float) -> bool:
        """Whether it is free of arbitrage between strikes for an expiry ``years`` away or less, as
        far out as ten standard deviations at the forward."""
        if self.a + self.b * self.s * sqrt(1.0 - self.rho * self.rho) < _LOWEST:
            return False
        reach = 10.0 * self.vol(0.0)
        return all(self.density(reach * share, years) >= 0.0 for share in _CHECKED)

    def tamed(self, years: float) -> "Smile":
        """The nearest sound smile between this one and a flat one at its level at the forward."""
        level = self.variance(0.0)
        share = 1.0
        while share > 0.02:
            b = self.b * share
            at_forward = b * (-self.rho * self.m + sqrt(self.m * self.m + self.s * self.s))
            smile = Smile(level - at_forward, b, self.rho, self.m, self.s)
            if smile.is_sound(years):
                return smile
            share *= 0.85
        return flat(sqrt(level))


def flat(vol: float) -> Smile:
    """The same volatility for every strike."""
    return Smile(vol * vol, 0.0, 0.0, 0.0, 1.0)


def skewed(vol: float, skew: float, years: float) -> Smile:
    """A smile with ``vol`` at the forward that gains about ``skew`` in volatility per standard
    deviation below it, and levels out above it."""
    if skew < 0:
        mirror = skewed(vol, -skew, years)
        return Smile(mirror.a, mirror.b, -mirror.rho, -mirror.m, mirror.s)
    rho = -0.6
    s = vol
    # dv/dz at the forward is b (rho + (0 - m)/root): with m = s/2 that is b (rho - 1/sqrt(5)).
    m = s / 2.0
    slope = 2.0 * skew
    b = slope / (-(rho - 1.0 / sqrt(5.0)))
    level = b * (-rho * m + sqrt(m * m + s * s))
    return Smile(vol * vol - level, b, rho, m, s).tamed(years)


def fit(points: Sequence[tuple[float, float, float]], years: float) -> Smile | None:
    """The sound smile nearest to (z, volatility, weight) ``points``; ``None`` for none."""
    usable = [p for p in points if all(map(isfinite, p)) and p[1] > 0 and p[2] > 0]
    if not usable:
        return None
    usable.sort()
    stride = len(usable) / _POINTS_MAX
    if stride > 1:
        usable = [usable[int(i * stride)] for i in range(_POINTS_MAX)]
    nearest = min(usable, key=lambda p: abs(p[0]))
    if len(usable) < 5:
        return flat(nearest[1])
    rows = [(z, vol * vol, weight) for z, vol, weight in usable]
    return _search(rows, nearest[1], years) or flat(nearest[1])


def _search(rows: list[tuple[float, float, float]], vol: float, years: float) -> Smile | None:
    """Least squares over sound smiles: a grid over (m, s), refined around the best; the rest is
    linear for each of them."""
    low, high = rows[0][0], rows[-1][0]
    centre, reach = 0.0, max(high - low, vol) / 4.0
    middle, factor = vol, 2.5
    best: tuple[float, Smile] | None = None
    for _ in range(_ROUNDS):
        for i in (-2, -1, 0, 1, 2):
            for j in (-2, -1, 0, 1, 2):
                found = _linear(rows, centre + i * reach / 2.0, middle * factor**j)
                better = found and (best is None or found[0] < best[0])
                if found and better and found[1].is_sound(years):
                    best = found
        if best is None:
            return None
        centre, middle = best[1].m, best[1].s
        reach, factor = reach / 2.0, factor**0.55
    return best[1] if best else None


def _linear(
    rows: list[tuple[float, float, float]], m: float, s: float
) -> tuple[float, Smile] | None:
    """Squared error and smile of the best a, b, rho for this m and s."""
    n = sx = sy = sxx = sxy = syy = sv = sxv = syv = svv = 0.0
    square = s * s
    for z, v, w in rows:
        x = z - m
        y = sqrt(x * x + square)
        n += w
        sx += w * x
        sy += w * y
        sxx += w * x * x
        sxy += w * x * y
        syy += w * y * y
        sv += w * v
        sxv += w * x * v
        syv += w * y * v
        svv += w * v * v
    cxx, cxy, cyy = sxx - sx * sx / n, sxy - sx * sy / n, syy - sy * sy / n
    cxv, cyv = sxv - sx * sv / n, syv - sy * sv / n
    determinant = cxx * cyy - cxy * cxy
    if determinant <= 1e-12 * cxx * cyy or cyy <= 0:
        return None
    p = (cxv * cyy - cyv * cxy) / determinant
    b = (cyv * cxx - cxv * cxy) / determinant
    if b <= 0:
        return None
    rho = p / b
    if abs(rho) > 0.98:
        rho = 0.98 if rho > 0 else -0.98
        b = max(0.0, (rho * cxv + cyv) / (rho * rho * cxx + 2 * rho * cxy + cyy))
        p = rho * b
    a = (sv - p * sx - b * sy) / n
    error = (
        svv - 2 * (a * sv + p * sxv + b * syv)
        + a * a * n + 2 * a * (p * sx + b * sy) + p * p * sxx + 2 * p * b * sxy + b * b * syy
    )  # fmt: skip
    if a + b * s * sqrt(1.0 - rho * rho) < _LOWEST:
        return None
    return error, Smile(a, b, rho, m, s)
