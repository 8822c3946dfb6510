"""Where a scenario's symbols come from: the shipped chains, folders, or a seed."""

from dataclasses import fields, replace
from typing import Any, Final

from theta.simulator.errors import ScenarioError
from theta.simulator.market import calendar
from theta.simulator.market.reference import CorporateAction
from theta.simulator.market.sources import Folder, Recorded, Source, Synthetic
from theta.simulator.randomness import between
from theta.simulator.scenarios import timing
from theta.simulator.scenarios.reader import Reader, refuse_unknown

RECORDED: Final = ("SPY", "QQQ", "IWM")
KINDS: Final[dict[str, type[Source]]] = {
    "recorded": Recorded,
    "folder": Folder,
    "synthetic": Synthetic,
}
SYMBOLS_MAX: Final = 2_000
_PRICES = (20.0, 500.0)
_VOLATILITIES = (0.15, 0.60)


def read_sources(reader: Reader, tables: dict[str, Any]) -> tuple[Source, ...]:
    """The sources of ``market.symbols`` and of every ``[[market.source]]``.

    Without either the shipped symbols. Raises ``ScenarioError``.
    """
    market = tables.get("market", {})
    found: list[Source] = []
    if "symbols" in market or "source" not in market:
        found += _aliases(reader)
    for number, item in enumerate(reader.tables("market.source")):
        found += _source(reader, f"market.source[{number}]", item)
    symbols = [s.symbol for s in found if not isinstance(s, Folder)]
    for place, symbol in enumerate(symbols):
        if symbol in symbols[:place]:
            raise ScenarioError(
                f"In the scenario {reader.name}, the symbol {symbol} has two sources; leave one."
            )
    return tuple(found)


def _aliases(reader: Reader) -> list[Source]:
    given = reader.get("market.symbols", {name: name for name in RECORDED})
    if not isinstance(given, dict) or not 0 < len(given) <= SYMBOLS_MAX:
        raise reader.complain("market.symbols", f"a table of 1 to {SYMBOLS_MAX} symbols")
    for symbol, chain in given.items():
        _check_recorded(reader, f"market.symbols.{symbol}", symbol, chain)
    return [Recorded(symbol, chain) for symbol, chain in given.items()]


def _check_recorded(reader: Reader, key: str, symbol: str, chain: object) -> None:
    if not _is_symbol(symbol) or chain not in RECORDED:
        raise reader.complain(key, f"an upper-case symbol set to one of {', '.join(RECORDED)}")
    if symbol in RECORDED and chain != symbol:
        raise reader.complain(key, f'"{symbol}", its own chain')


def _is_symbol(text: object) -> bool:
    return isinstance(text, str) and text.isalnum() and text.isupper() and len(text) <= 6


def _source(reader: Reader, key: str, item: dict[str, Any]) -> list[Source]:
    given = dict(item)
    kind = given.pop("kind", None)
    if kind not in KINDS:
        raise reader.complain(f"{key}.kind", f"one of {', '.join(KINDS)}")
    made = KINDS[kind]
    known = {field.name for field in fields(made)}
    refuse_unknown(reader.name, f"{key}.", given, known | {"count"})
    count = given.pop("count", None)
    if count is not None:
        if kind != "synthetic" or type(count) is not int or not 0 < count <= SYMBOLS_MAX:
            raise reader.complain(
                f"{key}.count", f"a whole number from 1 to {SYMBOLS_MAX}, of synthetic symbols"
            )
        return [reader.fill(key, values, made) for values in _series(given, count)]
    found = reader.fill(key, given, made)
    if isinstance(found, Recorded):
        _check_recorded(reader, f"{key}.symbol", found.symbol, found.chain or found.symbol)
    elif isinstance(found, Synthetic) and not _is_symbol(found.symbol):
        raise reader.complain(f"{key}.symbol", "an upper-case symbol of at most 6 characters")
    elif isinstance(found, Folder) and not found.path.is_dir():
        raise reader.complain(f"{key}.path", f"a folder, and {found.path} is none")
    return [found]


def _series(given: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """``count`` symbols: the given one followed by a number, each with a price and a volatility of
    its own where none is given."""
    made: list[dict[str, Any]] = []
    width = len(str(count))
    for number in range(1, count + 1):
        symbol = f"{given.get('symbol', 'SIM')}{number:0{width}d}"
        price = round(between(*_PRICES, 0, "price", symbol), 2)
        volatility = round(between(*_VOLATILITIES, 0, "volatility", symbol), 3)
        made.append({"price": price, "volatility": volatility, **given, "symbol": symbol})
    return made


_ACTION_KEYS = ("kind", "symbol", "at", "amount_usd", "ratio")


def read_actions(
    reader: Reader, symbols: dict[str, str], start: float
) -> tuple[CorporateAction, ...]:
    """The dividends and splits of every ``[[market.action]]``. Raises ``ScenarioError``."""
    found: list[CorporateAction] = []
    for number, item in enumerate(reader.tables("market.action")):
        key = f"market.action[{number}]"
        refuse_unknown(reader.name, f"{key}.", item, _ACTION_KEYS)
        table = reader.sub(key, item)
        kind = table.choice(f"{key}.kind", "", ("dividend", "split"))
        symbol = table.text(f"{key}.symbol", "")
        if symbol not in symbols:
            raise reader.complain(f"{key}.symbol", "one of the scenario's symbols")
        try:
            at = timing.When(str(item.get("at", ""))).at(start)
        except (ValueError, OverflowError):
            raise reader.complain(f"{key}.at", timing.ACCEPTS) from None
        amount = ratio = None
        if kind == "dividend":
            amount = table.number(f"{key}.amount_usd", 0, 0.0001, 10_000)
        else:
            ratio = table.number(f"{key}.ratio", 0, 0.01, 100)
        opens = calendar.next_session(at)[0]
        made = CorporateAction(kind, symbol, opens, amount or 0.0)
        found.append(made if ratio is None else replace(made, ratio=ratio))
    return tuple(found)


def chains_of(sources: tuple[Source, ...]) -> dict[str, str]:
    """The shipped chain of each symbol that trades on one; empty text for every other symbol."""
    named: dict[str, str] = {}
    for source in sources:
        if isinstance(source, Recorded):
            named[source.symbol] = source.chain or source.symbol
        elif isinstance(source, Folder):
            named.update(dict.fromkeys(source.symbols, ""))
        else:
            named[source.symbol] = ""
    return named
