"""The embedded servers: they start, keep their data, end with their parent, say what is wrong."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.eventually import eventually
from theta.common.errors import ConfigError, UnavailableError
from theta.embedded.postgres import EmbeddedPostgres
from theta.embedded.processes import Account, require_access
from theta.embedded.redis import EmbeddedRedis
from theta.embedded.stack import EmbeddedServers

pytestmark = pytest.mark.slow
"""Real servers started and killed: `make e2e` runs them."""

START_AND_HANG = """
import sys, time
from pathlib import Path
from theta.embedded.postgres import EmbeddedPostgres
from theta.embedded.redis import EmbeddedRedis
folder = Path(sys.argv[1])
postgres = EmbeddedPostgres(folder / "postgres").start()
redis = EmbeddedRedis(folder / "redis").start()
print(postgres.process_id, redis.process_id, flush=True)
time.sleep(300)
"""

START_AS_ORDINARY_USER = """
import sys, psycopg, redis as client
from pathlib import Path
from theta.embedded import postgres, redis
folder = Path(sys.argv[1])
with postgres.EmbeddedPostgres(folder / "postgres") as database:
    with redis.EmbeddedRedis(folder / "redis") as wire:
        with psycopg.connect(database.superuser_url.replace("+psycopg", "")) as connection:
            print(connection.execute("SELECT 40 + 2").fetchone()[0])
        print(client.Redis.from_url(wire.url).ping())
"""


@pytest.fixture
def folder(server_folder: Path, request: pytest.FixtureRequest) -> Path:
    path = server_folder / str(abs(hash(request.node.nodeid)))
    path.mkdir(mode=0o711)
    return path


def _query(server: EmbeddedPostgres, statement: str) -> object:
    with psycopg.connect(server.superuser_url.replace("+psycopg", "")) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return None if row is None else row[0]


def test_data_survive_a_clean_stop_and_a_second_start(folder: Path) -> None:
    with EmbeddedPostgres(folder / "postgres") as postgres, EmbeddedRedis(folder / "redis") as wire:
        _query(postgres, "CREATE TABLE kept AS SELECT 7 AS number")
        redis.Redis.from_url(wire.url).set("kept", "yes")
        ports = (postgres.port, wire.port)
    with EmbeddedPostgres(folder / "postgres") as postgres, EmbeddedRedis(folder / "redis") as wire:
        assert _query(postgres, "SELECT number FROM kept") == 7
        assert redis.Redis.from_url(wire.url).get("kept") == b"yes"
        assert (postgres.port, wire.port) == ports


def test_every_commit_is_synced_and_only_loopback_is_served(folder: Path) -> None:
    with EmbeddedPostgres(folder / "postgres") as server:
        for name, value in {
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "shared_buffers": "32MB",
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
        }.items():
            assert _query(server, f"SHOW {name}") == value
        assert _query(server, "SELECT bool_and(auth_method LIKE 'scram%') FROM pg_hba_file_rules")


def test_secrets_are_readable_by_their_owner_only_and_stand_on_no_command_line(
    folder: Path,
) -> None:
    with EmbeddedPostgres(folder / "postgres") as postgres, EmbeddedRedis(folder / "redis") as wire:
        secrets = list(folder.glob("*/*.secret"))
        assert len(secrets) == 2
        for path in secrets:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            for process_id in (postgres.process_id, wire.process_id):
                words = psutil.Process(process_id).cmdline()
                assert not any(path.read_text().strip() in word for word in words)


def test_a_wrong_password_is_refused(folder: Path) -> None:
    with EmbeddedPostgres(folder / "postgres") as postgres, EmbeddedRedis(folder / "redis") as wire:
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(host="127.0.0.1", port=postgres.port, user="postgres", password="guess")
        with pytest.raises(redis.exceptions.AuthenticationError):
            redis.Redis(port=wire.port, retry=Retry(NoBackoff(), 0)).ping()


def test_both_servers_end_with_a_killed_parent_and_start_again_on_the_same_data(
    folder: Path,
) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", START_AND_HANG, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    process_ids = [int(word) for word in parent.stdout.readline().split()]
    assert len(process_ids) == 2
    parent.kill()
    parent.wait(timeout=10)
    parent.stdout.close()
    # At once: the old servers are still shutting down.
    with EmbeddedPostgres(folder / "postgres") as postgres, EmbeddedRedis(folder / "redis") as wire:
        assert _query(postgres, "SELECT 1") == 1
        assert redis.Redis.from_url(wire.url).ping()
        eventually(lambda: not any(psutil.pid_exists(number) for number in process_ids))


def test_a_killed_postmaster_is_started_again_on_the_same_data(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "postgres").start()
    _query(server, "CREATE TABLE kept AS SELECT 7 AS number")
    assert server.process_id is not None
    os.kill(server.process_id, signal.SIGKILL)
    eventually(lambda: server.process_id is None)
    server.stop()
    with server.start():
        assert _query(server, "SELECT number FROM kept") == 7


def test_a_postmaster_file_with_a_reused_number_does_not_stop_the_start(folder: Path) -> None:
    with EmbeddedPostgres(folder / "postgres"):
        pass
    stale = folder / "postgres" / "cluster" / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{stale.parent}\n1\n5432\n\n127.0.0.1\n")
    with EmbeddedPostgres(folder / "postgres") as server:
        assert _query(server, "SELECT 1") == 1


@pytest.mark.parametrize("kind", [EmbeddedPostgres, EmbeddedRedis])
def test_a_busy_port_is_one_sentence(
    folder: Path, kind: type[EmbeddedPostgres] | type[EmbeddedRedis]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=rf"^Port {port} on 127\.0\.0\.1 is already in"):
            kind(folder / "server", port).start()


def test_a_folder_in_use_names_the_process_that_uses_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("theta.embedded.redis.CLAIM_TIMEOUT_SECONDS", 0.1)
    with (
        EmbeddedRedis(folder / "redis"),
        pytest.raises(UnavailableError, match=rf"in use by process {os.getpid()}"),
    ):
        EmbeddedRedis(folder / "redis").start()


def test_a_folder_that_cannot_be_made_is_one_sentence(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(ConfigError, match=r"^Cannot write to the data folder"):
        EmbeddedPostgres(folder / "file" / "postgres").start()


def test_a_lost_secret_is_named_and_the_data_are_left_alone(folder: Path) -> None:
    with EmbeddedPostgres(folder / "postgres"):
        pass
    (folder / "postgres" / "superuser.secret").unlink()
    with pytest.raises(ConfigError, match=r"superuser\.secret cannot be read"):
        EmbeddedPostgres(folder / "postgres").start()
    assert (folder / "postgres" / "cluster" / "PG_VERSION").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
def test_a_closed_folder_is_named_with_the_mend_and_stays_closed(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    account = _ordinary_account()
    with pytest.raises(ConfigError, match=rf"may not enter {closed}: .*chmod o\+x {closed}"):
        require_access(account, closed)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="every other test already runs as an ordinary user")
def test_as_an_ordinary_user_both_servers_run_too(folder: Path) -> None:
    account = _ordinary_account()
    os.chown(folder, account.uid, account.gid)
    done = subprocess.run(
        [_interpreter_for(account), "-c", START_AS_ORDINARY_USER, str(folder)],
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
        cwd="/",
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": "/usr/bin:/bin"},
    )
    assert done.stdout.split() == ["42", "True"], done.stderr


def _ordinary_account() -> Account:
    entry = pwd.getpwnam("nobody")
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def _interpreter_for(account: Account) -> str:
    """Return a Python of this version that the account may run: ours may live in root's home."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (Path(sys.executable), Path("/usr/bin") / version):
        try:
            require_access(account, candidate)
        except ConfigError:
            continue
        if candidate.exists():
            return str(candidate)
    pytest.skip(f"no {version} that an ordinary user may run")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must not run the servers as itself")
