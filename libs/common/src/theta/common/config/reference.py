"""Writes `docs/reference/settings.md` from the settings registry and the configuration schema.

`python -m theta.common.config.reference > docs/reference/settings.md`
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from theta.common.config.environment import VARIABLES
from theta.common.config.problems import model_in, options
from theta.common.config.thetagang import ThetagangConfig


def settings_markdown() -> str:
    """Return the page, ending in one newline."""
    lines = [
        "# Settings",
        "",
        "Generated from `theta.common.config`; a test compares the two.",
        "",
        "## Environment",
        "",
        "Each variable may be given as `<NAME>_FILE` instead, naming a file that holds the value.",
        "An unknown `THETA_*` name refuses to start.",
        "",
        "| variable | meaning | default | secret |",
        "|---|---|---|---|",
    ]
    for variable in VARIABLES.values():
        default = f"`{variable.default}`" if variable.default is not None else "none"
        if variable.required_by:
            default = f"required by {variable.required_by}"
        secret = "yes" if variable.secret else ""
        lines.append(f"| `{variable.name}` | {variable.meaning} | {default} | {secret} |")
    lines += [
        "",
        "## thetagang.toml",
        "",
        "Schema version 2. `<NAME>` stands for a name of your own, `[]` for one entry of a list.",
        "An unknown key is refused. Strategies that this version does not run may be present with",
        "`enabled = false`.",
        "",
        "| key | type | default | meaning |",
        "|---|---|---|---|",
    ]
    for path, field in _fields(ThetagangConfig, ""):
        meaning = " ".join((field.description or "").split())
        lines.append(f"| `{path}` | {_type(field)} | {_default(field)} | {meaning} |")
    return "\n".join(lines) + "\n"


def _fields(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        inner = model_in(field.annotation)
        if inner is not None:
            yield from _fields(inner, f"{path}.")
            continue
        element, suffix = _element(field.annotation)
        if element is not None:
            yield from _fields(element, f"{path}{suffix}.")
        else:
            yield path, field


def _element(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    for option in options(annotation):
        arguments = get_args(option)
        if get_origin(option) is dict:
            return model_in(arguments[1]), ".<NAME>"
        if get_origin(option) is list:
            return model_in(arguments[0]), "[]"
    return None, ""


def _type(field: FieldInfo) -> str:
    names = [_type_name(option) for option in options(field.annotation) if option is not type(None)]
    text = " or ".join(names)
    bounds = []
    for rule in field.metadata:
        for symbol, attribute in ((">=", "ge"), (">", "gt"), ("<=", "le"), ("<", "lt")):
            limit = getattr(rule, attribute, None)
            if limit is not None:
                bounds.append(f"{symbol} {limit}")
    return f"{text} {', '.join(bounds)}".strip()


def _type_name(annotation: Any) -> str:
    if get_origin(annotation) is None:
        return {"SecretStr": "str, secret"}.get(annotation.__name__, str(annotation.__name__))
    arguments = get_args(annotation)
    if all(isinstance(argument, (str, int)) for argument in arguments):
        return ", ".join(f"`{argument}`" for argument in arguments)
    return "list"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value is PydanticUndefined:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value not in ("", [], {}) else "empty"


if __name__ == "__main__":
    sys.stdout.write(settings_markdown())
