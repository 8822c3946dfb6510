"""Contract details, option parameters, market rules, symbols, exchanges, time."""

from typing import TYPE_CHECKING

from theta.simulator.gateway.details import combination_of, details_of
from theta.simulator.gateway.session import Session
from theta.simulator.market.contracts import STOCK_EXCHANGES, Contract
from theta.simulator.wire import messages, reference, versioned
from theta.simulator.wire.fields import Fields, RequestError
from theta.simulator.wire.market_reading import read_contract_query

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

_MATCHES_MAX = 16
_LETTERS = {
    "AMEX": "A", "ARCA": "P", "BATS": "Z", "IEX": "V", "NASDAQ": "Q", "NYSE": "N",
}  # fmt: skip


def contract_details(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """Every contract that fits the description; error 200 where none does."""
    request, query = read_contract_query(fields, session.version)
    market, now = gateway.exchange.market, gateway.exchange.clock.now()
    if query.sec_type == "BAG":
        combination = combination_of(market, query.symbol)
        found = [combination] if combination else []
    else:
        found = market.find(query, now)
    if not found:
        raise RequestError(200, "No security definition has been found for the request")
    for contract in found:
        details = details_of(market, contract, now)
        session.write(versioned.contract_details(session.version, request, contract, details))
    session.write(messages.end(52, request))


def option_parameters(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """Expiries and strikes by exchange and trading class of an underlying."""
    request, symbol = fields.integer(), fields.text()
    fields.skip(1)
    sec_type, con_id = fields.text(), fields.integer()
    market, now = gateway.exchange.market, gateway.exchange.clock.now()
    under = market.book.stock(symbol)
    if under is None or sec_type != under.sec_type or con_id not in (0, under.con_id):
        raise RequestError(321, "Error validating request.-'cc' : cause - Invalid contract id")
    for row in market.option_parameters(symbol, now):
        session.write(
            reference.option_parameters(
                request,
                row.exchange,
                under.con_id,
                row.trading_class,
                row.multiplier,
                row.expiries,
                row.strikes,
            )
        )
    session.write(reference.option_parameters_end(request))


def market_rule(gateway: "Gateway", session: Session, fields: Fields) -> None:
    rule = fields.integer()
    increments = gateway.exchange.market.rule(rule)
    if increments is None:
        raise RequestError(321, "Error validating request.-'cl' : cause - Unknown market rule id")
    session.write(reference.market_rule(rule, increments))


def current_time(gateway: "Gateway", session: Session, fields: Fields) -> None:
    session.write(messages.current_time(gateway.exchange.clock.now()))


def matching_symbols(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """Up to 16 underlyings: those whose symbol starts with the pattern, then those whose name
    has it."""
    request, pattern = fields.integer(), fields.text().strip().upper()
    book = gateway.exchange.market.book
    starting: list[Contract] = []
    naming: list[Contract] = []
    for symbol in book.symbols if pattern else ():
        contract = book.stock(symbol)
        if contract is None:
            continue
        if symbol.startswith(pattern):
            starting.append(contract)
        elif pattern in book.long_name(symbol).upper():
            naming.append(contract)
    starting.sort(key=lambda contract: (len(contract.symbol), contract.symbol))
    found = [
        (contract, book.long_name(contract.symbol), ("OPT",))
        for contract in (starting + naming)[:_MATCHES_MAX]
    ]
    session.write(reference.symbol_samples(session.version, request, found))


def smart_components(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """Which bit and letter stand for which exchange in a consolidated quote."""
    request, key = fields.integer(), fields.text()
    if not key:
        raise RequestError(321, "Error validating request.-'cj' : cause - Missing bbo exchange")
    places = [exchange for exchange in STOCK_EXCHANGES if exchange in _LETTERS]
    rows = [(bit, exchange, _LETTERS[exchange]) for bit, exchange in enumerate(places)]
    session.write(reference.smart_components(request, rows))


def depth_exchanges(gateway: "Gateway", session: Session, fields: Fields) -> None:
    session.write(reference.depth_exchanges())


def soft_dollar_tiers(gateway: "Gateway", session: Session, fields: Fields) -> None:
    session.write(reference.soft_dollar_tiers(fields.integer()))


def display_groups(gateway: "Gateway", session: Session, fields: Fields) -> None:
    fields.skip(1)
    session.write(reference.display_groups(fields.integer()))


def log_level(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """Accepted for the five levels; the gateway's own log has one."""
    fields.skip(1)
    if not 1 <= fields.integer() <= 5:
        raise RequestError(321, "Error validating request.-'bJ' : cause - Invalid log level")


def user_info(gateway: "Gateway", session: Session, fields: Fields) -> None:
    session.write(reference.user_info(fields.integer()))


HANDLERS = {
    9: contract_details,
    14: log_level,
    49: current_time,
    67: display_groups,
    78: option_parameters,
    79: soft_dollar_tiers,
    81: matching_symbols,
    82: depth_exchanges,
    83: smart_components,
    91: market_rule,
    104: user_info,
}
