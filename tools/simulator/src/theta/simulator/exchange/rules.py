"""Which orders, changes and cancels the broker refuses at once, with which code and text.

Pure functions of values; the first rule that a request breaks is told, as TWS does. Money is
judged elsewhere (``credit``).
"""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Final

from theta.simulator.exchange.matching import ADAPTIVE_SECONDS, parse_time
from theta.simulator.exchange.model import (
    CANCELLED,
    FILLED,
    PENDING_CANCEL,
    Order,
    OrderRequest,
)
from theta.simulator.market.contracts import Contract

Refusal = tuple[int, str]
"""Code and text of the error that the client gets."""

ORDER_TYPES: Final = ("LMT", "MKT", "STP", "STP LMT", "MIDPRICE")
TIFS: Final = ("DAY", "GTC", "IOC", "GTD", "FOK")
ALGOS: Final[dict[str, frozenset[str]]] = {
    "Adaptive": frozenset({"adaptivePriority"}),
    "Vwap": frozenset(
        {"maxPctVol", "startTime", "endTime", "allowPastEndTime", "noTakeLiq", "speedUp"}
    ),
    "Twap": frozenset({"strategyType", "startTime", "endTime", "allowPastEndTime"}),
}
"""The strategies of IBKR that exist here, and their tags."""

_WITH_LIMIT = ("LMT", "STP LMT")
_WITH_STOP = ("STP", "STP LMT")
_QUANTITY_MAX = 1_000_000
_PRICE_MAX = 1_000_000
_GONE_ATTRIBUTES = {
    "eTradeOnly": (10268, "EtradeOnly"),
    "firmQuoteOnly": (10269, "FirmQuoteOnly"),
    "nbboPriceCap": (10270, "NbboPriceCap"),
}
_ADVISOR_ATTRIBUTES = ("faGroup", "faProfile", "faMethod", "modelCode")
_UNSUPPORTED = {
    "conditions": "Conditional orders",
    "scaleInitLevelSize": "Scale orders",
    "scalePriceIncrement": "Scale orders",
    "hedgeType": "Hedge orders",
    "deltaNeutralOrderType": "Delta-neutral orders",
    "adjustedOrderType": "Adjustable stops",
    "activeStartTime": "Active times",
    "activeStopTime": "Active times",
}
"""What would trade another way than it was meant if it were taken and left aside."""

_UNSET = frozenset({"", "0", "0.0", "false", "False", "None", "[]"})


@dataclass(frozen=True, slots=True)
class Venue:
    """What an order is judged by besides itself: the login's accounts, the price increments of the
    contract (from a price on, the step), and the market time."""

    accounts: tuple[str, ...]
    increments: tuple[tuple[float, float], ...] = ((0.0, 0.01),)
    now: float = 0.0
    refuse_etrade_only: bool = False
    """Whether the attributes that brokers no longer know are refused, as today's gateways do;
    ibapi up to 9.81 sets two of them on every order."""


def invalid(cause: str) -> Refusal:
    """TWS's answer to an order that makes no sense."""
    return 321, f"Error validating request.-'bM' : cause - {cause}"


def refusal(contract: Contract, request: OrderRequest, venue: Venue) -> Refusal | None:
    """Why an order cannot be placed, ``None`` when it can."""
    for rule in (_side, _type, _strategy, _duration, _size, _account, _prices, _attributes):
        found = rule(contract, request, venue)
        if found is not None:
            return found
    return None


def _side(contract: Contract, request: OrderRequest, venue: Venue) -> Refusal | None:
    if request.action not in ("BUY", "SELL"):
        return invalid("Invalid side")
    if contract.sec_type == "IND":
        return 412, "The contract is not available for trading."
    return None


def _type(contract: Contract, request: OrderRequest, venue: Venue) -> Refusal | None:
    kind = request.order_type
    refused = (
        kind not in ORDER_TYPES
        or (kind == "MIDPRICE" and contract.sec_type != "STK")
        or (kind in _WITH_STOP and contract.is_combination)
    )
    if refused:
        return 387, "Unsupported order type for this exchange and security type."
    return None


def _strategy(contract: Contract, request: OrderRequest, venue: Venue) -> Refusal | None:
    if not request.algo:
        return None
    known = ALGOS.get(request.algo)
    if known is None:
        return 439, "Order processing failed. Algorithm definition not found."
    fits = contract.sec_type == "STK" or (request.algo == "Adaptive" and contract.is_option)
    if not fits or request.order_type not in ("LMT", "MKT"):
        return 387, "Unsupported order type for this exchange and security type."
    for tag, value in request.algo_params:
        if tag not in known:
            return 443, f"Order processing failed. Unknown algo attribute {tag}."
        wrong = (tag == "adaptivePriority" and value not in ADAPTIVE_SECONDS) or (
            tag in ("startTime", "endTime") and value and parse_time(value, venue.now) is None
        )
        if wrong:
            return 441, f"Algo attributes validation failed: {tag} {value[:40]}"
    return None


