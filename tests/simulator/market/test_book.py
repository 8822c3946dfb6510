"""Ids: unique, the same for the same terms in every market, and leading back to them."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulator.market.grounds import FIRST, shipped
from theta.simulator.market.book import ContractBook
from theta.simulator.market.contracts import Contract, Leg
from theta.simulator.market.quotes import Market
from theta.simulator.market.sources import Recorded, Synthetic, open_market

STRIKES = st.one_of(
    st.integers(1, 27_999).map(lambda halves: halves / 2),
    st.integers(1, 24_999).map(lambda cents: cents / 100),
    st.integers(28_000, 100_000).map(float),
    st.integers(1, 99_999).map(lambda mils: mils / 1000),
)
EXPIRIES = st.dates(
    min_value=date(2005, 1, 3),
    max_value=date(2040, 1, 3),
).filter(lambda day: day.weekday() < 5)


@settings(max_examples=60)
@given(st.lists(st.tuples(EXPIRIES, STRIKES, st.sampled_from("CP")), min_size=1, unique=True))
def test_ids_are_unique_and_lead_back(terms: list[tuple[date, float, str]]) -> None:
    book = ContractBook(["SPY", "ZZZZ"])
    made = [book.option(s, f"{d:%Y%m%d}", k, r) for s in ("SPY", "ZZZZ") for d, k, r in terms]
    assert len({contract.con_id for contract in made}) == len(made)
    assert all(book.by_id(contract.con_id) is contract for contract in made)
    assert all(0 < contract.con_id < 2**31 for contract in made)


def test_ids_do_not_hang_on_the_other_symbols() -> None:
    one, other = ContractBook(["AAAA", "SPY"]), ContractBook(["SPY", "BBBB", "AAAA"])
    for symbol in ("AAAA", "SPY"):
        assert one.stock(symbol) == other.stock(symbol)
        terms = (symbol, "20270115", 512.5, "C")
        assert one.option(*terms) == other.option(*terms)


def test_known_underlyings_have_the_brokers_ids() -> None:
    book = ContractBook(["SPY", "QQQ", "IWM", "AAPL", "SPX", "VIX"])
    ids = [contract.con_id for s in book.symbols if (contract := book.stock(s))]
    assert ids == [756733, 320227571, 9579970, 265598, 416904, 13455763]
    index = book.stock("SPX")
    assert index is not None
    assert (index.sec_type, index.primary_exchange) == ("IND", "CBOE")


def test_an_id_from_an_earlier_run_is_understood() -> None:
    """Also with other symbols around, and for lines that only the schedule lists."""
    earlier = open_market(1, [Recorded("SPY"), Recorded("SPX", "SPY")])
    later = open_market(1, [Synthetic("NEW", 300.0), Recorded("SPX", "SPY"), Recorded("SPY")])
    kept = [
        earlier.book.option("SPY", "20260918", 740.0, "P"),
        earlier.book.option("SPY", "20270115", 800.0, "C"),
        earlier.book.option("SPX", "20260918", 7400.0, "P", "SPXW"),
        earlier.book.option("SPX", "20260918", 7400.0, "P", "SPX"),
    ]
    for contract in kept:
        assert later.book.by_id(contract.con_id) == contract
    assert later.book.by_id(kept[0].con_id + 1_234_568) is None
    assert later.book.by_id(5) is None


@pytest.mark.slow
def test_no_two_contracts_of_a_thousand_symbols_share_an_id() -> None:
    market = open_market(3, [Synthetic(f"S{n:04d}", 20 + n % 480) for n in range(1000)])
    ids = [
        market.book.option(symbol, *key).con_id
        for symbol in market.book.symbols
        for key in market.listed(symbol, FIRST)
    ]
    assert len(ids) > 200_000
    assert len(set(ids)) == len(ids)


def put(market: Market, strike: float) -> Contract:
    return market.book.option("SPY", "20260918", strike, "P")


def test_the_same_legs_are_the_same_combination() -> None:
    market = shipped()
    legs = (Leg(put(market, 740.0).con_id, 1, "SELL"), Leg(put(market, 720.0).con_id, 1, "BUY"))
    spread = market.book.combination(legs)
    assert market.book.combination(legs) is spread
    assert market.book.by_id(spread.con_id) is spread
    assert (spread.sec_type, spread.multiplier, spread.symbol) == ("BAG", 100, "SPY")
    turned = market.book.combination(legs[::-1])
    assert turned.con_id != spread.con_id
    with pytest.raises(LookupError):
        market.book.combination((Leg(17, 1, "BUY"), legs[0]))
    with pytest.raises(LookupError):
        market.book.combination(())


def test_a_buy_write_is_priced_per_share() -> None:
    market = shipped()
    stock = market.book.stock("SPY")
    assert stock is not None
    call = market.book.option("SPY", "20260918", 790.0, "C")
    bag = market.book.combination((Leg(stock.con_id, 100, "BUY"), Leg(call.con_id, 1, "SELL")))
    now = FIRST + 600
    net, share, option = (market.quote(c, now) for c in (bag, stock, call))
    assert bag.multiplier == 100
    assert net.bid == pytest.approx((share.bid or 0) - (option.ask or 0))
    assert net.ask == pytest.approx((share.ask or 0) - (option.bid or 0))
    assert net.bid is not None
    assert net.ask is not None
    assert net.bid < net.ask
