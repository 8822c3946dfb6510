"""Faults of the account: margin calls, and what the broker tells everybody."""

from decimal import Decimal
from typing import TYPE_CHECKING

from theta.simulator.exchange.account import Account
from theta.simulator.faults.kinds import SECONDS, FaultKind, Values, until
from theta.simulator.faults.parameters import ABSENT, FaultError, Parameter
from theta.simulator.gateway import account_messages, news_requests

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

GROUP = "Account"

_ORDINARY = 1
_FACTOR_MAX = Decimal(1000)


def account_of(gateway: "Gateway", name: str | None) -> Account:
    """The account with this name, without one the first. Raises ``FaultError`` 404."""
    exchange = gateway.exchange
    found = exchange.account if name is None else exchange.accounts.get(name)
    if found is None:
        raise FaultError(404, f"There is no account {name}.")
    return found


def push_accounts(gateway: "Gateway") -> None:
    """Send the account's values to every subscriber now."""
    if gateway.faults.upstream_lost:
        return
    for session in gateway.sessions.values():
        if session.subscriptions.account:
            account_messages.send_account(gateway, session, download=False)
        account_messages.send_summaries(gateway, session)


def _margin_call(gateway: "Gateway", values: Values) -> Values:
    """Raise the house requirement until equity falls short of it by a twentieth."""
    account = account_of(gateway, values["account"])
    label = f"margin_call {account.name}"
    gateway.faults.end(label)
    now = gateway.exchange.clock.now()
    figures = account.values(now)
    needed, excess = figures["MaintMarginReq"], figures["ExcessLiquidity"]
    if needed <= 0:
        raise FaultError(409, f"Nothing in {account.name} needs margin: hold a position first.")
    factor = values["factor"]
    if factor is None:
        factor = float(min(_FACTOR_MAX, (needed + max(excess, Decimal(0))) / needed * 21 / 20))
    before = account.margin_factor
    account.margin_factor = before * Decimal(str(round(factor, 4)))
    short = account.values(now)["ExcessLiquidity"]

    def lower() -> None:
        account.margin_factor = before
        push_accounts(gateway)

    gateway.faults.begin(label, lower, until(gateway, values))
    push_accounts(gateway)
    text = (
        f"Account {account.name}: margin call. Excess liquidity is {short} USD."
        " Positions may be liquidated unless the deficiency is mended."
    )
    news_requests.bulletin(gateway, text, _ORDINARY)
    return {"account": account.name, "factor": factor, "excess_liquidity": float(short)}


def _news(gateway: "Gateway", values: Values) -> Values:
    news_requests.bulletin(gateway, values["text"], values["type"], values["exchange"])
    return dict(values)


KINDS = (
    FaultKind(
        "margin_call", GROUP, "The house raises its requirement above the equity.",
        "ExcessLiquidity and AvailableFunds below zero, Cushion too; a bulletin; opening orders"
        " refused with 201.",
        _margin_call,
        (
            Parameter("account", "text", "which account; left out: the first", ABSENT),
            Parameter(
                "factor", "number", "what requirements are multiplied with; left out: just enough",
                ABSENT, 0.01, 1000,
            ),
            SECONDS,
        ),
    ),
    FaultKind(
        "news", GROUP, "A bulletin of the broker.",
        "The bulletin, for clients that asked for bulletins.", _news,
        (
            Parameter("text", "text", "its text"),
            Parameter(
                "type", "whole", "1 ordinary, 2 exchange unavailable, 3 exchange available again",
                1, 1, 3,
            ),
            Parameter("exchange", "text", "the exchange it is about", ""),
        ),
    ),
)  # fmt: skip
