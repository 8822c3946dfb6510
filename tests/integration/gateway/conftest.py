"""The gateway as a process against the simulator."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from rq.job import JobStatus
from rq.serializers import JSONSerializer
from sqlalchemy import Engine

from tests.integration.gateway.rig_fixtures import rig, rig_engine
from tests.integration.gateway_adapter.harness import Simulator
from tests.support.eventually import eventually
from tests.support.servers import Database
from tests.support.service_processes import ServiceProcess
from theta.common.adapters import RandomIds
from theta.common.postgres.engine import make_engine, transaction
from theta.common.postgres.tokens import create_token
from theta.common.redis.connection import connect
from theta.common.redis.queues import RegisteredJob, enqueue, redis_job_id

__all__ = ["rig", "rig_engine"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Service:
    """One gateway process with its database, Redis, API and spool folder."""

    def __init__(
        self, *, database: Database, redis_url: str, tws_port: int, folder: Path, engine: Engine
    ) -> None:
        self.folder, self.engine = folder, engine
        self.http_port = free_port()
        self.redis: redis.Redis = connect(redis_url)
        self.flag_file = folder / "HALT"
        self.fault_file = folder / "faults.json"
        self.environ = {
            "THETA_DATABASE_URL": database.url_for("theta_gateway"),
            "THETA_REDIS_URL": redis_url,
            "THETA_TWS_PORT": str(tws_port),
            "THETA_HTTP_PORT": str(self.http_port),
            "THETA_SPOOL_DIR": str(folder / "spool"),
            "THETA_HALT_FLAG_FILE": str(self.flag_file),
            "THETA_FAULT_FILE": str(self.fault_file),
            "THETA_RESOLVE_INTERVAL_SECONDS": "1",
            "THETA_ACKNOWLEDGE_WITHIN_SECONDS": "3",
        }
        with transaction(engine) as connection:
            ids = RandomIds()
            self.tokens = {
                role: create_token(connection, name=f"a-{role}", role=role, ids=ids, actor="test")
                for role in ("viewer", "operator", "admin")
            }
        self.process: ServiceProcess | None = None
        self._jobs = 0

    def start(self) -> None:
        if self.process is not None:
            self.process.close()
        self.process = ServiceProcess("theta.broker_gateway", self.environ, self.folder)

    def start_ready(self, seconds: float = 20) -> None:
        self.start()
        eventually(lambda: self.status_of("/readyz") == 200, seconds)

    def until_listening(self, seconds: float = 20) -> None:
        eventually(lambda: self.status_of("/v1/status") == 200, seconds)

    def kill(self) -> None:
        assert self.process is not None
        self.process.process.kill()
        self.process.process.wait(timeout=10)

    def close(self) -> None:
        if self.process is not None:
            self.process.close()
        self.redis.close()

    def ask(
        self,
        path: str,
        body: Any = None,
        *,
        role: str | None = "operator",
        headers: dict[str, str] | None = None,
        method: str | None = None,
    ) -> tuple[int, Any]:
        """Return (status, JSON or text); status 0 when nobody listens."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http_port}{path}", data=data, method=method
        )
        request.add_header("Content-Type", "application/json")
        if role is not None:
            request.add_header("Authorization", f"Bearer {self.tokens.get(role, role)}")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, _read(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _read(error.read())
        except (urllib.error.URLError, ConnectionError):
            return 0, None

    def status_of(self, path: str) -> int:
        return self.ask(path)[0]

    def submit(self, intent_id: object) -> str:
        """Put a submission onto the queue; return its job's id."""
        return self._job("orders", "orders.submit", intent_id)

    def is_worked(self, job_id: str) -> bool:
        """Whether the worker is through with the job."""
        found = RegisteredJob.fetch(
            redis_job_id(job_id), connection=self.redis, serializer=JSONSerializer
        )
        return found.get_status() is JobStatus.FINISHED

    def cancel(self, child_id: object) -> None:
        self._job("cancels", "orders.cancel", child_id)

    def _job(self, queue: str, name: str, subject: object) -> str:
        self._jobs += 1
        job_id = f"{name}:{subject}:{self._jobs}"
        enqueue(
            self.redis, queue_name=f"{queue}.main", job_name=name, subject_id=str(subject),
            job_id=job_id,
        )  # fmt: skip
        return job_id


def _read(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode()


@pytest.fixture
def engine(durable_database: Database) -> Iterator[Engine]:
    found = make_engine(durable_database.superuser_url, application_name="test")
    yield found
    found.dispose()


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    found = Simulator(tmp_path)
    yield found
    found.stop()


@pytest.fixture
def service(
    simulator: Simulator,
    durable_database: Database,
    redis_url: str,
    tmp_path: Path,
    engine: Engine,
) -> Iterator[Service]:
    found = Service(
        database=durable_database, redis_url=redis_url, tws_port=simulator.port,
        folder=tmp_path, engine=engine,
    )  # fmt: skip
    yield found
    found.close()
