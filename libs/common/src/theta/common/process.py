"""The frame around a long-running service: its end by signal, its errors as one sentence."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from theta.common.adapters import FileFaults, NoFaults
from theta.common.errors import EXIT_SOFTWARE, ConfigError, ThetaError
from theta.common.ports import FaultPoints
from theta.common.telemetry.logs import get_logger
from theta.common.telemetry.redaction import redact_text

_log = get_logger(__name__)


def run(main: Callable[[], int]) -> int:
    """Call `main` and return its exit code; an error becomes one sentence on stderr and its code.

    A `ThetaError` says what is wrong and the mend; anything else is a defect, logged with its
    traceback, exit 70.
    """
    try:
        return main()
    except ThetaError as error:
        print(redact_text(str(error)), file=sys.stderr)  # noqa: T201  # the answer to whoever starts it
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the last handler of the process
        _log.critical("the service ends by a defect", exc_info=True)
        name = type(error).__name__
        print(f"A defect ended this process ({name}): see its log.", file=sys.stderr)  # noqa: T201  # as above
        return EXIT_SOFTWARE


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set. Call it from the main thread."""
    stop = threading.Event()

    def handle(number: int, frame: object) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
    return stop


def instance_name() -> str:
    """Return a name of this process for heartbeats and leases: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def fault_points(file: Path | None, *, stage: str) -> FaultPoints:
    """Return armed fault points when `file` is given, else ones that do nothing.

    Raises ConfigError when they would be armed at the stage `live`.
    """
    if file is None:
        return NoFaults()
    if stage == "live":
        message = "THETA_FAULT_FILE is set and rollout.stage is live: unset THETA_FAULT_FILE."
        raise ConfigError(message)
    return FileFaults(file)
