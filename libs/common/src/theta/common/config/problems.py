"""Turning a validation error into one sentence with the path and the mend."""

from __future__ import annotations

import difflib
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError


def first_problem(error: ValidationError, root: type[BaseModel], where: str) -> str:
    """Return one sentence for the first fault of `error`; unknown keys come first.

    `where` names the file. Values are shown only for plain numbers, words and booleans that are
    not under a key that says password.
    """
    faults = error.errors(include_url=False)
    unknown = [fault for fault in faults if fault["type"] == "extra_forbidden"]
    fault = (unknown or faults)[0]
    path = ".".join(str(part) for part in fault["loc"])
    more = f" ({len(faults) - 1} more after it)" if len(faults) > 1 else ""
    if fault["type"] == "extra_forbidden":
        return f"{where}: unknown key {path}{more}{_suggestion(root, fault['loc'])}"
    if fault["type"] == "missing":
        return f"{where}: {path} is missing: add it{more}."
    text = fault["msg"].removeprefix("Value error, ")
    text = text[:1].lower() + text[1:]
    place = f"{path} " if path else ""
    return f"{where}: {place}{'is wrong: ' if path else ''}{text}{_shown(path, fault)}{more}."


def _shown(path: str, fault: Any) -> str:
    value = fault.get("input")
    if "password" in path.lower() or not isinstance(value, (int, float, str, bool)):
        return ""
    text = repr(value)
    return f" (it is {text[:60]})"


def _suggestion(root: type[BaseModel], location: tuple[int | str, ...]) -> str:
    known = _keys_at(root, location[:-1])
    near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    if near:
        return f": did you mean {near[0]}?"
    return f": known here are {', '.join(sorted(known))}." if known else "."


def _keys_at(root: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    annotation: Any = root
    for part in path:
        annotation = _step(annotation, part)
        if annotation is None:
            return []
    model = model_in(annotation)
    if model is None:
        return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _step(annotation: Any, part: int | str) -> Any:
    model = model_in(annotation)
    if model is not None and isinstance(part, str):
        for name, field in model.model_fields.items():
            if part in (name, field.alias):
                return field.annotation
        return None
    for candidate in options(annotation):
        arguments = get_args(candidate)
        if get_origin(candidate) is dict:
            return arguments[1]
        if get_origin(candidate) in (list, tuple) and arguments:
            return arguments[0]
    return None


def options(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the annotation alone."""
    if get_origin(annotation) in (Union, UnionType):
        return get_args(annotation)
    return (annotation,)


def model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the table that a field holds, or `None` when it holds a plain value."""
    for option in options(annotation):
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option
    return None
