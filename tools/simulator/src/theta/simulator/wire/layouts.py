"""Which order attributes a message carries, in which order, and since which server version."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from theta.simulator.wire.attributes import (
    TABLE,
    UNUSED,
    Attribute,
    Attributes,
    ListReader,
    rows_of,
)
from theta.simulator.wire.fields import Fields

_EVER = 1_000_000
_REMEMBERED_CHARACTERS = 2_048
Condition = Callable[[Attributes], bool]


@dataclass(frozen=True, slots=True)
class Item:
    """One field (or list) of a message: sent when ``since`` ≤ version < ``until`` and ``when`` is
    true of the attributes before it."""

    name: str
    attribute: Attribute
    since: int
    until: int
    when: Condition | None


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Neighbouring single fields under one condition, or one list."""

    when: Condition | None
    singles: tuple[tuple[str, frozenset[str], Attribute], ...]
    """Name, texts that mean unset, attribute."""

    unset: tuple[str, ...]
    """The texts of the fields while nothing is set."""

    places: dict[str, tuple[int, ...]]
    """Where in the run each name is told."""

    listed: tuple[str, ListReader] | None


class Layout:
    """The fields of one message, for every version."""

    def __init__(self, *items: Item) -> None:
        self._items = items
        self._by_version: dict[int, tuple[Run, ...]] = {}

    def at(self, version: int) -> tuple[Run, ...]:
        """The part that ``version`` carries."""
        if version not in self._by_version:
            carried = [item for item in self._items if item.since <= version < item.until]
            self._by_version[version] = tuple(_runs(carried))
        return self._by_version[version]


def _runs(items: list[Item]) -> Iterator[Run]:
    """The same fields in as few pieces as can be."""
    # A list never shares its piece: it has a number of fields that only its reader knows.
    for (when, reader), group in groupby(items, lambda item: (item.when, item.attribute.read_list)):
        if reader is None:
            named = [(item.name, item.attribute) for item in group]
            singles = tuple((name, attribute.blanks, attribute) for name, attribute in named)
            places: dict[str, tuple[int, ...]] = {}
            for place, (name, _) in enumerate(named):
                places[name] = (*places.get(name, ()), place)
            yield Run(when, singles, tuple(one.unset for _, one in named), places, None)
        else:
            yield from (Run(when, (), (), {}, (item.name, reader)) for item in group)


def _items(
    names: str, since: int = 0, until: int = _EVER, when: Condition | None = None
) -> tuple[Item, ...]:
    return tuple(Item(name, TABLE[name], since, until, when) for name in names.split())


# -- conditions on earlier fields ------------------------------------------------------------------


def _has(name: str) -> Condition:
    return lambda attributes: bool(attributes.get(name))


def _combination(attributes: Attributes) -> bool:
    return attributes.get("secType") == "BAG"


def _scales(attributes: Attributes) -> bool:
    return float(attributes.get("scalePriceIncrement") or 0) > 0


def _is_type(*names: str) -> Condition:
    return lambda attributes: attributes.get("orderType", "").replace(" ", "") in names


_benchmark = _is_type("PEGBENCH")
_best = _is_type("PEGBEST")


def _at_ats(attributes: Attributes) -> bool:
    return attributes.get("exchange") == "IBKRATS"


def _names_offsets(attributes: Attributes) -> bool:
    kind = attributes.get("orderType", "").replace(" ", "")
    infinite = attributes.get("competeAgainstBestOffset") == "Infinity"
    return kind == "PEGMID" or (kind == "PEGBEST" and infinite)


# -- groups that several messages share ------------------------------------------------------------

_ADVISOR = (
    *_items("faGroup faMethod faPercentage"),
    *_items("faProfile", until=177),
    *_items("modelCode", since=103),
)
_HEDGE = (*_items("hedgeType"), *_items("hedgeParam", when=_has("hedgeType")))
_ALGO = (*_items("algoStrategy"), *_items("algoParams", when=_has("algoStrategy")))
_SCALE = (
    *_items("scaleInitLevelSize scaleSubsLevelSize scalePriceIncrement"),
    *_items(
        "scalePriceAdjustValue scalePriceAdjustInterval scaleProfitOffset scaleAutoReset"
        " scaleInitPosition scaleInitFillQty scaleRandomPercent",
        when=_scales,
    ),
)
_BENCHMARK = _items(
    "referenceContractId isPeggedChangeAmountDecrease peggedChangeAmount referenceChangeAmount"
    " referenceExchangeId",
    since=102,
    when=_benchmark,
)
_CONDITIONS = (
    *_items("conditions", since=102),
    *_items("conditionsIgnoreRth conditionsCancelOrder", since=102, when=_has("conditions")),
)
_DELTA_NEUTRAL = _items(
    "deltaNeutralConId deltaNeutralSettlingFirm deltaNeutralClearingAccount"
    " deltaNeutralClearingIntent deltaNeutralOpenClose deltaNeutralShortSale"
    " deltaNeutralShortSaleSlot deltaNeutralDesignatedLocation",
    when=_has("deltaNeutralOrderType"),
)
_PEGGED = _items(
    "minTradeQty minCompeteSize competeAgainstBestOffset midOffsetAtWhole midOffsetAtHalf",
    since=170,
)
_COMBINATION = _items("comboLegs orderComboLegs smartComboRoutingParams")

