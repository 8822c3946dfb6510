"""Account, position and profit messages as every negotiated version lays them out."""

from theta.simulator.market.calendar import new_york
from theta.simulator.market.contracts import Contract
from theta.simulator.wire.messages import Fields


def units(version: int, quantity: float) -> object:
    """A number of shares or contracts: whole before fractions came, then a double, then plain."""
    whole = quantity == int(quantity)
    if version < 101 or (version >= 163 and whole):
        return int(quantity)
    return float(quantity)


def value(tag: str, text: str, currency: str, account: str) -> Fields:
    return [6, 2, tag, text, currency, account]


def time(epoch: float) -> Fields:
    return [8, 1, f"{new_york(epoch):%H:%M}"]


def download_end(account: str) -> Fields:
    return [54, 1, account]


def multi(request: int, account: str, tag: str, text: str, currency: str) -> Fields:
    return [73, 1, request, account, "", tag, text, currency]


def summary(request: int, account: str, tag: str, text: str, currency: str) -> Fields:
    return [63, 1, request, account, tag, text, currency]


def end(message: int, request: int) -> Fields:
    """An End message that carries a version and a request id."""
    return [message, 1, request]


def _terms(contract: Contract, right: str) -> Fields:
    multiplier = str(contract.multiplier) if contract.is_option else ""
    return [
        contract.con_id, contract.symbol, contract.sec_type, contract.expiry, contract.strike,
        right, multiplier,
    ]  # fmt: skip


def position(
    version: int, contract: Contract, account: str, quantity: float, cost: float
) -> Fields:
    return [
        61, 3, account, *_terms(contract, contract.right), "", contract.currency,
        contract.local_symbol, contract.trading_class, units(version, quantity), cost,
    ]  # fmt: skip


def position_multi(
    version: int, request: int, contract: Contract, account: str, quantity: float, cost: float
) -> Fields:
    return [
        71, 1, request, account, *_terms(contract, contract.right), "", contract.currency,
        contract.local_symbol, contract.trading_class, units(version, quantity), cost, "",
    ]  # fmt: skip


def portfolio(
    version: int,
    contract: Contract,
    account: str,
    quantity: float,
    price: float,
    cost: float,
    realized: float,
) -> Fields:
    """A portfolio line; TWS sends right "0" for what has none."""
    worth = quantity * price * contract.multiplier
    return [
        7, 8, *_terms(contract, contract.right or "0"), contract.primary_exchange,
        contract.currency, contract.local_symbol, contract.trading_class,
        units(version, quantity), round(price, 6), round(worth, 2), cost,
        round(worth - quantity * cost, 2), realized, account,
    ]  # fmt: skip


def profit(version: int, request: int, daily: float, unrealized: float, realized: float) -> Fields:
    """Profit and loss of an account; older clients know fewer of the figures."""
    fields: Fields = [94, request, daily]
    if version >= 129:
        fields.append(unrealized)
    if version >= 135:
        fields.append(realized)
    return fields


def profit_single(
    version: int,
    request: int,
    quantity: float,
    daily: float,
    unrealized: float,
    realized: float,
    worth: float,
) -> Fields:
    """Profit and loss of one position, whose units stay whole numbers before version 163."""
    whole = quantity == int(quantity)
    fields: Fields = [95, request, int(quantity) if whole or version < 163 else quantity, daily]
    if version >= 129:
        fields.append(unrealized)
    if version >= 135:
        fields.append(realized)
    return [*fields, worth]


def family_codes(accounts: list[str], code: str) -> Fields:
    flat: Fields = [part for account in accounts for part in (account, code)]
    return [78, len(accounts), *flat]
