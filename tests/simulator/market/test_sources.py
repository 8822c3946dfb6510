"""Folders in every format, seeds, and markets moved to other dates."""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from tests.simulator.market import arbitrage
from tests.simulator.market.grounds import DAY, FIRST, in_session, shared
from theta.simulator.errors import ScenarioError
from theta.simulator.market import calendar, chains, schedule
from theta.simulator.market.recording import day_of
from theta.simulator.market.redating import Redating
from theta.simulator.market.sources import Folder, Recorded, Source, Synthetic, open_market


def eod(folder: Path) -> Path:
    """Three days of daily chains without quotes, one of them a holiday."""
    prices = ["date,symbol,underlying_price,source"]
    lines = ["date,expiration,strike,right,last,iv_pct,delta,volume,open_interest"]
    for number, day in enumerate(("2026-06-18", "2026-06-19", "2026-06-22", "2026-06-23")):
        prices.append(f"{day},KO,{70 + number},detail")
        prices.append(f"{day},GONE,,missing")
        lines += [
            f"{day},2026-07-17,{strike},{right},1.5,{22 - strike / 20},0.5,7,31"
            for strike in range(60, 81)
            for right in "CP"
        ]
    (folder / "underlying_prices.csv").write_text("\n".join(prices))
    (folder / "KO.csv.xz").write_bytes(lzma.compress("\n".join(lines).encode()))
    return folder


