"""Markets shared by tests, and instants within them."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from theta.simulator.market import calendar, chains
from theta.simulator.market.quotes import Market
from theta.simulator.market.sources import Recorded, Synthetic, open_market

FIRST = chains.snapshots()[0].taken_at
LAST = chains.snapshots()[-1].taken_at
DAY = 86_400
SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"

SYNTHETIC = (
    Synthetic("CHEAP", price=8.5, volatility=0.9, ticks="nickel"),
    Synthetic("PAYER", price=52.0, volatility=0.28, dividend_usd=0.6),
    Synthetic("MIDDLE", price=310.0, volatility=0.2, long_volatility=0.3),
    Synthetic("DEAR", price=4_200.0, volatility=0.15, dividend_usd=12.0),
)


@functools.cache
def shipped(seed: int = 7) -> Market:
    """The shipped chains, and what may be derived from them."""
    names = {"SPY": "SPY", "QQQ": "QQQ", "IWM": "IWM", "VOO": "SPY", "SPX": "SPY", "VIX": "SPY"}
    return open_market(seed, [Recorded(symbol, chain) for symbol, chain in names.items()])


@functools.cache
def synthetic(seed: int = 7) -> Market:
    return open_market(seed, SYNTHETIC)


def in_session(epoch: float) -> float:
    """``epoch``, or the same distance into the next session."""
    opened, closed = calendar.next_session(epoch)
    return max(epoch, opened + epoch % (closed - opened - 2))


def shared(*parts: str) -> Path:
    """A folder of the data that does not come with the product; the test is skipped without it."""
    folder = SHARED.joinpath(*parts)
    if not folder.is_dir():
        pytest.skip(f"the market data folder {'/'.join(parts)} is not on this machine")
    return folder
