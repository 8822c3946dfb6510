"""Lock every third-party package by version and hash: `make lock`, or `make lock UPGRADE=1`.

The inputs are the `dependencies` of our own `pyproject.toml` files and the `.in` files here. Our
own `theta-*` packages are followed but never asked of an index, so that nobody can put a package of
that name in their place. `dev.txt`, which holds everything, is resolved first and constrains the
others: no two locks name different versions. A lock carries names, versions and hashes, no address.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
OWN_PREFIX = "theta-"
COMPILE_TIMEOUT_SECONDS = 900.0
HEADER = "# Made by `make lock`; do not edit. Names, versions and hashes, no addresses.\n"


def own_packages() -> dict[str, list[str]]:
    """Return the dependency lines of each of our distributions, by its name without `theta-`."""
    found: dict[str, list[str]] = {}
    for path in sorted(ROOT.glob("*/*/pyproject.toml")):
        project = tomllib.loads(path.read_text())["project"]
        found[project["name"].removeprefix(OWN_PREFIX)] = project["dependencies"]
    return found


def third_party(name: str, packages: dict[str, list[str]]) -> set[str]:
    """Return the third-party requirements of one distribution, its own relatives' included."""
    needed: set[str] = set()
    for requirement in packages[name]:
        if requirement.startswith(OWN_PREFIX):
            needed |= third_party(requirement.removeprefix(OWN_PREFIX), packages)
        else:
            needed.add(requirement)
    return needed


def input_lines(path: Path) -> set[str]:
    """Return the requirements of an `.in` file without its comments."""
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return {line for line in lines if line}


def compile_lock(
    name: str, wanted: Iterable[str], *, constraint: Path | None, upgrade: bool
) -> Path:
    """Resolve `wanted` into `<name>.txt`; pins of the present file are kept unless `upgrade`."""
    lock = HERE / f"{name}.txt"
    with tempfile.TemporaryDirectory(prefix="lock-") as folder:
        work = Path(folder)
        (work / "wanted.in").write_text("".join(f"{line}\n" for line in sorted(wanted)))
        output = work / lock.name
        if lock.exists() and not upgrade:
            shutil.copy(lock, output)
        command = [sys.executable, "-m", "piptools", "compile", "wanted.in", "-o", lock.name]
        command += ["--quiet", "--generate-hashes", "--strip-extras", "--allow-unsafe"]
        command += ["--no-header", "--no-annotate", "--no-emit-index-url"]
        command += ["--no-emit-find-links", "--no-emit-trusted-host", "--no-emit-options"]
        command += ["--resolver", "backtracking"]
        if constraint is not None:
            command += ["--constraint", str(constraint)]
        if upgrade:
            command += ["--upgrade"]
        done = subprocess.run(
            command,
            check=False,
            cwd=work,
            capture_output=True,
            text=True,
            timeout=COMPILE_TIMEOUT_SECONDS,
        )
        if done.returncode != 0:
            raise SystemExit(f"{lock.name} cannot be resolved: {done.stderr.strip()}")
        text = output.read_text()
    unwanted = re.search(r"://|--(?:index-url|extra-index-url|find-links|trusted-host)", text)
    if unwanted:
        raise SystemExit(f"{lock.name} would contain an address ({unwanted.group()}): refused.")
    lock.write_text(HEADER + text)
    return lock


def main() -> int:
    """Write every lock; prints one line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    upgrade = parser.parse_args().upgrade
    packages = own_packages()
    everything = input_lines(HERE / "dev.in") | input_lines(HERE / "build.in")
    for name in packages:
        everything |= third_party(name, packages)
    inputs = {"dev": everything, "build": input_lines(HERE / "build.in")}
    inputs |= {name: third_party(name, packages) for name in packages}
    for name, wanted in inputs.items():
        constraint = None if name == "dev" else HERE / "dev.txt"
        lock = compile_lock(name, wanted, constraint=constraint, upgrade=upgrade)
        pins = sum(1 for line in lock.read_text().splitlines() if "==" in line)
        print(f"{lock.relative_to(ROOT)}: {pins} packages", flush=True)  # noqa: T201  # progress
    return 0


if __name__ == "__main__":
    sys.exit(main())
