"""`python -m benchmarks`: measure the budgets, print a table, write build/bench.json.

What could not be measured is left out of both, and said.
"""

from __future__ import annotations

import argparse
import functools
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import (
    critical_alert,
    halt,
    intent_to_socket,
    journal,
    machine,
    memory,
    reconnect,
    simulator,
    ten_symbols,
)
from benchmarks.stage import TEN_SYMBOLS, Stage, stage
from tests.simulation.grounds import Grounds, grounds
from theta.common.errors import ThetaError

BUDGETS: dict[str, tuple[str, float]] = {
    "messages_per_symbol_warm": ("<=", 15),
    "messages_per_symbol_cold": ("<=", 30),
    "run_10_symbols_seconds": ("<=", 5),
    "intent_to_socket_ms_p50": ("<=", 25),
    "intent_to_socket_ms_p99": ("<=", 100),
    "halt_to_last_cancel_seconds_p99": ("<=", 2),
    "reconnect_to_trading_seconds": ("<=", 5),
    "journal_append_per_second": (">=", 500),
    "journal_verify_rows_per_second": (">=", 50_000),
    "stack_pss_mb": ("<=", 450),
    "critical_alert_seconds_p99": ("<=", 5),
    "simulator_load_seconds": ("<=", 10),
    "simulator_load_rss_mb": ("<=", 1_024),
    "simulator_ticks_per_second": (">=", 20_000),
    "simulator_orders_per_second": (">=", 2_000),
    "simulator_idle_cpu_percent": ("<=", 1),
}
Figures = dict[str, float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure everything; 0 even when a budget is missed, 1 when something was not measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"))
    parser.add_argument(
        "--simulator", action="store_true", help="measure the simulator alone; keep other figures"
    )
    options = parser.parse_args(arguments)
    figures: Figures = {}
    missing: list[str] = []
    if options.simulator:
        if options.output.is_file():
            figures |= json.loads(options.output.read_text())
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            fsync = machine.fsync_ms(Path(folder))
            _measure_simulator(Path(folder), missing, figures)
    else:
        fsync = _measure_all(missing, figures)
    _print(figures, missing, fsync)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
    return 1 if missing else 0


def _measure_all(missing: list[str], figures: Figures) -> float:
    """Measure the simulator and the system; return the milliseconds of an fsync."""
    with grounds() as ground:
        fsync = machine.fsync_ms(ground.folder)
        _measure_simulator(ground.folder, missing, figures)
        _attempt("journal", missing, figures, lambda: _journal(ground))
        with _staged(ground, "one", ["SPY"], missing) as one:
            for name, measure in (
                ("stack_pss", memory.measure),
                ("critical_alert", critical_alert.measure),
                ("intent_to_socket", intent_to_socket.measure),
                ("reconnect", reconnect.measure),
            ):
                _attempt(name, missing, figures, _bound(measure, one))
        with _staged(ground, "ten", TEN_SYMBOLS, missing) as ten:
            for name, measure in (("ten_symbols", ten_symbols.measure), ("halt", halt.measure)):
                _attempt(name, missing, figures, _bound(measure, ten))
    shutil.rmtree(ground.folder, ignore_errors=True)
    return fsync


def _measure_simulator(folder: Path, missing: list[str], figures: Figures) -> None:
    """Measure the simulator before anything else runs on this machine."""
    place = folder / "simulator"
    for measure in (simulator.idle, simulator.orders, simulator.ticks, simulator.load):
        name = f"simulator_{measure.__name__}"
        _attempt(name, missing, figures, functools.partial(measure, place))


def _journal(ground: Grounds) -> Figures:
    with ground.fresh("bench_journal") as servers:
        return journal.measure(servers)


@contextmanager
def _staged(
    ground: Grounds, name: str, symbols: Sequence[str], missing: list[str]
) -> Iterator[Stage | None]:
    _say(f"starting the system on {len(symbols)} symbols")
    opened = stage(ground, f"bench_{name}", symbols)
    try:
        entered = opened.__enter__()
    except ThetaError as error:
        missing.append(f"everything on {len(symbols)} symbols: {error}")
        yield None
        return
    try:
        yield entered
    finally:
        opened.__exit__(None, None, None)


def _bound(measure: Callable[[Stage], Figures], where: Stage | None) -> Callable[[], Figures]:
    return lambda: measure(where) if where is not None else {}


def _attempt(
    name: str, missing: list[str], figures: Figures, measure: Callable[[], Figures]
) -> None:
    _say(f"measuring {name}")
    try:
        measured = measure()
    except ThetaError as error:
        missing.append(f"{name}: {error}")
        _say(f"  not measured: {error}")
        return
    figures |= measured
    for key, value in measured.items():
        _say(f"  {key} = {value:g}")


def _print(figures: Figures, missing: list[str], fsync: float) -> None:
    title = f"Budgets, on {machine.describe()}, fsync {fsync:.2f} ms"
    table = Table("budget", "measured", "limit", "ratio", title=title)
    for key, (sign, budget) in BUDGETS.items():
        slow_disk = key == "journal_append_per_second" and fsync > 1
        limit = 0.5 * 1000 / fsync if slow_disk else budget
        if key not in figures:
            table.add_row(key, "not measured", f"{sign} {limit:g}", "")
            continue
        value = figures[key]
        ratio = value / limit if sign == "<=" else limit / max(value, 1e-9)
        table.add_row(key, f"{value:g}", f"{sign} {limit:g}", f"{ratio:.2f}")
    Console(width=120).print(table)
    for line in missing:
        _say(f"not measured: {line}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
