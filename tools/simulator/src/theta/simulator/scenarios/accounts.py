"""The accounts of a scenario and what they hold at the start."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from theta.simulator.errors import ScenarioError
from theta.simulator.market import chains
from theta.simulator.scenarios.reader import Reader, refuse_unknown

KEYS = frozenset({"id", "type", "cash_usd", "cash_account", "positions"})
_ACCOUNTS_MAX = 20


@dataclass(frozen=True, slots=True)
class StartPosition:
    """A position held from the start; a stock has no expiry.

    ``average_cost`` is per contract or share, USD; ``None`` for its value at the start. An option
    is given by its terms, or by ``expiry_days`` and ``strike_percent``: of the listed ones, the
    expiry nearest to so many days ahead and the strike nearest to this part of the price.
    """

    symbol: str
    quantity: Decimal
    average_cost: Decimal | None = None
    expiry: str = ""
    strike: float = 0.0
    right: str = ""
    expiry_days: float | None = None
    strike_percent: float | None = None

    @property
    def is_option(self) -> bool:
        return bool(self.right)


@dataclass(frozen=True, slots=True)
class AccountPlan:
    """An account at the start. A cash account has no margin and cannot sell short."""

    name: str
    account_type: str = "INDIVIDUAL"
    cash: Decimal = Decimal(400_000)
    cash_account: bool = False
    positions: tuple[StartPosition, ...] = ()


DEFAULT_ACCOUNT = AccountPlan("DU1234567")


def read_accounts(
    reader: Reader, tables: dict[str, Any], symbols: dict[str, str], *, known: bool = True
) -> tuple[AccountPlan, ...]:
    """The accounts of ``[account]`` or of every ``[[account]]``. Raises ``ScenarioError``.

    ``known`` is false when there may be more symbols than ``symbols``.
    """
    given = tables.get("account", {})
    if not known:
        symbols = _Open(symbols)
    if isinstance(given, dict):
        return (_account(reader.sub("account", given), "account", symbols),)
    items = reader.tables("account")
    if not 0 < len(items) <= _ACCOUNTS_MAX:
        raise reader.complain("account", f"a table, or 1 to {_ACCOUNTS_MAX} of them")
    found: list[AccountPlan] = []
    for number, item in enumerate(items):
        key = f"account[{number}]"
        refuse_unknown(reader.name, f"{key}.", item, KEYS)
        found.append(_account(reader.sub(key, item), key, symbols))
        if found[-1].name in [other.name for other in found[:-1]]:
            raise reader.complain(f"{key}.id", "different from the other accounts' ids")
    return tuple(found)


def _account(reader: Reader, key: str, symbols: dict[str, str]) -> AccountPlan:
    return AccountPlan(
        name=reader.text(f"{key}.id", DEFAULT_ACCOUNT.name),
        account_type=reader.text(f"{key}.type", "INDIVIDUAL"),
        cash=Decimal(str(reader.number(f"{key}.cash_usd", 400_000, -1e9, 1e12))),
        cash_account=reader.flag(f"{key}.cash_account", default=False),
        positions=_positions(reader, f"{key}.positions", symbols),
    )


def _positions(reader: Reader, key: str, symbols: dict[str, str]) -> tuple[StartPosition, ...]:
    found: list[StartPosition] = []
    for number, item in enumerate(reader.tables(key)):
        place = f"{key}[{number}]"
        if not {"symbol", "quantity"} <= set(item):
            raise reader.complain(place, "a table with symbol, quantity and average_cost")
        position = reader.fill(place, item, StartPosition)
        _check(reader, place, position, symbols)
        found.append(position)
    return tuple(found)


def _check(reader: Reader, key: str, position: StartPosition, symbols: dict[str, str]) -> None:
    if position.symbol not in symbols:
        raise reader.complain(f"{key}.symbol", f"one of {_listed(symbols)}")
    exact = bool(position.expiry) and position.strike > 0
    relative = position.expiry_days is not None and position.strike_percent is not None
    if not position.right and not position.expiry and position.expiry_days is None:
        return
    if position.right not in ("C", "P") or exact == relative:
        raise reader.complain(
            key,
            "an option by right (C or P) with expiry (YYYYMMDD) and strike, or with expiry_days"
            " and strike_percent",
        )
    recorded = symbols[position.symbol]
    if exact and recorded:
        chain = chains.load(0, recorded)
        if (position.expiry, position.strike, position.right) not in chain.rows:
            raise reader.complain(
                key, "an option of the first recorded chain (expiry as YYYYMMDD, right C or P)"
            )


class _Open(dict[str, str]):
    """Symbols of which not all are known yet: every one is taken to be listed, on no chain."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> str:
        return ""


def _listed(symbols: Collection[str]) -> str:
    names = sorted(symbols)
    return ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:12])} and so on"


def unknown_position(name: str, position: StartPosition) -> ScenarioError:
    """The complaint about a position that the market does not list."""
    return ScenarioError(
        f"In the scenario {name}, the position {position.symbol} {position.expiry}"
        f" {position.strike:g} {position.right} is not listed at the start."
    )
