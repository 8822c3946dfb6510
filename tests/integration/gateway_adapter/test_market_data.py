"""Quotes, chains and closes over the socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest

from tests.integration.gateway_adapter.harness import Session, SimulatorHere
from tests.support.eventually import eventually, eventually_async
from theta.common.domain.instruments import Contract, Right, SecType, stock
from theta.common.domain.quotes import MarketDataType
from theta.common.errors import UnavailableError

Connect = Callable[..., Session]


def _puts(session: Session, count: int) -> list[Contract]:
    """Return `count` puts below the market of a near expiry, without con_ids."""
    chain = session.run(session.port.chain("SPY"))
    assert chain is not None
    quotes, _ = session.run(session.port.quotes([stock("SPY")], 5))
    spot = quotes[0].market_price()
    assert spot is not None
    below = [strike for strike in chain.strikes if strike < spot][-count:]
    return [
        Contract(
            symbol="SPY", sec_type=SecType.OPTION, expiry=chain.expirations[3], strike=strike,
            right=Right.PUT, multiplier=chain.multiplier,
        )
        for strike in below
    ]  # fmt: skip


def test_option_quotes_carry_model_and_open_interest(
    simulator: SimulatorHere, connect: Connect
) -> None:
    session = connect().until_ready()
    quotes, unknown = session.run(session.port.quotes(_puts(session, 5), 8))
    assert unknown == []
    assert len(quotes) == 5
    for quote in quotes:
        assert quote.contract.con_id
        assert quote.data_type is MarketDataType.LIVE
        assert quote.delta is not None
        assert -1 < quote.delta < 0
        assert quote.open_interest is not None
        assert quote.implied_volatility
        assert quote.underlying_price
        assert quote.model_price is not None


def test_warm_search_of_a_symbol_takes_at_most_fifteen_messages(connect: Connect) -> None:
    session = connect().until_ready()
    puts = _puts(session, 6)
    session.run(session.port.quotes(puts, 8))
    before = session.do(session.port.messages_sent)
    session.run(session.port.chain("SPY"))
    session.run(session.port.quotes([stock("SPY"), *puts], 8))
    asked = session.do(session.port.messages_sent) - before
    assert sum(count for kind, count in asked.items() if kind != "current_time") <= 15


def test_every_line_is_cancelled_and_given_back(simulator: SimulatorHere, connect: Connect) -> None:
    session = connect().until_ready()
    session.run(session.port.quotes(_puts(session, 12), 8))
    eventually(lambda: session.do(lambda: session.port._market_data._lines.in_use) == 0)
    sent = session.do(session.port.messages_sent)
    assert sent["market_data"] == sent["cancel_market_data"]


def test_more_contracts_than_lines_are_served_in_turns(connect: Connect) -> None:
    session = connect().until_ready()
    puts = _puts(session, 30)
    lines = session.port._market_data._lines
    while lines.lines - lines.in_use > 4:
        assert session.run(lines.acquire(1))
    quotes, unknown = session.run(session.port.quotes(puts, 15))
    assert [quote.contract.strike for quote in quotes] == [put.strike for put in puts]
    assert sum(quote.bid is not None for quote in quotes) >= 25
    assert unknown == []


def test_deadline_returns_what_came(simulator: SimulatorHere, connect: Connect) -> None:
    session = connect().until_ready()
    puts = _puts(session, 4)
    session.run(session.port.quotes(puts, 8))
    simulator.fault("half_open")
    quotes, unknown = session.run(session.port.quotes(puts, 0.3))
    assert [quote.bid for quote in quotes] == [None] * 4
    assert [quote.at for quote in quotes] == [None] * 4
    assert unknown == []


def test_unknown_strike_among_known_ones_is_named(connect: Connect) -> None:
    session = connect().until_ready()
    puts = _puts(session, 3)
    odd = Contract(
        symbol="SPY", sec_type=SecType.OPTION, expiry=puts[0].expiry, strike=Decimal("1.37"),
        right=Right.PUT, multiplier=100,
    )  # fmt: skip
    quotes, unknown = session.run(session.port.quotes([*puts, odd], 8))
    assert len(quotes) == 3
    assert unknown == [odd]


def test_closed_market_answers_without_inventing_prices(
    simulator: SimulatorHere, connect: Connect
) -> None:
    session = connect().until_ready()
    puts = _puts(session, 2)
    simulator.ask("/clock", {"jump_to": "next_midnight"})
    quotes, _ = session.run(session.port.quotes(puts, 1.5))
    for quote in quotes:
        assert quote.bid is None or quote.bid > 0
        assert quote.ask is None or quote.ask > 0


def test_identical_history_request_is_not_sent_again(
    simulator: SimulatorHere, connect: Connect
) -> None:
    session = connect().until_ready()
    first = session.run(session.port.daily_closes("SPY", 20))
    second = session.run(session.port.daily_closes("SPY", 20))
    assert first == second
    assert session.do(session.port.messages_sent)["historical_data"] == 1


def test_quotes_fail_when_the_connection_ends_meanwhile(
    simulator: SimulatorHere, connect: Connect
) -> None:
    session = connect().until_ready()
    puts = _puts(session, 4)
    session.run(session.port.quotes(puts, 8))

    simulator.fault("half_open")
    lines = session.port._market_data._lines

    async def ask_and_drop() -> None:
        asking = asyncio.ensure_future(session.port.quotes(puts, 5))
        await eventually_async(lambda: lines.in_use == len(puts))
        session.link().close("a test ends it")
        await asking

    with pytest.raises(UnavailableError, match="ended while"):
        session.run(ask_and_drop())


@pytest.mark.parametrize("speed", [60.0])
def test_market_clock_follows_a_sped_up_broker(
    simulator: SimulatorHere, connect: Connect, speed: float
) -> None:
    simulator.ask("/clock", {"speed": speed})
    session = connect().until_ready()

    def is_measured() -> bool:
        reading = session.do(session.port.clock_reading)
        return reading is not None and abs(reading.rate - speed) < 0.05 * speed

    eventually(is_measured, 10)
    epoch = float(simulator.ask("/clock")["epoch"])
    at = session.do(session.port.market_at)
    assert at is not None
    assert abs(at.timestamp() - epoch) < 1 + 0.1 * speed
