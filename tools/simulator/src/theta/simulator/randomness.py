"""Seeded draws addressed by a stable key, so that no draw depends on the order of arrival."""

from hashlib import blake2b
from statistics import NormalDist

_NORMAL = NormalDist()
_SCALE = 1 << 64


def unit(seed: int, *key: object) -> float:
    """A number in (0, 1), the same for the same seed and key."""
    text = "\x1f".join(map(str, (seed, *key)))
    number = int.from_bytes(blake2b(text.encode(), digest_size=8).digest())
    return (number + 0.5) / (_SCALE + 1)


def between(low: float, high: float, seed: int, *key: object) -> float:
    """A number in [low, high]."""
    return low + (high - low) * unit(seed, *key)


def whole(low: int, high: int, seed: int, *key: object) -> int:
    """A whole number in low..high, both included."""
    return min(high, low + int((high - low + 1) * unit(seed, *key)))


def gauss(seed: int, *key: object) -> float:
    """A standard normal number."""
    return _NORMAL.inv_cdf(unit(seed, *key))