def dated(folder: Path) -> Path:
    """One snapshot with bid and ask."""
    day = folder / "2026-06-22"
    day.mkdir()
    ticker = {"spot": 70.0, "spot_live": 70.5, "session": "2026-06-18"}
    meta = {"utc": "2026-06-22T15:00:00+00:00", "session": "2026-06-18", "tickers": {"KO": ticker}}
    (day / "meta.json").write_text(json.dumps(meta))
    lines = ["contractSymbol,expiry,type,strike,lastPrice,bid,ask,volume,openInterest"]
    for strike in range(60, 81):
        for right, gain in (("C", 70.5 - strike), ("P", strike - 70.5)):
            bid = max(gain, 0) + max(0.2, 1.5 - abs(gain) / 4)
            lines.append(f"X,2026-07-17,{right},{strike}.0,,{bid:.2f},{bid + 0.1:.2f},,12.0")
    (day / "KO.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    return folder


def delayed(folder: Path) -> Path:
    """One day of CBOE's delayed quotes."""
    options = [
        {
            "option": f"KO260717{right}{strike * 1000:08d}",
            "bid": max(gain, 0) + 0.3,
            "ask": max(gain, 0) + 0.4,
            "last_trade_price": 1.0,
            "volume": 3.0,
            "open_interest": 44.0,
        }
        for strike in range(60, 81)
        for right, gain in (("C", 70.5 - strike), ("P", strike - 70.5))
    ]
    data = {"options": options, "current_price": 70.5, "prev_day_close": 70.0, "close": 70.5}
    body = {"timestamp": "2026-06-22 22:57:33", "data": data}
    (folder / "KO_2026-06-22_delayed_quotes.json.gz").write_bytes(
        gzip.compress(json.dumps(body).encode())
    )
    return folder


def closes(folder: Path) -> Path:
    """Half a year of closes."""
    days = calendar.session_days_back(date(2026, 6, 23), 120)
    lines = ["Date,Open,High,Low,Close,Volume"]
    lines += [f"{day},1,1,1,{70 + (n * 7919 % 13) / 10},9" for n, day in enumerate(days)]
    lines.append("2026-06-20,1,1,1,99,9")
    (folder / "KO.csv").write_text("\n".join(lines))
    return folder


@pytest.mark.parametrize(
    ("kind", "make"),
    [("eod", eod), ("snapshots", dated), ("cboe", delayed), ("closes", closes)],
)
def test_a_folder_in_each_format_is_a_market(
    tmp_path: Path, kind: str, make: Callable[[Path], Path]
) -> None:
    market = open_market(3, [Folder(make(tmp_path), kind)])
    assert market.book.symbols == ["KO"]
    opened = calendar.session(date(2026, 6, 22))
    assert opened is not None
    now = opened[0] + 5_500
    assert market.spot("KO", now) == pytest.approx(70.8, abs=2.5)
    expiries = {key[0] for key in market.listed("KO", now)}
    assert "20260717" in expiries
    assert list(arbitrage.offences(market, "KO", "20260717", now)) == []
    later = in_session(now + 60 * DAY)
    assert market.listed("KO", later)


def test_days_that_are_no_sessions_are_left_out(tmp_path: Path) -> None:
    market = open_market(3, [Folder(eod(tmp_path), "eod")])
    path = market.known_source("KO").path
    assert [round(path.close(date(2026, 6, day)), 4) for day in (18, 22, 23)] == [70, 72, 73]
    chain = market.chain("KO", calendar.start_of(date(2026, 6, 24)))
    assert chain is not None
    row = chain.rows["20260717", 70.0, "P"]
    assert row.vol == pytest.approx(0.185)
    assert row.open_interest == 31


def test_closes_are_the_closes(tmp_path: Path) -> None:
    source = Folder(closes(tmp_path), "closes", ("KO",), "2026-05-01")
    market = open_market(3, [source])
    days = calendar.session_days_back(date(2026, 6, 23), 120)
    path = market.known_source("KO").path
    for number in (0, 60, 119):
        assert path.close(days[number]) == pytest.approx(70 + (number * 7919 % 13) / 10)
    moved = open_market(3, [source], first_day=date(2027, 3, 1))
    first = next(n for n, day in enumerate(days) if day >= date(2026, 5, 1))
    expected = 70 + (first * 7919 % 13) / 10
    assert moved.known_source("KO").path.close(date(2027, 3, 1)) == pytest.approx(expected)
    before = 70 + ((first - 1) * 7919 % 13) / 10
    assert moved.known_source("KO").path.close(date(2027, 2, 26)) == pytest.approx(before)


def broken(folder: Path) -> Iterator[tuple[Source, str]]:
    (folder / "bad").mkdir()
    (folder / "bad" / "KO.csv").write_text("nonsense")
    (folder / "bad" / "X_1.json").write_text("{")
    (folder / "bad" / "underlying_prices.csv").write_text("date,symbol,underlying_price\nx,KO,1")
    (folder / "empty").mkdir()
    yield Folder(folder / "nowhere", "eod"), "does not exist"
    for kind in ("eod", "snapshots", "cboe", "closes"):
        yield Folder(folder / "empty", kind), "empty"
    yield Folder(folder / "bad", "eod"), "underlying_prices.csv"
    yield Folder(folder / "bad", "cboe"), "X_1.json"
    yield Folder(folder / "bad", "closes", ("KO",)), "KO.csv"
    yield Folder(folder / "bad", "tea leaves"), "tea leaves"
    yield Folder(folder / "bad", "closes", ("PEP",)), "PEP"
    yield Synthetic("ABC", ticks="feet"), "feet"


def list_all(source: Source) -> None:
    market = open_market(3, [source])
    for symbol in market.book.symbols:
        market.listed(symbol, FIRST)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    for source, words in broken(tmp_path):
        with pytest.raises(ScenarioError, match=words):
            list_all(source)


def test_a_symbol_is_opened_when_it_is_first_needed(tmp_path: Path) -> None:
    (tmp_path / "BAD.csv").write_text("nonsense")
    market = open_market(3, [Folder(closes(tmp_path), "closes")])
    assert market.spot("KO", FIRST) > 0
    with pytest.raises(ScenarioError):
        market.spot("BAD", FIRST)


@pytest.mark.parametrize("today", [date(2027, 1, 4), date(2027, 2, 13), date(2026, 11, 25)])
def test_a_window_moves_to_today(today: date) -> None:
    market = open_market(7, [Recorded("SPY"), Synthetic("NEW", 80.0)], first_day=today)
    redating = Redating.to(date(2026, 8, 13), today)
    first = redating.new
    assert first >= today
    assert calendar.is_session_day(first)
    opened, _ = calendar.session(first) or (0.0, 0.0)
    assert market.prior_close("SPY", opened + 60) == 772.49
    assert market.prior_close("NEW", opened + 60) == 80.0
    taken = redating.instant(FIRST)
    assert market.spot("SPY", taken) == pytest.approx(775.81, rel=3e-4)
    now = taken + 60
    expiries = sorted({key[0] for key in market.listed("SPY", now)})
    weekly = [e for e in expiries if schedule.is_week_expiry(day_of(e))]
    assert len(weekly) >= 6
    assert all(calendar.is_session_day(day_of(e)) for e in expiries)
    assert all((day_of(e) - first).days < 85 for e in expiries)
    assert list(arbitrage.offences(market, "SPY", weekly[3], now)) == []


def test_another_day_may_become_a_session() -> None:
    sunday = date(2026, 11, 22)
    try:
        calendar.add_session(sunday)
        market = open_market(7, [Recorded("SPY")], first_day=sunday)
        opened, closed = calendar.session(sunday) or (0.0, 0.0)
        assert closed - opened == 6.5 * 3_600
        assert market.prior_close("SPY", opened + 60) == 772.49
        stock = market.book.stock("SPY")
        assert stock is not None
        assert market.quote(stock, opened + 60).bid is not None
        assert len(market.bars(stock, "TRADES", opened, closed, 300)) == 78
    finally:
        calendar.remove_sessions()
    assert calendar.session(sunday) is None


def test_the_seed_alone_makes_a_synthetic_market() -> None:
    sources = [Synthetic("ABC", price=44.0, volatility=0.4)]
    one, same, other = (open_market(seed, sources) for seed in (1, 1, 2))
    later = FIRST + 30 * DAY
    assert one.spot("ABC", later) == same.spot("ABC", later) != other.spot("ABC", later)
    key = one.listed("ABC", in_session(later))[30]
    quotes = [m.quote(m.book.option("ABC", *key), in_session(later)) for m in (one, same)]
    assert quotes[0] == quotes[1]
    assert one.prior_close("ABC", chains.snapshots()[0].taken_at) == 44.0


def test_volatility_and_skew_are_as_asked() -> None:
    market = open_market(3, [Synthetic("ABC", price=100.0, volatility=0.4, skew=0.05)])
    level = market.implied_volatility("ABC", FIRST)
    assert level == pytest.approx(0.4, rel=0.1)
    now = in_session(FIRST)
    expiry = max(key[0] for key in market.listed("ABC", now))
    spot = market.spot("ABC", now)
    strikes = sorted({k for e, k, _ in market.listed("ABC", now) if e == expiry})
    vols = []
    for strike in (strikes[0], min(strikes, key=lambda k: abs(k - spot))):
        found = market.greeks(market.book.option("ABC", expiry, strike, "P"), now, None)
        assert found is not None
        vols.append(found[0])
    assert vols[0] > vols[1] + 0.01


@pytest.mark.slow
def test_the_unshipped_data_is_read() -> None:
    folder = shared("chain_eod_2026-05_08")
    market = open_market(3, [Folder(folder, "eod", ("XLF", "SPY"))])
    now = in_session(calendar.start_of(date(2026, 7, 8)))
    assert 600 < market.spot("SPY", now) < 900
    assert len(market.listed("SPY", now)) > 3_000
    bidask = open_market(
        3, [Folder(shared("chain_bidask_2026-08_SPY_QQQ_IWM"), "snapshots", ("SPY",))]
    )
    own = open_market(3, [Recorded("SPY")])
    contract = own.book.option("SPY", "20260918", 740.0, "P")
    assert bidask.quote(contract, FIRST + 5) == own.quote(contract, FIRST + 5)
