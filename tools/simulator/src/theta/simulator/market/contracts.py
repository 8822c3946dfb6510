"""Contracts, and how a client describes the one it means."""

from dataclasses import dataclass

OPTION_EXCHANGES = ("SMART", "AMEX", "CBOE", "ISE", "PHLX")
STOCK_EXCHANGES = ("SMART", "AMEX", "ARCA", "BATS", "IEX", "NASDAQ", "NYSE")
MULTIPLIER = 100
MARKET_RULE_PENNY = 26
INDEX_EXCHANGES = ("CBOE", "SMART")
_EXCHANGES: dict[str, tuple[str, ...]] = {"OPT": OPTION_EXCHANGES, "IND": INDEX_EXCHANGES}


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg of a combination: ``ratio`` units of ``con_id`` per unit of the combination.

    ``action`` is BUY or SELL as seen by a buyer of the combination. ``open_close`` is 0 for the
    same as the combination.
    """

    con_id: int
    ratio: int
    action: str
    exchange: str = "SMART"
    open_close: int = 0

    @property
    def sign(self) -> int:
        """1 when a buyer of the combination buys this leg, -1 when he sells it."""
        return 1 if self.action == "BUY" else -1


@dataclass(frozen=True, slots=True)
class Contract:
    """One stock (STK), option (OPT), index (IND) or combination (BAG).

    ``strike`` is 0 and ``expiry`` and ``right`` are empty for all but an option; ``legs`` is empty
    for all but a combination. ``option_class`` names the trading class of an option that is not
    its symbol (SPXW); ``shares`` is what one option delivers, so that an adjusted option may
    differ from its ``price_multiplier``. ``european`` options are exercised at expiry only;
    ``morning_settled`` ones settle at the opening of their expiry day and trade until the session
    before it.
    """

    con_id: int
    symbol: str
    sec_type: str
    expiry: str
    strike: float
    right: str
    primary_exchange: str
    under_con_id: int
    legs: tuple[Leg, ...] = ()
    option_class: str = ""
    price_multiplier: int = MULTIPLIER
    shares: int = MULTIPLIER
    currency: str = "USD"
    cash_settled: bool = False
    european: bool = False
    morning_settled: bool = False

    @property
    def is_option(self) -> bool:
        return self.sec_type == "OPT"

    @property
    def is_index(self) -> bool:
        return self.sec_type == "IND"

    @property
    def is_combination(self) -> bool:
        return self.sec_type == "BAG"

    @property
    def is_call(self) -> bool:
        return self.right == "C"

    @property
    def multiplier(self) -> int:
        """What a price per share is multiplied with for the value of one unit: 1 for a stock.

        A combination of options is priced per share of its legs, so it has their multiplier.
        """
        if self.is_option or (self.is_combination and self.price_multiplier > 1):
            return self.price_multiplier
        return 1

    @property
    def local_symbol(self) -> str:
        if not self.is_option:
            return self.symbol
        named = self.option_class or self.symbol
        return f"{named:<6}{self.expiry[2:]}{self.right}{round(self.strike * 1000):08d}"

    @property
    def trading_class(self) -> str:
        if self.option_class:
            return self.option_class
        if self.is_combination:
            return "COMB"
        return self.symbol if self.is_option or self.primary_exchange != "NASDAQ" else "NMS"

    def describe(self) -> dict[str, object]:
        return {
            "con_id": self.con_id,
            "symbol": self.symbol,
            "sec_type": self.sec_type,
            "expiry": self.expiry,
            "strike": self.strike,
            "right": self.right,
            "multiplier": self.multiplier,
            "local_symbol": self.local_symbol,
        }


@dataclass(frozen=True, slots=True)
class Query:
    """A contract as a client describes it; empty text and zero match anything."""

    con_id: int = 0
    symbol: str = ""
    sec_type: str = ""
    expiry: str = ""
    strike: float = 0.0
    right: str = ""
    multiplier: str = ""
    exchange: str = ""
    primary_exchange: str = ""
    currency: str = ""
    local_symbol: str = ""
    trading_class: str = ""
    legs: tuple[Leg, ...] = ()
    include_expired: bool = False

    def accepts(self, contract: Contract) -> bool:
        """Whether ``contract`` fits every part the client gave."""
        exchanges = _EXCHANGES.get(contract.sec_type, STOCK_EXCHANGES)
        right = self.right[:1].upper()
        return (
            self.con_id in (0, contract.con_id)
            and self.symbol in ("", contract.symbol)
            and self.sec_type in ("", contract.sec_type)
            and contract.expiry.startswith("".join(self.expiry.split()[:1]))
            and self.strike in (0.0, contract.strike)
            and (right in ("", "?", "0") or right == contract.right)
            and self.multiplier in ("", str(contract.multiplier))
            and (self.exchange == "" or self.exchange in exchanges)
            and self.currency in ("", "USD")
            and self.local_symbol in ("", contract.local_symbol)
            and self.trading_class in ("", contract.trading_class)
        )
