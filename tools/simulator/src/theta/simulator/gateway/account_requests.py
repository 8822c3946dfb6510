"""Account values, positions, summaries and profit and loss."""

from typing import TYPE_CHECKING

from theta.simulator.gateway import account_messages
from theta.simulator.gateway.session import Session
from theta.simulator.wire import messages
from theta.simulator.wire.fields import Fields, RequestError

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway


def _check_account(gateway: "Gateway", account: str, code: str) -> None:
    if account not in ("", gateway.exchange.account.name):
        raise RequestError(
            321, f"Error validating request.-'{code}' : cause - Invalid account code '{account}'"
        )


def account_updates(gateway: "Gateway", session: Session, fields: Fields) -> None:
    fields.skip(1)
    subscribe, account = fields.flag(), fields.text()
    _check_account(gateway, account, "bR")
    session.subscriptions.account = subscribe
    if subscribe:
        account_messages.send_account(gateway, session, download=True)


def account_updates_multi(gateway: "Gateway", session: Session, fields: Fields) -> None:
    fields.skip(1)
    request, account = fields.integer(), fields.text()
    _check_account(gateway, account, "ci")
    session.subscriptions.account_multi[request] = account
    name = gateway.exchange.account.name
    for tag, value, currency in account_messages.rows(gateway):
        session.write(messages.account_multi(request, name, tag, value, currency))
    session.write(messages.end(74, request))


def cancel_account_updates_multi(gateway: "Gateway", session: Session, fields: Fields) -> None:
    fields.skip(1)
    session.subscriptions.account_multi.pop(fields.integer(), None)


def account_summary(gateway: "Gateway", session: Session, fields: Fields) -> None:
    fields.skip(1)
    request, group, tags = fields.integer(), fields.text(), fields.text()
    if group not in ("All", gateway.exchange.account.name):
        raise RequestError(321, "Error validating request.-'bY' : cause - Unknown group name")
    if request not in session.subscriptions.summaries and len(session.subscriptions.summaries) >= 2:
        cause = "Maximum number of account summary requests exceeded"
        raise RequestError(322, f"Error processing request.-'bY' : cause - {cause}")
    wanted = [tag.strip() for tag in tags.split(",") if tag.strip()]
    session.subscriptions.summaries[request] = wanted
    name = gateway.exchange.account.name
    for tag, value, currency in account_messages.summary_rows(gateway, wanted):
        session.write(messages.account_summary(request, name, tag, value, currency))
    session.write(messages.end(64, request))


def cancel_account_summary(gateway: "Gateway", session: Session, fields: Fields) -> None:
    fields.skip(1)
    session.subscriptions.summaries.pop(fields.integer(), None)


def positions(gateway: "Gateway", session: Session, fields: Fields) -> None:
    session.subscriptions.positions = True
    account = gateway.exchange.account
    for position in account.positions.values():
        if position.quantity:
            session.write(
                messages.position(
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
    fields.skip(1)
    request, wanted = fields.integer(), fields.text()
    _check_account(gateway, wanted, "cg")
    session.subscriptions.positions_multi[request] = wanted
    account = gateway.exchange.account
    for position in account.positions.values():
        if position.quantity:
            session.write(
                messages.position_multi(
                    request,
                    account.contract(position.con_id),
                    account.name,
                    float(position.quantity),
                    round(float(position.average_cost), 7),
                )
            )
    session.write(messages.end(72, request))


def cancel_positions_multi(gateway: "Gateway", session: Session, fields: Fields) -> None:
    fields.skip(1)
    session.subscriptions.positions_multi.pop(fields.integer(), None)


def managed_accounts(gateway: "Gateway", session: Session, fields: Fields) -> None:
    session.write(messages.managed_accounts(gateway.exchange.account.name))


def profit(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """Profit and loss of the account; daily profit is counted from the start of the simulation."""
    request, account = fields.integer(), fields.text()
    _check_account(gateway, account, "cm")
    now = gateway.exchange.clock.now()
    open_gain = float(account_messages.unrealized(gateway, now))
    realized = float(gateway.exchange.account.realized)
    session.write(messages.profit(request, open_gain + realized, open_gain, realized))


def profit_single(gateway: "Gateway", session: Session, fields: Fields) -> None:
    request, account = fields.integer(), fields.text()
    fields.skip(1)
    con_id = fields.integer()
    _check_account(gateway, account, "cn")
    ledger = gateway.exchange.account
    position = ledger.positions.get(con_id)
    if position is None:
        raise RequestError(2150, "Invalid position trade derived value")
    contract = ledger.contract(con_id)
    worth = ledger.mark(contract, gateway.exchange.clock.now()) * contract.multiplier
    open_gain = float(position.quantity * (worth - position.average_cost))
    realized, value = float(position.realized), float(position.quantity * worth)
    session.write(
        messages.profit_single(
            request, float(position.quantity), open_gain + realized, open_gain, realized, value
        )
    )


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
    92: profit,
    94: profit_single,
}
