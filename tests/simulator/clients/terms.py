"""What a scenario says and hears, the same for every client library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class LegTerms:
    con_id: int
    action: str
    ratio: int = 1


@dataclass(frozen=True, slots=True)
class Terms:
    """A contract as a program describes it; empty and zero mean not said."""

    symbol: str = ""
    sec_type: str = "STK"
    expiry: str = ""
    strike: float = 0.0
    right: str = ""
    exchange: str = "SMART"
    currency: str = "USD"
    multiplier: str = ""
    trading_class: str = ""
    con_id: int = 0
    legs: tuple[LegTerms, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """A contract as the broker describes it."""

    terms: Terms
    local_symbol: str
    long_name: str
    min_tick: float
    market_rules: tuple[int, ...]
    exchanges: tuple[str, ...]
    order_types: tuple[str, ...]
    under_con_id: int


@dataclass(frozen=True, slots=True)
class Chain:
    exchange: str
    trading_class: str
    multiplier: str
    under_con_id: int
    expiries: frozenset[str]
    strikes: frozenset[float]


@dataclass(frozen=True, slots=True)
class Quote:
    """Top of book; the greeks are the model's and `None` for a stock."""

    bid: float
    ask: float
    bid_size: float
    ask_size: float
    close: float
    delta: float | None = None
    gamma: float | None = None
    vega: float | None = None
    theta: float | None = None
    volatility: float | None = None
    under_price: float | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """An order; `None` is a price that the order type does not have."""

    action: str
    quantity: float
    order_type: str = "LMT"
    limit: float | None = None
    stop: float | None = None
    tif: str = "DAY"
    ref: str = ""
    account: str = ""
    algo: str = ""
    algo_params: tuple[tuple[str, str], ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further attributes by the name that every library gives them."""


@dataclass(frozen=True, slots=True)
class Deal:
    """One execution; commission and profit are `None` until their report has come."""

    exec_id: str
    con_id: int
    sec_type: str
    side: str
    shares: float
    price: float
    ref: str
    account: str
    commission: float | None = None
    realized: float | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    account: str
    con_id: int
    symbol: str
    sec_type: str
    quantity: float
    average_cost: float


@dataclass(frozen=True, slots=True)
class Seen:
    """An order as a list of orders shows it."""

    client_id: int
    order_id: int
    perm_id: int
    ref: str
    action: str
    quantity: float
    limit: float
    status: str
    con_id: int


@dataclass(frozen=True, slots=True)
class Bar:
    date: str
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True, slots=True)
class WhatIf:
    init_margin_after: float
    maint_margin_after: float
    equity_after: float
    commission: float


class Placed(Protocol):
    """An order of this client as its library sees it now."""

    @property
    def order_id(self) -> int: ...

    @property
    def perm_id(self) -> int: ...

    @property
    def status(self) -> str: ...

    @property
    def filled(self) -> float: ...

    @property
    def remaining(self) -> float: ...

    @property
    def deals(self) -> list[Deal]: ...


class AccountSide(Protocol):
    """What the account is and holds."""

    async def holdings(self) -> list[Holding]: ...

    async def account_values(self, account: str = "") -> dict[str, str]: ...

    async def summary(self) -> dict[tuple[str, str], str]: ...

    async def profit(self, account: str) -> tuple[float, float, float]: ...

    async def profit_of(self, account: str, con_id: int) -> tuple[float, float]: ...


class DataSide(Protocol):
    """Reference and market data."""

    async def details(self, terms: Terms) -> list[Listing]: ...

    async def chains(self, terms: Terms) -> list[Chain]: ...

    async def quote(self, terms: Terms, *, greeks: bool = False) -> Quote: ...

    async def bars(
        self, terms: Terms, *, duration: str, size: str, what: str = "TRADES"
    ) -> list[Bar]: ...

    async def head_timestamp(self, terms: Terms) -> str: ...

    async def matching(self, pattern: str) -> list[tuple[int, str]]: ...

    async def market_rule(self, number: int) -> list[tuple[float, float]]: ...

    async def time(self) -> float: ...

    async def implied_volatility(self, terms: Terms, price: float, under: float) -> float: ...

    async def option_price(self, terms: Terms, volatility: float, under: float) -> float: ...

    def listen_to_bulletins(self) -> list[str]: ...

    async def unsupported(self) -> int: ...


class OrderSide(Protocol):
    """Orders, and what became of them."""

    def place(self, terms: Terms, ticket: Ticket) -> Placed: ...

    def modify(self, placed: Placed, ticket: Ticket) -> None: ...

    def cancel(self, placed: Placed) -> None: ...

    def cancel_all(self) -> None: ...

    def bind_manual_orders(self) -> None: ...

    async def open_orders(self) -> list[Seen]: ...

    async def completed_orders(self) -> list[Seen]: ...

    async def deals(self) -> list[Deal]: ...

    async def what_if(self, terms: Terms, ticket: Ticket) -> WhatIf: ...

    def exercise(self, terms: Terms, action: int, quantity: int, account: str) -> None: ...


class Client(Protocol):
    """One connection through one library. `errors` grows: request or order id, code, text."""

    errors: list[tuple[int, int, str]]

    @property
    def account(self) -> AccountSide: ...

    @property
    def data(self) -> DataSide: ...

    @property
    def orders(self) -> OrderSide: ...

    async def connect(self, port: int, client_id: int) -> None: ...

    def disconnect(self) -> None: ...

    @property
    def connected(self) -> bool: ...

    @property
    def server_version(self) -> int: ...

    @property
    def accounts(self) -> list[str]: ...
