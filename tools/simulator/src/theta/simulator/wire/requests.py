"""Reads the requests whose layout is more than a few fields."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from theta.simulator.exchange.model import OrderRequest
from theta.simulator.market.contracts import Query
from theta.simulator.wire.fields import Fields, RequestError, malformed

_UNSET = 1.7e308


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


def read_order(fields: Fields, version: int) -> tuple[Query, OrderRequest]:
    """An order and its contract. Attributes that the simulator has no use for are read and
    dropped."""
    query = read_query(fields)
    fields.skip(2)
    action, quantity, order_type = fields.text(), _decimal(fields.text()), fields.text()
    limit = _price(fields)
    fields.skip(1)
    tif = fields.text()
    fields.skip(1)
    account, open_close = fields.text(), fields.text()
    fields.skip(1)
    order_ref, transmit = fields.text(), fields.flag()
    fields.skip(5)
    outside_rth = fields.flag()
    fields.skip(1)
    if query.sec_type == "BAG":
        raise RequestError(
            321, "Error validating request.-'bM' : cause - Combination orders are not supported"
        )
    what_if = _skip_to_what_if(fields, version)
    return query, OrderRequest(
        action=action,
        quantity=quantity,
        order_type=order_type,
        limit=None if order_type == "MKT" else limit,
        tif=tif,
        account=account,
        order_ref=order_ref,
        outside_rth=outside_rth,
        transmit=transmit,
        what_if=what_if,
        open_close=open_close,
    )


def _skip_to_what_if(fields: Fields, version: int) -> bool:
    fields.skip(29 if version >= 177 else 30)
    delta_neutral = fields.text()
    fields.skip(9 if delta_neutral else 1)
    fields.skip(6)
    increment = fields.number()
    if 0 < increment < _UNSET:
        fields.skip(7)
    fields.skip(3)
    if fields.text():
        fields.skip(1)
    fields.skip(4)
    if fields.flag():
        fields.skip(3)
    if fields.text():
        count = fields.integer()
        if not 0 <= count <= 100:
            raise malformed("The number of algo parameters is impossible.")
        fields.skip(2 * count)
    fields.skip(1)
    return fields.flag()


def _decimal(text: str) -> Decimal:
    try:
        value = Decimal(text or "0")
    except InvalidOperation:
        raise malformed(f"'{text[:32]}' is not a quantity.") from None
    if not value.is_finite():
        raise malformed("The quantity is not finite.")
    return value


def _price(fields: Fields) -> Decimal | None:
    """A price without the noise of binary floating point; ``None`` when unset."""
    number = fields.number(default=_UNSET)
    return None if abs(number) >= _UNSET else Decimal(str(round(number, 6)))
