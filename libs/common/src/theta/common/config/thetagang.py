"""`thetagang.toml`, schema version 2, and our own tables `[risk] [alerts] [schedule] [rollout]`."""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, StringConstraints, ValidationError, model_validator

from theta.common.config.later_strategies import (
    CashManagement,
    RegimeRebalance,
    TailHedge,
    VixCallHedge,
)
from theta.common.config.problems import first_problem
from theta.common.config.sections import (
    Meta,
    NonNegative,
    Positive,
    PositiveCount,
    Runtime,
    Section,
)
from theta.common.config.wheel import Portfolio, Wheel
from theta.common.errors import ConfigError
from theta.common.telemetry.redaction import REDACTED

STRATEGIES_RUN = ("wheel",)
STRATEGIES_READ = ("regime_rebalance", "vix_call_hedge", "tail_hedge", "cash_management")
WHEEL_STAGES = {
    "options_write_puts": "options.write_puts",
    "options_write_calls": "options.write_calls",
    "equity_buy_rebalance": "equity.buy_rebalance",
    "equity_sell_rebalance": "equity.sell_rebalance",
    "options_roll_positions": "options.roll_positions",
    "options_close_positions": "options.close_positions",
}


class Stage(Section):
    id: str
    kind: str
    enabled: bool = True
    depends_on: list[str] = Field(default_factory=list)


class Run(Section):
    strategies: list[str] | None = None
    stages: list[Stage] | None = None

    @model_validator(mode="after")
    def _one_plan(self) -> Run:
        if (self.strategies is None) == (self.stages is None):
            message = "[run] needs either strategies or stages, not both"
            raise ValueError(message)
        if self.strategies is not None:
            self._check_strategies(self.strategies)
        if self.stages is not None:
            self._check_stages(self.stages)
        return self

    @staticmethod
    def _check_strategies(strategies: list[str]) -> None:
        known = (*STRATEGIES_RUN, *STRATEGIES_READ)
        for name in strategies:
            if name in STRATEGIES_READ:
                message = f"this version does not run {name} yet: take it out of run.strategies"
                raise ValueError(message)
            if name not in STRATEGIES_RUN:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0)[0]
                message = f"unknown strategy {name!r} in run.strategies, did you mean {near}"
                raise ValueError(message)
        if not strategies or len(set(strategies)) != len(strategies):
            message = 'run.strategies must name each strategy once, such as ["wheel"]'
            raise ValueError(message)

    @staticmethod
    def _check_stages(stages: list[Stage]) -> None:
        earlier: set[str] = set()
        for stage in stages:
            kind = WHEEL_STAGES.get(stage.id)
            if kind is None and stage.enabled:
                message = f"this version does not run the stage {stage.id!r}: disable it"
                raise ValueError(message)
            if kind is not None and stage.kind != kind:
                message = f"stage {stage.id!r} must have the kind {kind!r}"
                raise ValueError(message)
            missing = [name for name in stage.depends_on if name not in earlier]
            if stage.enabled and missing:
                message = f"stage {stage.id!r} needs {missing[0]!r} enabled before it"
                raise ValueError(message)
            if stage.enabled:
                earlier.add(stage.id)
        if not earlier:
            message = "run.stages has no enabled stage"
            raise ValueError(message)
        if "options_write_calls" in earlier and "options_write_puts" not in earlier:
            message = "the stage options_write_calls needs options_write_puts"
            raise ValueError(message)


class Strategies(Section):
    wheel: Wheel
    regime_rebalance: RegimeRebalance = Field(default_factory=RegimeRebalance)
    vix_call_hedge: VixCallHedge = Field(default_factory=VixCallHedge)
    tail_hedge: TailHedge = Field(default_factory=TailHedge)
    cash_management: CashManagement = Field(default_factory=CashManagement)

    @model_validator(mode="after")
    def _only_what_runs(self) -> Strategies:
        for name in STRATEGIES_READ:
            if getattr(self, name).enabled:
                message = (
                    f"this version does not run {name} yet: "
                    f"set enabled = false in [strategies.{name}]"
                )
                raise ValueError(message)
        return self


class Risk(Section):
    """Limits of the risk service. Every order passes them, an operator's too."""

    max_order_contracts: PositiveCount = 10
    """Most contracts one order may have."""
    quote_age_seconds_max: Positive = 30
    """A quote older than this is a refusal."""
    price_collar_ratio: Annotated[float, Field(gt=0, le=1)] = 0.25
    """How far a limit price may lie from the reference price, as a ratio of it."""
    price_collar_usd_min: NonNegative = 0.05
    """The collar is never narrower than this, USD per share."""
    snapshot_age_seconds_max: Positive = 120
    """A portfolio snapshot older than this is a refusal."""


