"""Messages to the client whose layout hangs on the negotiated version, 100 to 178."""

from dataclasses import dataclass
from decimal import Decimal

from theta.simulator.exchange.model import Execution, Order
from theta.simulator.market.contracts import Contract
from theta.simulator.wire import layouts
from theta.simulator.wire.attributes import Attributes, pack, rows_of
from theta.simulator.wire.codes import UNSET_DOUBLE
from theta.simulator.wire.messages import Fields, broker_time

_WHOLE_BELOW = 101
"""Clients below this version read quantities as whole numbers."""

_FIGURES = ("initMargin", "maintMargin", "equityWithLoan")

_OCA_TYPE_OF_TWS = 3
"""What TWS tells for an order without a one-cancels-all type."""


@dataclass(frozen=True, slots=True)
class MarginFigures:
    """Before, change and after of initial margin, maintenance margin and equity with loan, and the
    commission.

    USD, as text so that an unset figure can be TWS's largest double.
    """

    before: tuple[str, str, str] = (UNSET_DOUBLE,) * 3
    change: tuple[str, str, str] = (UNSET_DOUBLE,) * 3
    after: tuple[str, str, str] = (UNSET_DOUBLE,) * 3
    commission: str = ""
    least_commission: str = ""
    most_commission: str = ""


@dataclass(frozen=True, slots=True)
class OrderView:
    """What a message says of an order; ``perm_id`` is 0 while the broker has not told it."""

    order: Order
    contract: Contract
    status: str
    perm_id: int
    what_if: bool = False
    margin: MarginFigures = MarginFigures()
    warning: str = ""
    why_held: str = ""


def quantity(version: int, value: object) -> int | float:
    """A quantity as ``version`` reads it: before 101 without a fraction."""
    number = float(str(value))
    return int(number) if version < _WHOLE_BELOW else number


def escaped(version: int, text: str) -> str:
    """Text as ``version`` reads it: since 153 in ASCII with Unicode escapes."""
    if version < 153 or text.isascii():
        return text
    return "".join(
        char if char.isascii() else f"\\u{ord(char):04x}" if ord(char) < 0x10000 else "?"
        for char in text
    )


def error(version: int, request: int, code: int, text: str, advanced: str = "") -> Fields:
    """An error or notice. ``advanced`` is the JSON of an advanced order rejection."""
    fields: Fields = [4, 2, request, code, escaped(version, text)]
    if version >= 166:
        fields.append(escaped(version, advanced))
    return fields


# -- orders ----------------------------------------------------------------------------------------


def order_status(version: int, view: OrderView) -> Fields:
    order = view.order
    fields: Fields = [3] if version >= 131 else [3, 6]
    fields += [
        order.order_id, view.status, quantity(version, order.filled),
        quantity(version, order.remaining), round(float(order.average_price), 8), view.perm_id,
        order.parent_id, float(order.last_price), order.client_id, view.why_held,
    ]  # fmt: skip
    if version >= 131:
        fields.append(0)
    return fields


def open_order(version: int, view: OrderView) -> Fields:
    """An open order with every attribute it was sent with."""
    order = view.order
    fields: Fields = [5] if version >= 145 else [5, 34]
    fields += [order.order_id, *_contract(view)]
    return fields + layouts.write(layouts.OPEN_ORDER, _attributes(version, view), version)


def completed_order(version: int, view: OrderView, ended_at: str) -> Fields:
    """A completed order: it names neither order id nor client id. For version 150 and above."""
    attributes = _attributes(version, view)
    attributes["filledQuantity"] = repr(float(view.order.filled))
    attributes["completedTime"] = ended_at
    attributes["completedStatus"] = escaped(version, view.order.end_reason)
    fields: Fields = [101, *_contract(view)]
    return fields + layouts.write(layouts.COMPLETED_ORDER, attributes, version)


def order_bound(perm_id: int, client: int, order_id: int) -> Fields:
    """An order got an id that ``client`` may use."""
    return [100, perm_id, client, order_id]


def _contract(view: OrderView) -> Fields:
    contract = view.contract
    exchange = dict(view.order.extras).get("exchange") or "SMART"
    return [
        contract.con_id, contract.symbol, contract.sec_type, contract.expiry, contract.strike,
        contract.right or "?", multiplier_text(contract), exchange, contract.currency,
        contract.local_symbol, contract.trading_class,
    ]  # fmt: skip


def multiplier_text(contract: Contract) -> str:
    return str(contract.multiplier) if contract.is_option else ""


