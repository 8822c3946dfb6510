"""Importing the program does nothing: no I/O, no thread, no setting read, nothing heavy loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from tests.architecture.sources import SERVICES, TOOLS, product_modules, refuse

IMPORT_ALL = """
import importlib, json, os, sys, threading
sys.dont_write_bytecode = True
FORBIDDEN = {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto", "os.fork",
             "subprocess.Popen", "os.system", "os.mkdir", "os.remove", "os.rename", "os.putenv"}
current, seen, heavy = "", set(), {}
def watch(event, arguments):
    if event in FORBIDDEN:
        seen.add(f"{current}: {event} {str(arguments)[:80]}")
    elif event == "open" and isinstance(arguments[2], int) and arguments[2] & (
        os.O_WRONLY | os.O_RDWR | os.O_CREAT
    ):
        seen.add(f"{current}: writes {arguments[0]}")
sys.addaudithook(watch)
for current in json.loads(sys.stdin.read()):
    try:
        importlib.import_module(current)
    except BaseException as error:
        seen.add(f"{current}: {type(error).__name__}: {error}")
    for name in {"pandas", "numpy", "exchange_calendars"} & set(sys.modules):
        heavy.setdefault(name, f"{current} loads {name}")
if threading.active_count() > 1:
    seen.add(f"threads were started: {threading.enumerate()}")
print(json.dumps({"offenders": sorted(seen), "heavy": sorted(heavy.values())}))
"""

GROUPS = {"services": ("common", *SERVICES), "tools": TOOLS}
"""What is imported in one process; each module is told apart, so few processes do."""


def _import_all(owners: Sequence[str]) -> dict[str, Any]:
    # Alembic runs its environment and revisions itself, with a connection: they are not imported.
    names = [
        module.name
        for module in product_modules()
        if module.owner in owners and ".migrations" not in module.name
    ]
    done = subprocess.run(
        [sys.executable, "-I", "-c", IMPORT_ALL],
        input=json.dumps(names),
        check=True,
        capture_output=True,
        text=True,
        timeout=50,
        env={},
    )
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


@pytest.mark.parametrize("group", GROUPS)
def test_importing_does_no_io_and_loads_nothing_heavy(group: str) -> None:
    report = _import_all(GROUPS[group])
    refuse(report["offenders"], "modules act while they are imported")
    if group != "tools":
        refuse(report["heavy"], "services load heavy packages")
