"""Our own processes beside the servers: started together, killed and restarted by name.

For the demo, the campaign, the benchmarks and the end-to-end tests. Nothing outlives the process
that made the deployment: the kernel kills each child with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from theta.common.adapters import RandomIds
from theta.common.config.thetagang import load_config
from theta.common.errors import UnavailableError
from theta.common.postgres.engine import make_engine, transaction
from theta.common.postgres.tokens import create_token
from theta.embedded.json_http import Answer, call
from theta.embedded.process_group import ArmedFaults, ProcessGroup, Starter, start_program
from theta.embedded.processes import LOOPBACK
from theta.embedded.schema import ROLES
from theta.embedded.stack import EmbeddedServers, Progress, quiet

START_TIMEOUT_SECONDS = 60.0
SIMULATOR = "simulator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One of our processes: how it starts, its database role, the heartbeat that shows its life.

    `heartbeat` `None`: its readiness is asked over HTTP.
    """

    module: tuple[str, ...]
    role: str
    heartbeat: str | None


PROGRAMS: Mapping[str, Program] = {
    "gateway": Program(module=("theta.broker_gateway",), role="theta_gateway", heartbeat=None),
    "strategy": Program(
        module=("theta.strategy", "worker"), role="theta_strategy", heartbeat="strategy"
    ),
    "schedule": Program(
        module=("theta.strategy", "schedule"), role="theta_strategy", heartbeat="schedule"
    ),
    "risk": Program(module=("theta.risk",), role="theta_risk", heartbeat="risk"),
    "alerts": Program(module=("theta.alerts",), role="theta_alerts", heartbeat="alerts"),
}
SERVICES = tuple(PROGRAMS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Where PostgreSQL and Redis are. `reader_url` may read every table."""

    database_urls: Mapping[str, str]
    redis_url: str
    reader_url: str

    @classmethod
    def of(cls, embedded: EmbeddedServers) -> Self:
        """Return the addresses of started servers; of external ones the operator's role reads."""
        urls = {role: embedded.database_url(role) for role in ROLES}
        return cls(
            database_urls=urls,
            redis_url=embedded.redis_url,
            reader_url=embedded.superuser_url or urls["theta_operator"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run and how. `environment` adds to every service's; `overlay` is put before
    everything else on the services' import path (proofs break one rule with it).
    """

    config: Path
    scenario: str = "calm-week"
    seed: int = 1
    speed: float = 1.0
    slack_url: str | None = None
    installation: str = "theta"
    environment: Mapping[str, str] = field(default_factory=dict)
    overlay: Path | None = None


class Deployment:
    """The simulator and the five services, as processes under one folder."""

    def __init__(
        self,
        folder: Path,
        servers: Servers,
        plan: Plan,
        *,
        progress: Progress = quiet,
        starter: Starter = start_program,
    ) -> None:
        self.folder = folder.absolute()
        self.servers = servers
        self.plan = plan
        self.processes = ProcessGroup(self.folder, starter)
        self.faults = ArmedFaults(self.folder / "faults.json")
        self.trace_file = self.folder / "trace.jsonl"
        self.token = ""
        self._progress = progress
        self._strategy_token = ""
        self._http_port = 0
        self._simulator_ports = (0, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    # -- addresses ---------------------------------------------------------------------------------

    @property
    def api_url(self) -> str:
        return f"http://{LOOPBACK}:{self._http_port}"

    @property
    def control_url(self) -> str:
        return f"http://{LOOPBACK}:{self._simulator_ports[1]}"

    # -- starting ----------------------------------------------------------------------------------

    def start(self, names: Iterable[str] = SERVICES) -> Self:
        """Start the simulator, then the services beside each other; return when all are ready.

        Raises `UnavailableError`, naming the process and the end of its log; stops what ran then.
        """
        wanted = tuple(names)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._http_port = free_port()
            self._progress("creating tokens")
            self._create_tokens()
            # The services need nothing but the simulator's port to start.
            self.launch(SIMULATOR)
            self._wait_for_simulator(START_TIMEOUT_SECONDS)
            self._progress(f"starting {', '.join(wanted)}")
            for name in wanted:
                self.launch(name)
            for name in wanted:
                self.wait_ready(name)
        except BaseException:
            self.stop()
            raise
        return self

    def launch(self, name: str) -> None:
        """Start one process without waiting for it."""
        if name == SIMULATOR:
            command = self._simulator_command()
            environment = base_environment(None)
        else:
            program = PROGRAMS[name]
            command = [sys.executable, "-m", *program.module]
            environment = self.environment(name)
        self.processes.start(name, command, environment)

    def environment(self, name: str) -> dict[str, str]:
        """Return the whole environment of one service: its own role and nothing of ours."""
        program = PROGRAMS[name]
        own = {
            "THETA_DATABASE_URL": self.servers.database_urls[program.role],
            "THETA_REDIS_URL": self.servers.redis_url,
            "THETA_CONFIG": str(self.plan.config.absolute()),
            "THETA_INSTALLATION": self.plan.installation,
            "THETA_GATEWAY_URL": self.api_url,
            "THETA_FAULT_FILE": str(self.faults.path),
            "THETA_TRACE_FILE": str(self.trace_file),
        }
        if name == "gateway":
            own |= {
                "THETA_TWS_PORT": str(self._simulator_ports[0]),
                "THETA_HTTP_PORT": str(self._http_port),
                "THETA_SPOOL_DIR": str(self.folder / "spool"),
                "THETA_HALT_FLAG_FILE": str(self.folder / "HALT"),
            }
        if name in ("strategy", "risk"):
            own["THETA_API_TOKEN"] = self._strategy_token
        if name == "alerts" and self.plan.slack_url is not None:
            own["THETA_SLACK_WEBHOOK_URL"] = self.plan.slack_url
        return base_environment(self.plan.overlay) | own | dict(self.plan.environment)

    def wait_ready(self, name: str, timeout_seconds: float = START_TIMEOUT_SECONDS) -> None:
        """Return once the process works; raise `UnavailableError` when it ended or time is up."""
        if name == SIMULATOR:
            self._wait_for_simulator(timeout_seconds)
            return
        ready = self._gateway_ready if name == "gateway" else lambda: self._has_beaten(name)
        self.processes.wait_until(ready, f"{name} to be ready", timeout_seconds, watch=name)

    # -- talking -----------------------------------------------------------------------------------

    def api(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **options: Any
    ) -> Answer:
        """Call broker-gateway's API with the operator's token; see `json_http.call`."""
        options.setdefault("token", self.token)
        if method == "POST":
            options.setdefault("idempotency_key", RandomIds().token())
        return call(method, f"{self.api_url}{path}", body, **options)

    def control(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Call the simulator's control API (GET without a body). Raises `UnavailableError`."""
        answer = call("GET" if body is None else "POST", f"{self.control_url}{path}", body)
        if answer.status != 200:
            raise UnavailableError(f"The simulator refused {path} {body}: {answer.body}")
        return answer.body

    def refresh_account(self) -> bool:
        """Ask broker-gateway for a fresh account download; return whether it was made.

        A reservation ends with the first download that was asked for after its order's end.
        """
        account = load_config(self.plan.config).runtime.account.number
        with contextlib.suppress(UnavailableError):
            return self.api("POST", f"/v1/portfolio/refresh?account={account}", {}).status == 200
        return False

    def stop(self) -> None:
        """End every process: asked first, killed after a grace. A second call does nothing."""
        self.processes.stop()

    # -- inside ------------------------------------------------------------------------------------

    def _simulator_command(self) -> list[str]:
        port, control_port = self._simulator_ports
        command = [sys.executable, "-m", "theta.simulator", "serve"]
        command += ["--port", str(port), "--control-port", str(control_port)]
        command += ["--scenario", self.plan.scenario, "--seed", str(self.plan.seed)]
        command += ["--speed", f"{self.plan.speed:g}"]
        command += ["--state", str(self.folder / "simulator.db")]
        return [*command, "--port-file", str(self.folder / "simulator.json")]

    def _wait_for_simulator(self, timeout_seconds: float) -> None:
        ports = self.folder / "simulator.json"
        started = self.processes.process_id(SIMULATOR)

        def answering() -> bool:
            with contextlib.suppress(OSError, ValueError, KeyError, UnavailableError):
                told = json.loads(ports.read_text())
                if told["pid"] != started:
                    return False
                self._simulator_ports = (int(told["port"]), int(told["control_port"]))
                return bool(self.control("/health")["status"] == "ok")
            return False

        self.processes.wait_until(answering, "the simulator", timeout_seconds, watch=SIMULATOR)

    def _gateway_ready(self) -> bool:
        with contextlib.suppress(UnavailableError):
            return call("GET", f"{self.api_url}/readyz", timeout_seconds=2.0).status == 200
        return False

    def _has_beaten(self, name: str) -> bool:
        service = PROGRAMS[name].heartbeat
        url = self.servers.reader_url.replace("postgresql+psycopg://", "postgresql://", 1)
        with psycopg.connect(url, connect_timeout=5) as connection:
            row = connection.execute(
                "select 1 from heartbeat where service = %s and beat_at > to_timestamp(%s)",
                [service, self.processes.started_at(name)],
            ).fetchone()
        return row is not None

    def _create_tokens(self) -> None:
        engine = make_engine(
            self.servers.database_urls["theta_operator"],
            application_name="theta-deployment",
            pool_size=1,
        )
        try:
            with transaction(engine) as connection:
                ids = RandomIds()
                self.token = create_token(
                    connection, name="deployment", role="admin", ids=ids, actor="deployment"
                )
                self._strategy_token = create_token(
                    connection, name="strategy", role="operator", ids=ids, actor="deployment"
                )
        finally:
            engine.dispose()


def base_environment(overlay: Path | None) -> dict[str, str]:
    """Return the environment every one of our processes gets: no `THETA_*`, nothing of a proxy."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
    if overlay is not None:
        kept["PYTHONPATH"] = str(overlay)
    return kept | {"TZ": "UTC", "PYTHONUNBUFFERED": "1"}


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
