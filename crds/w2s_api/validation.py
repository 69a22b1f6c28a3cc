"""Checks a manifest as the API server would, and says what to write instead."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from w2s_api.spec import WeakToStrongJob
from w2s_api.spec.base import Struct

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a manifest."""

    path: Path
    """Where: ("spec", "weak", "labelers", 0, "type")."""
    reason: str
    allowed: tuple[str, ...] = ()
    nearest: str | None = None
    """Of the allowed words, the one that was probably meant."""

    def __str__(self) -> str:
        more = []
        if self.nearest:
            more.append(f"did you mean `{self.nearest}`?")
        if self.allowed:
            more.append(f"allowed: {', '.join(self.allowed)}")
        return f"{dotted(self.path)}: {self.reason}" + (f" ({'; '.join(more)})" if more else "")


def dotted(path: Path) -> str:
    """A path as people write it: spec.weak.labelers[0].type."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "the manifest"


def validate(document: object) -> tuple[WeakToStrongJob | None, list[Problem]]:
    """A manifest as models, or everything that is wrong with it.

    Args:
        document: what the YAML or JSON holds.
    """
    if not isinstance(document, Mapping):
        return None, [Problem((), "not a mapping of fields: a manifest begins with `apiVersion`")]
    problems = list(_repeated(document))
    try:
        job = WeakToStrongJob.model_validate(document)
    except ValidationError as error:
        found = [problem for details in error.errors() for problem in _explain(details)]
        return None, problems + found
    return (None, problems) if problems else (job, [])


def _explain(details: ErrorDetails) -> Iterator[Problem]:
    path: Path = tuple(part for part in details["loc"] if part != "[key]")
    given, context = details["input"], details.get("ctx", {})
    match details["type"]:
        case "rule":
            for name, message in context["broken"]:
                yield Problem((*path, *name.split(".")) if name else path, message)
        case "extra_forbidden":
            known = tuple(_fields_at(path[:-1]))
            near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
            yield Problem(path, "unknown field", () if near else known, near[0] if near else None)
        case "missing":
            yield Problem(path, "required, but not given")
        case "literal_error":
            allowed = _words(context["expected"])
            yield Problem(path, f"{given!r} is not one of the values", allowed, _nearest(given, allowed))
        case "string_type":
            number = isinstance(given, (int, float)) and not isinstance(given, bool)
            wanted = f'write it in quotes: "{given}"' if number else f"{_kind(given)} in place of a string"
            yield Problem(path, wanted)
        case "string_pattern_mismatch":
            yield Problem(path, f"{given!r} {_pattern(str(context['pattern']))}")
        case "string_too_short" | "too_short":
            yield Problem(path, f"at least {context['min_length']} needed")
        case "string_too_long" | "too_long":
            what = "characters" if details["type"] == "string_too_long" else "items"
            yield Problem(path, f"more than {context['max_length']} {what}")
        case "int_type" | "int_from_float":
            yield Problem(path, f"{_kind(given)} in place of a whole number")
        case "bool_type":
            yield Problem(path, f"{_kind(given)} in place of true or false")
        case "list_type":
            yield Problem(path, f"{_kind(given)} in place of a list")
        case "model_type" | "model_attributes_type" | "dict_type":
            yield Problem(path, f"{_kind(given)} in place of fields")
        case "greater_than_equal":
            yield Problem(path, f"{given} is below {context['ge']}")
        case "less_than_equal":
            yield Problem(path, f"{given} is above {context['le']}")
        case _:
            yield Problem(path, details["msg"][0].lower() + details["msg"][1:])


def _words(expected: str) -> tuple[str, ...]:
    return tuple(word.strip("' ") for word in expected.replace(" or ", ", ").split(", "))


def _nearest(given: object, allowed: Sequence[str]) -> str | None:
    by_lower = {word.lower(): word for word in allowed}
    near = difflib.get_close_matches(str(given).lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[near[0]] if near else None


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the string {value!r}"
    return "a list" if isinstance(value, list) else "fields"


def _pattern(pattern: str) -> str:
    if "://" in pattern:
        schemes = pattern[pattern.index("(") + 1 : pattern.index(")")] if "(" in pattern else "s3"
        if pattern.startswith("^s3"):
            return "is not s3://bucket/prefix with a bucket name of 3 to 63 characters"
        if pattern.startswith("^https"):
            return "does not begin with http:// or https://"
        return f"does not begin with {' or '.join(f'{scheme}://' for scheme in schemes.split('|'))}"
    if pattern.startswith("^[a-z0-9]("):
        return "is not a name of lower-case letters, digits and dashes"
    if pattern.startswith("^-?"):
        return 'is not a number from -1 to 1 such as "0.02"'
    if pattern.startswith("^(0"):
        return 'is not a number from 0 to 1 such as "0.7"'
    return 'is not a number such as "1.5"'


def _fields_at(path: Path) -> Iterator[str]:
    struct: type[Struct] | None = WeakToStrongJob
    for part in path:
        if struct is None or isinstance(part, int):
            continue
        field = {_alias(name, info): info for name, info in struct.model_fields.items()}.get(part)
        struct = _struct_of(field.annotation) if field else None
    if struct is not None:
        yield from (_alias(name, info) for name, info in struct.model_fields.items() if name != "status")


def _alias(name: str, info: FieldInfo) -> str:
    return info.alias or name


def _struct_of(annotation: Any) -> type[Struct] | None:
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return annotation
    if get_origin(annotation) in (list, Union, UnionType) or hasattr(annotation, "__metadata__"):
        return next((found for arg in get_args(annotation) if (found := _struct_of(arg))), None)
    return None


_KEYS: Mapping[Path, str] = {
    ("spec", "task", "classes"): "name",
    ("spec", "weak", "labelers"): "name",
    ("spec", "aggregation", "weightedAverage", "weights"): "labeler",
}
_SETS: tuple[Path, ...] = (("spec", "evaluation", "controls"), ("spec", "promotion", "over"))


def _repeated(document: Mapping[str, Any]) -> Iterator[Problem]:
    for path, key in _KEYS.items():
        yield from _twice(
            path, [item.get(key) for item in _list_at(document, path) if isinstance(item, dict)]
        )
    for path in _SETS:
        yield from _twice(path, _list_at(document, path))
    for place, labeler in enumerate(_list_at(document, ("spec", "weak", "labelers"))):
        path = ("spec", "weak", "labelers", place, "classifier", "labels")
        labels = _list_at(labeler, ("classifier", "labels")) if isinstance(labeler, dict) else []
        yield from _twice(path, [item.get("modelLabel") for item in labels if isinstance(item, dict)])


def _twice(path: Path, values: list[Any]) -> Iterator[Problem]:
    seen: list[Any] = []
    for place, value in enumerate(values):
        if value is not None and value in seen:
            yield Problem((*path, place), f"{value!r} is given twice")
        seen.append(value)


def _list_at(document: Any, path: Path) -> list[Any]:
    for part in path:
        document = document.get(part) if isinstance(document, Mapping) else None
    return document if isinstance(document, list) else []


__all__ = ["Problem", "dotted", "validate"]
