"""Between the client library's objects and the domain. Pure functions.

The broker spells absence in many ways: 1.8e308, 2147483647, -1, -2, NaN, an empty text, 0 for a
price. Here each becomes `None`, per field, since -1 is a good position and 0 a good delta.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from theta.broker_gateway.adapters.ibkr.library import (
    UNSET_DOUBLE,
    UNSET_INTEGER,
    CommissionReport,
    Execution,
    IbContract,
    Order,
    OrderState,
)
from theta.broker_gateway.ports import BrokerExecution, BrokerOrder, OrderToPlace
from theta.common.domain.instruments import Contract, Right, SecType
from theta.common.domain.money import finite
from theta.common.domain.orders import Action
from theta.common.domain.portfolio import AccountValues, Position

_UNSET_FLOOR = Decimal("1e300")
_SIDES = {"BOT": Action.BUY, "SLD": Action.SELL, "BUY": Action.BUY, "SELL": Action.SELL}
_RIGHTS = {"P": Right.PUT, "PUT": Right.PUT, "C": Right.CALL, "CALL": Right.CALL}


class UntranslatableError(ValueError):
    """The broker spoke of something that this version does not trade, or left out what names it."""


def number(value: float | int | str | Decimal | None) -> Decimal | None:
    """Return a signed number, `None` for NaN, infinities, the unset double and integer, and ""."""
    if isinstance(value, str):
        value = value.strip()
    try:
        found = finite(value)
    except ArithmeticError:
        return None
    if found is None or abs(found) >= _UNSET_FLOOR or found == UNSET_INTEGER:
        return None
    # 1900.0 shares are 1900.
    return Decimal(int(found)) if found == found.to_integral_value() else found


def positive(value: float | int | str | Decimal | None) -> Decimal | None:
    """Return a price or figure that can only be above zero; `None` for -1, -2, 0 and `number`'s."""
    found = number(value)
    return found if found is not None and found > 0 else None


def not_negative(value: float | int | str | Decimal | None) -> Decimal | None:
    """Return a size or count; `None` for negatives and what `number` refuses. 0 is a size."""
    found = number(value)
    return found if found is not None and found >= 0 else None


def greek(value: float | None) -> Decimal | None:
    """Return a greek, `None` for the broker's -2 and what `number` refuses. -1 is a delta."""
    found = number(value)
    return None if found is None or found == -2 else found


def expiry_date(text: str) -> date | None:
    """Read `20260918`, with or without a time behind it; `None` when empty."""
    day = text.strip().partition(" ")[0]
    if not day:
        return None
    try:
        return datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError as error:
        message = f"expiry {text!r} is not a date"
        raise UntranslatableError(message) from error


def contract_to_domain(told: IbContract) -> Contract:
    """Return the domain's contract, routed SMART when the broker names no exchange.

    Raises UntranslatableError for a type other than stock and option, or missing option terms.
    """
    try:
        sec_type = SecType(told.secType)
    except ValueError as error:
        message = f"{told.symbol or told.conId} is of type {told.secType!r}, which is not traded"
        raise UntranslatableError(message) from error
    is_option = sec_type is SecType.OPTION
    try:
        return Contract(
            symbol=told.symbol,
            sec_type=sec_type,
            currency=told.currency or "USD",
            exchange=told.exchange or "SMART",
            primary_exchange=told.primaryExchange or "",
            con_id=told.conId or None,
            expiry=expiry_date(told.lastTradeDateOrContractMonth) if is_option else None,
            strike=positive(told.strike) if is_option else None,
            right=_RIGHTS.get(told.right.upper()) if is_option else None,
            multiplier=_multiplier(told.multiplier, required=is_option),
            trading_class=told.tradingClass or "",
        )
    except ValueError as error:
        raise UntranslatableError(str(error)) from error


def _multiplier(text: str | None, *, required: bool) -> int:
    found = positive(text)
    if found is None:
        if required:
            raise UntranslatableError("the broker gave an option without a multiplier")
        return 1
    if found != found.to_integral_value():
        message = f"multiplier {text!r} is not a whole number"
        raise UntranslatableError(message)
    return int(found)


def contract_to_broker(contract: Contract) -> IbContract:
    """Return the library's contract. A known con_id goes along with the terms."""
    told = IbContract(
        secType=contract.sec_type.value,
        symbol=contract.symbol,
        currency=contract.currency,
        exchange=contract.exchange,
        primaryExchange=contract.primary_exchange,
        conId=contract.con_id or 0,
        tradingClass=contract.trading_class,
    )
    if contract.sec_type is SecType.OPTION:
        assert contract.expiry is not None
        assert contract.strike is not None
        assert contract.right is not None
        told.lastTradeDateOrContractMonth = contract.expiry.strftime("%Y%m%d")
        told.strike = float(contract.strike)
        told.right = contract.right.value
        told.multiplier = str(contract.multiplier)
    return told


def order_to_broker(order: OrderToPlace) -> Order:
    """Return a limit order with every field that matters named: tif, account, transmit, ref."""
    return Order(
        orderId=order.order_id,
        action=order.action.value,
        totalQuantity=float(order.quantity),
        orderType="LMT",
        lmtPrice=float(order.limit_price),
        tif=order.time_in_force,
        account=order.account,
        orderRef=order.order_ref,
        transmit=True,
        outsideRth=False,
    )


