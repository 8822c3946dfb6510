"""Generated orders with every attribute of the protocol, for any of the client libraries."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_letters, digits
from typing import Any

from hypothesis import strategies as st

from tests.simulator.wire.libraries import Library

UNSET_PRICE = 1.7976931348623157e308
UNSET_WHOLE = 2147483647

TEXT = st.text(ascii_letters + digits + " -_/:.", min_size=1, max_size=8)
PRICE = st.integers(1, 10**8).map(lambda number: number / 10_000)
WHOLE = st.integers(1, 10**6)
KINDS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "text": ("", TEXT),
    "price": (UNSET_PRICE, PRICE),
    "amount": (0.0, PRICE),
    "number": (UNSET_WHOLE, WHOLE),
    "code": (0, WHOLE),
    "flag": (False, st.just(True)),
}
"""Kind of attribute → its unset value and its other values."""

ATTRIBUTES: tuple[tuple[int, str, str], ...] = (
    (100, "text", "tif ocaGroup account orderRef goodAfterTime goodTillDate faGroup faMethod"),
    (100, "text", "faPercentage designatedLocation rule80A settlingFirm clearingAccount"),
    (100, "text", "clearingIntent hedgeType deltaNeutralOrderType algoStrategy openClose"),
    (100, "price", "lmtPrice auxPrice percentOffset nbboPriceCap startingPrice stockRefPrice"),
    (100, "price", "delta stockRangeLower stockRangeUpper deltaNeutralAuxPrice"),
    (100, "price", "trailStopPrice trailingPercent scalePriceIncrement"),
    (100, "amount", "discretionaryAmt"),
    (100, "number", "minQty volatilityType referencePriceType"),
    (100, "number", "scaleInitLevelSize scaleSubsLevelSize"),
    (100, "code", "origin parentId displaySize triggerMethod shortSaleSlot ocaType exemptCode"),
    (100, "code", "auctionStrategy"),
    (100, "flag", "blockOrder sweepToFill outsideRth hidden allOrNone eTradeOnly firmQuoteOnly"),
    (100, "flag", "continuousUpdate optOutSmartRouting notHeld whatIf solicited"),
    (100, "flag", "randomizeSize randomizePrice"),
    (102, "text", "adjustedOrderType"),
    (102, "price", "triggerPrice lmtPriceOffset adjustedStopPrice adjustedStopLimitPrice"),
    (102, "price", "adjustedTrailingAmount"),
    (102, "code", "adjustableTrailingUnit"),
    (103, "text", "modelCode"),
    (111, "price", "cashQty"),
    (141, "flag", "dontUseAutoPriceForHedge"),
    (145, "flag", "isOmsContainer"),
    (148, "flag", "discretionaryUpToLimitPrice"),
    (151, "flag", "usePriceMgmtAlgo"),
    (159, "number", "duration"),
    (160, "number", "postToAts"),
    (162, "flag", "autoCancelParent"),
)
"""Told back in open orders: since which version, kind, names."""

SILENT: tuple[tuple[int, str, str], ...] = (
    (100, "flag", "overridePercentageConstraints"),
    (100, "text", "scaleTable activeStartTime activeStopTime algoId"),
    (105, "text", "extOperator"),
    (138, "text", "mifid2DecisionMaker mifid2DecisionAlgo"),
    (139, "text", "mifid2ExecutionTrader mifid2ExecutionAlgo"),
    (166, "text", "advancedErrorOverride"),
    (169, "text", "manualOrderTime"),
)
"""Taken with an order and not told back."""

DEPENDENT: tuple[tuple[str, str, str], ...] = (
    ("hedgeType", "text", "hedgeParam"),
    ("deltaNeutralOrderType", "text", "deltaNeutralSettlingFirm deltaNeutralClearingAccount"),
    ("deltaNeutralOrderType", "text", "deltaNeutralClearingIntent deltaNeutralOpenClose"),
    ("deltaNeutralOrderType", "text", "deltaNeutralDesignatedLocation"),
    ("deltaNeutralOrderType", "code", "deltaNeutralConId deltaNeutralShortSaleSlot"),
    ("deltaNeutralOrderType", "flag", "deltaNeutralShortSale"),
    ("scalePriceIncrement", "price", "scalePriceAdjustValue scaleProfitOffset"),
    ("scalePriceIncrement", "number", "scalePriceAdjustInterval scaleInitPosition"),
    ("scalePriceIncrement", "number", "scaleInitFillQty"),
    ("scalePriceIncrement", "flag", "scaleAutoReset scaleRandomPercent"),
)
"""Sent with an order when the first attribute is set."""

TOLD_FOR_UNSET: dict[str, Any] = {
    "lmtPrice": 0.0,
    "auxPrice": 0.0,
    "ocaType": 3,
    "clearingIntent": "IB",
    "adjustedOrderType": "None",
    "volatilityType": 0,
    "referencePriceType": 0,
    "cashQty": 0.0,
    "exemptCode": -1,
}
"""What TWS tells where the sender set nothing."""

_TYPES = ("LMT", "MKT", "STP", "VOL", "TRAIL", "PEG BENCH", "PEG BEST", "PEG MID")
_CONDITIONS: dict[int, dict[str, st.SearchStrategy[Any]]] = {
    1: {"isMore": st.booleans(), "price": PRICE, "conId": WHOLE, "exch": TEXT,
        "triggerMethod": WHOLE},
    3: {"isMore": st.booleans(), "time": TEXT},
    4: {"isMore": st.booleans(), "percent": WHOLE},
    5: {"secType": TEXT, "exch": TEXT, "symbol": TEXT},
    6: {"isMore": st.booleans(), "volume": WHOLE, "conId": WHOLE, "exch": TEXT},
    7: {"isMore": st.booleans(), "changePercent": PRICE, "conId": WHOLE, "exch": TEXT},
}  # fmt: skip


@dataclass
class Drawn:
    """One order of one library: ``told`` is what must come back, ``silent`` what must be kept."""

    contract: Any
    order: Any
    told: dict[str, Any]
    silent: dict[str, Any]
    legs: list[dict[str, Any]]
    leg_prices: list[float]
    routing: list[tuple[str, str]]
    algo: list[tuple[str, str]]
    conditions: list[dict[str, Any]]
    hedge: tuple[int, float, float] | None


def _some(
    draw: st.DrawFn, version: int, groups: tuple[tuple[int, str, str], ...], share: float
) -> dict[str, Any]:
    """A value for about ``share`` of the attributes that ``version`` knows, unset for the rest."""
    values = {}
    for since, kind, names in groups:
        unset, filled = KINDS[kind]
        for name in names.split():
            if version >= since:
                values[name] = draw(filled) if draw(st.floats(0, 1)) < share else unset
    return values


def _pairs(draw: st.DrawFn) -> list[tuple[str, str]]:
    return draw(st.lists(st.tuples(TEXT, TEXT), max_size=3))


def _type_attributes(draw: st.DrawFn, version: int, kind: str, exchange: str) -> dict[str, Any]:
    """The attributes that only some order types or exchanges have."""
    values: dict[str, Any] = {}
    if kind == "VOL":
        values["volatility"] = draw(PRICE)
    if kind == "PEG BENCH" and version >= 102:
        values |= {
            "referenceContractId": draw(WHOLE),
            "isPeggedChangeAmountDecrease": draw(st.booleans()),
            "peggedChangeAmount": draw(PRICE),
            "referenceChangeAmount": draw(PRICE),
            "referenceExchangeId": draw(TEXT),
        }
    if version < 170:
        return values
    if exchange == "IBKRATS":
        values["minTradeQty"] = draw(WHOLE)
    if kind == "PEG BEST":
        values["minCompeteSize"] = draw(WHOLE)
        values["competeAgainstBestOffset"] = draw(st.one_of(PRICE, st.just(float("inf"))))
    if kind == "PEG MID" or values.get("competeAgainstBestOffset") == float("inf"):
        values |= {"midOffsetAtWhole": draw(PRICE), "midOffsetAtHalf": draw(PRICE)}
    return values


def _dependent(draw: st.DrawFn, told: dict[str, Any]) -> dict[str, Any]:
    values = {}
    for master, kind, names in DEPENDENT:
        unset, filled = KINDS[kind]
        for name in names.split():
            on = told[master] not in ("", UNSET_PRICE)
            values[name] = draw(filled) if on and draw(st.booleans()) else unset
    return values


@st.composite
def orders(draw: st.DrawFn, library: Library, version: int) -> Drawn:
    """An order of ``library`` such as ``version`` can carry."""
    share = draw(st.sampled_from([0.0, 0.2, 0.6, 1.0]))
    told = _some(draw, version, ATTRIBUTES, share)
    silent = _some(draw, version, SILENT, share)
    if library.name == "ib_async" and version >= 177:
        assert "faProfile" not in told
    elif draw(st.booleans()):
        told["faProfile"] = draw(TEXT)
    if told["exemptCode"] == 0:
        told["exemptCode"] = -1
    kind = draw(st.sampled_from(_TYPES))
    exchange = draw(st.sampled_from(["SMART", "CBOE", "IBKRATS"]))
    told |= {
        "orderType": kind,
        "action": draw(st.sampled_from(["BUY", "SELL"])),
        "totalQuantity": draw(WHOLE),
        "transmit": True,
    }
    told |= _dependent(draw, told)
    told |= _type_attributes(draw, version, kind, exchange)
    if kind == "MKT":
        told["lmtPrice"] = UNSET_PRICE
    bag = draw(st.booleans())
    legs = [_leg(draw) for _ in range(draw(st.integers(1, 4)))] if bag else []
    leg_prices = [draw(st.one_of(PRICE, st.just(UNSET_PRICE))) for _ in legs] if share else []
    routing = _pairs(draw) if bag else []
    algo = _pairs(draw) if told["algoStrategy"] else []
    conditions = _conditions(draw) if version >= 102 and share else []
    hedge = (draw(WHOLE), draw(PRICE), draw(PRICE)) if share == 1.0 else None
    if conditions:
        told |= {"conditionsIgnoreRth": True, "conditionsCancelOrder": draw(st.booleans())}
    order = library.order(**told, **silent)
    if version < 111:
        order.cashQty = 0.0  # ibapi takes its own unset value for one that the version cannot carry
    order.orderComboLegs = [library.leg_price(price) for price in leg_prices]
    order.smartComboRoutingParams = [library.tag(*pair) for pair in routing]
    order.algoParams = [library.tag(*pair) for pair in algo]
    order.conditions = [library.condition(one["condType"], one) for one in conditions]
    if version >= 106:
        order.softDollarTier = library.tier("Tier", "Value")
    contract = _contract(library, exchange, legs)
    if hedge is not None:
        contract.deltaNeutralContract = library.hedge_contract(*hedge)
    return Drawn(contract, order, told, silent, legs, leg_prices, routing, algo, conditions, hedge)


def _leg(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "conId": draw(WHOLE),
        "ratio": draw(st.integers(1, 9)),
        "action": draw(st.sampled_from(["BUY", "SELL"])),
        "exchange": draw(TEXT),
        "openClose": draw(st.integers(0, 3)),
        "shortSaleSlot": draw(st.integers(0, 2)),
        "designatedLocation": draw(TEXT),
        "exemptCode": draw(st.sampled_from([-1, 3])),
    }


def _conditions(draw: st.DrawFn) -> list[dict[str, Any]]:
    kinds = draw(st.lists(st.sampled_from(sorted(_CONDITIONS)), max_size=6))
    return [
        {
            "condType": kind,
            "conjunction": draw(st.sampled_from("ao")),
            **{name: draw(values) for name, values in _CONDITIONS[kind].items()},
        }
        for kind in kinds
    ]


def _contract(library: Library, exchange: str, legs: list[dict[str, Any]]) -> Any:
    if legs:
        made = library.contract(symbol="SPY", secType="BAG", exchange=exchange, currency="USD")
        made.comboLegs = [library.leg(**leg) for leg in legs]
        return made
    return library.contract(
        conId=756733, symbol="SPY", secType="OPT", lastTradeDateOrContractMonth="20260918",
        strike=740.0, right="P", multiplier="100", exchange=exchange, currency="USD",
        localSymbol="SPY   260918P00740000", tradingClass="SPY",
    )  # fmt: skip