Channel = Literal["slack"]


def _slack() -> list[Channel]:
    return ["slack"]


class Alerts(Section):
    channels: list[Channel] = Field(default_factory=_slack)
    """Where alerts go, in this order. Empty: they stay in the database and on the console."""


SlotText = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Schedule(Section):
    slots: list[SlotText] = Field(default_factory=lambda: ["10:30"])
    """Times of strategy runs, exchange time, on trading days. Empty: runs only on request."""

    @model_validator(mode="after")
    def _each_once(self) -> Schedule:
        if len(set(self.slots)) != len(self.slots):
            message = "slots must name each time once"
            raise ValueError(message)
        return self

    def slot_times(self) -> tuple[time, ...]:
        """Return the slots in order, as naive times of the exchange's own zone."""
        return tuple(sorted(time.fromisoformat(slot) for slot in self.slots))


class Rollout(Section):
    stage: Literal["simulated", "paper", "live"] = "simulated"
    """How far orders may go: to the simulator, to a paper account, to a live account."""


class ThetagangConfig(Section):
    """The whole file. Frozen: a change is a new file, a new hash, a new object."""

    meta: Meta = Field(default_factory=Meta)
    run: Run
    runtime: Runtime
    portfolio: Portfolio
    strategies: Strategies
    risk: Risk = Field(default_factory=Risk)
    alerts: Alerts = Field(default_factory=Alerts)
    schedule: Schedule = Field(default_factory=Schedule)
    rollout: Rollout = Field(default_factory=Rollout)

    @model_validator(mode="after")
    def _overrides_name_symbols(self) -> ThetagangConfig:
        wheel = self.strategies.wheel
        named = {**wheel.symbol_overrides, **wheel.equity_rebalance.symbol_overrides}
        for symbol in named:
            if symbol not in self.portfolio.symbols:
                message = f"symbol_overrides.{symbol} names no symbol of [portfolio.symbols]"
                raise ValueError(message)
        return self

    @property
    def margin_usage(self) -> float:
        """The wheel's margin usage: its own where given, else the account's."""
        own = self.strategies.wheel.risk.margin_usage
        return self.runtime.account.margin_usage if own is None else own


def load_config(path: Path) -> ThetagangConfig:
    """Read and check `path`.

    Raises:
        ConfigError: one sentence: the file cannot be read, broken TOML (line and column), schema
            version 1, an unknown key (with the nearest known one), or a value out of its range.
    """
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror}): mend THETA_CONFIG or the file."
        raise ConfigError(message) from None
    except UnicodeDecodeError as error:
        message = f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8."
        raise ConfigError(message) from None
    return parse_config(text, where=str(path))


def parse_config(text: str, *, where: str = "thetagang.toml") -> ThetagangConfig:
    """Check the text of a configuration; `where` names it in errors. Raises `ConfigError`."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"{where} is not valid TOML: {error}."
        raise ConfigError(message) from None
    _refuse_other_versions(raw, where)
    try:
        return ThetagangConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(first_problem(error, ThetagangConfig, where)) from None


def _refuse_other_versions(raw: dict[str, Any], where: str) -> None:
    meta = raw.get("meta")
    version = meta.get("schema_version") if isinstance(meta, dict) else None
    is_version_1 = version == 1 or (
        version is None and {"account", "symbols", "target"} & raw.keys() and "runtime" not in raw
    )
    if is_version_1:
        message = (
            f"{where} has schema version 1, which this version does not read: migrate it to "
            "schema version 2 with `thetagang --migrate-config` first."
        )
        raise ConfigError(message)
    if version is not None and version != 2:
        message = f"{where}: meta.schema_version is {version!r}, this version reads 2."
        raise ConfigError(message)


def canonical_json(config: ThetagangConfig) -> str:
    """Return every key with its effective value, sorted, passwords left out."""
    return json.dumps(redacted(config), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def config_hash(config: ThetagangConfig) -> str:
    """Return the SHA-256 (64 hex digits) of the effective configuration without passwords.

    Comments, key order and spelled-out defaults do not change it.
    """
    return hashlib.sha256(canonical_json(config).encode()).hexdigest()


def redacted(config: ThetagangConfig) -> dict[str, Any]:
    """Return the effective configuration as plain values, `[redacted]` for each password."""
    dumped = config.model_dump(mode="python", by_alias=True)
    plain = _plain(dumped)
    assert isinstance(plain, dict)
    return plain


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, SecretStr):
        return REDACTED
    return value
