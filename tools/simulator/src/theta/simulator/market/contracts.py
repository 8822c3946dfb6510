"""The contracts that exist, their broker ids and how a client's description finds them."""

from dataclasses import dataclass
from datetime import date, timedelta

OPTION_EXCHANGES = ("SMART", "AMEX", "CBOE", "ISE", "PHLX")
STOCK_EXCHANGES = ("SMART", "AMEX", "ARCA", "BATS", "IEX", "NASDAQ", "NYSE")
MULTIPLIER = 100
MARKET_RULE_PENNY = 26

# Broker ids of the recorded underlyings are IBKR's own; derived ids are positions in blocks below.
_KNOWN_IDS = {"SPY": 756_733, "QQQ": 320_227_571, "IWM": 9_579_970}
_KNOWN_NAMES = {
    "SPY": ("SS SPDR S&P 500 ETF TRUST-US", "ARCA"),
    "QQQ": ("INVESCO QQQ TRUST SERIES 1", "NASDAQ"),
    "IWM": ("ISHARES RUSSELL 2000 ETF", "ARCA"),
}
_STOCK_BLOCK = 500_000_000
_OPTION_BLOCK = 600_000_000
_STRIKES = 4_000  # in half dollars
_DAYS = 1_000
_SPAN = _STRIKES * _DAYS * 2
_EPOCH_DAY = date(2026, 1, 1)


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
    differ from its ``price_multiplier``.
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

    @property
    def is_option(self) -> bool:
        return self.sec_type == "OPT"

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
        exchanges = OPTION_EXCHANGES if contract.is_option else STOCK_EXCHANGES
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


class ContractBook:
    """Numbers the underlyings and derives every option's id from its terms, so ids never change."""

    def __init__(self, symbols: list[str]) -> None:
        self.symbols = list(symbols)
        self._stocks = {symbol: self._stock(index, symbol) for index, symbol in enumerate(symbols)}
        self._by_id = {contract.con_id: contract for contract in self._stocks.values()}

    @staticmethod
    def _stock(index: int, symbol: str) -> Contract:
        con_id = _KNOWN_IDS.get(symbol, _STOCK_BLOCK + index)
        primary = _KNOWN_NAMES.get(symbol, ("", "ARCA"))[1]
        return Contract(con_id, symbol, "STK", "", 0.0, "", primary, 0)

    @staticmethod
    def long_name(symbol: str) -> str:
        return _KNOWN_NAMES.get(symbol, (f"SIMULATED {symbol}", ""))[0]

    def stock(self, symbol: str) -> Contract | None:
        return self._stocks.get(symbol)

    def option(self, symbol: str, expiry: str, strike: float, right: str) -> Contract:
        """The option with these terms; ``expiry`` is YYYYMMDD, ``right`` C or P."""
        day = date(int(expiry[:4]), int(expiry[4:6]), int(expiry[6:8]))
        number = (day - _EPOCH_DAY).days * _STRIKES + round(strike * 2)
        con_id = (
            _OPTION_BLOCK
            + self.symbols.index(symbol) * _SPAN
            + number * 2
            + (1 if right == "P" else 0)
        )
        under = self._stocks[symbol]
        return Contract(con_id, symbol, "OPT", expiry, strike, right, "", under.con_id)

    def by_id(self, con_id: int) -> Contract | None:
        """The contract with this id, ``None`` when the number means none. An option may still be
        unlisted."""
        if con_id in self._by_id:
            return self._by_id[con_id]
        index, rest = divmod(con_id - _OPTION_BLOCK, _SPAN)
        if not 0 <= index < len(self.symbols):
            return None
        number, put = divmod(rest, 2)
        days, halves = divmod(number, _STRIKES)
        expiry = f"{_EPOCH_DAY + timedelta(days):%Y%m%d}"
        return self.option(self.symbols[index], expiry, halves / 2, "P" if put else "C")
