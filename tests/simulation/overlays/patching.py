"""Changes a module of the product right after its import, in a process of a mutation's campaign.

Imported by the `sitecustomize` of an overlay, so it must import nothing of the product itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

Patch = Callable[[ModuleType], None]


class _Loader(Loader):
    def __init__(self, real: Loader, patch: Patch) -> None:
        self._real = real
        self._patch = patch

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._real.exec_module(module)
        self._patch(module)


class _Finder(MetaPathFinder):
    def __init__(self, name: str, patch: Patch) -> None:
        self._name = name
        self._patch = patch
        self._busy = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name or self._busy:
            return None
        self._busy = True
        try:
            spec = find_spec(fullname)
        finally:
            self._busy = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._patch)
        return spec


def after_import(name: str, patch: Patch) -> None:
    """Call `patch(module)` once the module `name` has been executed."""
    sys.meta_path.insert(0, _Finder(name, patch))
