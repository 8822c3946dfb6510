"""Reads the requests whose layout is more than a few fields."""

from dataclasses import dataclass, replace
from decimal import Decimal

from theta.simulator.exchange.model import OrderRequest
from theta.simulator.market.contracts import Leg, Query
from theta.simulator.wire import layouts
from theta.simulator.wire.attributes import Attributes, rows_of
from theta.simulator.wire.fields import Fields, RequestError, malformed

_ONE = Decimal(1)
_DIGITS_MAX = 15


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """Historical bars as asked for; ``end`` is empty for now."""

    query: Query
    end: str
    bar_size: str
    duration: str
    what: str
    keep_up_to_date: bool


@dataclass(frozen=True, slots=True)
class MarketDataRequest:
    query: Query
    generic_ticks: tuple[int, ...]
    snapshot: bool


@dataclass(frozen=True, slots=True)
class ExecutionFilter:
    """Empty text and zero match anything; ``time`` is kept as sent."""

    client_id: int
    account: str
    time: str
    symbol: str
    sec_type: str
    exchange: str
    side: str


def read_query(fields: Fields) -> Query:
    """The twelve contract fields that most requests start with."""
    return Query(
        con_id=fields.integer(),
        symbol=fields.text(),
        sec_type=fields.text(),
        expiry=fields.text(),
        strike=fields.number(),
        right=fields.text(),
        multiplier=fields.text(),
        exchange=fields.text(),
        primary_exchange=fields.text(),
        currency=fields.text(),
        local_symbol=fields.text(),
        trading_class=fields.text(),
    )


def read_market_data(fields: Fields) -> MarketDataRequest:
    query = read_query(fields)
    if query.sec_type == "BAG":
        raise RequestError(
            321, "Error validating request.-'bW' : cause - Combination quotes are not supported"
        )
    if fields.flag():
        fields.skip(3)
    ticks = fields.text()
    numbers = [part.split(":")[0].strip() for part in ticks.split(",") if part.strip()]
    if not all(number.isdecimal() and len(number) < 6 for number in numbers):
        raise RequestError(
            321,
            "Error validating request.-'bW' : cause - Incorrect generic tick list of "
            f"{ticks[:80]}.",
        )
    return MarketDataRequest(query, tuple(int(number) for number in numbers), fields.flag())


def read_history(fields: Fields) -> HistoryRequest:
    query = read_query(fields)
    fields.skip(1)
    end, bar_size, duration = fields.text(), fields.text(), fields.text()
    fields.skip(1)
    what = fields.text()
    fields.skip(1)
    if query.sec_type == "BAG":
        raise RequestError(
            321, "Error validating request.-'bE' : cause - Combination history is not supported"
        )
    return HistoryRequest(query, end, bar_size, duration, what, fields.flag())


def read_execution_filter(fields: Fields) -> ExecutionFilter:
    return ExecutionFilter(
        client_id=fields.integer(),
        account=fields.text(),
        time=fields.text(),
        symbol=fields.text(),
        sec_type=fields.text(),
        exchange=fields.text(),
        side=fields.text(),
    )


def read_order_id(fields: Fields, version: int) -> int:
    """The order id that a placeOrder starts with; before version 145 after a message version."""
    if version < 145:
        fields.skip(1)
    return fields.integer()


def read_order(fields: Fields, version: int) -> tuple[Query, OrderRequest]:
    """An order and its contract, with every attribute that ``version`` carries.

    Raises ``RequestError`` 320 for a field that cannot be read, 321 for a combination without legs.
    """
    query = read_query(fields)
    attributes: Attributes = {"secType": query.sec_type, "exchange": query.exchange}
    layouts.read(layouts.PLACE_ORDER, fields, version, attributes)
    legs = tuple(
        Leg(int(con_id), int(ratio), action, exchange, int(open_close))
        for con_id, ratio, action, exchange, open_close, *_ in rows_of(attributes, "comboLegs")
    )
    if query.sec_type == "BAG" and not legs:
        cause = "The combination has no legs."
        raise RequestError(321, f"Error validating request.-'bM' : cause - {cause}")
    return replace(query, legs=legs) if legs else query, _request(attributes)


def _request(attributes: Attributes) -> OrderRequest:
    take = attributes.pop
    order_type = take("orderType", "")
    limit, stop = (_price(take(name, "")) for name in ("lmtPrice", "auxPrice"))
    params = rows_of(attributes, "algoParams")
    prices = rows_of(attributes, "orderComboLegs")
    for name in ("algoParams", "secType"):
        take(name, None)
    return OrderRequest(
        action=take("action", ""),
        quantity=_quantity(take("totalQuantity", "0")),
        order_type=order_type,
        limit=None if order_type == "MKT" else limit,
        tif=take("tif", ""),
        account=take("account", ""),
        order_ref=take("orderRef", ""),
        outside_rth=take("outsideRth", "") == "1",
        transmit=take("transmit", "") == "1",
        what_if=take("whatIf", "") == "1",
        open_close=take("openClose", ""),
        stop=stop,
        good_till=take("goodTillDate", ""),
        good_after=take("goodAfterTime", ""),
        algo=take("algoStrategy", ""),
        algo_params=tuple((tag, value) for tag, value in params),
        parent_id=int(take("parentId", "0")),
        oca_group=take("ocaGroup", ""),
        oca_type=int(take("ocaType", "0")),
        all_or_none=take("allOrNone", "") == "1",
        leg_prices=tuple(_price(price) for (price,) in prices),
        extras=tuple(attributes.items()),
    )


def _quantity(text: str) -> Decimal:
    """As written, so that no fraction is lost."""
    value = Decimal(text)
    if value.adjusted() > _DIGITS_MAX:
        raise malformed(f"'{text[:32]}' is too large for a quantity.")
    return value.normalize() if value != value.to_integral_value() else value.quantize(_ONE)


def _price(text: str) -> Decimal | None:
    """A price without the noise of binary floating point; ``None`` when unset."""
    return Decimal(str(round(float(text), 6))) if text else None