# -- messages --------------------------------------------------------------------------------------

PLACE_ORDER = Layout(
    *_items(
        "secIdType secId action totalQuantity orderType lmtPrice auxPrice tif ocaGroup account"
        " openClose origin orderRef transmit parentId blockOrder sweepToFill displaySize"
        " triggerMethod outsideRth hidden"
    ),
    *_items("comboLegs orderComboLegs smartComboRoutingParams", when=_combination),
    *_items("- discretionaryAmt goodAfterTime goodTillDate"),
    *_ADVISOR,
    *_items(
        "shortSaleSlot designatedLocation exemptCode ocaType rule80A settlingFirm allOrNone minQty"
        " percentOffset eTradeOnly firmQuoteOnly nbboPriceCap auctionStrategy startingPrice"
        " stockRefPrice delta stockRangeLower stockRangeUpper overridePercentageConstraints"
        " volatility volatilityType deltaNeutralOrderType deltaNeutralAuxPrice"
    ),
    *_DELTA_NEUTRAL,
    *_items("continuousUpdate referencePriceType trailStopPrice trailingPercent"),
    *_SCALE,
    *_items("scaleTable activeStartTime activeStopTime"),
    *_HEDGE,
    *_items("optOutSmartRouting clearingAccount clearingIntent notHeld deltaNeutralContract"),
    *_ALGO,
    *_items("algoId whatIf orderMiscOptions solicited randomizeSize randomizePrice"),
    *_BENCHMARK,
    *_CONDITIONS,
    *_items(
        "adjustedOrderType triggerPrice lmtPriceOffset adjustedStopPrice adjustedStopLimitPrice"
        " adjustedTrailingAmount adjustableTrailingUnit",
        since=102,
    ),
    *_items("extOperator", since=105),
    *_items("softDollarTier.name softDollarTier.val", since=106),
    *_items("cashQty", since=111),
    *_items("mifid2DecisionMaker mifid2DecisionAlgo", since=138),
    *_items("mifid2ExecutionTrader mifid2ExecutionAlgo", since=139),
    *_items("dontUseAutoPriceForHedge", since=141),
    *_items("isOmsContainer", since=145),
    *_items("discretionaryUpToLimitPrice", since=148),
    *_items("usePriceMgmtAlgo", since=151),
    *_items("duration", since=158),
    *_items("postToAts", since=160),
    *_items("autoCancelParent", since=162),
    *_items("advancedErrorOverride", since=166),
    *_items("manualOrderTime", since=169),
    *_items("minTradeQty", since=170, when=_at_ats),
    *_items("minCompeteSize competeAgainstBestOffset", since=170, when=_best),
    *_items("midOffsetAtWhole midOffsetAtHalf", since=170, when=_names_offsets),
)
"""The order in placeOrder, after the contract."""

OPEN_ORDER = Layout(
    *_items(
        "action totalQuantity orderType lmtPrice auxPrice tif ocaGroup account openClose origin"
        " orderRef clientId permId outsideRth hidden discretionaryAmt goodAfterTime -"
    ),
    *_ADVISOR,
    *_items(
        "goodTillDate rule80A percentOffset settlingFirm shortSaleSlot designatedLocation"
        " exemptCode auctionStrategy startingPrice stockRefPrice delta stockRangeLower"
        " stockRangeUpper displaySize blockOrder sweepToFill allOrNone minQty ocaType eTradeOnly"
        " firmQuoteOnly nbboPriceCap parentId triggerMethod volatility volatilityType"
        " deltaNeutralOrderType deltaNeutralAuxPrice"
    ),
    *_DELTA_NEUTRAL,
    *_items(
        "continuousUpdate referencePriceType trailStopPrice trailingPercent basisPoints"
        " basisPointsType comboLegsDescrip"
    ),
    *_COMBINATION,
    *_SCALE,
    *_HEDGE,
    *_items("optOutSmartRouting clearingAccount clearingIntent notHeld deltaNeutralContract"),
    *_ALGO,
    *_items("solicited whatIf status"),
    *_items(
        "initMarginBefore maintMarginBefore equityWithLoanBefore"
        " initMarginChange maintMarginChange equityWithLoanChange",
        since=142,
    ),
    *_items(
        "initMarginAfter maintMarginAfter equityWithLoanAfter commission minCommission"
        " maxCommission commissionCurrency warningText randomizeSize randomizePrice"
    ),
    *_BENCHMARK,
    *_CONDITIONS,
    *_items(
        "adjustedOrderType triggerPrice trailStopPrice lmtPriceOffset adjustedStopPrice"
        " adjustedStopLimitPrice adjustedTrailingAmount adjustableTrailingUnit",
        since=102,
    ),
    *_items("softDollarTier.name softDollarTier.val softDollarTier.displayName", since=106),
    *_items("cashQty", since=111),
    *_items("dontUseAutoPriceForHedge", since=141),
    *_items("isOmsContainer", since=145),
    *_items("discretionaryUpToLimitPrice", since=148),
    *_items("usePriceMgmtAlgo", since=151),
    *_items("duration", since=159),
    *_items("postToAts", since=160),
    *_items("autoCancelParent", since=162),
    *_PEGGED,
)
"""The order in openOrder, after order id and contract."""