def open_order(order_id: int, contract: IbContract, order: Order, state: OrderState) -> BrokerOrder:
    """Return an openOrder callback; what has filled comes with the status, not with it.

    Raises UntranslatableError.
    """
    return BrokerOrder(
        order_ref=_told(order.orderRef),
        order_id=order_id,
        perm_id=order.permId or None,
        client_id=order.clientId,
        account=_told(order.account),
        contract=contract_to_domain(contract),
        action=_action(order.action),
        quantity=number(order.totalQuantity) or Decimal(0),
        filled=None,
        remaining=None,
        limit_price=positive(order.lmtPrice),
        status=state.status,
    )


def completed_order(contract: IbContract, order: Order, state: OrderState) -> BrokerOrder:
    """Return a completedOrder callback. It names neither order id nor client: both are 0.

    Raises UntranslatableError.
    """
    order_id = order.orderId if order.orderId not in (0, UNSET_INTEGER) else 0
    quantity = number(order.totalQuantity) or Decimal(0)
    filled = not_negative(order.filledQuantity)
    return BrokerOrder(
        order_ref=_told(order.orderRef),
        order_id=order_id,
        perm_id=order.permId or None,
        client_id=order.clientId or 0,
        account=_told(order.account),
        contract=contract_to_domain(contract),
        action=_action(order.action),
        # TWS reports some filled orders with a total of 0.
        quantity=max(quantity, filled or Decimal(0)),
        filled=filled,
        remaining=max(quantity - filled, Decimal(0)) if filled is not None else None,
        limit_price=positive(order.lmtPrice),
        status=state.status,
        completed_text=state.completedStatus or "",
    )


def execution(contract: IbContract, told: Execution) -> BrokerExecution:
    """Return a fill. Raises UntranslatableError."""
    quantity, price = positive(told.shares), number(told.price)
    if quantity is None or price is None:
        message = f"execution {told.execId} has quantity {told.shares} and price {told.price}"
        raise UntranslatableError(message)
    at = told.time
    return BrokerExecution(
        exec_id=told.execId,
        order_ref=_told(told.orderRef),
        # TWS leaves the id of a hand-made order unset.
        order_id=told.orderId if told.orderId != UNSET_INTEGER else 0,
        perm_id=told.permId or None,
        client_id=told.clientId,
        account=told.acctNumber,
        contract=contract_to_domain(contract),
        side=_action(told.side),
        quantity=quantity,
        price=price,
        executed_at=(at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC),
    )


def commission(told: CommissionReport) -> dict[str, Any]:
    """Return the COMMISSION payload; no realised gain is `None`, never 0."""
    return {
        "exec_id": told.execId,
        "commission": jsonable(number(told.commission)),
        "currency": told.currency or None,
        "realised_pnl": jsonable(number(told.realizedPNL)),
    }


def position(
    contract: IbContract,
    quantity: float,
    average_cost: float,
    *,
    market_price: float | None = None,
    market_value: float | None = None,
    unrealised: float | None = None,
    realised: float | None = None,
) -> Position:
    """Return a holding; costs and prices of 0 or below are `None`, gains keep sign and zero."""
    held = number(quantity)
    if held is None:
        message = f"the position in {contract.symbol} has no quantity"
        raise UntranslatableError(message)
    return Position(
        contract=contract_to_domain(contract),
        quantity=held,
        average_cost_usd=positive(average_cost),
        market_price=positive(market_price),
        market_value_usd=number(market_value),
        unrealised_pnl_usd=number(unrealised),
        realised_pnl_usd=number(realised),
    )


_VALUE_TAGS = {
    "net_liquidation": "NetLiquidation",
    "total_cash": "TotalCashValue",
    "buying_power": "BuyingPower",
    "available_funds": "AvailableFunds",
    "excess_liquidity": "ExcessLiquidity",
    "initial_margin": "InitMarginReq",
    "maintenance_margin": "MaintMarginReq",
    "cushion_ratio": "Cushion",
    "look_ahead_excess_liquidity": "LookAheadExcessLiquidity",
}


def account_values(rows: Mapping[tuple[str, str], str]) -> AccountValues:
    """Return the figures in the account's base currency from rows of (tag, currency) → text.

    The base is the currency of NetLiquidation; "BASE" rows repeat it. A tag that is missing, or
    given only in another currency, is `None`.
    """
    currencies = [
        currency
        for tag, currency in rows
        if tag == "NetLiquidation" and currency not in ("", "BASE")
    ]
    base = currencies[0] if currencies else ""

    def of(tag: str) -> Decimal | None:
        for currency in (base, "BASE", ""):
            if (tag, currency) in rows:
                return number(rows[tag, currency])
        return None

    return AccountValues(currency=base, **{field: of(tag) for field, tag in _VALUE_TAGS.items()})


def jsonable(value: Any) -> Any:
    """Return `value` as JSON can hold it: decimals and times as text, contracts as records."""
    if isinstance(value, Contract):
        return value.to_record()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return value


def payload(told: BrokerOrder | BrokerExecution) -> dict[str, Any]:
    """Return all fields of a report, JSON-ready."""
    return {field.name: jsonable(getattr(told, field.name)) for field in dataclasses.fields(told)}


def unreadable_contract(told: IbContract) -> dict[str, Any]:
    """Return what can be said of a contract that has no place in the domain."""
    return {"con_id": told.conId, "symbol": told.symbol, "sec_type": told.secType}


def decimals(values: Iterable[float]) -> tuple[Decimal, ...]:
    """Return prices or strikes, ascending, without what is no positive number."""
    return tuple(sorted({found for value in values if (found := positive(value)) is not None}))


def _told(text: str | None) -> str:
    return "" if text in (None, "?") else str(text)


def _action(text: str) -> Action:
    try:
        return _SIDES[text]
    except KeyError as error:
        message = f"side {text!r} is neither buying nor selling"
        raise UntranslatableError(message) from error


assert float(_UNSET_FLOOR) < UNSET_DOUBLE
