"""Account values, portfolio and positions as messages."""

from decimal import Decimal
from typing import TYPE_CHECKING

from theta.simulator.gateway.session import Session
from theta.simulator.market.contracts import Contract
from theta.simulator.wire import messages

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

Row = tuple[str, str, str]
"""Tag, value, currency."""

_LEDGER = {
    "CashBalance": "TotalCashValue",
    "TotalCashBalance": "TotalCashValue",
    "NetLiquidationByCurrency": "NetLiquidation",
    "OptionMarketValue": "OptionMarketValue",
    "StockMarketValue": "StockMarketValue",
    "RealizedPnL": "RealizedPnL",
    "UnrealizedPnL": "UnrealizedPnL",
}


def rows(gateway: "Gateway") -> list[Row]:
    """Every account value. Amounts in USD, then the ledger rows in USD and BASE."""
    account = gateway.exchange.account
    now = gateway.exchange.clock.now()
    usd = account.values(now)
    usd["UnrealizedPnL"] = unrealized(gateway, now)
    initial, maintenance = usd["InitMarginReq"], usd["MaintMarginReq"]
    net = usd["NetLiquidation"]
    cushion = usd["ExcessLiquidity"] / net if net else Decimal(0)
    amounts = {
        **{tag: value for tag, value in usd.items() if tag not in _LEDGER},
        "AccruedCash": Decimal(0),
        "FullInitMarginReq": initial,
        "FullMaintMarginReq": maintenance,
        "FullAvailableFunds": usd["AvailableFunds"],
        "FullExcessLiquidity": usd["ExcessLiquidity"],
        "LookAheadInitMarginReq": initial,
        "LookAheadMaintMarginReq": maintenance,
        "LookAheadAvailableFunds": usd["AvailableFunds"],
        "LookAheadExcessLiquidity": usd["ExcessLiquidity"],
        "PreviousDayEquityWithLoanValue": usd["EquityWithLoanValue"],
        "RegTEquity": usd["EquityWithLoanValue"],
        "RegTMargin": initial,
        "SMA": usd["AvailableFunds"],
    }
    found: list[Row] = [
        ("AccountCode", account.name, ""),
        ("AccountReady", "true", ""),
        ("AccountType", account.account_type, ""),
        ("Cushion", f"{cushion:.6f}", ""),
        ("DayTradesRemaining", "-1", ""),
        ("Leverage", f"{usd['GrossPositionValue'] / net if net else 0:.2f}", ""),
        ("LookAheadNextChange", "0", ""),
    ]
    found += [(tag, str(value), "USD") for tag, value in amounts.items()]
    for currency in ("BASE", "USD"):
        found += [(tag, str(usd[source]), currency) for tag, source in _LEDGER.items()]
        found += [("Currency", currency, currency), ("ExchangeRate", "1.00", currency)]
    return found


def unrealized(gateway: "Gateway", now: float) -> Decimal:
    account = gateway.exchange.account
    total = Decimal(0)
    for position in account.positions.values():
        if position.quantity:
            contract = account.contract(position.con_id)
            worth = account.mark(contract, now) * contract.multiplier
            total += position.quantity * (worth - position.average_cost)
    return total.quantize(Decimal("0.01"))


def summary_rows(gateway: "Gateway", tags: list[str]) -> list[Row]:
    """The rows that an account summary of ``tags`` consists of; ``$LEDGER`` adds the ledger."""
    ledger = any(tag.startswith("$LEDGER") for tag in tags)
    found: list[Row] = []
    for tag, value, currency in rows(gateway):
        if currency == "BASE" or tag in _LEDGER or tag in ("Currency", "ExchangeRate"):
            if ledger:
                found.append((tag, value, currency))
        elif tag in tags:
            found.append((tag, value, currency))
    return found


def send_account(gateway: "Gateway", session: Session, *, download: bool) -> None:
    """All values and the portfolio of an account subscription."""
    account = gateway.exchange.account
    for tag, value, currency in rows(gateway):
        session.write(messages.account_value(tag, value, currency, account.name))
    for position in account.positions.values():
        if position.quantity:
            send_portfolio(gateway, session, account.contract(position.con_id))
    session.write(messages.account_time(gateway.exchange.clock.now()))
    if download:
        session.write(messages.account_download_end(account.name))


def send_portfolio(gateway: "Gateway", session: Session, contract: Contract) -> None:
    account = gateway.exchange.account
    position = account.positions[contract.con_id]
    mark = account.mark(contract, gateway.exchange.clock.now())
    session.write(
        messages.portfolio(
            contract,
            account.name,
            float(position.quantity),
            float(mark),
            round(float(position.average_cost), 7),
            round(float(position.realized), 2),
        )
    )


def send_position(gateway: "Gateway", session: Session, contract: Contract) -> None:
    account = gateway.exchange.account
    position = account.positions[contract.con_id]
    quantity, cost = float(position.quantity), round(float(position.average_cost), 7)
    if session.subscriptions.positions:
        session.write(messages.position(contract, account.name, quantity, cost))
    for request in session.subscriptions.positions_multi:
        session.write(messages.position_multi(request, contract, account.name, quantity, cost))


def position_changed(gateway: "Gateway", contract: Contract) -> None:
    """Tell every subscriber, whoever traded."""
    if gateway.faults.upstream_lost:
        return
    for session in gateway.sessions.values():
        send_position(gateway, session, contract)
        if session.subscriptions.account:
            send_portfolio(gateway, session, contract)
            send_account(gateway, session, download=False)
        send_summaries(gateway, session)


def send_summaries(gateway: "Gateway", session: Session) -> None:
    account = gateway.exchange.account.name
    for request, tags in session.subscriptions.summaries.items():
        for tag, value, currency in summary_rows(gateway, tags):
            session.write(messages.account_summary(request, account, tag, value, currency))
