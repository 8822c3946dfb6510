"""Messages to the client that do not depend on the negotiated version, as lists of fields."""

from datetime import UTC, datetime

from theta.simulator.exchange.model import Execution
from theta.simulator.market.calendar import ZONE_NAME, new_york
from theta.simulator.market.contracts import Contract
from theta.simulator.wire.codes import UNSET_DOUBLE

Fields = list[object]


def broker_time(epoch: float) -> str:
    """Date and time with zone, as executions carry it."""
    return f"{new_york(epoch):%Y%m%d %H:%M:%S} {ZONE_NAME}"


def greeting(version: int, epoch: float) -> Fields:
    return [version, f"{datetime.fromtimestamp(epoch, UTC):%Y%m%d %H:%M:%S} GMT"]


def managed_accounts(account: str) -> Fields:
    return [15, 1, account]


def next_valid_id(order_id: int) -> Fields:
    return [9, 1, order_id]


def current_time(epoch: float) -> Fields:
    return [49, 1, int(epoch)]


def account_value(tag: str, value: str, currency: str, account: str) -> Fields:
    return [6, 2, tag, value, currency, account]


def account_time(epoch: float) -> Fields:
    return [8, 1, f"{new_york(epoch):%H:%M}"]


def account_download_end(account: str) -> Fields:
    return [54, 1, account]


def account_multi(request: int, account: str, tag: str, value: str, currency: str) -> Fields:
    return [73, 1, request, account, "", tag, value, currency]


def account_summary(request: int, account: str, tag: str, value: str, currency: str) -> Fields:
    return [63, 1, request, account, tag, value, currency]


def end(message: int, request: int) -> Fields:
    """An End message that carries a version and a request id."""
    return [message, 1, request]


def _terms(contract: Contract, right: str) -> Fields:
    multiplier = str(contract.multiplier) if contract.is_option else ""
    return [
        contract.con_id,
        contract.symbol,
        contract.sec_type,
        contract.expiry,
        contract.strike,
        right,
        multiplier,
    ]


def position(contract: Contract, account: str, quantity: float, cost: float) -> Fields:
    return [
        61, 3, account, *_terms(contract, contract.right), "", "USD",
        contract.local_symbol, contract.trading_class, quantity, cost,
    ]  # fmt: skip


def position_multi(
    request: int, contract: Contract, account: str, quantity: float, cost: float
) -> Fields:
    return [
        71, 1, request, account, *_terms(contract, contract.right), "", "USD",
        contract.local_symbol, contract.trading_class, quantity, cost, "",
    ]  # fmt: skip


def portfolio(
    contract: Contract,
    account: str,
    quantity: float,
    price: float,
    cost: float,
    realized: float,
) -> Fields:
    """A portfolio line; TWS sends right "0" for a stock."""
    value = quantity * price * contract.multiplier
    return [
        7, 8, *_terms(contract, contract.right or "0"), contract.primary_exchange, "USD",
        contract.local_symbol, contract.trading_class, quantity, round(price, 6),
        round(value, 2), cost, round(value - quantity * cost, 2), realized, account,
    ]  # fmt: skip


def tick_price(request: int, tick: int, price: float, size: int) -> Fields:
    return [1, 6, request, tick, price, size, 0]


def tick_size(request: int, tick: int, size: int) -> Fields:
    return [2, 6, request, tick, size]


def tick_generic(request: int, tick: int, value: float) -> Fields:
    return [45, 6, request, tick, value]


def tick_string(request: int, tick: int, value: str) -> Fields:
    return [46, 6, request, tick, value]


def tick_request_params(request: int, min_tick: float) -> Fields:
    return [81, request, min_tick, "9c0001", 3]


def market_data_type(request: int, kind: int) -> Fields:
    return [58, 1, request, kind]


def option_computation(
    request: int,
    tick: int,
    vol: float | None,
    delta: float | None,
    price: float | None,
    gamma: float | None,
    vega: float | None,
    theta: float | None,
    spot: float | None,
) -> Fields:
    """Computed greeks; what is not computed goes out as TWS's -1 and -2."""
    return [
        21, request, tick, 1,
        -1 if vol is None else vol,
        -2 if delta is None else delta,
        -1 if price is None else price,
        -1 if price is None else 0.0,
        -2 if gamma is None else gamma,
        -2 if vega is None else vega,
        -2 if theta is None else theta,
        -1 if spot is None else spot,
    ]  # fmt: skip


def option_parameters(
    request: int,
    exchange: str,
    stock: Contract,
    multiplier: int,
    expiries: list[str],
    strikes: list[float],
) -> Fields:
    return [
        75, request, exchange, stock.con_id, stock.symbol, multiplier,
        len(expiries), *expiries, len(strikes), *strikes,
    ]  # fmt: skip


def market_rule(rule: int, increments: list[tuple[float, float]]) -> Fields:
    flat: list[object] = [part for pair in increments for part in pair]
    return [93, rule, len(increments), *flat]


def history(request: int, start: str, finish: str, bars: list[tuple[object, ...]]) -> Fields:
    """Bars of (date, open, high, low, close, volume, average, count)."""
    flat = [part for bar in bars for part in bar]
    return [17, request, start, finish, len(bars), *flat]


def commission_report(item: Execution) -> Fields:
    """TWS sends its largest double for a gain that an opening fill does not have, and for the
    yield."""
    realized = UNSET_DOUBLE if item.realized is None else str(round(item.realized, 4))
    return [59, 1, item.exec_id, float(item.commission), "USD", realized, UNSET_DOUBLE, ""]


def profit(request: int, daily: float, unrealized: float, realized: float) -> Fields:
    return [94, request, daily, unrealized, realized]


def profit_single(
    request: int, quantity: float, daily: float, unrealized: float, realized: float, value: float
) -> Fields:
    return [95, request, quantity, daily, unrealized, realized, value]
