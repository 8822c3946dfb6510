"""Seeded malformed, truncated, oversized, unknown and merely unexpected input."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import ib_async

from tests.simulator.wire.libraries import ASYNC
from theta.simulator.wire.framing import MAX_FRAME_BYTES, encode_fields, frame

NASTY = (
    "", "0", "-1", "1", "2147483647", "-2147483648", "9" * 18, "9" * 19, "9" * 400, "1.5", "-0.0",
    "1e308", "-1e308", "1.7976931348623157e+308", "1e999", "nan", "inf", "-inf", "Infinity", "²",
    "٣", "1_000", " 7 ", "0x10", "+5", "--5", "True", "SPY", "\ud7ff", "€" * 30, "a" * 5_000, "\\",
    "\\u12", "%s%n", "'; drop table orders;--", "BAG", "PEG BEST", "VOL", "IBKRATS", "\r\n", "{",
)  # fmt: skip
LENGTHS = (0, MAX_FRAME_BYTES + 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def calls() -> list[tuple[str, tuple[Any, ...]]]:
    """A call of every request of the widest library, with sensible arguments."""
    stock: Any = ib_async.Stock("SPY", "SMART", "USD")
    put: Any = ib_async.Option("SPY", "20260918", 740.0, "P", "SMART")
    make_bag: Any = ib_async.Bag
    bag = make_bag(symbol="SPY", exchange="SMART", currency="USD")
    leg: Any = ib_async.ComboLeg
    bag.comboLegs = [leg(756733, 100, "BUY", "SMART"), leg(5, 1, "SELL", "SMART")]
    order: Any = ib_async.LimitOrder
    plain, routed = order("SELL", 1, 3.55), order("BUY", 1, 1.0)
    routed.smartComboRoutingParams = [ib_async.TagValue("NonGuaranteed", "1")]
    routed.algoStrategy, routed.algoParams = "Adaptive", [ib_async.TagValue("a", "b")]
    make_condition: Any = ib_async.PriceCondition
    routed.conditions = [make_condition(price=5.0, conId=1, exch="SMART")]
    filled: Any = ib_async.ExecutionFilter
    return [
        ("placeOrder", (70, put, plain)), ("placeOrder", (71, bag, routed)),
        ("cancelOrder", (70, "")), ("reqOpenOrders", ()), ("reqAccountUpdates", (True, "")),
        ("reqAccountUpdates", (False, "")), ("reqExecutions", (7, filled())), ("reqIds", (1,)),
        ("reqContractDetails", (7, put)), ("reqContractDetails", (7, bag)),
        ("reqMktData", (7, put, "100,106", False, False, [])), ("cancelMktData", (7,)),
        ("reqMktData", (8, bag, "", True, False, [])), ("reqMktDepth", (7, put, 5, True, [])),
        ("cancelMktDepth", (7, True)), ("reqNewsBulletins", (True,)), ("cancelNewsBulletins", ()),
        ("setServerLogLevel", (2,)), ("reqAutoOpenOrders", (True,)), ("reqAllOpenOrders", ()),
        ("reqManagedAccts", ()), ("requestFA", (1,)), ("replaceFA", (7, 1, "<x/>")),
        (
            "reqHistoricalData",
            (7, stock, "", "2 D", "1 hour", "TRADES", True, 1, False, []),
        ),
        ("cancelHistoricalData", (7,)), ("exerciseOptions", (7, put, 1, 1, "", 0)),
        ("reqScannerParameters", ()), ("cancelScannerSubscription", (7,)), ("reqCurrentTime", ()),
        ("reqRealTimeBars", (7, stock, 5, "TRADES", True, [])), ("cancelRealTimeBars", (7,)),
        ("reqFundamentalData", (7, stock, "ReportSnapshot", [])), ("cancelFundamentalData", (7,)),
        ("calculateImpliedVolatility", (7, put, 3.0, 745.0, [])),
        ("calculateOptionPrice", (7, put, 0.2, 745.0, [])),
        ("cancelCalculateImpliedVolatility", (7,)), ("cancelCalculateOptionPrice", (7,)),
        ("reqGlobalCancel", ()), ("reqMarketDataType", (3,)), ("reqPositions", ()),
        ("cancelPositions", ()), ("reqAccountSummary", (7, "All", "NetLiquidation,$LEDGER:ALL")),
        ("cancelAccountSummary", (7,)), ("verifyRequest", ("a", "1")), ("verifyMessage", ("a",)),
        ("queryDisplayGroups", (7,)), ("subscribeToGroupEvents", (7, 1)),
        ("updateDisplayGroup", (7, "1@SMART")), ("unsubscribeFromGroupEvents", (7,)),
        ("startApi", ()), ("verifyAndAuthRequest", ("a", "1", "x")),
        ("verifyAndAuthMessage", ("a", "x")), ("reqPositionsMulti", (7, "", "")),
        ("cancelPositionsMulti", (7,)), ("reqAccountUpdatesMulti", (7, "", "", True)),
        ("cancelAccountUpdatesMulti", (7,)),
        ("reqSecDefOptParams", (7, "SPY", "", "STK", 756733)), ("reqSoftDollarTiers", (7,)),
        ("reqFamilyCodes", ()), ("reqMatchingSymbols", (7, "SP")), ("reqMktDepthExchanges", ()),
        ("reqSmartComponents", (7, "9c0001")), ("reqNewsArticle", (7, "BRFG", "1", [])),
        ("reqNewsProviders", ()), ("reqHistoricalNews", (7, 756733, "BRFG", "", "", 5, [])),
        ("reqHeadTimeStamp", (7, stock, "TRADES", True, 1)),
        ("reqHistogramData", (7, stock, True, "3 days")), ("cancelHistogramData", (7,)),
        ("cancelHeadTimeStamp", (7,)), ("reqMarketRule", (26,)), ("reqPnL", (7, "", "")),
        ("cancelPnL", (7,)), ("reqPnLSingle", (7, "", "", 756733)), ("cancelPnLSingle", (7,)),
        (
            "reqHistoricalTicks",
            (7, stock, "", "20260914 12:00:00", 10, "TRADES", 1, False, []),
        ),
        ("reqTickByTickData", (7, stock, "Last", 0, False)), ("cancelTickByTickData", (7,)),
        ("reqCompletedOrders", (True,)), ("reqWshMetaData", (7,)), ("cancelWshMetaData", (7,)),
        ("cancelWshEventData", (7,)), ("reqUserInfo", (7,)),
    ]  # fmt: skip


def corpus(version: int) -> list[list[str]]:
    """The fields of every request, as ``version`` carries them."""
    return [ASYNC.encode(version, name, *arguments) for name, arguments in calls()]


VERSIONS = (157, 163, 170, 177, 178)
"""Versions that change what the widest library sends."""

OLD_VERSIONS = (100, 110, 124, 143, 150)


class Junk:
    """Cases by number: the same seed and number give the same bytes."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._number = 0
        self._corpora = {version: corpus(version) for version in VERSIONS}
        self._kinds: tuple[tuple[int, Callable[[Random, int], bytes]], ...] = (
            (8, self._mutated),
            (3, self._random_fields),
            (2, self._unknown),
            (1, self._raw_body),
            (1, self._broken_frame),
            (1, self._several),
        )

    def case(self, number: int) -> tuple[int, list[bytes]]:
        """The client id to start with (-1: the API is not started) and the pieces of a stream."""
        random = Random(f"{self._seed}:{number}")
        self._number = number
        if random.random() < 0.06:
            return -1, list(_pieces(random, self._opening(random)))
        version = random.choice(VERSIONS * 3 + OLD_VERSIONS)
        started = 2 + number % 7 if random.random() < 0.94 else -1
        stream = b"API\0" + frame(b"v100..%d" % version)
        if started >= 0:
            stream += encode_fields([71, 2, started, ""])
        weights, kinds = zip(*self._kinds, strict=True)
        for kind in random.choices(kinds, weights, k=random.randint(1, 3)):
            stream += kind(random, version)
        return started, list(_pieces(random, stream))

    def _mutated(self, random: Random, version: int) -> bytes:
        # An old version gets what it does not expect: the fields of a newer one.
        shapes = self._corpora.get(version, self._corpora[157])
        fields = list(shapes[0] if random.random() < 0.1 else random.choice(shapes))
        if fields[0] == "3":
            fields[1] = str(100 + self._number)
        for _ in range(random.randint(0, 3)):
            at = random.randrange(1, len(fields)) if len(fields) > 1 else 0
            change = random.randrange(6)
            if change == 0 and at:
                del fields[at]
            elif change == 1:
                fields.insert(at + 1, random.choice(NASTY))
            elif change == 2:
                del fields[at + 1 :]
            elif change == 3:
                fields += [random.choice(NASTY)] * random.randint(1, 30)
            elif at:
                fields[at] = random.choice(NASTY)
        return encode_fields(list(fields))

    def _random_fields(self, random: Random, version: int) -> bytes:
        number = random.randint(1, 105)
        count = int(random.expovariate(0.08))
        return encode_fields([number, *random.choices(NASTY, k=count)])

    def _unknown(self, random: Random, version: int) -> bytes:
        number = random.choice([0, -1, 26, 48, 60, 105, 200, 999, 10**9, *NASTY[:20]])
        return encode_fields([number, *random.choices(NASTY, k=random.randint(0, 8))])

    def _raw_body(self, random: Random, version: int) -> bytes:
        return frame(random.randbytes(random.choice([1, 2, 3, 50, 400, 20_000])))

    def _broken_frame(self, random: Random, version: int) -> bytes:
        if random.random() < 0.4:
            return struct.pack(">I", random.choice(LENGTHS)) + random.randbytes(9)
        whole = self._mutated(random, version)
        return whole[: random.randrange(len(whole))]

    def _several(self, random: Random, version: int) -> bytes:
        one = self._mutated(random, version)
        return one * random.randint(2, 6)

    def _opening(self, random: Random) -> bytes:
        """A connection that does not begin as it should."""
        return random.choice(
            [
                b"", b"A", b"API", b"API\0", b"API\0\0\0", b"66\0" + b"7\0", b"6", b"1234567890\0",
                b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"\0\0\0\x09v100..178",
                b"API\0" + frame(b"v1..99"), b"API\0" + frame(b"v179..200"),
                b"API\0" + frame(b"v178..100"), b"API\0" + frame(b"v176"),
                b"API\0" + frame(b"v100..99999 +PACEAPI"), b"API\0" + frame(b"v"),
                b"API\0" + frame(b"v100..178") * 2, (b"API\0" + frame(b"v100..178")) * 2,
                b"API\0" + struct.pack(">I", random.choice(LENGTHS)), random.randbytes(40),
                b"API\0" + frame(b"v100..178") + encode_fields([71, 2]),
                b"API\0" + frame(b"v100..178") + encode_fields([71, 2, random.choice(NASTY), ""]),
                b"API\0" + frame(b"v100..178") + encode_fields([3, 1]),
            ]
        )  # fmt: skip


def _pieces(random: Random, stream: bytes) -> Iterator[bytes]:
    """``stream`` as a socket might hand it over."""
    if random.random() < 0.7:
        yield stream
        return
    at = 0
    while at < len(stream):
        step = random.choice([1, 2, 3, 5, 64, 4_096])
        yield stream[at : at + step]
        at += step
