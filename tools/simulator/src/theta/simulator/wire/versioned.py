"""Messages whose layout depends on the negotiated version (157 to 176)."""

from dataclasses import dataclass

from theta.simulator.exchange.model import Order
from theta.simulator.market.contracts import (
    MARKET_RULE_PENNY,
    OPTION_EXCHANGES,
    STOCK_EXCHANGES,
    Contract,
)
from theta.simulator.market.quotes import TICK
from theta.simulator.wire.codes import UNSET_DOUBLE
from theta.simulator.wire.messages import Fields

_ORDER_TYPES = "ACTIVETIM,ADJUST,ALERT,ALGO,ALLOC,AVGCOST,BASKET,COND,CONDORDER,DAY,GTC,LMT,MKT"


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


@dataclass(frozen=True, slots=True)
class OrderView:
    """What a message says of an order; ``perm_id`` is 0 while the broker has not told it."""

    order: Order
    contract: Contract
    status: str
    perm_id: int
    what_if: bool = False
    margin: MarginFigures = MarginFigures()


def error(version: int, request: int, code: int, text: str) -> Fields:
    fields: Fields = [4, 2, request, code, text]
    if version >= 166:
        fields.append("")
    return fields


def order_status(view: OrderView) -> Fields:
    order = view.order
    return [
        3, order.order_id, view.status, float(order.filled), float(order.remaining),
        round(float(order.average_price), 8), view.perm_id, 0, float(order.last_price),
        order.client_id, "", 0,
    ]  # fmt: skip


def _contract(contract: Contract) -> Fields:
    return [
        contract.con_id, contract.symbol, contract.sec_type, contract.expiry, contract.strike,
        contract.right or "?", str(contract.multiplier) if contract.is_option else "",
        "SMART", "USD", contract.local_symbol, contract.trading_class,
    ]  # fmt: skip


def open_order(version: int, view: OrderView) -> Fields:
    """An open order. Unset figures carry what TWS sends for them."""
    order, margin = view.order, view.margin
    limit = float(order.limit) if order.limit is not None else 0.0
    fields: Fields = [
        5, order.order_id, *_contract(view.contract), order.action, float(order.quantity),
        order.order_type, limit, 0.0, order.tif, "", order.account, "", 0, order.order_ref,
        order.client_id, view.perm_id, order.outside_rth, 0, 0, "",
    ]  # fmt: skip
    # Deprecated shares allocation, the four advisor fields, model, good-till, 80A, percent offset,
    # settling firm.
    fields += ["", "", "", "", "", "", "", "", "", ""]
    # Short-sale slot, location, exempt code, auction strategy, starting and reference price, delta,
    # range,
    # display size, block, sweep, all-or-none, minimum quantity, one-cancels-all type, e-trade, firm
    # quote, price cap.
    fields += [0, "", -1, 0, "", "", "", "", "", "", 0, 0, 0, "", 3, 0, 0, ""]
    # Parent, trigger method, volatility and its type, delta-neutral type and price.
    fields += [0, 0, "", 0, "", ""]
    # Continuous update, reference price type, trailing stop and percent, basis points and type, leg
    # text; the counts
    # of legs, order legs and routing parameters; scale sizes and increment; hedge type.
    fields += [0, 0, "", "", "", "", "", 0, 0, 0, "", "", "", ""]
    # Smart-routing opt-out, clearing account and intent, not held, delta-neutral contract, algo,
    # solicited.
    fields += [0, "", "IB", 0, 0, "", 0]
    fields += [view.what_if, view.status, *margin.before, *margin.change, *margin.after]
    fields += [margin.commission, "", "", "USD" if margin.commission else "", "", 0, 0]
    # Conditions, adjusted order type, trigger, trailing stop, limit offset, adjusted stop, stop
    # limit, trailing,
    # its unit, soft-dollar tier (three), cash quantity, auto price, OMS container, discretionary,
    # price management.
    unset = UNSET_DOUBLE
    fields += [0, "None", unset, unset, unset, unset, unset, unset, 0, "", "", "", 0, 0, 0, 0, 0]
    if version >= 159:
        fields.append("")
    if version >= 160:
        fields.append("")
    if version >= 162:
        fields.append(0)
    if version >= 170:
        fields += ["", "", "", "", ""]
    return fields


def completed_order(version: int, view: OrderView, ended_at: str) -> Fields:
    """A completed order: it names neither order id nor client id."""
    order = view.order
    limit = float(order.limit) if order.limit is not None else 0.0
    fields: Fields = [
        101, *_contract(view.contract), order.action, float(order.quantity), order.order_type,
        limit, 0.0, order.tif, "", order.account, "", 0, order.order_ref, view.perm_id,
        order.outside_rth, 0, 0, "",
    ]  # fmt: skip
    # Four advisor fields, model, good-till, 80A, percent offset, settling firm.
    fields += ["", "", "", "", "", "", "", "", ""]
    # Short-sale slot, location, exempt, starting and reference price, delta, range, display size,
    # sweep,
    # all-or-none, minimum quantity, one-cancels-all type, trigger method.
    fields += [0, "", -1, "", "", "", "", "", "", 0, 0, "", 3, 0]
    # Volatility and type, delta-neutral type and price, continuous update, reference price type,
    # trailing stop
    # and percent, leg text, legs, order legs, routing, scale sizes and increment, hedge type.
    fields += ["", 0, "", "", 0, 0, "", "", "", 0, 0, 0, "", "", "", ""]
    # Clearing account and intent, not held, delta-neutral contract, algo, solicited.
    fields += ["", "IB", 0, 0, "", 0]
    fields += [view.status, 0, 0, 0]
    # Trailing stop, limit offset, cash quantity, auto price, OMS container, auto-cancel date.
    fields += ["", "", 0, 0, 0, ""]
    fields += [float(order.filled), "", 0, "", 0, 0, "", ended_at, order.end_reason]
    if version >= 170:
        fields += ["", "", "", "", ""]
    return fields


@dataclass(frozen=True, slots=True)
class Hours:
    """Trading and regular hours in the form contract details carry."""

    trading: str
    liquid: str


def contract_details(
    version: int, request: int, contract: Contract, long_name: str, hours: Hours
) -> Fields:
    exchanges = ",".join(OPTION_EXCHANGES if contract.is_option else STOCK_EXCHANGES)
    fields: Fields = [10] if version >= 164 else [10, 8]
    fields += [
        request, contract.symbol, contract.sec_type, contract.expiry, contract.strike,
        contract.right, "SMART", "USD", contract.local_symbol, contract.symbol,
        contract.trading_class, contract.con_id, TICK,
    ]  # fmt: skip
    if version < 164:
        fields.append(100)
    rules = ",".join([str(MARKET_RULE_PENNY)] * (exchanges.count(",") + 1))
    fields += [
        str(contract.multiplier) if contract.is_option else "", _ORDER_TYPES, exchanges, 1,
        contract.under_con_id, long_name, contract.primary_exchange, contract.expiry[:6],
        "", "", "", "America/New_York", hours.trading, hours.liquid, "", 0, 0, 1,
        contract.symbol if contract.is_option else "", "STK" if contract.is_option else "",
        rules, contract.expiry, "" if contract.is_option else "ETF",
    ]  # fmt: skip
    if version == 163:
        fields.append(1)
    if version >= 164:
        fields += [1, 1, 1] if contract.is_option else [0.0001, 0.0001, 100]
    return fields
