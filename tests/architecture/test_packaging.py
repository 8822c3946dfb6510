"""The distributions, their locks and the commands: alike, consistent, and without addresses."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.sources import ROOT, refuse
from theta.common.config.environment import VARIABLES

PROJECT_FILES = sorted(ROOT.glob("*/*/pyproject.toml"))
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
TARGETS = ["help", "setup", "lint", "type", "test", "sim", "e2e", "demo", "bench"]
TARGETS += ["containers", "lock", "clean"]
ADDRESS = re.compile(r"--(?:extra-)?index-url|--find-links|--trusted-host|://")
HASH = re.compile(r"--hash=(\S+)")
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


def _project(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


@pytest.mark.parametrize("path", PROJECT_FILES, ids=lambda path: path.parent.name)
def test_every_distribution_has_the_same_shape(path: Path) -> None:
    found, pattern = _project(path), _project(ROOT / "libs/common/pyproject.toml")
    project = found["project"]
    assert found["build-system"] == pattern["build-system"]
    assert set(project) - {"scripts", "readme"} == set(pattern["project"])
    for key in ("version", "license", "requires-python"):
        assert project[key] == pattern["project"][key], key
    assert project["name"] == f"theta-{path.parent.name}"
    assert found["tool"]["hatch"] == pattern["tool"]["hatch"]
    assert ("theta-common" in project["dependencies"]) is ("uv" in found["tool"])


def test_the_version_is_the_newest_of_the_changelog() -> None:
    heading = re.search(
        r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert heading is not None
    versions = {_project(path)["project"]["version"] for path in PROJECT_FILES}
    assert versions == {heading.group(1)}


def test_there_is_a_lock_for_each_distribution_and_for_development() -> None:
    names = {path.parent.name for path in PROJECT_FILES} | {"build", "dev"}
    assert {path.stem for path in LOCKS} == names


def test_locks_agree_with_each_other_and_every_pin_has_a_hash() -> None:
    development = (ROOT / "requirements/dev.txt").read_text()
    everything, hashes = dict(PIN.findall(development)), set(HASH.findall(development))
    offenders: list[str] = []
    for path in LOCKS:
        text = path.read_text()
        blocks = re.split(r"\n(?=[A-Za-z0-9])", text)
        offenders += [
            f"{path.name}: {block.splitlines()[0]} has no hash"
            for block in blocks
            if PIN.match(block) and "--hash=sha256:" not in block
        ]
        offenders += [
            f"{path.name}: {name}=={version}, but dev.txt has {everything.get(name)}"
            for name, version in PIN.findall(text)
            if everything.get(name) != version
        ]
        offenders += [
            f"{path.name}: {digest} is not in dev.txt"
            for digest in set(HASH.findall(text)) - hashes
        ]
        offenders += [
            f"{path.name}: {name} is ours" for name, _ in PIN.findall(text) if "theta-" in name
        ]
    refuse(offenders, "locks that disagree")


def test_every_declared_dependency_is_locked() -> None:
    offenders: list[str] = []
    for path in PROJECT_FILES:
        lock = (ROOT / "requirements" / f"{path.parent.name}.txt").read_text()
        locked = {name.lower().replace("_", "-") for name, _ in PIN.findall(lock)}
        for requirement in _project(path)["project"]["dependencies"]:
            name = re.split(r"[\[=<>!~; ]", requirement)[0].lower().replace("_", "-")
            if not name.startswith("theta-") and name not in locked:
                offenders.append(f"{path.relative_to(ROOT)}: {name} is not locked: run `make lock`")
    refuse(offenders, "dependencies without a lock")


def test_no_file_names_a_package_registry() -> None:
    files = [*LOCKS, *PROJECT_FILES, ROOT / "Makefile", ROOT / "pyproject.toml", ROOT / ".ci/run"]
    offenders = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in files
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if ADDRESS.search(line)
    ]
    refuse(offenders, "registry addresses")


def test_the_makefile_has_exactly_its_targets_each_with_a_line_of_help() -> None:
    text = (ROOT / "Makefile").read_text()
    assert re.findall(r"^([a-z0-9]+):.* ## \S.*$", text, re.MULTILINE) == TARGETS
    assert set(re.findall(r"^([a-z0-9]+):", text, re.MULTILINE)) == set(TARGETS)


def test_the_example_environment_names_every_variable_and_no_other() -> None:
    text = (ROOT / ".env.example").read_text()
    assert set(re.findall(r"^#?(THETA_[A-Z0-9_]+)=", text, re.MULTILINE)) == set(VARIABLES)
