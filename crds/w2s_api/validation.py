"""Checks a manifest as the API server would, and says what to write instead."""

import copy
import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from w2s_api.lookalikes import alike, in_code_points
from w2s_api.methods.method import field_of
from w2s_api.names import API_VERSION, KIND
from w2s_api.spec.base import MEANING, Rule, Struct
from w2s_api.spec.job import WeakToStrongJob

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


AsWritten = Callable[[Path], str | None]
"""How a scalar is written in the file: 007 for what is read as 7; None if it is not known, or a quoted string."""


def validate(
    document: object, as_written: AsWritten = lambda _path: None
) -> tuple[WeakToStrongJob | None, list[Problem]]:
    """Returns a manifest as models, or everything that is wrong with it.

    Args:
        document: what the YAML or JSON holds.
        as_written: how its scalars are written, by path.
    """
    if not isinstance(document, Mapping):
        several = (
            "; several are divided by ---, or are the `items` of a List" if isinstance(document, list) else ""
        )
        return None, [Problem((), f"not a mapping of fields: a manifest begins with `apiVersion`{several}")]
    if foreign := list(_of_another_kind(document)):
        return None, foreign
    problems = list(_repeated(document))
    try:
        job = WeakToStrongJob.model_validate(document)
    except ValidationError as error:
        details = error.errors()
        mistakes = [problem for detail in details for problem in _explain(detail, as_written)]
        mistakes += [problem for problem in _rules_beside(document, details) if problem not in mistakes]
        return None, problems + mistakes
    problems += _twin_classes(job)
    problems += _mistakes(job)
    return (None, problems) if problems else (job, [])


def _twin_classes(job: WeakToStrongJob) -> Iterator[Problem]:
    """Classes that labels cannot tell apart. CEL knows no Unicode forms: `prepare` says it in a cluster."""
    names = job.spec.task.class_names
    for place, name in enumerate(names):
        if twin := next((other for other in names[:place] if alike(other, name)), None):
            path = ("spec", "task", "classes", place, "name")
            yield Problem(
                path,
                f"{name!r} is one class with another. {in_code_points(name, twin)}: keep one, or rename it",
            )


def _mistakes(job: WeakToStrongJob) -> Iterator[Problem]:
    """What methods know to be wrong in their settings. CEL cannot tell: `prepare` says it in a cluster."""
    for number, labeler in enumerate(job.spec.weak.labelers):
        path = ("spec", "weak", "labelers", number, field_of(labeler.method))
        for place, mistake in labeler.settings.mistakes():
            yield Problem((*path, *place), mistake)
    for number, step in enumerate(job.spec.synthesis.steps):
        path = ("spec", "synthesis", "steps", number, field_of(step.method))
        for place, mistake in step.settings.mistakes():
            yield Problem((*path, *place), mistake)
    for number, selecting in enumerate(job.spec.selection.steps):
        path = ("spec", "selection", "steps", number, field_of(selecting.method))
        for place, mistake in selecting.settings.mistakes():
            yield Problem((*path, *place), mistake)


def _of_another_kind(document: Mapping[str, Any]) -> Iterator[Problem]:
    """Of an object that is no WeakToStrongJob, nothing else is worth saying."""
    for name, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
        given = document.get(name)
        if given is None:
            yield Problem((name,), f"required, but not given: write `{name}: {wanted}`")
        elif given != wanted:
            yield Problem((name,), f"must be {wanted}, not {given!r}")


def _explain(details: ErrorDetails, as_written: AsWritten) -> Iterator[Problem]:
    path: Path = tuple(part for part in details["loc"] if part != "[key]")
    given, context, written = details["input"], details.get("ctx", {}), as_written(details["loc"])
    match details["type"]:
        case "rule":
            for rule in context["broken"]:
                yield from _explain_rule(rule, context["struct"], path)
        case "extra_forbidden":
            known = tuple(_fields_at(path[:-1]))
            nearest = _nearest(path[-1], known)
            yield Problem(path, "unknown field", () if nearest else known, nearest)
        case "invalid_key" | "string_type" if (
            details["type"] == "invalid_key" or details["loc"][-1] == "[key]"
        ):
            yield Problem(path[:-1], _not_a_string(given, written, "the name of a field"))
        case "missing":
            quotes = f"; YAML reads {written} as nothing: for the word, write it in quotes" if written else ""
            yield Problem(path, f"required, but not given{quotes}")
        case "literal_error":
            allowed = _words(context["expected"])
            yield Problem(path, f"{given!r} is not one of the values", allowed, _nearest(given, allowed))
        case "string_type":
            yield Problem(path, _not_a_string(given, written))
        case "string_pattern_mismatch":
            yield Problem(path, f"{given!r} is not {MEANING[context['pattern']]}")
        case "string_too_short" | "too_short":
            what = "character" if details["type"] == "string_too_short" else "item"
            least = context["min_length"]
            yield Problem(path, f"must have at least {least} {what}{'s' if least > 1 else ''}")
        case "string_too_long" | "too_long":
            what = "characters" if details["type"] == "string_too_long" else "items"
            yield Problem(path, f"must have at most {context['max_length']:,} {what}")
        case "int_type" | "int_from_float":
            yield Problem(path, f"{_kind(given, written)} in place of a whole number")
        case "bool_type":
            yield Problem(path, f"{_kind(given, written)} in place of true or false")
        case "list_type":
            yield Problem(path, f"{_kind(given, written)} in place of a list")
        case "model_type" | "model_attributes_type" | "dict_type":
            yield Problem(path, f"{_kind(given, written)} in place of fields")
        case "greater_than_equal":
            yield Problem(path, f"{written or given} is below {context['ge']:,}")
        case "less_than_equal":
            yield Problem(path, f"{written or given} is above {context['le']:,}")
        case _:
            yield Problem(path, details["msg"][0].lower() + details["msg"][1:])


