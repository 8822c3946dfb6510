"""Account values, portfolio and positions as messages."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from theta.simulator.exchange.account import Account
from theta.simulator.gateway import profits
from theta.simulator.gateway.session import Session
from theta.simulator.gateway.subscriptions import Summary
from theta.simulator.market.contracts import Contract
from theta.simulator.wire import accounts as wire

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

Row = tuple[str, str, str]
"""Tag, value, currency."""

_BASE = "BASE"
_LEDGER = {
    "CashBalance": "TotalCashValue",
    "TotalCashBalance": "TotalCashValue",
    "AccruedCash": "AccruedCash",
    "StockMarketValue": "StockMarketValue",
    "OptionMarketValue": "OptionMarketValue",
    "FutureOptionValue": "",
    "FuturesPNL": "",
    "NetLiquidationByCurrency": "NetLiquidation",
    "UnrealizedPnL": "UnrealizedPnL",
    "RealizedPnL": "RealizedPnL",
    "FundValue": "",
    "NetDividend": "AccruedDividend",
    "MutualFundValue": "",
    "MoneyMarketFundValue": "",
    "CorporateBondValue": "",
    "TBondValue": "",
    "TBillValue": "",
    "WarrantValue": "",
    "FxCashBalance": "",
    "IssuerOptionValue": "",
    "Cryptocurrency": "",
}
"""Tags of the ledger, by currency, and the amount each repeats; nothing for what is not held."""

_BY_CURRENCY = frozenset({*_LEDGER, "Currency", "RealCurrency", "ExchangeRate", "AccountOrGroup"})
_SEGMENT = (
    "AccruedCash", "AccruedDividend", "AvailableFunds", "EquityWithLoanValue", "ExcessLiquidity",
    "FullAvailableFunds", "FullExcessLiquidity", "FullInitMarginReq", "FullMaintMarginReq",
    "GrossPositionValue", "InitMarginReq", "LookAheadAvailableFunds", "LookAheadExcessLiquidity",
    "LookAheadInitMarginReq", "LookAheadMaintMarginReq", "MaintMarginReq", "NetLiquidation",
    "PreviousDayEquityWithLoanValue", "RegTEquity", "RegTMargin", "SMA", "TotalCashValue",
)  # fmt: skip
_ZERO = Decimal("0.00")


def named(gateway: "Gateway", name: str) -> Account:
    """The account with this name; the first one for an empty name. Raises ``KeyError``."""
    return gateway.exchange.accounts[name] if name else gateway.exchange.account


def names(gateway: "Gateway") -> tuple[str, ...]:
    """Every account under this login, in its order."""
    return tuple(gateway.exchange.accounts)


def rows(gateway: "Gateway", account: Account) -> list[Row]:
    """Every account value: texts, amounts in USD, the securities segment, and the ledger in USD
    and BASE."""
    now = gateway.exchange.clock.now()
    usd = account.values(now)
    found: list[Row] = [(tag, text, "") for tag, text in account.texts(now).items()]
    found += [(tag, str(value), "USD") for tag, value in usd.items() if tag not in _LEDGER]
    found += [(f"{tag}-S", str(usd[tag]), "USD") for tag in _SEGMENT if tag in usd]
    found += [("SegmentTitle-S", "US Securities", ""), ("TradingType-S", "STKNOPT", "")]
    for currency in (_BASE, "USD"):
        found += [(tag, str(usd.get(of, _ZERO)), currency) for tag, of in _LEDGER.items()]
        found += [
            ("Currency", currency, currency),
            ("RealCurrency", currency, currency),
            ("ExchangeRate", "1.00", currency),
            ("AccountOrGroup", account.name, currency),
        ]
    return found


# -- account summary -------------------------------------------------------------------------------


def summary_rows(gateway: "Gateway", account: Account, tags: tuple[str, ...]) -> list[Row]:
    """The rows of an account summary of ``tags``.

    ``$LEDGER`` adds the ledger in the base currency, ``$LEDGER:USD`` in that currency and
    ``$LEDGER:ALL`` in every one.
    """
    wanted = {_ledger_currency(tag) for tag in tags if tag.upper().startswith("$LEDGER")}
    plain = {tag.upper() for tag in tags}
    found: list[Row] = []
    for tag, value, currency in rows(gateway, account):
        by_currency = tag in _BY_CURRENCY
        ledger = by_currency and (currency in wanted or "ALL" in wanted)
        if ledger or (tag.upper() in plain and (not by_currency or currency == "USD")):
            found.append((tag, value, currency))
    return found


def _ledger_currency(tag: str) -> str:
    _, _, currency = tag.upper().partition(":")
    return currency or _BASE


def send_summary(
    gateway: "Gateway", session: Session, request: int, summary: Summary, *, changed: bool
) -> None:
    """The rows of a summary: all of them, or those that changed since they were last sent."""
    for name in summary.accounts:
        for tag, value, currency in summary_rows(gateway, named(gateway, name), summary.tags):
            key = (name, tag, currency)
            if changed and summary.sent.get(key) == value:
                continue
            summary.sent[key] = value
            session.write(wire.summary(request, name, tag, value, currency))


# -- account updates -------------------------------------------------------------------------------


def send_account(gateway: "Gateway", session: Session, *, download: bool) -> None:
    """An account subscription: everything with the end of a download, else what has changed."""
    subscriptions = session.subscriptions
    account = named(gateway, subscriptions.account)
    sent = subscriptions.account_sent
    if download:
        sent.clear()
    for tag, value, currency in rows(gateway, account):
        if sent.get((tag, currency)) != value:
            sent[(tag, currency)] = value
            session.write(wire.value(tag, value, currency, account.name))
    for position in list(account.positions.values()):
        if position.quantity:
            send_portfolio(gateway, session, account, account.contract(position.con_id))
    session.write(wire.time(gateway.exchange.clock.now()))
    if download:
        session.write(wire.download_end(account.name))


def send_portfolio(
    gateway: "Gateway", session: Session, account: Account, contract: Contract
) -> None:
    position = account.positions[contract.con_id]
    mark = account.mark(contract, gateway.exchange.clock.now())
    session.write(
        wire.portfolio(
            session.version,
            contract,
            account.name,
            float(position.quantity),
            float(mark),
            round(float(position.average_cost), 7),
            round(float(position.realized), 2),
        )
    )


def send_multi(gateway: "Gateway", session: Session, request: int) -> None:
    """The values of a multi-account subscription that its client does not know yet."""
    line = session.subscriptions.account_multi[request]
    account = named(gateway, line.account)
    for tag, value, currency in rows(gateway, account):
        if line.ledger_only and tag not in _BY_CURRENCY and tag != "NetLiquidation":
            continue
        if line.sent.get((tag, currency)) != value:
            line.sent[(tag, currency)] = value
            session.write(wire.multi(request, account.name, tag, value, currency))


# -- positions -------------------------------------------------------------------------------------


def send_position(
    gateway: "Gateway", session: Session, account: Account, contract: Contract
) -> None:
    """A position to every subscription of this client that wants it."""
    position = account.positions.get(contract.con_id)
    if position is None:
        return
    quantity, cost = float(position.quantity), round(float(position.average_cost), 7)
    if session.subscriptions.positions:
        session.write(wire.position(session.version, contract, account.name, quantity, cost))
    for request, name in session.subscriptions.positions_multi.items():
        if name in ("", account.name):
            session.write(
                wire.position_multi(
                    session.version, request, contract, account.name, quantity, cost
                )
            )


def positions_changed(gateway: "Gateway", moved: Sequence[tuple[str, Contract]]) -> None:
    """Tell every subscriber of the positions (account, contract) that changed together; account
    values go out once."""
    if gateway.faults.upstream_lost:
        return
    single = [(named(gateway, name), item) for name, item in moved if not item.is_combination]
    names = {account.name for account, _ in single}
    for session in list(gateway.sessions.values()):
        subscribed = session.subscriptions.account
        for account, contract in single:
            send_position(gateway, session, account, contract)
            position = account.positions.get(contract.con_id)
            if subscribed == account.name and position is not None and not position.quantity:
                send_portfolio(gateway, session, account, contract)
        if subscribed in names:
            send_account(gateway, session, download=False)
        refresh(gateway, session, account_too=False)
        profits.send_changed(gateway, session)


def refresh(gateway: "Gateway", session: Session, *, account_too: bool = True) -> None:
    """Everything that changed since it was last sent, to every account subscription."""
    subscriptions = session.subscriptions
    if account_too and subscriptions.account:
        send_account(gateway, session, download=False)
    for request in subscriptions.account_multi:
        send_multi(gateway, session, request)
    for request, summary in subscriptions.summaries.items():
        send_summary(gateway, session, request, summary, changed=True)


def send_summaries(gateway: "Gateway", session: Session) -> None:
    """What changed in the summaries and multi-account updates of a client."""
    refresh(gateway, session, account_too=False)
