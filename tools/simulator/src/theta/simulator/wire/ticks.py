"""Market-data messages, encoded at once: a line sends many of them, so each is one text."""

from struct import Struct
from typing import Final

from theta.simulator.wire.framing import field_text

BID, ASK, LAST, HIGH, LOW, VOLUME, CLOSE, OPEN = 1, 2, 4, 6, 7, 8, 9, 14
BID_SIZE, ASK_SIZE, LAST_SIZE = 0, 3, 5
BID_GREEKS, ASK_GREEKS, LAST_GREEKS, MODEL_GREEKS = 10, 11, 12, 13
LAST_TIMESTAMP, HALTED = 45, 49

DELAYED: Final[dict[int, int]] = {
    BID: 66, ASK: 67, LAST: 68, BID_SIZE: 69, ASK_SIZE: 70, LAST_SIZE: 71, HIGH: 72, LOW: 73,
    VOLUME: 74, CLOSE: 75, OPEN: 76, BID_GREEKS: 80, ASK_GREEKS: 81, LAST_GREEKS: 82,
    MODEL_GREEKS: 83, LAST_TIMESTAMP: 88,
}  # fmt: skip
"""Tick types of delayed data by those of live data."""

_length = Struct(">I").pack


def _frame(text: str) -> bytes:
    body = text.encode()
    return _length(len(body)) + body


def price(request: int, tick: int, value: float, size: int, attributes: int = 0) -> bytes:
    """A price with its size. Bits of ``attributes``: 1 may execute at once, 2 past limit, 4
    pre-open."""
    return _frame(f"1\x006\x00{request}\x00{tick}\x00{value!r}\x00{size}\x00{attributes}\x00")


def size(request: int, tick: int, value: int) -> bytes:
    return _frame(f"2\x006\x00{request}\x00{tick}\x00{value}\x00")


def generic(request: int, tick: int, value: float) -> bytes:
    return _frame(f"45\x006\x00{request}\x00{tick}\x00{value!r}\x00")


def string(request: int, tick: int, value: str) -> bytes:
    return _frame(f"46\x006\x00{request}\x00{tick}\x00{field_text(value)}\x00")


def parameters(request: int, min_tick: float, exchange_map: str, permissions: int) -> bytes:
    """Minimum tick, the key of its smart components, and 3 for both kinds of snapshot."""
    return _frame(f"81\x00{request}\x00{min_tick!r}\x00{exchange_map}\x00{permissions}\x00")


def data_type(request: int, kind: int) -> bytes:
    """1 live, 2 frozen, 3 delayed, 4 delayed and frozen."""
    return _frame(f"58\x001\x00{request}\x00{kind}\x00")


def snapshot_end(request: int) -> bytes:
    return _frame(f"57\x001\x00{request}\x00")


def computation(
    version: int,
    request: int,
    tick: int,
    vol: float | None = None,
    delta: float | None = None,
    value: float | None = None,
    gamma: float | None = None,
    vega: float | None = None,
    theta: float | None = None,
    spot: float | None = None,
    dividends: float = 0.0,
) -> bytes:
    """Computed greeks; what is ``None`` goes out as TWS's -1 and -2 for not computed.

    ``dividends`` is the present value of those before expiry, told with a price.
    """
    head = (
        f"21\x00{request}\x00{tick}\x001" if version >= 156 else f"21\x006\x00{request}\x00{tick}"
    )
    paid = -1 if value is None else dividends
    return _frame(
        f"{head}\x00{-1 if vol is None else vol}\x00{-2 if delta is None else delta}"
        f"\x00{-1 if value is None else value}\x00{paid}"
        f"\x00{-2 if gamma is None else gamma}\x00{-2 if vega is None else vega}"
        f"\x00{-2 if theta is None else theta}\x00{-1 if spot is None else spot}\x00"
    )


def by_tick_last(
    request: int, kind: int, second: int, value: float, shares: int, exchange: str
) -> bytes:
    """A trade of a tick-by-tick line; ``kind`` 1 Last, 2 AllLast."""
    return _frame(
        f"99\x00{request}\x00{kind}\x00{second}\x00{value!r}\x00{shares}\x000\x00{exchange}\x00\x00"
    )


def by_tick_quote(
    request: int, second: int, bid: float, ask: float, bid_size: int, ask_size: int
) -> bytes:
    """Bid and ask of a tick-by-tick line."""
    sides = f"{bid!r}\x00{ask!r}\x00{bid_size}\x00{ask_size}"
    return _frame(f"99\x00{request}\x003\x00{second}\x00{sides}\x000\x00")


def by_tick_middle(request: int, second: int, value: float) -> bytes:
    """The midpoint of a tick-by-tick line."""
    return _frame(f"99\x00{request}\x004\x00{second}\x00{value!r}\x00")
