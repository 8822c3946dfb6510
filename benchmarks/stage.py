"""The system under measurement: the real processes beside a simulator, on this machine."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.simulation.grounds import Grounds
from theta.common.errors import UnavailableError
from theta.embedded.running import Deployment, Plan, Servers
from theta.embedded.settling import query
from theta.embedded.slack_sink import SlackSink

CONFIG = Path(__file__).parents[1] / "config" / "thetagang.toml"
TEN_SYMBOLS = ("SPY", "QQQ", "IWM", "VOO", "IVV", "SPLG", "QQQM", "ONEQ", "VTWO", "SCHA")
CHAINS = {"VOO": "SPY", "IVV": "SPY", "SPLG": "IWM", "QQQM": "QQQ", "ONEQ": "QQQ"}
RUN_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A running deployment; fills never happen by themselves."""

    deployment: Deployment
    servers: Servers
    sink: SlackSink
    symbols: tuple[str, ...]

    def run(self) -> tuple[str, float]:
        """Do one strategy run; return its id and its seconds from claim to commit."""
        answer = self.deployment.api("POST", "/v1/runs", {})
        if answer.status != 202:
            raise UnavailableError(f"POST /v1/runs answered {answer.status}: {answer.body}")
        run_id = str(answer.body.get("run_id") or answer.body["id"])
        statement = """
            select status, error, extract(epoch from finished_at - claimed_at) as seconds
            from strategy_run where id = %s
        """
        wait_for(
            lambda: (
                query(self.servers.reader_url, statement, run_id)[0]["status"] != "claimed"
                and query(self.servers.reader_url, statement, run_id)[0]["status"] != "running"
            ),
            RUN_TIMEOUT_SECONDS,
        )
        row = query(self.servers.reader_url, statement, run_id)[0]
        if row["status"] != "finished":
            raise UnavailableError(f"the run {row['status']}: {row['error']}")
        return run_id, float(row["seconds"])

    def count(self, state: str) -> int:
        """Return how many child orders are in `state`."""
        statement = "select count(*) as n from child_order where state = %s"
        return int(query(self.servers.reader_url, statement, state)[0]["n"])

    def wait_for_working(self, count: int) -> None:
        """Wait until exactly so many child orders work at the broker."""
        wait_for(lambda: self.count("working") == count, RUN_TIMEOUT_SECONDS)


def wait_for(condition: object, timeout_seconds: float, *, poll_seconds: float = 0.02) -> None:
    """Poll `condition()`; raises `UnavailableError` when the time is up."""
    assert callable(condition)
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise UnavailableError(f"a benchmark waited {timeout_seconds:g} s in vain")
        time.sleep(poll_seconds)


@contextmanager
def stage(ground: Grounds, name: str, symbols: Sequence[str]) -> Iterator[Stage]:
    """Yield a ready deployment on `symbols` with cash for many orders, none of which fills."""
    folder = ground.folder / name
    folder.mkdir()
    scenario = folder / "scenario.toml"
    scenario.write_text(scenario_text(symbols))
    config = folder / "thetagang.toml"
    config.write_text(config_text(CONFIG.read_text(), symbols))
    with ground.fresh(name) as servers, SlackSink() as sink:
        plan = Plan(config=config, scenario=str(scenario), slack_url=sink.url)
        with Deployment(folder, servers, plan) as deployment:
            deployment.start()
            yield Stage(deployment, servers, sink, tuple(symbols))


def scenario_text(symbols: Sequence[str]) -> str:
    """Return a scenario with these symbols on recorded chains; the gateway is paced at 50/s."""
    listed = {name: CHAINS.get(name, name if name in ("SPY", "QQQ") else "IWM") for name in symbols}
    table = ", ".join(f'{name} = "{source}"' for name, source in listed.items())
    return (
        "[account]\ncash_usd = 50000000\n"
        f"[market]\nsymbols = {{ {table} }}\n"
        "[broker]\nfill_probability = 0.0\npacing = true\nack_ms = [20, 300]\n"
        "tick_ms = [100, 300]\n"
    )


def config_text(example: str, symbols: Sequence[str]) -> str:
    """Return the example configuration with these symbols, equally weighted, and 1 contract each.

    Everything else, with its chain sizes and thresholds, stays.
    """
    head, _, rest = example.partition("[portfolio.symbols.SPY]")
    _, _, tail = rest.partition("# --- The wheel")
    weight = 1 / len(symbols)
    tables = "".join(
        f'[portfolio.symbols.{name}]\nweight = {weight:g}\nprimary_exchange = "ARCA"\n'
        for name in symbols
    )
    tail = re.sub(
        r"maximum_new_contracts_percent = .*", "maximum_new_contracts_percent = 0.0001", tail
    )
    return f"{head}{tables}\n# --- The wheel{tail}"


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the nearest-rank percentile; with few values the 99th is the largest."""
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[rank - 1]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)
