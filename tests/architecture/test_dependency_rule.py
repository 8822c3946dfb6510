"""Who may import whom (docs/architecture.md, "Dependency rule")."""

from __future__ import annotations

import sys

import pytest

from tests.architecture.sources import (
    SERVICES,
    TOOLS,
    Module,
    imports_of,
    product_modules,
    refuse,
)

OWN_LAYERS = {
    "domain": {"domain"},
    "ports": {"domain", "ports"},
    "use_cases": {"use_cases", "domain", "ports"},
    "adapters": {"adapters", "domain", "ports"},
    "entrypoints": {"entrypoints", "use_cases", "domain", "ports"},
    "settings": {"settings", "domain"},
}
"""Layer of a service → the layers of the same service that it may import.

`bootstrap` and `__main__` may import everything of their own service.
"""

COMMON_PARTS = {
    "domain": {"domain", "errors"},
    "ports": {"domain", "errors", "ports", "contracts"},
    "use_cases": {"domain", "errors", "ports", "contracts", "telemetry", "config"},
}
"""Layer of a service → the parts of `theta.common` that it may import; other layers: all of it."""

IMPURE_STANDARD_MODULES = {
    "asyncio", "http", "io", "logging", "os", "pathlib", "random", "secrets", "select", "shutil",
    "signal", "socket", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time",
    "urllib",
}  # fmt: skip

TWS_CLIENTS = ("ib_insync", "ib_async", "ibapi", "eventkit")

PRODUCT = product_modules()


def _is_any(name: str, roots: tuple[str, ...]) -> bool:
    return any(name == root or name.startswith(f"{root}.") for root in roots)


def _database_may(module: Module) -> bool:
    return module.layer == "adapters" or module.name.startswith("theta.common.postgres")


def _redis_may(module: Module) -> bool:
    return module.layer in {"adapters", "entrypoints"} or module.name.startswith(
        "theta.common.redis"
    )


def _http_may(module: Module) -> bool:
    return module.layer == "entrypoints" or module.name.startswith("theta.common.http")


def _telemetry_may(module: Module) -> bool:
    return module.name.startswith("theta.common.telemetry")


def _tws_may(module: Module) -> bool:
    return module.name.startswith("theta.broker_gateway.adapters.ibkr")


@pytest.mark.parametrize(
    ("libraries", "may", "exempt"),
    [
        (TWS_CLIENTS, _tws_may, ()),
        (("sqlalchemy", "psycopg", "alembic"), _database_may, ("embedded",)),
        (("redis", "rq"), _redis_may, ("embedded",)),
        (("fastapi", "starlette"), _http_may, ("simulator",)),
        (("opentelemetry",), _telemetry_may, ()),
        (("pandas", "numpy", "exchange_calendars"), lambda _module: False, ()),
    ],
    ids=["tws", "database", "redis", "http", "telemetry", "numeric"],
)
def test_a_library_is_imported_only_in_its_place(libraries, may, exempt) -> None:  # type: ignore[no-untyped-def]  # three heterogeneous table columns
    offenders = [
        f"{place} imports {name}"
        for module in PRODUCT
        if module.owner not in exempt and not may(module)
        for name, place in imports_of(module)
        if _is_any(name, libraries)
    ]
    refuse(offenders, f"{', '.join(libraries)} in the wrong place")


def test_services_import_neither_each_other_nor_tools_and_common_imports_neither() -> None:
    forbidden = {"common": {*SERVICES, *TOOLS}}
    forbidden |= {service: {*SERVICES, *TOOLS} - {service} for service in SERVICES}
    forbidden |= {tool: {*SERVICES} for tool in TOOLS}
    forbidden["simulator"] |= {"thetactl", "embedded"}
    forbidden["thetactl"] |= {"simulator", "embedded"}
    offenders = [
        f"{place} imports {name}"
        for module in PRODUCT
        for name, place in imports_of(module)
        if name.startswith("theta.") and name.split(".")[1] in forbidden.get(module.owner, set())
    ]
    refuse(offenders, "a distribution imports one that it must not")


def test_a_layer_imports_only_the_layers_beneath_it() -> None:
    offenders: list[str] = []
    for module in PRODUCT:
        if module.owner not in SERVICES or module.layer not in OWN_LAYERS:
            continue
        own = f"theta.{module.owner}."
        for name, place in imports_of(module):
            if name.startswith(own) and name.split(".")[2] not in OWN_LAYERS[module.layer]:
                offenders.append(f"{place}: {module.layer} imports {name}")
            parts = COMMON_PARTS.get(module.layer)
            common = name.startswith("theta.common.")
            if common and parts is not None and name.split(".")[2] not in parts:
                offenders.append(f"{place}: {module.layer} imports {name}")
    refuse(offenders, "an import against the layers")


def test_every_module_of_a_service_belongs_to_a_layer() -> None:
    known = {*OWN_LAYERS, "__init__", "__main__", "bootstrap"}
    offenders = [
        f"{module.place}: there is no layer {module.layer!r}"
        for module in PRODUCT
        if module.owner in SERVICES and module.layer not in known
    ]
    refuse(offenders, "a module outside the layers")


def test_domain_is_pure() -> None:
    offenders: list[str] = []
    for module in PRODUCT:
        if module.layer != "domain" or module.owner not in {"common", *SERVICES}:
            continue
        for name, place in imports_of(module):
            top = name.split(".")[0]
            own = _is_any(
                name, ("theta.common.domain", "theta.common.errors", f"theta.{module.owner}.domain")
            )
            if top in IMPURE_STANDARD_MODULES or not (own or top in sys.stdlib_module_names):
                offenders.append(f"{place} imports {name}")
    refuse(offenders, "domain imports more than the standard library's pure part and domain")


def test_the_rule_sees_the_modules_that_it_judges() -> None:
    owners = {module.owner for module in PRODUCT}
    assert {"common", *SERVICES, *TOOLS} <= owners
    assert any(_is_any(name, TWS_CLIENTS) for module in PRODUCT for name, _ in imports_of(module))
