"""Account values, positions, summaries and profit and loss."""

from typing import TYPE_CHECKING

from theta.simulator.gateway import account_messages, profits
from theta.simulator.gateway.session import Session
from theta.simulator.gateway.subscriptions import MultiAccount, Profit, Summary
from theta.simulator.wire import accounts as wire
from theta.simulator.wire import messages
from theta.simulator.wire.fields import Fields, RequestError

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

_ALL = ("All", "AllNonProp")


def _invalid(code: str, cause: str) -> RequestError:
    return RequestError(321, f"Error validating request.-'{code}' : cause - {cause}")


def checked_account(gateway: "Gateway", account: str, code: str) -> str:
    """The account that a request names; the first one for none. Raises ``RequestError`` 321."""
    known = account_messages.names(gateway)
    if account and account not in known:
        raise _invalid(code, f"Invalid account code '{account}'")
    return account or known[0]


def account_updates(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """Subscribe to one account, or end the subscription; a second account replaces the first."""
    fields.skip(1)
    subscribe, account = fields.flag(), fields.text()
    subscriptions = session.subscriptions
    if not subscribe:
        subscriptions.account = ""
        return
    name = checked_account(gateway, account, "bR")
    if subscriptions.account not in ("", name):
        session.error(
            -1,
            2100,
            "New account data requested from TWS.  API client has been unsubscribed from account"
            " data.",
        )
    subscriptions.account = name
    account_messages.send_account(gateway, session, download=True)


def account_updates_multi(gateway: "Gateway", session: Session, fields: Fields) -> None:
    fields.skip(1)
    request, account = fields.integer(), fields.text()
    fields.skip(1)
    ledger_only = fields.flag()
    name = checked_account(gateway, account, "ci")
    session.subscriptions.account_multi[request] = MultiAccount(name, ledger_only)
    account_messages.send_multi(gateway, session, request)
    session.write(wire.end(74, request))


def cancel_account_updates_multi(gateway: "Gateway", session: Session, fields: Fields) -> None:
    fields.skip(1)
    session.subscriptions.account_multi.pop(fields.integer(), None)


def account_summary(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """Subscribe to tags of one account or all of them; a running request id is replaced."""
    fields.skip(1)
    request, group, text = fields.integer(), fields.text(), fields.text()
    tags = tuple(tag.strip() for tag in text.split(",") if tag.strip())
    accounts = account_messages.names(gateway)
    if not tags:
        raise _invalid("bY", "Tags cannot be null")
    if group not in (*_ALL, *accounts):
        raise _invalid("bY", "Unknown group name" if group else "Group name cannot be null")
    subscriptions, most = session.subscriptions.summaries, gateway.limits.account_summaries
    if request not in subscriptions and 0 < most <= len(subscriptions):
        cause = "Maximum number of account summary requests exceeded"
        raise RequestError(322, f"Error processing request.-'bY' : cause - {cause}")
    summary = Summary(accounts if group in _ALL else (group,), tags)
    subscriptions[request] = summary
    account_messages.send_summary(gateway, session, request, summary, changed=False)
    session.write(wire.end(64, request))


def cancel_account_summary(gateway: "Gateway", session: Session, fields: Fields) -> None:
    fields.skip(1)
    session.subscriptions.summaries.pop(fields.integer(), None)


def positions(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """Every position of every account, and each change from now on."""
    session.subscriptions.positions = True
    for account in gateway.exchange.accounts.values():
        for position in list(account.positions.values()):
            if position.quantity:
                session.write(
                    wire.position(
                        session.version,
                        account.contract(position.con_id),
                        account.name,
                        float(position.quantity),
                        round(float(position.average_cost), 7),
                    )
                )
    session.write([62, 1])


def cancel_positions(gateway: "Gateway", session: Session, fields: Fields) -> None:
    session.subscriptions.positions = False


def positions_multi(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """Positions of one account, or of all of them for an empty name."""
    fields.skip(1)
    request, wanted = fields.integer(), fields.text()
    if wanted:
        checked_account(gateway, wanted, "cg")
    session.subscriptions.positions_multi[request] = wanted
    for account in gateway.exchange.accounts.values():
        for position in list(account.positions.values()):
            if position.quantity and wanted in ("", account.name):
                session.write(
                    wire.position_multi(
                        session.version,
                        request,
                        account.contract(position.con_id),
                        account.name,
                        float(position.quantity),
                        round(float(position.average_cost), 7),
                    )
                )
    session.write(wire.end(72, request))


def cancel_positions_multi(gateway: "Gateway", session: Session, fields: Fields) -> None:
    fields.skip(1)
    session.subscriptions.positions_multi.pop(fields.integer(), None)


def managed_accounts(gateway: "Gateway", session: Session, fields: Fields) -> None:
    session.write(messages.managed_accounts(",".join(account_messages.names(gateway))))


def family_codes(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """Linked accounts share a family code; a single account has none."""
    accounts = list(account_messages.names(gateway))
    code = f"F{accounts[0].lstrip('DUF')}" if len(accounts) > 1 else ""
    session.write(wire.family_codes(accounts, code))


# -- profit and loss -------------------------------------------------------------------------------


def profit(gateway: "Gateway", session: Session, fields: Fields) -> None:
    request, account = fields.integer(), fields.text()
    _subscribe_profit(gateway, session, request, account, 0, "cm")


def profit_single(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """Profit and loss of one contract; the account must hold, or have held, it."""
    request, account = fields.integer(), fields.text()
    fields.skip(1)
    con_id = fields.integer()
    name = checked_account(gateway, account, "cn")
    if con_id <= 0 or con_id not in gateway.exchange.accounts[name].positions:
        raise RequestError(2150, "Invalid position trade derived value")
    _subscribe_profit(gateway, session, request, account, con_id, "cn")


def _subscribe_profit(
    gateway: "Gateway", session: Session, request: int, account: str, con_id: int, code: str
) -> None:
    name = checked_account(gateway, account, code)
    if request in session.subscriptions.profits:
        raise RequestError(102, "Duplicate ticker ID.")
    line = session.subscriptions.profits[request] = Profit(name, con_id)
    profits.send(gateway, session, request, line)


def cancel_profit(gateway: "Gateway", session: Session, fields: Fields) -> None:
    _end_profit(session, fields.integer(), 10185, "Failed to cancel PNL (not subscribed)")


def cancel_profit_single(gateway: "Gateway", session: Session, fields: Fields) -> None:
    _end_profit(session, fields.integer(), 10186, "Failed to cancel PNL single (not subscribed)")


def _end_profit(session: Session, request: int, code: int, text: str) -> None:
    if session.subscriptions.profits.pop(request, None) is None:
        session.error(request, code, text)


HANDLERS = {
    6: account_updates,
    17: managed_accounts,
    61: positions,
    62: account_summary,
    63: cancel_account_summary,
    64: cancel_positions,
    74: positions_multi,
    75: cancel_positions_multi,
    76: account_updates_multi,
    77: cancel_account_updates_multi,
    80: family_codes,
    92: profit,
    93: cancel_profit,
    94: profit_single,
    95: cancel_profit_single,
}
