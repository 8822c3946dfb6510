"""Each program runs with only its own requirements: an import that is not declared fails here."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, SERVICES

STEP_TIMEOUT_SECONDS = 280.0
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
DISTRIBUTIONS = {
    path.parent.name: path.parent
    for path in (*ROOT.glob("libs/*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml"),
                 *ROOT.glob("tools/*/pyproject.toml"))
}  # fmt: skip
PROGRAMS = (*(service.replace("_", "-") for service in SERVICES), "simulator", "thetactl")
INSTALLED_BY_PIP = {"broker-gateway"}
"""Programs whose lock pip installs as a person would; the others' packages are laid out from this
environment, where pip verified the very same hashes (test_packaging), in a third of the time.

The gateway's must be: here two TWS libraries with packages of the same name lie over each other."""
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
found = [one.name for one in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
for name in found:
    importlib.import_module(name)
print(len(found))
"""


def run(*words: str | Path) -> str:
    done = subprocess.run(
        [str(word) for word in words],
        check=False,
        capture_output=True,
        text=True,
        timeout=STEP_TIMEOUT_SECONDS,
        cwd="/",
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    return done.stdout


def with_relatives(folder: str) -> set[str]:
    """Return the folder names of a distribution and of all our own that it declares."""
    project = tomllib.loads((DISTRIBUTIONS[folder] / "pyproject.toml").read_text())["project"]
    own = [word for word in project["dependencies"] if word.startswith("theta-")]
    return {folder}.union(*(with_relatives(word.removeprefix("theta-")) for word in own))


@pytest.fixture(scope="session")
def own_wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheels of all our distributions, built once."""
    folder = tmp_path_factory.mktemp("wheels")
    local = ("--no-index", "--no-deps", "--no-build-isolation")
    run(*PIP, "wheel", *local, "-w", folder, *DISTRIBUTIONS.values())
    return folder


def wheels_of(program: str, folder: Path) -> list[Path]:
    """The wheels of a program and of all our own that it declares."""
    names = {name.replace("-", "_") for name in with_relatives(program)}
    found = [
        wheel
        for wheel in sorted(folder.glob("theta_*.whl"))
        if wheel.name.removeprefix("theta_").partition("-")[0] in names
    ]
    assert len(found) == len(names)
    return found


def lay_out(lock: Path, site_packages: Path) -> None:
    """Copy exactly the locked packages from this environment, modules and metadata."""
    for name, version in PIN.findall(lock.read_text()):
        found = metadata.distribution(name)
        assert found.version == version
        for file in found.files or ():
            if ".." not in file.parts:  # scripts and manual pages
                target = site_packages / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(str(found.locate_file(file)), target)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_runs_with_only_its_own_requirements(
    program: str, own_wheels: Path, tmp_path: Path
) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
    python = tmp_path / "venv/bin/python"
    # Without dependencies: what the lock leaves out is not fetched, and `pip check` finds it.
    install = (*PIP, "--python", python, "install", "--no-compile", "--no-deps")
    lock = ROOT / "requirements" / f"{program}.txt"
    if program in INSTALLED_BY_PIP:
        run(*install, "--require-hashes", "-r", lock)
    else:
        (site_packages,) = (tmp_path / "venv/lib").glob("python3.*/site-packages")
        lay_out(lock, site_packages)
    run(*install, "--no-index", *wheels_of(program, own_wheels))
    run(*PIP, "--python", python, "check")
    package = f"theta.{program.replace('-', '_')}"
    assert int(run(python, "-I", "-c", IMPORT_ALL, package)) >= 3
    assert "usage" in run(python, "-I", "-m", package, "--help").lower()
