"""What is listed: option parameters and price increments."""

from typing import TYPE_CHECKING

from theta.simulator.market.contracts import OPTION_EXCHANGES, Contract
from theta.simulator.market.reference import PRICE_RULES, OptionParameters, Steps, rule_of

if TYPE_CHECKING:
    from theta.simulator.market.quotes import Market


class Listing:
    """The option classes of a market as its reference requests tell them."""

    def __init__(self, market: "Market") -> None:
        self._market = market

    def option_parameters(self, symbol: str, epoch: float) -> list[OptionParameters]:
        """One entry per option exchange and trading class; empty for an unknown symbol or one
        without options."""
        under = self._market.book.underlyings.get(symbol)
        if under is None:
            return []
        keys = self._market.listed(symbol, epoch)
        expiries = tuple(sorted({key[0] for key in keys}))
        strikes = tuple(sorted({key[1] for key in keys}))
        if not keys:
            return []
        return [
            OptionParameters(exchange, item.name, item.multiplier, expiries, strikes)
            for exchange in OPTION_EXCHANGES
            for item in under.classes
        ]

    def price_rules(self, contract: Contract) -> tuple[int, Steps]:
        """Id of the market rule of ``contract`` and its steps: (from this price on, increment)."""
        item = self._market.book.class_of(contract) if contract.is_option else None
        rule = rule_of(contract, item)
        return rule, PRICE_RULES[rule]
