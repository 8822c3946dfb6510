"""Building blocks of the `thetagang.toml` schema, and the tables of `runtime`.

Key names, defaults and ranges are those users bring along; where ours differ the field says so.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

Ratio = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PositiveRatio = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=0)]
PositiveCount = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A table of the file: frozen, unknown keys refused, text never becomes a number."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        hide_input_in_errors=True,
        str_strip_whitespace=True,
        use_attribute_docstrings=True,
    )


class Meta(Section):
    schema_version: Literal[2] = 2


class Account(Section):
    number: str = Field(min_length=1)
    margin_usage: NonNegative
    """Target notional as a ratio of net liquidation (not the broker's buying power)."""
    cancel_orders: bool = True
    market_data_type: Literal[1, 2, 3, 4] = 1
    """1 live, 2 frozen, 3 delayed, 4 delayed and frozen."""


class OptionChains(Section):
    expirations: PositiveCount
    strikes: PositiveCount


class ExchangeHours(Section):
    exchange: str = "XNYS"
    action_when_closed: Literal["wait", "exit", "continue"] = "exit"
    delay_after_open: Count = 1800
    """Seconds."""
    delay_before_close: Count = 1800
    """Seconds."""
    max_wait_until_open: Count = 3600
    """Seconds."""


class Algo(Section):
    strategy: str = "Adaptive"
    params: list[Annotated[tuple[str, str], Field(strict=False)]] = Field(
        default_factory=lambda: [("adaptivePriority", "Patient")]
    )


class Orders(Section):
    minimum_credit: NonNegative = 0.0
    """USD per share that an option sold must bring at least."""
    exchange: str = "SMART"
    algo: Algo = Field(default_factory=Algo)
    price_update_delay: Annotated[tuple[Count, PositiveCount], Field(strict=False)] = (30, 60)
    """Seconds: a reprice waits a random time in [first, second)."""
    estimated_fee_per_contract: NonNegative = 1.0

    @model_validator(mode="after")
    def _delay_grows(self) -> Orders:
        first, second = self.price_update_delay
        if first >= second:
            message = "price_update_delay must be [shorter, longer] in seconds"
            raise ValueError(message)
        return self


class Database(Section):
    """Read for compatibility: records go to PostgreSQL (`THETA_DATABASE_URL`)."""

    enabled: bool = True
    path: str = "data/thetagang.db"
    url: str | None = None


class IbAsync(Section):
    api_response_wait_time: Count = 60
    """Seconds."""
    logfile: str | None = None


class Ibc(Section):
    """Read for compatibility: the IB Gateway is started outside this program."""

    trading_mode: Literal["live", "paper"] = Field(default="paper", alias="tradingMode")
    userid: str | None = None
    password: SecretStr | None = None
    fixuserid: str | None = None
    fixpassword: SecretStr | None = None
    tws_path: str | None = Field(default=None, alias="twsPath")
    tws_settings_path: str | None = Field(default=None, alias="twsSettingsPath")
    gateway: bool = True
    raise_request_errors: bool = Field(default=False, alias="RaiseRequestErrors")
    ibc_path: str = Field(default="/opt/ibc", alias="ibcPath")
    ibc_ini: str = Field(default="/etc/thetagang/config.ini", alias="ibcIni")
    java_path: str = Field(default="/opt/java/openjdk/bin", alias="javaPath")


class ProbeContract(Section):
    currency: str = "USD"
    exchange: str = "SMART"
    sec_type: str = Field(default="STK", alias="secType")
    symbol: str = "SPY"


class Watchdog(Section):
    """Read for compatibility: the address of the IB Gateway is `THETA_TWS_HOST` and `_PORT`."""

    host: str = "127.0.0.1"
    port: int = Field(default=7497, ge=1, le=65535)
    client_id: int = Field(default=1, alias="clientId", ge=0)
    probe_timeout: Count = Field(default=4, alias="probeTimeout")
    app_startup_time: Count = Field(default=30, alias="appStartupTime")
    app_timeout: Count = Field(default=20, alias="appTimeout")
    connect_timeout: Count = Field(default=2, alias="connectTimeout")
    retry_delay: Count = Field(default=2, alias="retryDelay")
    readonly: bool = False
    max_startup_retries: Count = Field(default=0, alias="maxStartupRetries")
    probe_contract: ProbeContract = Field(default_factory=ProbeContract, alias="probeContract")


class DecisionProvider(Section):
    transport: Literal["command"] = "command"
    command: list[str]
    timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 10
    max_response_bytes: Annotated[int, Field(ge=1024, le=16_777_216)] = 1_048_576
    working_directory: str | None = None


class ExternalDecisions(Section):
    providers: dict[str, DecisionProvider] = Field(default_factory=dict)


class Runtime(Section):
    account: Account
    option_chains: OptionChains
    exchange_hours: ExchangeHours = Field(default_factory=ExchangeHours)
    orders: Orders = Field(default_factory=Orders)
    database: Database = Field(default_factory=Database)
    ib_async: IbAsync = Field(default_factory=IbAsync)
    ibc: Ibc = Field(default_factory=Ibc)
    watchdog: Watchdog = Field(default_factory=Watchdog)
    external_decisions: ExternalDecisions = Field(default_factory=ExternalDecisions)
