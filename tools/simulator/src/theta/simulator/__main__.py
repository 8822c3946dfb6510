"""``python -m theta.simulator serve``: run a simulated TWS gateway until it is told to stop."""

import argparse
import asyncio
import contextlib
import json
import logging
import math
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from theta.simulator.errors import ScenarioError, SimulatorError
from theta.simulator.scenarios import scenario
from theta.simulator.server import Options, Simulator


class _Parser(argparse.ArgumentParser):
    """Refuses a wrong command line with one sentence."""

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"theta.simulator: {message}.\n")
        raise SystemExit(64)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="theta.simulator", description="A TWS-protocol gateway with a market.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    serve = commands.add_parser("serve", help="run until SIGTERM or SIGINT")
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
    serve.add_argument("--speed", type=_speed, default=1.0, help="market seconds per second")
    serve.add_argument("--state", type=Path, help="file that survives a restart")
    serve.add_argument("--port-file", type=Path, help="where the actual ports are written as JSON")
    return parser


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"'{text}' is not a port from 0 to 65535")
    return int(text)


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0 <= speed <= 100_000:
        raise argparse.ArgumentTypeError(f"'{text}' is not a speed from 0 to 100000")
    return speed


async def _serve(arguments: argparse.Namespace) -> None:
    given = os.environ.get("THETA_SIMULATOR_SET", "").split(";")
    inherited = [text for text in given if text.strip()]
    simulator = Simulator(
        Options(
            scenario=scenario.load(arguments.scenario, [*inherited, *arguments.overrides]),
            seed=arguments.seed,
            speed=arguments.speed,
            host=arguments.host,
            port=arguments.port,
            control_port=arguments.control_port,
            state=arguments.state,
        )
    )
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await simulator.start()
    try:
        ports = {"port": simulator.port, "control_port": simulator.control_port, "pid": os.getpid()}
        if arguments.port_file is not None:
            _write_whole(arguments.port_file, json.dumps(ports))
        print(json.dumps(ports), flush=True)  # noqa: T201 - the ports are this program's output
        await _until(stopped, simulator)
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


def _write_whole(path: Path, text: str) -> None:
    """Write so that a reader sees the whole text or no file."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_text(text)
        partial.replace(path)
    except OSError as error:
        raise ScenarioError(f"The port file {path} cannot be written: {error.strerror}.") from None


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
        asyncio.run(_serve(arguments))
    except SimulatorError as error:
        sys.stderr.write(f"theta.simulator: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