COMPLETED_ORDER = Layout(
    *_items(
        "action totalQuantity orderType lmtPrice auxPrice tif ocaGroup account openClose origin"
        " orderRef permId outsideRth hidden discretionaryAmt goodAfterTime"
    ),
    *_ADVISOR,
    *_items(
        "goodTillDate rule80A percentOffset settlingFirm shortSaleSlot designatedLocation"
        " exemptCode startingPrice stockRefPrice delta stockRangeLower stockRangeUpper displaySize"
        " sweepToFill allOrNone minQty ocaType triggerMethod volatility volatilityType"
        " deltaNeutralOrderType deltaNeutralAuxPrice"
    ),
    *_items(
        "deltaNeutralConId deltaNeutralShortSale deltaNeutralShortSaleSlot"
        " deltaNeutralDesignatedLocation",
        when=_has("deltaNeutralOrderType"),
    ),
    *_items("continuousUpdate referencePriceType trailStopPrice trailingPercent comboLegsDescrip"),
    *_COMBINATION,
    *_SCALE,
    *_HEDGE,
    *_items("clearingAccount clearingIntent notHeld deltaNeutralContract"),
    *_ALGO,
    *_items("solicited status randomizeSize randomizePrice"),
    *_BENCHMARK,
    *_CONDITIONS,
    *_items(
        "trailStopPrice lmtPriceOffset cashQty dontUseAutoPriceForHedge isOmsContainer"
        " autoCancelDate filledQuantity refFuturesConId autoCancelParent shareholder imbalanceOnly"
        " routeMarketableToBbo parentPermId completedTime completedStatus"
    ),
    *_PEGGED,
)
"""The order in completedOrder (since version 150), after the contract."""


def read(layout: Layout, fields: Fields, version: int, attributes: Attributes) -> None:
    """Add what ``fields`` say to ``attributes``; what equals TWS's unset value stays missing.

    Raises ``RequestError`` 320 for a field that cannot be read.
    """
    for run in layout.at(version):
        if run.when is not None and not run.when(attributes):
            continue
        if run.listed is not None:
            name, read_list = run.listed
            rows = read_list(fields)
            if rows:
                attributes[name] = rows
            continue
        texts = tuple(fields.take(len(run.singles)))
        short = sum(map(len, texts)) <= _REMEMBERED_CHARACTERS
        attributes.update(_remembered(run, texts) if short else _told(run, texts))


def _told(run: Run, texts: tuple[str, ...]) -> Attributes:
    """What a run's texts say that is not unset."""
    told: Attributes = {}
    for (name, blanks, attribute), text in zip(run.singles, texts, strict=True):
        # Nearly every field of nearly every order is unset.
        if text not in blanks and name != UNUSED:
            value = attribute.parse(text)
            if value and value != attribute.unset:
                told[name] = value
    return told


@lru_cache(maxsize=512)
def _remembered(run: Run, texts: tuple[str, ...]) -> Attributes:
    """As `_told`: most of a program's orders differ in a few fields only."""
    return _told(run, texts)


def write(layout: Layout, attributes: Attributes, version: int) -> list[object]:
    """The fields of ``layout``."""
    fields: list[object] = []
    for run in layout.at(version):
        if run.when is not None and not run.when(attributes):
            continue
        if run.listed is None:
            start = len(fields)
            fields += run.unset
            # An order sets a few of its hundred attributes.
            for name in run.places.keys() & attributes.keys():
                for place in run.places[name]:
                    fields[start + place] = attributes[name] or run.unset[place]
            continue
        rows = rows_of(attributes, run.listed[0])
        fields.append(len(rows))
        for row in rows:
            fields += row
    return fields