def _explain_rule(rule: Rule, struct: Struct, path: Path) -> Iterator[Problem]:
    if rule.dangling is None:
        more = f" ({rule.excess(struct)} too many)" if rule.excess else ""
        yield Problem((*path, *rule.field.split(".")) if rule.field else path, rule.message + more)
        return
    for stranger in rule.dangling(struct):
        place = (*path, *stranger.path)
        if twin := next((known for known in stranger.known if alike(known, stranger.word)), None):
            yield Problem(
                place,
                f"{stranger.word!r}: {rule.message}. {in_code_points(stranger.word, twin)}: write both alike",
            )
            continue
        nearest = _nearest(stranger.word, stranger.known)
        yield Problem(place, f"{stranger.word!r}: {rule.message}", stranger.known, nearest)


def _rules_beside(document: Mapping[str, Any], details: Sequence[ErrorDetails]) -> Iterator[Problem]:
    """Yields broken rules of structs that hold other mistakes: those rules that read none of what is mistaken.

    A struct is judged by its rules once all of its fields are sound, so the mistakes are taken out first.
    """
    rest, without = copy.deepcopy(document), set()
    for detail in details:
        if detail["type"] not in ("rule", "missing"):
            without |= _take_out(rest, detail["loc"])
    if not without:
        return
    try:
        WeakToStrongJob.model_validate(rest)
    except ValidationError as error:
        for detail in error.errors():
            if detail["type"] == "rule":
                path: Path = detail["loc"]
                for rule in detail["ctx"]["broken"]:
                    if without.isdisjoint(re.findall(r"\w+", rule.cel)):
                        yield from _explain_rule(rule, detail["ctx"]["struct"], path)


def _take_out(document: Any, path: Path) -> set[str]:
    """Removes the field at the end of a path; returns the names under which rules may know it."""
    while path and not isinstance(path[-1], str):
        path = path[:-1]
    for part in path[:-1]:
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            return set()
    name = path[-1] if path else None
    if not isinstance(name, str) or not isinstance(document, dict) or name not in document:
        return set()
    del document[name]
    meant = _nearest(name, tuple(_fields_at(path[:-1])))
    return {name, meant} if meant else {name}


def _words(expected: str) -> tuple[str, ...]:
    return tuple(word.strip("' ") for word in expected.replace(" or ", ", ").split(", "))


def _nearest(given: object, allowed: Iterable[str]) -> str | None:
    by_lower = {word.lower(): word for word in allowed}
    near = difflib.get_close_matches(str(given).lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[near[0]] if near else None


def _not_a_string(given: object, written: str | None, wanted: str = "a string") -> str:
    mismatch = f"{_kind(given, written)} in place of {wanted}"
    if isinstance(given, bool):
        quotes = f'write "{written}" in quotes' if written else "write it in quotes"
        return f"{mismatch}; YAML reads yes, no, on, off, y and n so: {quotes}"
    if isinstance(given, (int, float)):
        return f'{mismatch}: write "{written or given}" in quotes'
    return mismatch


def _kind(value: object, written: str | None) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"the word {written or str(value).lower()}"
    if isinstance(value, (int, float)):
        return f"the number {written or value}"
    if isinstance(value, str):
        return f"the string {value!r}"
    return "a list" if isinstance(value, list) else "fields"


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
        return next((struct for arg in get_args(annotation) if (struct := _struct_of(arg))), None)
    return None


def _repeated(value: Any, struct: type[Struct] = WeakToStrongJob, path: Path = ()) -> Iterator[Problem]:
    """Keys of list maps, and items of sets, that are there twice."""
    if not isinstance(value, Mapping):
        return
    for name, info in struct.model_fields.items():
        alias = _alias(name, info)
        inner, below, place = value.get(alias), _struct_of(info.annotation), (*path, alias)
        if isinstance(inner, list):
            extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
            if isinstance(keys := extra.get("x-kubernetes-list-map-keys"), list):
                (key,) = keys
                named = [item.get(key) if isinstance(item, Mapping) else None for item in inner]
                yield from _twice(place, named)
            elif extra.get("x-kubernetes-list-type") == "set":
                yield from _twice(place, inner)
        if below:
            for number, item in enumerate(inner if isinstance(inner, list) else ()):
                yield from _repeated(item, below, (*place, number))
            yield from _repeated(inner, below, place)


def _twice(path: Path, values: list[Any]) -> Iterator[Problem]:
    seen: list[Any] = []
    for place, value in enumerate(values):
        if value is not None and value in seen:
            yield Problem((*path, place), f"{value!r} is given twice")
        seen.append(value)


__all__ = ["Problem", "dotted", "validate"]