def _attributes(version: int, view: OrderView) -> Attributes:
    """The order by API names; a missing name is unset."""
    order, margin = view.order, view.margin
    attributes: Attributes = dict(order.extras)
    attributes.update(
        action=order.action,
        totalQuantity=str(quantity(version, order.quantity)),
        orderType=order.order_type,
        lmtPrice=_price(order.limit),
        auxPrice=_price(order.stop),
        tif=order.tif,
        ocaGroup=order.oca_group,
        ocaType=str(order.oca_type or _OCA_TYPE_OF_TWS),
        account=order.account,
        openClose=order.open_close,
        orderRef=order.order_ref,
        clientId=str(order.client_id),
        permId=str(view.perm_id),
        parentId=str(order.parent_id),
        outsideRth="1" if order.outside_rth else "0",
        allOrNone="1" if order.all_or_none else "0",
        goodTillDate=order.good_till,
        goodAfterTime=order.good_after,
        algoStrategy=order.algo,
        whatIf="1" if view.what_if else "0",
        status=view.status,
        commission=margin.commission,
        minCommission=margin.least_commission,
        maxCommission=margin.most_commission,
        commissionCurrency=view.contract.currency if margin.commission else "",
        warningText=escaped(version, view.warning),
    )
    if order.algo_params:
        attributes["algoParams"] = pack(order.algo_params)
    figures = (("Before", margin.before), ("Change", margin.change), ("After", margin.after))
    for moment, values in figures:
        for figure, value in zip(_FIGURES, values, strict=True):
            attributes[figure + moment] = value
    _add_legs(attributes, view.contract)
    return attributes


def _add_legs(attributes: Attributes, contract: Contract) -> None:
    if not contract.legs:
        return
    if "comboLegs" not in attributes:
        attributes["comboLegs"] = pack(
            (leg.con_id, leg.ratio, leg.action, leg.exchange, leg.open_close, 0, "", -1)
            for leg in contract.legs
        )
    attributes["comboLegsDescrip"] = ",".join(
        f"{row[0]}|{row[1] if row[2] == 'BUY' else f'-{row[1]}'}"
        for row in rows_of(attributes, "comboLegs")
    )


def _price(value: Decimal | None) -> str:
    return "" if value is None else repr(float(value))


# -- executions ------------------------------------------------------------------------------------


def execution(version: int, request: int, contract: Contract, item: Execution) -> Fields:
    """One fill, told unasked with request -1."""
    fields: Fields = [11] if version >= 136 else [11, 10]
    fields += [
        request, item.order_id, contract.con_id, contract.symbol, contract.sec_type,
        contract.expiry, contract.strike, contract.right, multiplier_text(contract),
        item.exchange, contract.currency, contract.local_symbol, contract.trading_class,
        item.exec_id, broker_time(item.at), item.account, item.exchange, item.side,
        quantity(version, item.shares), float(item.price), item.perm_id, item.client_id, 0,
        float(item.cumulative), round(float(item.average_price), 8), item.order_ref, "", "",
    ]  # fmt: skip
    if version >= 103:
        fields.append("")  # model code
    if version >= 136:
        fields.append(item.liquidity)
    if version >= 178:
        fields.append(0)  # the price is not pending revision
    return fields


# -- contract details ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hours:
    """Trading and regular hours in the form contract details carry."""

    trading: str
    liquid: str
    zone: str = "America/New_York"


@dataclass(frozen=True, slots=True)
class Details:
    """What contract details say besides the contract.

    ``rules`` holds the market-rule id of each exchange, in the order of ``exchanges``. Sizes are
    the least order, the step and the suggested step. ``kind`` is the stock type (ETF, COMMON),
    empty for all but a stock.
    """

    long_name: str
    hours: Hours
    min_tick: float
    exchanges: tuple[str, ...]
    rules: tuple[int, ...]
    order_types: str
    sizes: tuple[float, float, float] = (1, 1, 1)
    kind: str = ""
    market_name: str = ""
    under_symbol: str = ""
    under_sec_type: str = ""
    industry: str = ""
    category: str = ""
    subcategory: str = ""
    sec_ids: tuple[tuple[str, str], ...] = ()


def contract_details(version: int, request: int, contract: Contract, details: Details) -> Fields:
    """What there is to know of one contract."""
    hours = details.hours
    fields: Fields = [10] if version >= 164 else [10, 8]
    fields += [
        request, contract.symbol, contract.sec_type, contract.expiry, contract.strike,
        contract.right, "SMART", contract.currency, contract.local_symbol,
        details.market_name or contract.trading_class, contract.trading_class, contract.con_id,
        details.min_tick,
    ]  # fmt: skip
    if 110 <= version < 164:
        fields.append(100 if contract.sec_type == "STK" else 1)  # market-data size multiplier
    fields += [
        multiplier_text(contract), details.order_types, ",".join(details.exchanges), 1,
        contract.under_con_id, escaped(version, details.long_name), contract.primary_exchange,
        contract.expiry[:6], details.industry, details.category, details.subcategory, hours.zone,
        hours.trading, hours.liquid, "", 0, len(details.sec_ids),
        *(text for pair in details.sec_ids for text in pair),
    ]  # fmt: skip
    if version >= 121:
        fields.append(1)  # aggregated group
    if version >= 122:
        fields += [details.under_symbol, details.under_sec_type]
    if version >= 126:
        fields.append(",".join(map(str, details.rules)))
    if version >= 134:
        fields.append(contract.expiry)
    if version >= 152:
        fields.append(details.kind)
    least, step, suggested = details.sizes
    if version == 163:
        fields.append(step)
    if version >= 164:
        fields += [least, step, suggested]
    return fields
