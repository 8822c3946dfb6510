"""Exercise of options, and the two option calculators."""

from dataclasses import replace
from typing import TYPE_CHECKING

from theta.simulator.gateway.account_requests import checked_account
from theta.simulator.gateway.market_requests import one_contract
from theta.simulator.gateway.session import Session
from theta.simulator.market import american
from theta.simulator.wire import ticks as wire
from theta.simulator.wire.fields import Fields, RequestError
from theta.simulator.wire.market_reading import read_exercise
from theta.simulator.wire.requests import read_query

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

_CUSTOM = 53
"""Tick type of a computation that a client asked for."""


def exercise(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """Exercise or lapse options that the account holds, as a client asks."""
    asked = read_exercise(fields)
    if gateway.behaviour.read_only:
        cause = "The API interface is currently in Read-Only mode."
        raise RequestError(321, f"Error validating request.-'bN' : cause - {cause}")
    account = checked_account(gateway, asked.account, "bN")
    contract = one_contract(gateway, asked.query)
    if not contract.is_option or asked.action not in (1, 2) or asked.quantity <= 0:
        cause = "Exercise needs an option, action 1 or 2 and a quantity"
        raise RequestError(321, f"Error validating request.-'bN' : cause - {cause}")
    refused = gateway.exchange.exercise(
        account, contract.con_id, asked.quantity, asked.action, int(asked.override)
    )
    if refused is not None:
        session.error(asked.request, *refused)


def implied_volatility(gateway: "Gateway", session: Session, fields: Fields) -> None:
    _calculate(gateway, session, fields, solve=True)


def option_price(gateway: "Gateway", session: Session, fields: Fields) -> None:
    _calculate(gateway, session, fields, solve=False)


def _calculate(gateway: "Gateway", session: Session, fields: Fields, *, solve: bool) -> None:
    """The volatility of a price, or the price of a volatility, at a price of the underlying."""
    fields.skip(1)
    request = fields.integer()
    contract = one_contract(gateway, read_query(fields))
    given, spot = fields.number(), fields.number()
    view = gateway.exchange.market.view(contract, gateway.exchange.clock.now())
    possible = 0.01 <= spot <= 1e6 and 1e-4 <= given <= 1e6
    if not contract.is_option or view is None or view.years <= 0 or not possible:
        raise RequestError(
            321, "Error validating request.-'bZ' : cause - Invalid option calculation"
        )
    terms = replace(view.terms, spot=spot)
    vol = american.implied_vol(given, terms, view.vol) if solve else given
    if vol is None:
        raise RequestError(10090, "No volatility explains this price")
    values = american.greeks(terms, vol)
    session.write_frames(
        [
            wire.computation(
                session.version, request, _CUSTOM, vol, values.delta,
                given if solve else values.price, values.gamma, values.vega, values.theta, spot,
            )
        ]
    )  # fmt: skip


def cancel_calculation(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """The answer has always gone already."""


HANDLERS = {
    21: exercise,
    54: implied_volatility,
    55: option_price,
    56: cancel_calculation,
    57: cancel_calculation,
}
