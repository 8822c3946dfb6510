"""Every order attribute of the protocol: how it is read and what TWS sends while it is unset.

An order travels through the simulator as a mapping from API name to text. A name that is missing
is unset. Lists are JSON arrays of rows, one array of texts per row.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from theta.simulator.wire.codes import UNSET_DOUBLE, UNSET_INTEGER
from theta.simulator.wire.fields import Fields, malformed

Attributes = dict[str, str]
"""API name → text; a missing name is unset."""

_UNSET_ABOVE = 1.7e308
_ROWS_MAX = 100
_INFINITE = frozenset({"infinity", "infinite", "inf"})


def _text(fields: Fields) -> str:
    return fields.text()


def _whole(fields: Fields) -> str:
    text = fields.text()
    if text in ("", UNSET_INTEGER):
        return ""
    number = fields.parse(text)
    # Some clients send whole numbers with a fraction of zero.
    if number != int(number) or abs(number) >= 1 << 53:
        raise malformed(f"'{text[:32]}' is not a whole number.")
    return str(int(number))


def _whole_or(default: str) -> "Reader":
    """A whole number that goes out as ``default`` where the client left it empty."""
    return lambda fields: _whole(fields) or default


def _number(fields: Fields) -> str:
    text = fields.text()
    if not text:
        return ""
    number = fields.parse(text)
    return "" if abs(number) >= _UNSET_ABOVE else repr(number)


def _offset(fields: Fields) -> str:
    """A number that may also be infinite: up to the midpoint."""
    text = fields.peek()
    if text.lower() in _INFINITE:
        fields.skip(1)
        return "Infinity"
    return _number(fields)


def _flag(fields: Fields) -> str:
    return "1" if fields.flag() else "0"


Reader = Callable[[Fields], str]
Row = tuple[Reader, ...]

_zero = _whole_or("0")


def _number_or_zero(fields: Fields) -> str:
    return _number(fields) or "0.0"


LEG: Row = (_zero, _zero, _text, _text, _zero, _zero, _text, _whole_or("-1"))
"""Contract id, ratio, action, exchange, open-close, short-sale slot, location, exempt code."""

_PAIR: Row = (_text, _text)
_MORE: Row = (_text, _flag)
_CONDITIONS: dict[int, Row] = {
    1: (*_MORE, _number_or_zero, _zero, _text, _zero),  # price: contract, exchange, trigger method
    3: (*_MORE, _text),  # time
    4: (*_MORE, _zero),  # margin cushion
    5: (_text, _text, _text, _text),  # execution: type, exchange, symbol
    6: (*_MORE, _zero, _zero, _text),  # volume: contract, exchange
    7: (*_MORE, _number_or_zero, _zero, _text),  # change in percent: contract, exchange
}
"""Condition type → its fields after the type; the first one joins it to the next condition."""


def _rows(fields: Fields, row: Row) -> str:
    return pack([[read(fields) for read in row] for _ in range(_count(fields))])


def _count(fields: Fields) -> int:
    count = fields.integer()
    if not 0 <= count <= _ROWS_MAX:
        raise malformed("The number of rows is impossible.")
    return count


def pack(rows: Iterable[Sequence[object]]) -> str:
    """The text of a list attribute; empty without rows. :func:`rows_of` turns it back."""
    texts = [[str(cell) for cell in row] for row in rows]
    return json.dumps(texts, separators=(",", ":")) if texts else ""


def _legs(fields: Fields) -> str:
    return _rows(fields, LEG)


def _leg_prices(fields: Fields) -> str:
    return _rows(fields, (_number,))


def _pairs(fields: Fields) -> str:
    return _rows(fields, _PAIR)


def _hedge_contract(fields: Fields) -> str:
    if not fields.flag():
        return ""
    return pack([[_zero(fields), _number_or_zero(fields), _number_or_zero(fields)]])


def _conditions(fields: Fields) -> str:
    rows = []
    for _ in range(_count(fields)):
        kind = fields.integer()
        row = _CONDITIONS.get(kind)
        if row is None:
            raise malformed(f"There is no condition of type {kind}.")
        rows.append([str(kind), *(read(fields) for read in row)])
    return pack(rows)


def rows_of(attributes: Attributes, name: str) -> list[list[str]]:
    """The rows of a list attribute; empty while it is unset."""
    text = attributes.get(name, "")
    rows: list[list[str]] = json.loads(text) if text else []
    return rows


@dataclass(frozen=True, slots=True)
class Attribute:
    """``unset`` is what TWS sends for a missing value. A list is written as a count and its rows,
    the delta-neutral contract as a flag and its row."""

    read: Reader
    unset: str
    is_list: bool = False


def _table(*groups: tuple[Reader, str, str]) -> dict[str, Attribute]:
    return {
        name: Attribute(read, unset, read in _LISTS)
        for read, unset, names in groups
        for name in names.split()
    }


_LISTS = frozenset({_legs, _leg_prices, _pairs, _conditions, _hedge_contract})

TABLE: dict[str, Attribute] = _table(
    (
        _text,
        "",
        """
        - action orderType tif ocaGroup account openClose orderRef goodAfterTime goodTillDate
        faGroup faMethod faPercentage faProfile modelCode designatedLocation rule80A settlingFirm
        deltaNeutralOrderType deltaNeutralSettlingFirm deltaNeutralClearingAccount
        deltaNeutralClearingIntent deltaNeutralOpenClose deltaNeutralDesignatedLocation
        comboLegsDescrip scaleTable activeStartTime activeStopTime hedgeType hedgeParam
        clearingAccount algoStrategy algoId orderMiscOptions referenceExchangeId extOperator
        softDollarTier.name softDollarTier.val softDollarTier.displayName mifid2DecisionMaker
        mifid2DecisionAlgo mifid2ExecutionTrader mifid2ExecutionAlgo advancedErrorOverride
        manualOrderTime secIdType secId status warningText commissionCurrency autoCancelDate
        shareholder completedTime completedStatus
        """,
    ),
    (_text, "IB", "clearingIntent"),
    (_text, "None", "adjustedOrderType"),
    (
        _whole,
        "0",
        """
        clientId permId origin parentId ocaType triggerMethod shortSaleSlot auctionStrategy
        volatilityType deltaNeutralConId deltaNeutralShortSaleSlot referencePriceType
        referenceContractId adjustableTrailingUnit usePriceMgmtAlgo refFuturesConId parentPermId
        """,
    ),
    (_whole, "-1", "exemptCode"),
    (
        _whole,
        "",
        """
        displaySize minQty basisPointsType scaleInitLevelSize scaleSubsLevelSize
        scalePriceAdjustInterval scaleInitPosition scaleInitFillQty duration postToAts minTradeQty
        minCompeteSize
        """,
    ),
    (
        _number,
        "0.0",
        """
        totalQuantity lmtPrice auxPrice discretionaryAmt peggedChangeAmount referenceChangeAmount
        cashQty filledQuantity
        """,
    ),
    (
        _number,
        "",
        """
        percentOffset nbboPriceCap startingPrice stockRefPrice delta stockRangeLower stockRangeUpper
        volatility deltaNeutralAuxPrice trailingPercent basisPoints scalePriceIncrement
        scalePriceAdjustValue scaleProfitOffset midOffsetAtWhole midOffsetAtHalf
        commission minCommission maxCommission
        """,
    ),
    (
        _number,
        UNSET_DOUBLE,
        """
        triggerPrice trailStopPrice lmtPriceOffset adjustedStopPrice adjustedStopLimitPrice
        adjustedTrailingAmount initMarginBefore maintMarginBefore equityWithLoanBefore
        initMarginChange maintMarginChange equityWithLoanChange initMarginAfter maintMarginAfter
        equityWithLoanAfter
        """,
    ),
    (_offset, "", "competeAgainstBestOffset"),
    (
        _flag,
        "0",
        """
        transmit blockOrder sweepToFill outsideRth hidden allOrNone eTradeOnly firmQuoteOnly
        overridePercentageConstraints deltaNeutralShortSale continuousUpdate scaleAutoReset
        scaleRandomPercent optOutSmartRouting notHeld whatIf solicited randomizeSize randomizePrice
        isPeggedChangeAmountDecrease conditionsIgnoreRth conditionsCancelOrder
        dontUseAutoPriceForHedge isOmsContainer discretionaryUpToLimitPrice autoCancelParent
        imbalanceOnly routeMarketableToBbo
        """,
    ),
    (_legs, "", "comboLegs"),
    (_leg_prices, "", "orderComboLegs"),
    (_pairs, "", "smartComboRoutingParams algoParams"),
    (_conditions, "", "conditions"),
    (_hedge_contract, "", "deltaNeutralContract"),
)
"""Every attribute by its API name. ``-`` is a field that nobody uses any more."""
