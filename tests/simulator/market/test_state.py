"""What a person changes while a market runs."""

from __future__ import annotations

from tests.simulator.market.grounds import DAY, FIRST, in_session
from theta.simulator.market.quotes import Market, Quote
from theta.simulator.market.shifts import Shifts
from theta.simulator.market.sources import Recorded, open_market


def made() -> Market:
    return open_market(7, [Recorded(symbol, "SPY") for symbol in ("SPY", "SPX", "VIX")])


def test_a_frozen_book_stands_still_and_thaws() -> None:
    market = made()
    put = market.book.option("SPY", "20260918", 740.0, "P")
    stock = market.book.stock("SPY")
    assert stock is not None
    now, later = FIRST + 100, FIRST + 4_000

    def seen(at: float) -> tuple[Quote, Quote, float]:
        return market.quote(put, at), market.quote(stock, at), market.spot("SPY", at)

    before, moved = seen(now), seen(later)
    market.freeze({"SPY"}, now)
    assert market.frozen == {"SPY"}
    assert seen(later) == before
    market.thaw({"SPY"})
    assert seen(later) == moved
    assert before != moved


def test_indexes_follow_a_price_that_was_set() -> None:
    market = made()
    now = in_session(FIRST + DAY)
    calm = market.spot("VIX", now)
    spot = market.spot("SPY", now)
    market.set_price("SPY", 0.85 * spot, now)
    assert abs(market.spot("SPX", now) / (8.5 * spot) - 1) < 1e-9
    assert market.spot("VIX", now) > 1.5 * calm
    assert market.spot("VIX", now - 600) < 1.5 * calm


def test_a_crash_raises_volatility() -> None:
    market = made()
    now = in_session(FIRST + DAY)
    before = market.implied_volatility("SPY", now)
    market.set_price("SPY", 0.9 * market.spot("SPY", now), now)
    after = market.implied_volatility("SPY", now + 1)
    earlier = market.implied_volatility("SPY", now - 60)
    assert before is not None
    assert after is not None
    assert earlier is not None
    assert 1.2 * before < after < 1.6 * before
    assert earlier < 1.1 * before


def test_shifts_survive_a_restart() -> None:
    shifts, again = Shifts(), Shifts()
    shifts.move("SPY", 0.9, 1_000.4)
    shifts.move("SPY", 0.5, 2_000.0)
    again.restore("SPY", shifts.dump("SPY"))
    for one in (shifts, again):
        assert [one.at("SPY", at) for at in (999, 1_000, 1_999, 2_000, None)] == [
            1.0, 0.9, 0.9, 0.45, 0.45,
        ]  # fmt: skip
    again.restore("QQQ", {"factor": 1.1})
    assert again.at("QQQ", 5.0) == 1.1
    assert again.at("IWM", None) == 1.0
