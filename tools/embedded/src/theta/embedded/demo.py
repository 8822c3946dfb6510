"""The demo: puts sold on a simulated market through the real path, one order found after a crash.

It runs PostgreSQL, Redis, the simulator and every service as real processes, kills broker-gateway
with -9 between the write of an order and its acknowledgement, starts it again, and lets the oracle
compare the broker's truth with the records. The last line of its output is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from theta.common.errors import EXIT_OK, EXIT_SOFTWARE, ConfigError, ThetaError, UnavailableError
from theta.embedded.demo_story import Outcome, Story
from theta.embedded.demo_view import Screen
from theta.embedded.running import Deployment, Plan, Servers
from theta.embedded.slack_sink import SlackSink
from theta.embedded.stack import EmbeddedServers

DEFAULT_CONFIG = Path("config/thetagang.toml")
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Run the demo; return 0 only if everything held, else 70, 69 (unavailable) or 78 (config)."""
    options = _parser().parse_args(arguments)
    screen = Screen()
    folder: Path | None = None
    try:
        with _signals_interrupt():
            folder = _data_folder(options.data_dir)
            exit_code = _run(options, folder, screen)
    except KeyboardInterrupt:
        screen.step("stopped")
        exit_code = EXIT_INTERRUPTED if options.once else EXIT_OK
    except ThetaError as error:
        screen.step(f"failed: {error}")
        exit_code = error.exit_code
    if folder is not None:
        _keep_or_remove(options, folder, exit_code, screen)
    return exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m theta.embedded demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the proof; no terminal")
    parser.add_argument("--keep", action="store_true", help="keep the data folder")
    parser.add_argument("--seed", type=int, default=1, help="seed of the simulated market")
    parser.add_argument(
        "--data-dir", type=Path, help="an empty or absent folder to use and keep; else a fresh one"
    )
    parser.add_argument("--picture", type=Path, help="also write what was shown as an SVG")
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="thetagang.toml")
    return parser


def _run(options: argparse.Namespace, folder: Path, screen: Screen) -> int:
    if not options.config.is_file():
        raise ConfigError(
            f"There is no configuration {options.config}: run from the project's folder, or name "
            "one with --config."
        )
    outcome: Outcome | None = None
    screen.step(f"data and logs are in {folder}", pictured=False)
    # Never a database of somebody else's: what the environment says about servers is not read.
    servers = EmbeddedServers(folder / "servers", environment={}, progress=screen.step)
    with SlackSink() as sink, servers:
        plan = Plan(config=options.config, seed=options.seed, slack_url=sink.url)
        deployment = Deployment(folder, Servers.of(servers), plan, progress=screen.step)
        with deployment:
            story = Story(deployment, sink, screen)
            try:
                outcome = story.run()
            except ThetaError as error:
                raise type(error)(f"{error} (step: {story.step}; logs: {folder})") from error
            if options.picture is not None:
                story.show(outcome)
                screen.save_picture(options.picture, "make demo")
            if not options.once:
                story.show(outcome)
                screen.figures(outcome.figures(screen.seconds))
                _stay(deployment, sink, screen, options.config)
        screen.step("every process is stopped")
    if options.once:
        screen.figures(outcome.figures(screen.seconds))
    return EXIT_OK if outcome.ok else EXIT_SOFTWARE


def _stay(deployment: Deployment, sink: SlackSink, screen: Screen, config: Path) -> None:
    """Keep serving until Ctrl-C, telling each Slack message as it arrives."""
    _tell_how_to_talk(deployment, screen, config)
    told = len(sink.posts)
    while True:
        for name in deployment.processes.ended():
            raise UnavailableError(
                f"{name} has ended by itself: see {deployment.processes.log_of(name)}."
            )
        posts = sink.posts
        for post in posts[told:]:
            screen.step(f"Slack: {post.title}")
        told = len(posts)
        time.sleep(0.5)


def _tell_how_to_talk(deployment: Deployment, screen: Screen, config: Path) -> None:
    bearer = f"-H 'Authorization: Bearer {deployment.token}'"
    json = "-H 'Content-Type: application/json'"
    url = deployment.api_url
    program = Path(sys.executable).with_name("thetactl")
    operator = deployment.servers.database_urls["theta_operator"]
    screen.plain(
        f"""
The system runs. Ctrl-C stops it. The API is {url} (its description: {url}/openapi.json).

  curl -s {bearer} {url}/v1/status
  curl -s {bearer} {url}/v1/intents
  curl -s {bearer} {json} -H 'Idempotency-Key: mine-1' -d '{{}}' {url}/v1/runs

  export THETA_GATEWAY_URL={url} THETA_API_TOKEN={deployment.token}
  export THETA_CONFIG={config.absolute()} THETA_DATABASE_URL='{operator}'
  {program} status
  {program} run-once
  {program} halt --reason 'looking around'
  {program} resume --reason 'seen enough'
  {program} journal verify

What the broker knows: curl -s {deployment.control_url}/truth
"""
    )


def _data_folder(asked: Path | None) -> Path:
    if asked is None:
        folder = Path(tempfile.mkdtemp(prefix="theta-demo-"))
        # PostgreSQL does not run as root; its account must be able to pass through.
        folder.chmod(0o711)
        return folder
    folder = asked.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        used = any(folder.iterdir())
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"The data folder {folder} cannot be used ({error.strerror}): choose another with "
            "--data-dir."
        ) from error
    if used:
        raise ConfigError(
            f"The data folder {folder} is not empty: the demo starts afresh; choose another with "
            "--data-dir, or empty it."
        )
    return folder


def _keep_or_remove(
    options: argparse.Namespace, folder: Path, exit_code: int, screen: Screen
) -> None:
    failed = exit_code not in (EXIT_OK, EXIT_INTERRUPTED)
    if failed or options.keep or options.data_dir is not None:
        # The figures stay the last line of standard output.
        sys.stderr.write(f"kept: {folder}\n")
        return
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the demo as Ctrl-C does, so that everything is stopped."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before: dict[signal.Signals, Any] = {}
    for number in (signal.SIGTERM, signal.SIGHUP):
        before[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
