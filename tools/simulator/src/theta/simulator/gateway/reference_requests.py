"""Contract details, option parameters, market rules, time."""

from typing import TYPE_CHECKING

from theta.simulator.gateway.details import details_of
from theta.simulator.gateway.market_requests import one_contract
from theta.simulator.gateway.session import Session
from theta.simulator.market import pricing
from theta.simulator.market.contracts import MARKET_RULE_PENNY, MULTIPLIER, OPTION_EXCHANGES
from theta.simulator.market.quotes import TICK
from theta.simulator.wire import messages, versioned
from theta.simulator.wire.fields import Fields, RequestError
from theta.simulator.wire.requests import read_query

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway


def contract_details(gateway: "Gateway", session: Session, fields: Fields) -> None:
    fields.skip(1)
    request = fields.integer()
    query = read_query(fields)
    market, now = gateway.exchange.market, gateway.exchange.clock.now()
    found = market.find(query, now)
    if not found:
        raise RequestError(200, "No security definition has been found for the request")
    for contract in found:
        details = details_of(market, contract, now)
        session.write(versioned.contract_details(session.version, request, contract, details))
    session.write(messages.end(52, request))


def option_parameters(gateway: "Gateway", session: Session, fields: Fields) -> None:
    request, symbol = fields.integer(), fields.text()
    fields.skip(1)
    sec_type, con_id = fields.text(), fields.integer()
    market, now = gateway.exchange.market, gateway.exchange.clock.now()
    stock = market.book.stock(symbol)
    if stock is None or sec_type != "STK" or con_id not in (0, stock.con_id):
        raise RequestError(321, "Error validating request.-'cc' : cause - Invalid contract id")
    keys = market.listed(symbol, now)
    expiries = sorted({key[0] for key in keys})
    strikes = sorted({key[1] for key in keys})
    for exchange in OPTION_EXCHANGES:
        session.write(
            messages.option_parameters(request, exchange, stock, MULTIPLIER, expiries, strikes)
        )
    session.write([76, request])


def market_rule(gateway: "Gateway", session: Session, fields: Fields) -> None:
    rule = fields.integer()
    if rule != MARKET_RULE_PENNY:
        raise RequestError(321, "Error validating request.-'cl' : cause - Unknown market rule id")
    session.write(messages.market_rule(rule, [(0.0, TICK)]))


def current_time(gateway: "Gateway", session: Session, fields: Fields) -> None:
    session.write(messages.current_time(gateway.exchange.clock.now()))


def matching_symbols(gateway: "Gateway", session: Session, fields: Fields) -> None:
    request, pattern = fields.integer(), fields.text().upper()
    book = gateway.exchange.market.book
    stocks = [
        stock
        for stock in map(book.stock, book.symbols)
        if stock and stock.symbol.startswith(pattern)
    ]
    found: list[object] = [79, request, len(stocks)]
    for stock in stocks:
        found += [stock.con_id, stock.symbol, "STK", stock.primary_exchange, "USD", 1, "OPT"]
        if session.version >= 176:
            found += [book.long_name(stock.symbol), ""]
    session.write(found)


def implied_volatility(gateway: "Gateway", session: Session, fields: Fields) -> None:
    _calculate(gateway, session, fields, solve=True)


def option_price(gateway: "Gateway", session: Session, fields: Fields) -> None:
    _calculate(gateway, session, fields, solve=False)


def _calculate(gateway: "Gateway", session: Session, fields: Fields, *, solve: bool) -> None:
    fields.skip(1)
    request = fields.integer()
    contract = one_contract(gateway, read_query(fields))
    given, spot = fields.number(), fields.number()
    view = gateway.exchange.market.view(contract, gateway.exchange.clock.now())
    if (
        not contract.is_option
        or view is None
        or view.years <= 0
        or not (0.01 <= spot <= 1e6 and 1e-4 <= given <= 1e6)
    ):
        raise RequestError(
            321, "Error validating request.-'bZ' : cause - Invalid option calculation"
        )
    terms = {"spot": spot, "strike": contract.strike, "years": view.years, "carry": view.carry}
    vol = pricing.implied_vol(given, is_call=contract.is_call, **terms) if solve else given
    if vol is None:
        raise RequestError(10090, "No volatility explains this price")
    values = pricing.greeks(is_call=contract.is_call, vol=vol, **terms)
    shown = given if solve else values.price
    sensitivities = (values.gamma, values.vega, values.theta)
    session.write(
        messages.option_computation(request, 53, vol, values.delta, shown, *sensitivities, spot)
    )


def log_level(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """Accepted; the gateway's own log has one level."""


def user_info(gateway: "Gateway", session: Session, fields: Fields) -> None:
    session.write([107, fields.integer(), ""])


HANDLERS = {
    9: contract_details,
    14: log_level,
    49: current_time,
    54: implied_volatility,
    55: option_price,
    78: option_parameters,
    81: matching_symbols,
    91: market_rule,
    104: user_info,
}
