"""`python -m theta.embedded`: serve both servers, run a service beside them, or show the demo."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from theta.common.errors import EXIT_OK, ConfigError, ThetaError, UnavailableError
from theta.embedded.processes import write_private
from theta.embedded.schema import ROLES
from theta.embedded.stack import EmbeddedServers, external_setting

DEFAULT_DATA_DIR = Path("var/servers")
CONNECTIONS_FILE = "connections.secret"
"""What `run` reads: the URL of Redis and one database URL per role. Exists while they serve."""
WATCH_SECONDS = 0.5
RUN_WAIT_SECONDS = 120.0
"""How long `run` waits for servers that are being started beside it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code (0, 69 unavailable, 78 configuration)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if words[:1] == ["demo"]:
            # The demo drives whole services: nothing else here should pay for importing it.
            return int(importlib.import_module("theta.embedded.demo").main(words[1:]))
        options = _parser().parse_args(words)
        if options.command == "run":
            return run_beside(options.data_dir, options.role, options.program, os.environ)
        return serve(options.data_dir, options.env_file, options.postgres_port, options.redis_port)
    except ThetaError as error:
        say(str(error))
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m theta.embedded", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    served = commands.add_parser("serve", help="run both servers until SIGTERM or Ctrl-C")
    served.add_argument("--data-dir", type=Path, default=DEFAULT_DATA_DIR)
    served.add_argument("--env-file", type=Path, help="write the connection URLs here (0600)")
    served.add_argument("--postgres-port", type=port_number)
    served.add_argument("--redis-port", type=port_number)
    beside = commands.add_parser("run", help="wait for the servers, then become a service")
    beside.add_argument("--data-dir", type=Path, default=DEFAULT_DATA_DIR)
    beside.add_argument("--role", choices=ROLES, required=True)
    beside.add_argument("program", nargs="+", help="after --: the program and its arguments")
    commands.add_parser("demo", help="one put sold on a simulated market, through the real path")
    return parser


def port_number(text: str) -> int:
    """Parse a TCP port, 1 to 65535."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port number from 1 to 65535")
    return int(text)


def serve(
    data_dir: Path, env_file: Path | None, postgres_port: int | None, redis_port: int | None
) -> int:
    """Run both servers in the foreground until a signal; raises if one ends by itself."""
    asked_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: asked_to_stop.set())
    servers = EmbeddedServers(
        data_dir, postgres_port=postgres_port, redis_port=redis_port, progress=say
    )
    connections = data_dir.absolute() / CONNECTIONS_FILE
    with servers:
        try:
            publish(servers, connections, env_file)
            say(f"ready: the data are in {data_dir}; Ctrl-C stops both servers")
            while not asked_to_stop.wait(WATCH_SECONDS):
                if (stopped := servers.stopped_server()) is not None:
                    raise UnavailableError(
                        f"{stopped} has stopped by itself: see its log under {data_dir} and start "
                        "again; no committed data are lost."
                    )
        finally:
            connections.unlink(missing_ok=True)
        say("stopping")
    return EXIT_OK


def publish(servers: EmbeddedServers, connections: Path, env_file: Path | None) -> None:
    """Write how to connect, for `run` and, as an env file, for people; both readable by us only."""
    urls = {role: servers.database_url(role) for role in ROLES}
    content = {"redis_url": servers.redis_url, "database_urls": urls}
    try:
        connections.parent.mkdir(parents=True, exist_ok=True)
        write_private(connections, json.dumps(content, indent=1) + "\n")
        if env_file is not None:
            lines = [
                "# Written by `python -m theta.embedded serve`; the roles' passwords are in it."
            ]
            lines += [f"{env_name(role)}={url}" for role, url in urls.items()]
            lines.append(f"THETA_REDIS_URL={servers.redis_url}")
            write_private(env_file, "\n".join(lines) + "\n")
    except OSError as error:
        raise ConfigError(
            f"Cannot write the connection file {error.filename} ({error.strerror}): "
            "choose another place, or mend its permissions."
        ) from error


def env_name(role: str) -> str:
    """Return the name that carries one role's URL among several: `RISK_DATABASE_URL`.

    It does not begin with `THETA_`, since no service may read another's.
    """
    return f"{role.removeprefix('theta_').upper()}_DATABASE_URL"


def run_beside(
    data_dir: Path, role: str, program: Sequence[str], environment: Mapping[str, str]
) -> int:
    """Become `program` with the URLs of `role`, once the servers answer; returns only by raising.

    `THETA_DATABASE_URL`, else `<ROLE>_DATABASE_URL` (see `env_name`), and `THETA_REDIS_URL` in
    `environment` replace the embedded servers' URLs; when both are given nothing is waited for.
    """
    database_url = external_setting(environment, "THETA_DATABASE_URL")
    database_url = database_url or environment.get(env_name(role))
    redis_url = external_setting(environment, "THETA_REDIS_URL")
    if database_url is None or redis_url is None:
        embedded = wait_for_servers(data_dir, role, timeout_seconds=RUN_WAIT_SECONDS)
        database_url = database_url or embedded[0]
        redis_url = redis_url or embedded[1]
    foreign = {env_name(other) for other in ROLES}
    foreign |= {"THETA_DATABASE_URL_FILE", "THETA_REDIS_URL_FILE"}
    own = {key: value for key, value in environment.items() if key not in foreign}
    own |= {"THETA_DATABASE_URL": database_url, "THETA_REDIS_URL": redis_url}
    found = shutil.which(program[0])
    if found is None:
        raise ConfigError(f"There is no program {program[0]!r} on PATH: name it with its path.")
    os.execve(found, list(program), own)  # noqa: S606  # becomes the service; no shell


def wait_for_servers(data_dir: Path, role: str, *, timeout_seconds: float) -> tuple[str, str]:
    """Return the database URL of `role` and the Redis URL once both servers accept connections.

    Raises `UnavailableError` after `timeout_seconds`.
    """
    path = data_dir / CONNECTIONS_FILE
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        try:
            content = json.loads(path.read_text())
            database_url: str = content["database_urls"][role]
            redis_url: str = content["redis_url"]
        except (OSError, ValueError, KeyError):
            time.sleep(0.1)
            continue
        if accepts(database_url) and accepts(redis_url):
            return database_url, redis_url
        time.sleep(0.1)
    raise UnavailableError(
        f"No servers answered within {timeout_seconds:g} s from {data_dir}: start "
        f"`python -m theta.embedded serve --data-dir {data_dir}` beside this, or set "
        "THETA_DATABASE_URL and THETA_REDIS_URL."
    )


def accepts(url: str) -> bool:
    """Whether something listens at the host and port of `url`."""
    parts = urlsplit(url)
    if parts.hostname is None or parts.port is None:
        return False
    try:
        with socket.create_connection((parts.hostname, parts.port), timeout=2):
            return True
    except OSError:
        return False


def say(line: str) -> None:
    """Tell the person at the terminal, at once."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
