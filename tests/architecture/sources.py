"""The program's own files, parsed once where needed, for the tests in this folder."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT_FOLDERS = ("libs", "services", "tools")
PYTHON_FOLDERS = (*PRODUCT_FOLDERS, "tests", "benchmarks", "requirements")
SERVICES = ("broker_gateway", "strategy", "risk", "alerts")
TOOLS = ("simulator", "thetactl", "embedded")


@dataclass(frozen=True, kw_only=True)
class Module:
    """One Python file."""

    path: Path
    name: str
    """Dotted import name; for files outside a distribution, their path with dots."""

    @functools.cached_property
    def text(self) -> str:
        """What stands in it."""
        return self.path.read_text()

    @functools.cached_property
    def tree(self) -> ast.Module:
        """What it means; parsed on first use, as every worker that collects tests has a Module."""
        return ast.parse(self.text, filename=str(self.path))

    @property
    def place(self) -> str:
        """Path from the root, as a person would open it."""
        return str(self.path.relative_to(ROOT) if ROOT in self.path.parents else self.path)

    @property
    def owner(self) -> str:
        """`common`, a service or a tool; empty outside the namespace."""
        words = self.name.split(".")
        return words[1] if words[0] == "theta" and len(words) > 1 else ""

    @property
    def layer(self) -> str:
        """The part of its owner that it belongs to, such as `domain` or `bootstrap`."""
        words = self.name.split(".")
        return words[2] if len(words) > 2 else "__init__"

    def at(self, node: ast.AST) -> str:
        """Return `path:line` of a node."""
        return f"{self.place}:{getattr(node, 'lineno', 1)}"


def _name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    if "src" in parts:
        parts = parts[parts.index("src") + 1 :]
    if parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts)


@functools.cache
def python_modules() -> tuple[Module, ...]:
    """Return every Python file of the repository: product, tests, benchmarks, tools."""
    return tuple(
        Module(path=path, name=_name_of(path))
        for folder in PYTHON_FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
    )


def product_modules() -> tuple[Module, ...]:
    """Return the files that ship: libs, services and tools."""
    product = tuple(str(ROOT / folder) for folder in PRODUCT_FOLDERS)
    return tuple(module for module in python_modules() if str(module.path).startswith(product))


@functools.cache
def imports_of(module: Module) -> tuple[tuple[str, str], ...]:
    """Return (dotted name, `path:line`) of every import, also those inside functions."""
    return tuple(_imports_of(module))


def _imports_of(module: Module) -> Iterator[tuple[str, str]]:
    package = module.name.split(".")
    if module.path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, module.at(node)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                kept = package[: len(package) - node.level + 1]
                base = ".".join([*kept, base] if base else kept)
            for alias in node.names:
                yield f"{base}.{alias.name}", module.at(node)


def uses_of(module: Module) -> Iterator[tuple[str, str]]:
    """Yield (dotted name, `path:line`) of each name used, resolved through the imports."""
    known: dict[str, str] = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                known[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute | ast.Name):
            words: list[str] = []
            current: ast.expr = node
            while isinstance(current, ast.Attribute):
                words.append(current.attr)
                current = current.value
            if isinstance(current, ast.Name) and current.id in known:
                yield ".".join([known[current.id], *reversed(words)]), module.at(node)


def refuse(offenders: list[str], rule: str) -> None:
    """Fail the test with the rule and one line for each offender."""
    assert not offenders, "\n  ".join([f"{rule}: {len(offenders)} offender(s)", *offenders])
