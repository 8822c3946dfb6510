"""``python -m theta.simulator``: run a simulated TWS gateway, list and check its scenarios."""

import argparse
import asyncio
import contextlib
import gc
import json
import logging
import math
import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from theta.simulator import documentation
from theta.simulator.errors import ScenarioError, SimulatorError
from theta.simulator.exchange.store import Store
from theta.simulator.faults.catalogue import CATALOGUE
from theta.simulator.faults.parameters import REQUIRED
from theta.simulator.market import calendar
from theta.simulator.scenarios import scenario
from theta.simulator.server import Options, Simulator, build
from theta.simulator.watch import watch


class _Parser(argparse.ArgumentParser):
    """Refuses a wrong command line with one sentence."""

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"theta.simulator: {message}.\n")
        raise SystemExit(64)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="theta.simulator", description="A TWS-protocol gateway with a market.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    _add_serve(commands.add_parser("serve", help="run until SIGTERM or SIGINT"))
    commands.add_parser("scenarios", help="list the ready scenarios")
    check = commands.add_parser("check", help="check a scenario and say what is in it")
    check.add_argument("scenario", help="name or TOML file")
    check.add_argument("--set", dest="overrides", action="append", default=[], help="as for serve")
    commands.add_parser("faults", help="list every kind of fault with its parameters")
    docs = commands.add_parser("docs", help="write the generated parts of the reference anew")
    docs.add_argument("file", type=Path, help="the reference, a Markdown file with marks")
    return parser


def _add_serve(serve: argparse.ArgumentParser) -> None:
    serve.add_argument("--host", default="127.0.0.1", help="address of the TWS port")
    serve.add_argument("--port", type=_port, default=4002, help="TWS port, 0 for a free one")
    serve.add_argument(
        "--control-port", type=_port, default=4003, help="control API, loopback only"
    )
    serve.add_argument("--scenario", default="calm-week", help="name or TOML file")
    serve.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="TABLE.KEY=VALUE",
        help="change one scenario key; also THETA_SIMULATOR_SET, several separated by ;",
    )
    serve.add_argument("--seed", type=int, default=1, help="seed of prices and manners")
    serve.add_argument(
        "--fault-seed", type=int, help="draw faults from this seed, as [faults] in a scenario does"
    )
    serve.add_argument(
        "--speed", type=_speed, default=1.0, help="market seconds per second, or max"
    )
    serve.add_argument(
        "--shift-to-today",
        action="store_true",
        help="move every date so that the first session is on this machine's date, at its time in"
        " session and else at the scenario's time of day",
    )
    serve.add_argument("--state", type=Path, help="file that survives a restart")
    serve.add_argument("--port-file", type=Path, help="where the actual ports are written as JSON")
    serve.add_argument("--watch", action="store_true", help="show what happens while it runs")


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"'{text}' is not a port from 0 to 65535")
    return int(text)


def _speed(text: str) -> float:
    if text == "max":
        return math.inf
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0 <= speed <= 100_000:
        raise argparse.ArgumentTypeError(f"'{text}' is not a speed from 0 to 100000, nor max")
    return speed


def _options(arguments: argparse.Namespace) -> Options:
    given = os.environ.get("THETA_SIMULATOR_SET", "").split(";")
    inherited = [text for text in given if text.strip()]
    return Options(
        scenario=scenario.load(arguments.scenario, [*inherited, *arguments.overrides]),
        seed=arguments.seed,
        speed=arguments.speed,
        host=arguments.host,
        port=arguments.port,
        control_port=arguments.control_port,
        state=arguments.state,
        fault_seed=arguments.fault_seed,
        today=time.time() if arguments.shift_to_today else None,
    )


async def _serve(arguments: argparse.Namespace) -> None:
    simulator = Simulator(_options(arguments))
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await simulator.start()
    _spare_the_collector()
    try:
        ports = {"port": simulator.port, "control_port": simulator.control_port, "pid": os.getpid()}
        if arguments.port_file is not None:
            _write_whole(arguments.port_file, json.dumps(ports))
        print(json.dumps(ports), flush=True)  # noqa: T201 - the ports are this program's output
        watching = None
        if arguments.watch:
            watching = asyncio.create_task(watch(simulator.gateway, sys.stdout))
        await _until(stopped, simulator)
        if watching is not None:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError, BrokenPipeError):
                await watching
    finally:
        await simulator.stop()


async def _until(stopped: asyncio.Event, simulator: Simulator) -> None:
    waiting = asyncio.create_task(stopped.wait())
    failing = asyncio.create_task(simulator.wait_failed())
    await asyncio.wait({waiting, failing}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if failing.done():
        failing.result()
    failing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await failing


def _spare_the_collector() -> None:
    """Nearly all that a simulator makes stays: looking through it for garbage often is waste."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _check(arguments: argparse.Namespace) -> None:
    """Build everything that the scenario needs, in memory, without listening to anything."""
    found = scenario.load(arguments.scenario, arguments.overrides)
    store = Store(None)
    try:
        gateway = build(Options(found), store)
        gateway.closed = True
    finally:
        store.close()
    accounts = ", ".join(f"{a.name} with {a.cash:,.0f} USD" for a in found.accounts)
    symbols = gateway.exchange.market.book.symbols
    _say(f"{found.name}: {found.about}")
    _say(f"starts {calendar.new_york(found.start):%a %Y-%m-%d %H:%M:%S} New York")
    _say(f"accounts: {accounts}")
    _say(f"symbols: {len(symbols)} ({', '.join(symbols[:10])}{', …' if symbols[10:] else ''})")
    for event in gateway.timeline.schedule.ahead():
        _say(f"event: {event['at'][:19]} New York, {event['kind']}")


def _list() -> None:
    for name in scenario.built_in():
        _say(f"{name:<16} {scenario.load(name).about}")


def _faults() -> None:
    for kind in CATALOGUE.values():
        keys = " ".join(
            f"[{p.name}]" if p.default is not REQUIRED else p.name for p in kind.parameters
        )
        _say(f"{kind.name} {keys}\n    {kind.effect} Seen: {kind.seen}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _write_whole(path: Path, text: str) -> None:
    """Write so that a reader sees the whole text or no file."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_text(text)
        partial.replace(path)
    except OSError as error:
        raise ScenarioError(f"The port file {path} cannot be written: {error.strerror}.") from None


def _run(arguments: argparse.Namespace) -> None:
    if arguments.command == "serve":
        asyncio.run(_serve(arguments))
    elif arguments.command == "check":
        asyncio.run(_check(arguments))
    elif arguments.command == "scenarios":
        _list()
    elif arguments.command == "faults":
        _faults()
    else:
        documentation.rewrite(arguments.file)


def main() -> int:
    """Exit status 0 after a clean stop; otherwise one sentence on stderr and the error's own
    status."""
    arguments = _parser().parse_args()
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    try:
        _run(arguments)
    except SimulatorError as error:
        sys.stderr.write(f"theta.simulator: {error}\n")
        return error.exit_code
    except BrokenPipeError:
        # Whoever reads the output has seen enough, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
