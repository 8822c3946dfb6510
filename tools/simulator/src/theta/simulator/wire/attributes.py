"""Every order attribute of the protocol: how it is read and what TWS sends while it is unset.

An order travels through the simulator as a mapping from API name to text. A name that is missing
is unset. Lists are JSON arrays of rows, one array of texts per row.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from theta.simulator.wire.codes import UNSET_DOUBLE, UNSET_INTEGER
from theta.simulator.wire.fields import Fields, malformed, parse_number, parse_whole

Attributes = dict[str, str]
"""API name → text; a missing name is unset."""

UNUSED = "-"
"""The name of a field that nobody uses any more."""

_UNSET_ABOVE = 1.7e308
_ROWS_MAX = 100
_INFINITE = frozenset({"infinity", "infinite", "inf"})


Parser = Callable[[str], str]
"""Turns the text of a field into the text to keep, empty for unset. Raises ``RequestError`` 320."""

ListReader = Callable[[Fields], str]


def _text(text: str) -> str:
    return text


def _whole(text: str) -> str:
    if text in ("", UNSET_INTEGER):
        return ""
    number = parse_number(text)
    # Some clients send whole numbers with a fraction of zero.
    if number != int(number) or abs(number) >= 1 << 53:
        raise malformed(f"'{text[:32]}' is not a whole number.")
    return str(int(number))


def _whole_or(default: str) -> Parser:
    """A whole number that goes out as ``default`` where the client left it empty."""
    return lambda text: _whole(text) or default


def _number(text: str) -> str:
    if not text:
        return ""
    number = parse_number(text)
    return "" if abs(number) >= _UNSET_ABOVE else repr(number)


def _number_or_zero(text: str) -> str:
    return _number(text) or "0.0"


def _offset(text: str) -> str:
    """A number that may also be infinite: up to the midpoint."""
    return "Infinity" if text.lower() in _INFINITE else _number(text)


def _flag(text: str) -> str:
    if not text:
        return "0"
    return "1" if parse_whole(text) else "0"


Row = tuple[Parser, ...]

_zero = _whole_or("0")

LEG: Row = (_zero, _zero, _text, _text, _zero, _zero, _text, _whole_or("-1"))
"""Contract id, ratio, action, exchange, open-close, short-sale slot, location, exempt code."""

_PAIR: Row = (_text, _text)
_HEDGE: Row = (_zero, _number_or_zero, _number_or_zero)
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


def _row(fields: Fields, row: Row) -> list[str]:
    return [parse(fields.text()) for parse in row]


def _rows(fields: Fields, row: Row) -> str:
    return pack([_row(fields, row) for _ in range(_count(fields))])


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
    return pack([_row(fields, _HEDGE)]) if fields.flag() else ""


def _conditions(fields: Fields) -> str:
    rows = []
    for _ in range(_count(fields)):
        kind = fields.integer()
        row = _CONDITIONS.get(kind)
        if row is None:
            raise malformed(f"There is no condition of type {kind}.")
        rows.append([str(kind), *_row(fields, row)])
    return pack(rows)


def rows_of(attributes: Attributes, name: str) -> list[list[str]]:
    """The rows of a list attribute; empty while it is unset."""
    text = attributes.get(name, "")
    rows: list[list[str]] = json.loads(text) if text else []
    return rows


@dataclass(frozen=True, slots=True)
class Attribute:
    """How one attribute is read and written.

    ``unset`` is what TWS sends for a missing value and ``blanks`` what clients send for one. A list
    (``read_list``) is written as a count and its rows, the delta-neutral contract as a flag and its
    row.
    """

    parse: Parser
    unset: str
    blanks: frozenset[str] = frozenset()
    read_list: ListReader | None = None


def _table(*groups: tuple[Parser, str, str]) -> dict[str, Attribute]:
    return {
        name: Attribute(parse, unset, _BLANKS.get(parse, frozenset()) | {"", unset})
        for parse, unset, names in groups
        for name in names.split()
    }


_UNSET_NUMBERS = frozenset({UNSET_DOUBLE, repr(float(UNSET_DOUBLE))})
_BLANKS: dict[Parser, frozenset[str]] = {
    _whole: frozenset({UNSET_INTEGER}),
    _number: _UNSET_NUMBERS,
    _offset: _UNSET_NUMBERS,
}

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
)
_LISTS: dict[str, ListReader] = {
    "comboLegs": _legs,
    "orderComboLegs": _leg_prices,
    "smartComboRoutingParams": _pairs,
    "algoParams": _pairs,
    "conditions": _conditions,
    "deltaNeutralContract": _hedge_contract,
}
TABLE |= {name: Attribute(_text, "", read_list=read) for name, read in _LISTS.items()}
"""Every attribute by its API name."""
