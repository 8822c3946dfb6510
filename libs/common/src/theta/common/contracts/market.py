"""What broker-gateway answers about the market and the account. Version 1.

Messages are frozen, refuse unknown fields, and have a JSON-schema snapshot in
`tests/contract/schemas`. Decimals travel as text, times as ISO 8601 UTC. Absence is `null`, never a
sentinel.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from theta.common.domain.instruments import Contract, Right, SecType
from theta.common.domain.portfolio import AccountValues, Portfolio, Position
from theta.common.domain.quotes import MarketDataType, Quote


class Message(BaseModel):
    """Base of every message between services."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ContractMessage(Message):
    """A `Contract` on the wire."""

    symbol: str
    sec_type: SecType
    currency: str = "USD"
    exchange: str = "SMART"
    primary_exchange: str = ""
    con_id: int | None = None
    expiry: date | None = None
    strike: Decimal | None = None
    right: Right | None = None
    multiplier: int = Field(default=1, ge=1)
    trading_class: str = ""

    @classmethod
    def from_domain(cls, contract: Contract) -> Self:
        return cls.model_validate(contract.to_record())

    def to_domain(self) -> Contract:
        """Raises ValueError when option fields are missing or misplaced."""
        return Contract(**self.model_dump())


class QuoteMessage(Message):
    """A `Quote` on the wire."""

    contract: ContractMessage
    at: AwareDatetime | None
    bid: Decimal | None = None
    ask: Decimal | None = None
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None
    last: Decimal | None = None
    close: Decimal | None = None
    model_price: Decimal | None = None
    implied_volatility: Decimal | None = None
    delta: Decimal | None = None
    gamma: Decimal | None = None
    vega: Decimal | None = None
    theta: Decimal | None = None
    underlying_price: Decimal | None = None
    open_interest: int | None = None
    data_type: MarketDataType = MarketDataType.LIVE
    trusted: bool = True

    @classmethod
    def from_domain(cls, quote: Quote) -> Self:
        fields = {name: getattr(quote, name) for name in cls.model_fields if name != "contract"}
        return cls(contract=ContractMessage.from_domain(quote.contract), **fields)

    def to_domain(self) -> Quote:
        fields = {name: getattr(self, name) for name in QuoteMessage.model_fields}
        fields["contract"] = self.contract.to_domain()
        return Quote(**fields)


class QuotesRequest(Message):
    """Ask for quotes. Contracts without `con_id` are resolved first."""

    contracts: tuple[ContractMessage, ...] = Field(max_length=500)
    deadline_ms: int = Field(default=5000, ge=100, le=60_000)
    """Overall: what has not arrived by then is `null` in the answer."""


class QuotesResponse(Message):
    """One quote per requested contract that exists, in request order."""

    version: int = 1
    market_at: AwareDatetime
    quotes: tuple[QuoteMessage, ...]
    unknown: tuple[ContractMessage, ...] = ()
    """Contracts for which the broker has no definition (code 200)."""


class ChainMessage(Message):
    """The option chain of one underlying at one exchange and trading class."""

    version: int = 1
    underlying: ContractMessage
    exchange: str
    trading_class: str
    multiplier: int = Field(ge=1)
    expirations: tuple[date, ...]
    strikes: tuple[Decimal, ...]
    min_tick: Decimal = Field(default=Decimal("0.01"), gt=0)


class BarsMessage(Message):
    """Daily closes, oldest first; the last may be of a session still open."""

    version: int = 1
    symbol: str
    days: tuple[date, ...]
    closes: tuple[Decimal, ...]


class ClockMessage(Message):
    """Market time as the gateway sees it. `observed_age_seconds` is process time."""

    version: int = 1
    market_at: AwareDatetime
    observed_age_seconds: float = Field(ge=0)
    rate: float = Field(gt=0)
    """Market seconds per process second: 1 except on a sped-up simulator."""


class PositionMessage(Message):
    contract: ContractMessage
    quantity: Decimal
    average_cost_usd: Decimal | None = None
    market_price: Decimal | None = None
    market_value_usd: Decimal | None = None
    unrealised_pnl_usd: Decimal | None = None
    realised_pnl_usd: Decimal | None = None


class AccountValuesMessage(Message):
    currency: str
    net_liquidation: Decimal | None = None
    total_cash: Decimal | None = None
    buying_power: Decimal | None = None
    available_funds: Decimal | None = None
    excess_liquidity: Decimal | None = None
    initial_margin: Decimal | None = None
    maintenance_margin: Decimal | None = None
    cushion_ratio: Decimal | None = None
    look_ahead_excess_liquidity: Decimal | None = None


class PortfolioMessage(Message):
    """A complete account download, as stored under `snapshot_id`."""

    version: int = 1
    snapshot_id: str
    account: str
    market_at: AwareDatetime
    values: AccountValuesMessage
    positions: tuple[PositionMessage, ...]
    complete: bool

    @classmethod
    def from_domain(cls, portfolio: Portfolio, snapshot_id: str) -> Self:
        return cls(
            snapshot_id=snapshot_id,
            account=portfolio.account,
            market_at=portfolio.market_at,
            values=AccountValuesMessage(
                **{n: getattr(portfolio.values, n) for n in AccountValuesMessage.model_fields}
            ),
            positions=tuple(_position_message(held) for held in portfolio.positions),
            complete=portfolio.complete,
        )

    def to_domain(self) -> Portfolio:
        at: datetime = self.market_at
        return Portfolio(
            account=self.account,
            market_at=at,
            values=AccountValues(**self.values.model_dump()),
            positions=tuple(_position(held) for held in self.positions),
            complete=self.complete,
        )


def _position_message(held: Position) -> PositionMessage:
    fields = {
        name: getattr(held, name) for name in PositionMessage.model_fields if name != "contract"
    }
    return PositionMessage(contract=ContractMessage.from_domain(held.contract), **fields)


def _position(held: PositionMessage) -> Position:
    fields = {name: getattr(held, name) for name in PositionMessage.model_fields}
    fields["contract"] = held.contract.to_domain()
    return Position(**fields)