def test_as_root_the_servers_run_under_an_ordinary_account(folder: Path) -> None:
    with EmbeddedPostgres(folder / "postgres") as postgres, EmbeddedRedis(folder / "redis") as wire:
        for process_id in (postgres.process_id, wire.process_id):
            assert 0 not in psutil.Process(process_id).uids()


def test_external_urls_replace_both_servers(tmp_path: Path) -> None:
    secret = tmp_path / "redis-url"
    secret.write_text("redis://elsewhere:6379/0\n")
    external = {
        "THETA_DATABASE_URL": "postgresql+psycopg://me:pw@elsewhere/theta",
        "THETA_REDIS_URL_FILE": str(secret),
    }
    with EmbeddedServers(tmp_path / "servers", environment=external) as servers:
        assert servers.environment("theta_risk") == {
            "THETA_DATABASE_URL": "postgresql+psycopg://me:pw@elsewhere/theta",
            "THETA_REDIS_URL": "redis://elsewhere:6379/0",
        }
        assert servers.superuser_url is None
        assert servers.stopped_server() is None
    assert not (tmp_path / "servers").exists()


def test_each_role_gets_its_own_login_and_keeps_it(folder: Path) -> None:
    with EmbeddedServers(folder / "servers", environment={}) as servers:
        first = servers.environment("theta_risk")
        assert first != servers.environment("theta_alerts")
        with pytest.raises(ConfigError, match="no database role 'postgres'"):
            servers.environment("postgres")
    with EmbeddedServers(folder / "servers", environment={}) as servers:
        assert servers.environment("theta_risk") == first
        url = servers.database_url("theta_risk").replace("+psycopg", "")
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT current_user, current_database()").fetchone()
        assert row == ("theta_risk", "theta")
