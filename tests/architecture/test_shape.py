"""Sizes, names, ambient clocks and marks: what a reader must not have to hold in mind."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.sources import (
    PYTHON_FOLDERS,
    ROOT,
    Module,
    product_modules,
    python_modules,
    refuse,
    uses_of,
)

FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 500
LINE_COLUMNS_MAX = 100
PUBLIC_METHODS_MAX = 12
MOCKS_PER_TEST_MAX = 1 / 20
FORBIDDEN_NAMES = {"util", "utils", "helper", "helpers", "manager", "misc"}

AMBIENT = re.compile(
    r"datetime\.datetime\.(now|utcnow|today)|datetime\.date\.today"
    r"|time\.(time|monotonic|perf_counter|process_time)(_ns)?|time\.clock_gettime(_ns)?"
    r"|random\..+|uuid\.uuid[14]|os\.(environ|getenv|putenv)(\..+)?"
)
"""A clock, a source of ids or chance, or the environment, reached for instead of handed in."""

FOREIGN_CALLBACKS = {"RecordingWrapper", "Answers"}
"""Classes whose public methods are callbacks that a foreign library names, no surface of ours."""

OUTER_LAYERS = {"adapters", "settings", "bootstrap", "__main__", "entrypoints"}
COMMON_ADAPTERS = {"adapters", "config", "http", "postgres", "redis", "telemetry"}
EXEMPT_TOOLS = {"simulator", "embedded"}
MOCK_NAMES = {"Mock", "MagicMock", "AsyncMock", "NonCallableMock", "patch", "mocker"}
MARKS = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
"""Unfinished work. Spelled in pieces, or this file would be its own offender."""

EVERY = python_modules()
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def _lines_without_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    total = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node, clean=False) is not None:
        docstring = node.body[0]
        total -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return total


def test_functions_are_short() -> None:
    offenders = [
        f"{module.at(node)} {node.name}: {_lines_without_docstring(node)} lines"
        for module in EVERY
        for node in ast.walk(module.tree)
        if isinstance(node, FUNCTION) and _lines_without_docstring(node) > FUNCTION_LINES_MAX
    ]
    refuse(offenders, f"functions of more than {FUNCTION_LINES_MAX} lines")


def test_modules_are_short_and_narrow() -> None:
    offenders: list[str] = []
    for module in EVERY:
        lines = module.text.splitlines()
        if len(lines) > MODULE_LINES_MAX:
            offenders.append(f"{module.place}: {len(lines)} lines")
        offenders += [
            f"{module.place}:{number}: {len(line)} columns"
            for number, line in enumerate(lines, start=1)
            if len(line) > LINE_COLUMNS_MAX and not re.search(r"# (?:noqa|type: ignore)", line)
        ]
    refuse(offenders, f"more than {MODULE_LINES_MAX} lines or {LINE_COLUMNS_MAX} columns")


def _is_called_by_others(node: ast.ClassDef) -> bool:
    """A protocol of callbacks, or a state machine whose methods are Hypothesis' rules."""
    bases = {getattr(base, "id", getattr(base, "attr", "")) for base in node.bases}
    return node.name in FOREIGN_CALLBACKS or "RuleBasedStateMachine" in bases


def test_classes_have_few_public_methods() -> None:
    offenders: list[str] = []
    for module in EVERY:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef) and not _is_called_by_others(node):
                names = {item.name for item in node.body if isinstance(item, FUNCTION)}
                public = [name for name in names if not name.startswith("_")]
                if len(public) > PUBLIC_METHODS_MAX:
                    offenders.append(f"{module.at(node)} {node.name}: {len(public)} methods")
    refuse(offenders, f"classes with more than {PUBLIC_METHODS_MAX} public methods")


def test_modules_are_named_after_what_they_do() -> None:
    offenders = [
        module.place for module in EVERY if FORBIDDEN_NAMES & set(module.name.split(".")[-2:])
    ]
    refuse(offenders, f"modules named {', '.join(sorted(FORBIDDEN_NAMES))}")


def _is_outer(module: Module) -> bool:
    if module.owner in EXEMPT_TOOLS:
        return True
    if module.owner == "common":
        return module.layer in COMMON_ADAPTERS
    return module.layer in OUTER_LAYERS


def test_clocks_ids_chance_and_environment_are_handed_in() -> None:
    offenders = {
        f"{place} uses {name}"
        for module in product_modules()
        if not _is_outer(module)
        for name, place in uses_of(module)
        if AMBIENT.fullmatch(name)
    }
    refuse(sorted(offenders), "an ambient clock, id source, chance or environment")


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import datetime as d\nd.datetime.now()", True),
        ("from time import monotonic\nf = monotonic", True),
        ("import os\nos.environ['A']", True),
        ("import random\nrandom.random()", True),
        ("from datetime import datetime\ndatetime(2026, 1, 2)", False),
    ],
)
def test_the_ban_sees_through_aliases(source: str, tmp_path: Path, *, found: bool) -> None:
    (tmp_path / "x.py").write_text(source)
    module = Module(path=tmp_path / "x.py", name="x")
    assert any(AMBIENT.fullmatch(name) for name, _ in uses_of(module)) is found


def test_fakes_are_preferred_to_mocks() -> None:
    mocks: list[str] = []
    tests = 0
    for module in EVERY:
        if not module.place.startswith("tests"):
            continue
        for node in ast.walk(module.tree):
            name = getattr(node, "id", getattr(node, "attr", None))
            if isinstance(node, ast.Name | ast.Attribute) and name in MOCK_NAMES:
                mocks.append(module.at(node))
            tests += isinstance(node, FUNCTION) and node.name.startswith("test_")
    if len(mocks) > tests * MOCKS_PER_TEST_MAX:
        refuse(mocks, f"more than one mock for twenty tests (there are {tests})")


def test_nothing_is_left_for_later() -> None:
    files = [path for folder in PYTHON_FOLDERS for path in (ROOT / folder).rglob("*.py")]
    files += [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "Makefile", ROOT / "Procfile"]
    offenders = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in files
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if MARKS.search(line)
    ]
    refuse(offenders, "marks of unfinished work")
