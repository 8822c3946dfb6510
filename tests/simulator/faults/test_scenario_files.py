"""Scenario files: what they build, and one sentence for every mistake."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from ib_insync import Stock

from tests.simulator.faults.conftest import limit, stock, until
from theta.simulator.errors import ScenarioError
from theta.simulator.inprocess import ThreadedSimulator
from theta.simulator.market import calendar
from theta.simulator.scenarios import scenario
from theta.simulator.server import Options


def refusal(text: str) -> str:
    with pytest.raises(ScenarioError) as refused:
        scenario.parse(text, "mine.toml")
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[evnt]", "unknown key evnt; the nearest known key is event"),
        ("[account]\ncash_usdd = 1", "the nearest known key is account.cash_usd"),
        ("account = 3", "account must be a table"),
        ("[[account]]\nid = 'A'\n[[account]]\nid = 'A'", "account[1].id must be different"),
        ("[[account]]\nids = 'A'", "account[0].ids; the nearest known key is account[0].id"),
        ("[limits]\norder_id = true", "limits.order_id; the nearest known key is limits.order_ids"),
        ("[limits]\nmarket_data_lines = 'x'", "limits.market_data_lines must be a whole number"),
        ("[broker]\ncommission_plan = 'free'", "commission_plan must be one of fixed, tiered"),
        ("[[event]]\nkind = 'halt'", "event[0].at must be seconds after the start"),
        ("[[event]]\nat = 'noon'\nkind = 'halt'", "event[0].at must be seconds after the start"),
        ("[[event]]\nat = 5\nkind = 'hallt'", "event[0]: Unknown kind 'hallt'; the nearest"),
        ("[[event]]\nat = 5\nkind = 'halt'\nsymbl = 'SPY'", "the nearest known key is symbol"),
        ("[[event]]\nat = 5\nkind = 'halt'\nseconds = -1", "seconds must be a number of at least"),
        ("[[event]]\nat = 5\nkind = 'halt'\nevery = 1", 'every must be "day", or at least 60'),
        ("[[event]]\nat = 5\nkind = 'halt'\nsymbol = 'SPYY'", "'SPYY', which is not in it; the"),
        ("[[event]]\nat = 5\nkind = 'margin_call'\naccount = 'X'", "the nearest is DU1234567"),
        ("[event]\nat = 5", "event must be an array of tables"),
        ("[faults]\nkinds = ['halts']", "the nearest known key is faults.kinds: halt"),
        ("[faults]\nper_hour = 0", "faults.per_hour must be a number from 0.01"),
        ("[[market.source]]\nkind = 'csv'", "source[0].kind must be one of recorded, folder"),
        ("[[market.source]]\nkind = 'synthetic'", "market.source[0].symbol is missing"),
        (
            "[[market.source]]\nkind = 'synthetic'\nsymbol = 'A'\nprize = 3",
            "market.source[0].prize; the nearest known key is market.source[0].price",
        ),
        (
            "[[market.source]]\nkind = 'synthetic'\nsymbol = 'A'\nprice = 'x'",
            "market.source[0].price must be a number",
        ),
        ("[[market.source]]\nkind = 'synthetic'\nsymbol = 'a b'", "an upper-case symbol"),
        (
            "[[market.source]]\nkind = 'synthetic'\nsymbol = 'A'\ncount = 0",
            "market.source[0].count must be a whole number from 1",
        ),
        ("[[market.source]]\nkind = 'folder'\npath = 'none'\nformat = 'eod'", "must be a folder"),
        (
            "[[market.source]]\nkind = 'recorded'\nsymbol = 'SPY'\n[market.symbols]\nSPY = 'SPY'",
            "the symbol SPY has two sources",
        ),
        (
            "[[market.action]]\nkind = 'split'\nsymbol = 'SPY'\nat = 'day 1 open'",
            "market.action[0].ratio must be a number",
        ),
        (
            "[account]\npositions = [{ symbol = 'SPY', quantity = 1, right = 'P', strike = 700 }]",
            "an option by right (C or P) with expiry (YYYYMMDD) and strike",
        ),
        ("[account]\npositions = [{ symbol = 'X', quantity = 1 }]", "must be one of IWM, QQQ, SPY"),
        ("[account]\npositions = [{ quantity = 1 }]", "a table with symbol, quantity"),
        ("[clock]\nstart = 'now'", "clock.start must be a time with zone"),
        ("[clock", "is not valid TOML"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_with_what_mends_it(text: str, complaint: str) -> None:
    said = refusal(text)
    assert complaint in said
    assert "mine.toml" in said
    assert said.count("\n") == 0 or "TOML" in said
    assert said.endswith(".")


def test_options_at_the_start_are_found_by_their_distance(tmp_path: Path) -> None:
    text = """
    [account]
    positions = [
        { symbol = "QQQ", quantity = -2, right = "P", expiry_days = 35, strike_percent = 95 },
    ]
    """
    found = scenario.parse(text, "mine")
    with ThreadedSimulator(Options(found)) as simulator:
        (held,) = simulator.control("/truth")["positions"]
        spot = simulator.control("/quote", {"symbol": "QQQ"})["mark"]
    assert abs(held["strike"] / spot - 0.95) < 0.01
    assert held["expiry"] == "20260918"
    assert held["quantity"] == -2
    assert held["average_cost"] > 100


def test_a_folder_of_recordings_is_found_beside_the_scenario(tmp_path: Path) -> None:
    recorded = files("theta.simulator") / "data" / "chains"
    (tmp_path / "mine").symlink_to(str(recorded))
    file = tmp_path / "folder.toml"
    file.write_text(
        "[clock]\nstart = 2026-08-14T15:00:00Z\n[account]\npositions = [{ symbol = 'IWM', quantity"
        " = 5 }]\n[[market.source]]\nkind = 'folder'\npath = 'mine'\nformat = 'snapshots'\n"
        "symbols = ['IWM']\n"
    )
    with ThreadedSimulator(Options(scenario.load(str(file)))) as simulator:
        assert simulator.control("/quote", {"symbol": "IWM"})["bid"] > 200
        (held,) = simulator.control("/truth")["positions"]
    assert (held["symbol"], held["quantity"]) == ("IWM", 5)


@pytest.mark.slow
@pytest.mark.usefixtures("in_new_york")
async def test_shifted_dates_put_the_first_session_on_the_machines_today(
    scene: Callable[..., ThreadedSimulator], connect: Callable[..., Any], tmp_path: Path
) -> None:
    wednesday = datetime.fromisoformat("2027-03-03T12:00:00-05:00").timestamp()
    state = tmp_path / "broker.db"
    simulator = scene("assignment", today=wednesday, state=state)
    told = simulator.control("/clock")
    assert told["trading_date"] == "2027-03-03"
    assert told["market_open"]
    assert abs(told["epoch"] - wednesday) < 60
    client = await connect(simulator)
    (details,) = await client.reqContractDetailsAsync(Stock("SPY", "SMART", "USD"))
    (chain, *_) = await client.reqSecDefOptParamsAsync("SPY", "", "STK", details.contract.conId)
    assert min(chain.expirations) >= "20270303"
    assert "20270416" in chain.expirations
    ticker = client.reqMktData(details.contract)
    await until(lambda: ticker.bid > 500)
    options = [p.contract for p in client.positions() if p.contract.right]
    assert {contract.lastTradeDateOrContractMonth[:6] for contract in options} == {"202703"}
    client.disconnect()
    simulator.__exit__(None, None, None)
    # A state file goes on with the dates it began with.
    later = scene("assignment", today=wednesday + 40 * 86_400, state=state)
    assert later.control("/clock")["trading_date"] == "2027-03-03"


@pytest.fixture
def in_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's dates are New York's."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()
    calendar.remove_sessions()


@pytest.mark.usefixtures("in_new_york")
def test_a_sunday_has_a_market_too(scene: Callable[..., ThreadedSimulator]) -> None:
    sunday = datetime.fromisoformat("2027-03-07T11:00:00-05:00").timestamp()
    simulator = scene("polite", today=sunday)
    told = simulator.control("/clock")
    assert (told["trading_date"], told["market_open"]) == ("2027-03-07", True)
    assert simulator.control("/quote", {"symbol": "SPY"})["bid"] > 500
    assert simulator.control("/clock", {"jump_to": "next_open"})["trading_date"] == "2027-03-08"


@pytest.mark.parametrize("text", ["2027-03-07T20:00:00-05:00", "2027-03-10T00:10:00-05:00"])
def test_at_night_the_market_is_open_on_the_machines_date(
    scene: Callable[..., ThreadedSimulator], request: pytest.FixtureRequest, text: str
) -> None:
    request.addfinalizer(calendar.remove_sessions)
    now = datetime.fromisoformat(text).timestamp()
    told = scene("polite", today=now).control("/clock")
    assert told["trading_date"] == f"{datetime.fromtimestamp(now, UTC).astimezone():%Y-%m-%d}"
    assert told["market_open"]
    assert calendar.new_york(told["epoch"]).strftime("%H:%M") == "12:13", "the scenario's own time"


async def test_two_accounts_trade_side_by_side(tmp_path: Path, connect: Callable[..., Any]) -> None:
    file = tmp_path / "two.toml"
    file.write_text(
        "[broker]\npolite = true\n[[account]]\nid = 'DU1'\ncash_usd = 100000\n"
        "[[account]]\nid = 'DU2'\ncash_usd = 50000\ncash_account = true\n"
    )
    with ThreadedSimulator(Options(scenario.load(str(file)))) as simulator:
        client = await connect(simulator)
        assert client.managedAccounts() == ["DU1", "DU2"]
        trade = client.placeOrder(await stock(client), limit("BUY", 3, 900, account="DU2"))
        await until(lambda: trade.orderStatus.status == "Filled")
        truth = simulator.control("/truth")
        client.disconnect()
    assert truth["account"] == "DU1"
    assert truth["cash"] == 100_000
    assert truth["accounts"]["DU2"]["positions"][0]["quantity"] == 3
    assert truth["accounts"]["DU2"]["cash"] < 50_000


def program(*arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "theta.simulator", *arguments],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_the_commands_beside_serve(tmp_path: Path) -> None:
    status, said, _ = program("scenarios")
    assert status == 0
    assert len(said.splitlines()) == len(scenario.built_in())
    status, said, _ = program("faults")
    assert status == 0
    assert "price_gap [symbol] [percent] [price]" in said
    status, said, _ = program("check", "crash")
    assert status == 0
    assert "event: 2026-08-14T09:45:00 New York, halt" in said
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[[event]]\nat = 1\nkind = 'halt'\nsymbool = 'SPY'\n")
    status, said, complaint = program("check", str(wrong))
    assert (status, said) == (78, "")
    assert complaint.count("\n") == 1
    assert "nearest known key is symbol" in complaint
    status, _, complaint = program("serve", "--speed", "fast")
    assert status == 64
    assert "nor max" in complaint


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "theta.simulator", "faults"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(30) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", scenario.built_in())
def test_check_accepts_every_ready_scenario(name: str) -> None:
    status, said, complaint = program("check", name)
    assert (status, complaint) == (0, "")
    assert said.startswith(f"{name}: ")
