"""The choice of the TWS client library: once per process, and one sentence when it cannot be."""

from __future__ import annotations

import subprocess
import sys

import pytest

from theta.broker_gateway.settings import Settings
from theta.common.config.environment import load_settings
from theta.common.errors import ConfigError

CHOOSE = "from theta.broker_gateway.adapters.ibkr.tws_client import TwsClient, choose, chosen\n"
NOT_INSTALLED = (
    "import importlib.util\n"
    "importlib.util.find_spec = lambda name, package=None: None\n"
    "try:\n    choose(TwsClient.IB_ASYNC)\n"
    "except Exception as error:\n    print(type(error).__name__, error)\n"
)
TOO_LATE = (
    "chosen()\nchoose(TwsClient.IB_INSYNC)\n"
    "try:\n    choose(TwsClient.IB_ASYNC)\n"
    "except Exception as error:\n    print(type(error).__name__, error)\n"
)


def _printed(program: str) -> str:
    """What `program` prints in a process of its own: the choice lasts as long as the process."""
    done = subprocess.run(
        [sys.executable, "-c", CHOOSE + program],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_without_a_choice_it_is_ib_insync() -> None:
    assert _printed("print(chosen())") == "ib_insync"


def test_the_chosen_library_is_the_one_that_is_loaded() -> None:
    program = (
        "import sys\nchoose(TwsClient.IB_ASYNC)\n"
        "from theta.broker_gateway.adapters.ibkr.library import IB\n"
        "print(IB.__module__, 'ib_insync' in sys.modules, 'numpy' in sys.modules)"
    )
    assert _printed(program) == "ib_async.ib False False"


def test_a_library_that_is_not_installed_is_a_configuration_error() -> None:
    said = _printed(NOT_INSTALLED)
    assert said.startswith("ConfigError THETA_TWS_CLIENT is ib_async, which is not installed")
    assert "pip install ib_async" in said


def test_a_second_library_in_one_process_is_refused() -> None:
    assert _printed(TOO_LATE).startswith("InvariantError ib_insync is in use in this process")


def test_an_unknown_library_is_refused_by_name() -> None:
    environ = {
        "THETA_DATABASE_URL": "postgresql://localhost/x",
        "THETA_REDIS_URL": "redis://localhost",
        "THETA_TWS_CLIENT": "ibapi",
    }
    with pytest.raises(ConfigError, match="THETA_TWS_CLIENT"):
        load_settings(Settings, environ)
