"""`thetagang.toml`: what is read, and what is refused in which words."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from theta.common.config.thetagang import (
    ThetagangConfig,
    config_hash,
    load_config,
    parse_config,
    redacted,
)
from theta.common.errors import ConfigError

EXAMPLE = Path(__file__).parents[3] / "config" / "thetagang.toml"
TEXT = EXAMPLE.read_text()


def changed(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, 1)


def with_table(table: str) -> str:
    return changed("[rollout]", f"{table}\n\n[rollout]")


def test_the_example_fits_one_put_of_each_symbol_on_400_000_usd() -> None:
    config = load_config(EXAMPLE)
    power = int(400_000 * config.margin_usage)
    for symbol, price in {"SPY": 775.0, "QQQ": 730.0, "IWM": 303.0}.items():
        target_shares = config.portfolio.symbols[symbol].weight * power // price
        assert target_shares >= 100, symbol
    assert config.strategies.wheel.defaults.write_when.puts.green
    assert config.schedule.slot_times() == (time(10, 30),)


def test_our_tables_may_be_left_out() -> None:
    config = parse_config(TEXT[: TEXT.index("[risk]")])
    assert config.risk.max_order_contracts == 10
    assert config.risk.price_collar_ratio == 0.25
    assert config.alerts.channels == ["slack"]
    assert config.rollout.stage == "simulated"


def test_an_omitted_roll_pnl_is_never_zero() -> None:
    config = parse_config(changed("pnl = 0.9\n", ""))
    assert config.strategies.wheel.defaults.roll_when.pnl == 0.9


def test_margin_usage_of_the_wheel_overrides_the_account() -> None:
    config = parse_config(with_table("[strategies.wheel.risk]\nmargin_usage = 0.5"))
    assert config.margin_usage == 0.5


@pytest.mark.parametrize(
    "table",
    [
        "[strategies.regime_rebalance]\nenabled = false\nsymbols = ['SPY']\nsoft_band = 0.2",
        "[strategies.vix_call_hedge]\nallocation = [{ weight = 0.0, upper_bound = 15.0 }]",
        "[strategies.cash_management]\nenabled = false\ncash_fund = 'SGOV'",
        "[strategies.tail_hedge]\ntargets = [{ symbol = 'SPY', budget_weight = 1.0 }]",
        "[runtime.ibc]\ntradingMode = 'paper'\nRaiseRequestErrors = false",
        "[runtime.watchdog]\nclientId = 7\n[runtime.watchdog.probeContract]\nsecType = 'STK'",
        "[portfolio.symbols.IWM.puts]\nstrike_limit = 300\nwrite_when.green = false",
    ],
)
def test_keys_that_users_bring_along_are_read(table: str) -> None:
    assert isinstance(parse_config(with_table(table)), ThetagangConfig)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("pnl = 0.9", "pln = 0.9", "unknown key strategies.wheel.defaults.roll_when.pln"),
        ("pnl = 0.9", "pln = 0.9", "did you mean pnl?"),
        ("[rollout]", "[rolout]", "unknown key rolout: did you mean rollout?"),
        ('primary_exchange = "NASDAQ"', "xyzzy = 1", "symbols.QQQ.xyzzy: known here are"),
        ("weight = 0.2", "weight = 0.3", "must sum to 1, they sum to 1.1"),
        ("weight = 0.2", 'weight = "0.2"', "portfolio.symbols.IWM.weight"),
        ("delta = 0.3", "delta = 3.0", "target.delta is wrong"),
        ("delta = 0.3", "delta = nan", "target.delta is wrong"),
        ('["wheel"]', '["wheel", "cash_management"]', "does not run cash_management yet"),
        ('["wheel"]', '["wheal"]', "did you mean wheel"),
        ('["wheel"]', '["wheel", "wheel"]', "each strategy once"),
        ("schema_version = 2", "schema_version = 1", "migrate it"),
        ("schema_version = 2", "schema_version = 3", "this version reads 2"),
        ("[run]", "[run", "line 11, column 5"),
        ('number = "DU1234567"\n', "", "runtime.account.number is missing"),
        ('"10:30"', '"25:30"', "schedule.slots.0"),
        ("close_at_pnl = 1.0", "close_at_pnl = 0.0", "greater than min_pnl"),
        ("price_update_delay = [30, 60]", "price_update_delay = [60, 30]", "price_update_delay"),
        ("max_order_contracts = 10", "max_order_contracts = true", "max_order_contracts"),
        ('channels = ["slack"]', 'channels = ["slak"]', "alerts.channels.0"),
    ],
)
def test_refusals_are_one_sentence(old: str, new: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config(changed(old, new))
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "name", ["regime_rebalance", "vix_call_hedge", "tail_hedge", "cash_management"]
)
def test_an_enabled_strategy_that_is_not_built_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"does not run {name} yet"):
        parse_config(with_table(f"[strategies.{name}]\nenabled = true"))


def test_version_1_without_meta_is_recognised() -> None:
    with pytest.raises(ConfigError, match="schema version 1"):
        parse_config("[account]\nnumber = 'DU1'\n[symbols.SPY]\nweight = 1\n[target]\ndte = 45\n")


def test_overrides_must_name_a_symbol() -> None:
    table = "[strategies.wheel.equity_rebalance.symbol_overrides.TLT]\nmode = 'off'"
    with pytest.raises(ConfigError, match=r"symbol_overrides\.TLT"):
        parse_config(with_table(table))


def test_stages_are_the_other_way_to_plan() -> None:
    stages = '[[run.stages]]\nid = "options_write_puts"\nkind = "options.write_puts"'
    config = parse_config(changed('strategies = ["wheel"]', "").replace("[run]", stages, 1))
    assert config.run.stages is not None
    with pytest.raises(ConfigError, match="either strategies or stages"):
        parse_config(changed('strategies = ["wheel"]', "strategies = ['wheel']\nstages = []"))


def test_the_hash_follows_meaning_not_text() -> None:
    same = config_hash(parse_config(TEXT + "\n# a comment\n"))
    spelled = config_hash(parse_config(TEXT.replace("[risk]\n", "[risk]\n# again\n")))
    other = config_hash(parse_config(changed("delta = 0.3", "delta = 0.25")))
    assert same == spelled == config_hash(load_config(EXAMPLE))
    assert other != same


def test_passwords_appear_nowhere() -> None:
    config = parse_config(with_table("[runtime.ibc]\nuserid = 'me'\npassword = 'hunter2'"))
    assert redacted(config)["runtime"]["ibc"]["password"] == "[redacted]"
    assert "hunter2" not in repr(config) + str(redacted(config))
    with pytest.raises(ConfigError) as raised:
        parse_config(with_table("[runtime.ibc]\npasword = 'hunter2'"))
    assert "hunter2" not in str(raised.value)


def test_frozen() -> None:
    config = load_config(EXAMPLE)
    with pytest.raises(ValidationError):
        config.risk.max_order_contracts = 99  # type: ignore[misc]  # the point of the test


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "none.toml")
    broken = tmp_path / "latin.toml"
    broken.write_bytes(b"# caf\xe9\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(broken)
