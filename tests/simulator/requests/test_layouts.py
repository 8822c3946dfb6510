"""Requests as three client libraries write them, and messages as they read them, for the versions
at which a layout changes."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from tests.simulator.wire.libraries import ASYNC, INSYNC, Heard, Library, OfficialLibrary
from theta.simulator.market.contracts import Contract
from theta.simulator.wire import accounts, bars, market_reading, reference, ticks
from theta.simulator.wire.bars import BarFields
from theta.simulator.wire.fields import Fields
from theta.simulator.wire.framing import decode_fields

GATES = (100, 101, 110, 114, 123, 124, 126, 128, 129, 134, 135, 140, 145, 150, 155, 156, 157)
CALL = Contract(77, "SPY", "OPT", "20260918", 740.0, "C", "", 756733)
BAR = BarFields("20260813", 770.5, 773.25, 769.0, 772.49, 1_000_000, 771.5, 8_000)


@pytest.fixture(scope="module")
def official() -> OfficialLibrary:
    import ibapi.client
    import ibapi.contract
    import ibapi.decoder

    modules: dict[str, ModuleType] = {
        "client": ibapi.client,
        "contract": ibapi.contract,
        "decoder": ibapi.decoder,
    }
    return OfficialLibrary(modules)


def cases(official: OfficialLibrary) -> list[tuple[Library, int]]:
    found: list[tuple[Library, int]] = [(official, version) for version in GATES]
    found += [(INSYNC, version) for version in (157, 163, 164, 176)]
    return [*found, (ASYNC, 177), (ASYNC, 178)]


def asked_for(library: Library) -> Any:
    return library.contract(
        conId=77, symbol="SPY", secType="OPT", lastTradeDateOrContractMonth="20260918",
        strike=740.0, right="C", multiplier="100", exchange="SMART", currency="USD",
    )  # fmt: skip


def sent(library: Library, version: int, request: str, *arguments: Any) -> Fields:
    """The fields of a request without its number."""
    return Fields(library.encode(version, request, *arguments)[1:])


def of(frame: bytes) -> list[object]:
    return list(decode_fields(frame[4:]))


def test_market_data_requests_are_read_as_written(official: OfficialLibrary) -> None:
    for library, version in cases(official):
        fields = sent(
            library, version, "reqMktData", 5, asked_for(library), "101,233:x", False, False, []
        )
        fields.skip(1)
        assert fields.integer() == 5
        read = market_reading.read_market_data(fields, version)
        assert (read.query.con_id, read.query.strike) == (77, 740.0)
        assert read.generic_ticks == (101, 233)
        assert (read.snapshot, read.regulatory) == (False, False)
        again = sent(library, version, "reqMktData", 6, asked_for(library), "", True, True, [])
        again.skip(2)
        snapshot = market_reading.read_market_data(again, version)
        assert (snapshot.snapshot, snapshot.regulatory) == (True, version >= 114)


def test_a_combination_brings_its_legs(official: OfficialLibrary) -> None:
    for library, version in cases(official):
        bag = library.contract(symbol="SPY", secType="BAG", exchange="SMART", currency="USD")
        bag.comboLegs = [
            library.leg(conId=1, ratio=1, action="BUY", exchange="SMART"),
            library.leg(conId=2, ratio=2, action="SELL", exchange="SMART"),
        ]
        fields = sent(library, version, "reqMktData", 5, bag, "", False, False, [])
        fields.skip(2)
        legs = market_reading.read_market_data(fields, version).query.legs
        assert [(leg.con_id, leg.ratio, leg.sign) for leg in legs] == [(1, 1, 1), (2, 2, -1)]


def test_history_requests_are_read_as_written(official: OfficialLibrary) -> None:
    for library, version in cases(official):
        contract = asked_for(library)
        contract.includeExpired = True
        arguments: tuple[Any, ...] = (
            "20260813 16:00:00",
            "2 D",
            "5 mins",
            "MIDPOINT",
            1,
            2,
            True,
            [],
        )
        fields = sent(library, version, "reqHistoricalData", 8, contract, *arguments)
        read = market_reading.read_history(fields, version)
        assert (read.request, read.query.con_id, read.query.include_expired) == (8, 77, True)
        assert (read.end, read.duration, read.bar_size) == ("20260813 16:00:00", "2 D", "5 mins")
        assert (read.what, read.regular_hours, read.date_format) == ("MIDPOINT", True, 2)
        assert read.keep_up_to_date == (version >= 124)


def test_other_requests_are_read_as_written(official: OfficialLibrary) -> None:
    for library, version in cases(official):
        contract = asked_for(library)
        details = sent(library, version, "reqContractDetails", 3, contract)
        assert market_reading.read_contract_query(details, version)[1].con_id == 77
        exercise = sent(library, version, "exerciseOptions", 4, contract, 1, 3, "DU1", 1)
        read = market_reading.read_exercise(exercise)
        assert (read.request, read.query.con_id, read.query.currency) == (4, 77, "USD")
        assert (read.action, read.quantity, read.account, read.override) == (1, 3, "DU1", True)
        live = sent(library, version, "reqRealTimeBars", 6, contract, 5, "TRADES", True, [])
        asked = market_reading.read_bars(live)
        assert (asked.request, asked.seconds, asked.what) == (6, 5, "TRADES")
        assert asked.regular_hours
        if version >= 118:
            head = sent(library, version, "reqHeadTimeStamp", 7, contract, "BID", True, 2)
            first = market_reading.read_head(head)
            assert (first.request, first.what, first.date_format) == (7, "BID", 2)
        if version >= 140:
            fields = sent(library, version, "reqTickByTickData", 8, contract, "BidAsk", 0, False)
            request, query, kind = market_reading.read_tick_by_tick(fields)
            assert (request, query.con_id, kind) == (8, 77, "BidAsk")


def test_positions_and_portfolio_are_read_as_told(official: OfficialLibrary) -> None:
    for library, version in cases(official):
        told = accounts.position(version, CALL, "DU1", -3.0, 123.5)
        account, contract, quantity, cost = library.decode(version, told, "position")
        assert (account, contract.conId, contract.right) == ("DU1", 77, "C")
        assert (contract.tradingClass, quantity, cost) == ("SPY", -3, 123.5)
        if version >= 103:
            told = accounts.position_multi(version, 9, CALL, "DU1", 2.0, 5.0)
            request, account, _, contract, quantity, _ = library.decode(
                version, told, "positionMulti"
            )
            assert (request, account, contract.conId, quantity) == (9, "DU1", 77, 2)
        told = accounts.portfolio(version, CALL, "DU1", 2.0, 1.5, 120.0, 7.25)
        values = library.decode(version, told, "updatePortfolio")
        assert values[1:] == (2, 1.5, 300.0, 120.0, 60.0, 7.25, "DU1")


def test_profit_and_loss_are_read_as_told(official: OfficialLibrary) -> None:
    for library, version in cases(official):
        if version < 127:
            continue
        daily, unrealized, realized = library.decode(
            version, accounts.profit(version, 4, 1.5, 2.5, 3.5), "pnl"
        )[1:]
        assert daily == 1.5
        assert unrealized == (2.5 if version >= 129 else None)
        assert realized == (3.5 if version >= 135 else None)
        values = library.decode(
            version, accounts.profit_single(version, 4, -2.0, 1.5, 2.5, 3.5, 9.5), "pnlSingle"
        )
        assert (values[1], values[2], values[-1]) == (-2, 1.5, 9.5)


def test_bars_are_read_as_told(official: OfficialLibrary) -> None:
    for library, version in cases(official):
        told = bars.history(version, 6, "a", "b", [BAR])
        heard = _all(library, version, told)
        assert [name for name, _ in heard] == ["historicalData", "historicalDataEnd"]
        bar = heard[0][1][1]
        shown = (bar.date, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.average)
        assert shown == ("20260813", 770.5, 773.25, 769.0, 772.49, 1_000_000, 771.5)
        assert bar.barCount == 8_000
        assert heard[1][1] == (6, "a", "b")
        if version >= 124:
            update = library.decode(version, bars.update(6, BAR), "historicalDataUpdate")
            assert (update[0], update[1].close, update[1].barCount) == (6, 772.49, 8_000)
        live = library.decode(version, bars.real_time(7, 1_786_000_000, BAR), "realtimeBar")
        assert live[:3] == (7, 1_786_000_000, 770.5)
        assert live[-1] == 8_000


def _all(library: Library, version: int, fields: list[object]) -> list[tuple[str, Any]]:
    """Every callback of one message."""
    listener = Heard()
    texts = [str(field) for field in fields]
    if isinstance(library, OfficialLibrary):
        import ibapi.decoder

        interpreter: Any = ibapi.decoder.Decoder(listener, version)
        interpreter.interpret(tuple(text.encode() for text in texts))
    else:
        make: Any = library.module.decoder.Decoder
        make(listener, version).handlers[int(texts[0])](texts)
    return listener.calls


def test_ticks_are_read_as_told(official: OfficialLibrary) -> None:
    for library, version in cases(official):
        heard = _all(library, version, of(ticks.price(5, ticks.BID, 1.25, 40, 1)))
        assert heard[0][1][:3] == (5, 1, 1.25)
        assert library.decode(version, of(ticks.size(5, 8, 700)), "tickSize") == (5, 8, 700)
        assert library.decode(version, of(ticks.generic(5, 23, 0.5)), "tickGeneric") == (5, 23, 0.5)
        told = library.decode(version, of(ticks.string(5, 48, "1;2;3")), "tickString")
        assert told == (5, 48, "1;2;3")
        computed = ticks.computation(
            version, 5, ticks.MODEL_GREEKS, 0.2, -0.3, 4.5, 0.01, 0.6, -0.07, 770.0, 1.2
        )
        values = library.decode(version, of(computed), "tickOptionComputation")
        assert values[:2] == (5, 13)
        assert values[3:] == (0.2, -0.3, 4.5, 1.2, 0.01, 0.6, -0.07, 770.0)
        assert library.decode(version, of(ticks.data_type(5, 3)), "marketDataType") == (5, 3)
        assert library.decode(version, of(ticks.snapshot_end(5)), "tickSnapshotEnd") == (5,)
        if version >= 114:
            told = library.decode(version, of(ticks.parameters(5, 0.05, "9c", 3)), "tickReqParams")
            assert told == (5, 0.05, "9c", 3)
        if version >= 137:
            told = library.decode(
                version, of(ticks.by_tick_quote(5, 99, 1.0, 1.1, 3, 4)), "tickByTickBidAsk"
            )
            assert told[:6] == (5, 99, 1.0, 1.1, 3, 4)
            told = library.decode(
                version, of(ticks.by_tick_last(5, 1, 99, 1.0, 3, "ARCA")), "tickByTickAllLast"
            )
            assert told[:5] == (5, 1, 99, 1.0, 3)
            told = library.decode(
                version, of(ticks.by_tick_middle(5, 99, 1.05)), "tickByTickMidPoint"
            )
            assert told == (5, 99, 1.05)


def test_blank_greeks_are_read_as_not_computed(official: OfficialLibrary) -> None:
    for library, version in cases(official):
        values = library.decode(
            version, of(ticks.computation(version, 5, 10)), "tickOptionComputation"
        )
        assert values[:2] == (5, 10)
        expected = (None,) * 8 if isinstance(library, OfficialLibrary) else (
            -1, -2, -1, -1, -2, -2, -2, -1,
        )  # fmt: skip
        assert values[3:] == expected


def test_reference_messages_are_read_as_told(official: OfficialLibrary) -> None:
    stock = Contract(756733, "SPY", "STK", "", 0.0, "", "ARCA", 0)
    for library, version in cases(official):
        told = reference.option_parameters(
            4, "CBOE", 756733, "SPY", 100, ["20260918"], [740.0, 741.0]
        )
        values = library.decode(version, told, "securityDefinitionOptionParameter")
        assert (values[1], int(values[2]), *values[3:5]) == ("CBOE", 756733, "SPY", "100")
        assert (set(values[5]), set(values[6])) == ({"20260918"}, {740.0, 741.0})
        samples = reference.symbol_samples(version, 4, [(stock, "SPDR", ("OPT",))])
        (found,) = library.decode(version, samples, "symbolSamples")[1]
        assert (found.contract.conId, found.derivativeSecTypes) == (756733, ["OPT"])
        if version >= 176:
            assert found.contract.description == "SPDR"
        rule = library.decode(
            version, reference.market_rule(26, [(0.0, 0.01), (3.0, 0.05)]), "marketRule"
        )
        assert [(step.lowEdge, step.increment) for step in rule[1]] == [(0.0, 0.01), (3.0, 0.05)]
        components = library.decode(
            version, reference.smart_components(4, [(0, "ARCA", "P")]), "smartComponents"
        )[1]
        assert [(c.bitNumber, c.exchange, c.exchangeLetter) for c in components] == [
            (0, "ARCA", "P")
        ]
        codes = library.decode(version, accounts.family_codes(["DU1"], "F1"), "familyCodes")[0]
        assert [(code.accountID, code.familyCodeStr) for code in codes] == [("DU1", "F1")]
        assert library.decode(version, reference.news_providers(), "newsProviders") == ([],)
        assert library.decode(version, reference.depth_exchanges(), "mktDepthExchanges") == ([],)
        assert library.decode(version, reference.soft_dollar_tiers(4), "softDollarTiers") == (4, [])
        told = reference.bulletin(3, 1, "text", "NYSE")
        assert library.decode(version, told, "updateNewsBulletin") == (3, 1, "text", "NYSE")
        assert library.decode(version, bars.head(4, "20200101"), "headTimestamp") == (4, "20200101")