def _duration(contract: Contract, request: OrderRequest, venue: Venue) -> Refusal | None:
    tif = request.tif or "DAY"
    at_once = tif in ("IOC", "FOK")
    stands = request.order_type in ("MIDPRICE", *_WITH_STOP) or bool(request.algo)
    if tif not in TIFS or (at_once and stands):
        return 111, "The TIF (Tif type) and the order type are incompatible."
    if tif == "GTD":
        ends = parse_time(request.good_till, venue.now)
        if ends is None:
            return invalid("The good till date of a GTD order is missing or not yyyymmdd hh:mm:ss")
        if ends <= venue.now:
            return invalid("The good till date of a GTD order has passed")
    if request.good_after and parse_time(request.good_after, venue.now) is None:
        return invalid("The good after time is not yyyymmdd hh:mm:ss")
    return None


def _size(contract: Contract, request: OrderRequest, venue: Venue) -> Refusal | None:
    prices = [price for price in (request.limit, request.stop) if price is not None]
    if request.quantity > _QUANTITY_MAX or any(abs(price) > _PRICE_MAX for price in prices):
        return invalid("Size or price too large")
    if request.quantity <= 0:
        return 434, "The order size cannot be zero."
    if request.quantity != request.quantity.to_integral_value(ROUND_DOWN):
        return 10243, "Fractional-sized order cannot be placed via API."
    return None


def _account(contract: Contract, request: OrderRequest, venue: Venue) -> Refusal | None:
    if not request.account and len(venue.accounts) > 1:
        return 435, "You must specify an account."
    if request.account not in ("", *venue.accounts):
        return invalid(f"Invalid account code '{request.account[:40]}'")
    return None


def _prices(contract: Contract, request: OrderRequest, venue: Venue) -> Refusal | None:
    signed = contract.is_combination
    wanted = []
    if request.order_type in _WITH_LIMIT:
        wanted.append((request.limit, "limit"))
    if request.order_type in _WITH_STOP:
        wanted.append((request.stop, "stop"))
    for price, name in wanted:
        if price is None or (price <= 0 and not signed):
            return invalid(f"Missing {name} price")
        if not on_tick(price, venue.increments):
            return (
                110,
                "The price does not conform to the minimum price variation for this contract.",
            )
    return None


def on_tick(price: Decimal, increments: tuple[tuple[float, float], ...]) -> bool:
    """Whether a price is a whole number of steps: of the step of the highest floor below it."""
    size = abs(price)
    step = Decimal("0.01")
    for floor, increment in increments:
        if size >= Decimal(str(floor)):
            step = Decimal(str(increment))
    return size % step == 0


def _attributes(contract: Contract, request: OrderRequest, venue: Venue) -> Refusal | None:
    for name, value in request.extras:
        if value in _UNSET:
            continue
        gone = _GONE_ATTRIBUTES.get(name)
        if gone is not None and venue.refuse_etrade_only:
            return gone[0], f"The '{gone[1]}' order attribute is not supported."
        if name in _UNSUPPORTED:
            return invalid(f"{_UNSUPPORTED[name]} are not supported by this gateway")
        if name in _ADVISOR_ATTRIBUTES:
            return invalid("Allocations need an advisor's login; name one account")
    if request.oca_type not in (0, 1, 2, 3):
        return invalid("Invalid OCA type")
    return None


def modify_refusal(order: Order, contract: Contract, request: OrderRequest) -> Refusal | None:
    """Why a placed order cannot be changed into ``request``, ``None`` when it can."""
    if order.status == FILLED:
        return 104, "Cannot modify a filled order."
    if order.is_final:
        return 103, "Duplicate order id"
    same = (
        order.con_id == contract.con_id
        and order.action == request.action
        and request.account in ("", order.account)
    )
    if not same:
        return 105, "Order being modified does not match original order"
    if order.status == PENDING_CANCEL:
        return not_cancellable(order)
    if (order.algo, order.algo_params) != (request.algo, request.algo_params):
        return 440, "Order modify failed. Algorithm cannot be modified."
    if order.order_type != request.order_type and order.transmit:
        return 105, "Order being modified does not match original order"
    if request.quantity <= order.filled:
        return 329, "Order modify failed. Cannot change to the new order quantity."
    return None


def cancel_refusal(order: Order | None, order_id: int, highest: int) -> Refusal | None:
    """Why an order id cannot be cancelled; ``highest`` is the highest id its client ever placed."""
    if order is None:
        if order_id <= highest:
            return 135, f"Can't find order with id = {order_id}"
        return 10147, f"OrderId {order_id} that needs to be cancelled is not found."
    if order.status == PENDING_CANCEL:
        return not_cancellable(order)
    if order.is_final:
        state = order.status if order.status in (FILLED, CANCELLED) else "Inactive"
        text = "that needs to be cancelled can not be cancelled, state:"
        return 10148, f"OrderId {order_id} {text} {state}."
    return None


def not_cancellable(order: Order) -> Refusal:
    """The order is being cancelled already."""
    text = "Cancel attempted when order is not in a cancellable state."
    return 161, f"{text} Order permId = {order.perm_id}"
