"""Underlyings and their option classes: names, home exchanges, broker ids, settlement, ticks."""

from dataclasses import dataclass, field

from theta.simulator.market.contracts import MULTIPLIER

PENNY, PILOT, NICKEL, INDEX_PENNY = "penny", "pilot", "nickel", "index-penny"
"""Price increments of an option class: 0.01 throughout; 0.01 below USD 3 and 0.05 above; 0.05
below USD 3 and 0.10 above; and 0.01 throughout for a small index."""


@dataclass(frozen=True, slots=True)
class OptionClass:
    """What the options of one trading class have in common.

    ``multiplier`` turns a price per share into USD; ``shares`` is what one contract delivers, other
    than the multiplier after a split or merger. ``extra_cash_usd`` comes on top of the shares.
    ``monthly_only`` and ``weekly_only`` say which expiries the class lists beside another class.
    """

    name: str
    symbol: str
    multiplier: int = MULTIPLIER
    shares: int = MULTIPLIER
    extra_cash_usd: float = 0.0
    cash_settled: bool = False
    european: bool = False
    morning_settled: bool = False
    ticks: str = PILOT


@dataclass(frozen=True, slots=True)
class Underlying:
    """A stock, a fund or an index (``sec_type`` STK or IND) with the classes listed on it."""

    symbol: str
    sec_type: str = "STK"
    primary_exchange: str = "ARCA"
    long_name: str = ""
    con_id: int = 0
    classes: tuple[OptionClass, ...] = field(default=())

    @property
    def is_index(self) -> bool:
        return self.sec_type == "IND"

    def option_class(self, name: str) -> OptionClass | None:
        """The class with this name; the first one for an empty name."""
        for item in self.classes:
            if name in ("", item.name):
                return item
        return None


_PENNY_FUNDS = frozenset({"SPY", "QQQ", "IWM"})

# Broker ids by which IBKR knows these contracts, with its name and home exchange of each.
_KNOWN: dict[str, tuple[int, str, str]] = {
    "SPY": (756_733, "SS SPDR S&P 500 ETF TRUST-US", "ARCA"),
    "QQQ": (320_227_571, "INVESCO QQQ TRUST SERIES 1", "NASDAQ"),
    "IWM": (9_579_970, "ISHARES RUSSELL 2000 ETF", "ARCA"),
    "AAPL": (265_598, "APPLE INC", "NASDAQ"),
    "MSFT": (272_093, "MICROSOFT CORP", "NASDAQ"),
    "NVDA": (4_815_747, "NVIDIA CORP", "NASDAQ"),
    "AMD": (4_391, "ADVANCED MICRO DEVICES", "NASDAQ"),
    "AMZN": (3_691_937, "AMAZON.COM INC", "NASDAQ"),
    "GOOGL": (208_813_719, "ALPHABET INC-CL A", "NASDAQ"),
    "META": (107_113_386, "META PLATFORMS INC-CLASS A", "NASDAQ"),
    "TSLA": (76_792_991, "TESLA INC", "NASDAQ"),
    "INTC": (270_639, "INTEL CORP", "NASDAQ"),
    "CSCO": (268_084, "CISCO SYSTEMS INC", "NASDAQ"),
    "JPM": (1_520_593, "JPMORGAN CHASE & CO", "NYSE"),
    "KO": (8_894, "COCA-COLA CO/THE", "NYSE"),
    "DIS": (6_459, "WALT DISNEY CO/THE", "NYSE"),
    "IBM": (8_314, "INTL BUSINESS MACHINES CORP", "NYSE"),
    "XOM": (13_977, "EXXON MOBIL CORP", "NYSE"),
    "WMT": (13_824, "WALMART INC", "NASDAQ"),
    "TLT": (15_547_841, "ISHARES 20+ YEAR TREASURY BD", "NASDAQ"),
    "GLD": (51_529_211, "SPDR GOLD SHARES", "ARCA"),
    "XLF": (4_215_220, "FINANCIAL SELECT SECTOR SPDR", "ARCA"),
}
_INDEXES: dict[str, tuple[int, str, tuple[OptionClass, ...]]] = {
    "SPX": (
        416_904,
        "S&P 500 Stock Index",
        (
            OptionClass(
                "SPX", "SPX", cash_settled=True, european=True, morning_settled=True, ticks=NICKEL
            ),
            OptionClass("SPXW", "SPX", cash_settled=True, european=True, ticks=NICKEL),
        ),
    ),
    "XSP": (
        137_851_301,
        "Mini S&P 500 Stock Index",
        (OptionClass("XSP", "XSP", cash_settled=True, european=True, ticks=INDEX_PENNY),),
    ),
    "VIX": (
        13_455_763,
        "CBOE Volatility Index",
        (
            OptionClass(
                "VIX", "VIX", cash_settled=True, european=True, morning_settled=True, ticks=PILOT
            ),
            OptionClass(
                "VIXW", "VIX", cash_settled=True, european=True, morning_settled=True, ticks=PILOT
            ),
        ),
    ),
}
INDEX_SYMBOLS = tuple(_INDEXES)


def underlying(symbol: str, *, like: str = "", ticks: str = "") -> Underlying:
    """What the market lists under ``symbol``.

    ``like`` names the recorded symbol whose chain it borrows: increments are that symbol's.
    ``ticks`` overrides the increments of a stock's options.
    """
    if symbol in _INDEXES:
        con_id, name, classes = _INDEXES[symbol]
        return Underlying(symbol, "IND", "CBOE", name, con_id, classes)
    con_id, name, primary = _KNOWN.get(symbol, (0, f"SIMULATED {symbol}", "ARCA"))
    if not ticks:
        ticks = PENNY if (like or symbol) in _PENNY_FUNDS else PILOT
    return Underlying(
        symbol, "STK", primary, name, con_id, (OptionClass(symbol, symbol, ticks=ticks),)
    )
