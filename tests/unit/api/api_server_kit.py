"""What the API server does with the CRD: unknown fields, nulls, the schema, list keys, defaults, then the rules.

The order and the details are those of k8s.io/apiextensions-apiserver; the CEL is evaluated by cel-python.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import celpy
import jsonschema

from w2s_api.crd import crd


@cache
def schema() -> dict[str, Any]:
    return crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(_strict(schema()))


def server_refuses(document: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
    """Why the API server refuses a document, as it is or in the place of an old one; empty if it does not."""
    full = with_defaults(schema(), without_nulls(schema(), document))
    found = [error.message for error in _validator().iter_errors(full)]
    before = with_defaults(schema(), without_nulls(schema(), old)) if old else None
    return found or repeated(schema(), full) or list(rules_broken(schema(), full, before))


def _strict(part: dict[str, Any]) -> dict[str, Any]:
    """`fieldValidation=Strict`; and `$` is the end of the text, as it is in Go."""
    part = dict(part)
    if "properties" in part:
        part["properties"] = {name: _strict(inner) for name, inner in part["properties"].items()}
        part["additionalProperties"] = False
    elif "additionalProperties" in part:
        part["additionalProperties"] = _strict(part["additionalProperties"])
    if part.get("x-kubernetes-int-or-string"):
        part["type"] = ["integer", "string"]
    if "items" in part:
        part["items"] = _strict(part["items"])
    if "pattern" in part:
        part["pattern"] = part["pattern"].removesuffix("$") + r"\Z"
    return part


def of_field(part: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The schema of a field, or of the values of a map; None of what is not known."""
    return part.get("properties", {}).get(name) or part.get("additionalProperties")


def without_nulls(part: dict[str, Any], value: Any) -> Any:
    """Nulls of fields that are not nullable are pruned."""
    if isinstance(value, dict):
        known = {name: of_field(part, name) for name in value}
        return {
            name: without_nulls(known[name] or {}, inner)
            for name, inner in value.items()
            if inner is not None or known[name] is None
        }
    if isinstance(value, list):
        return [without_nulls(part.get("items", {}), item) for item in value]
    return value


def with_defaults(part: dict[str, Any], value: Any) -> Any:
    if isinstance(value, dict):
        properties = part.get("properties", {})
        missing = {
            name: inner["default"]
            for name, inner in properties.items()
            if name not in value and "default" in inner
        }
        full = {**value, **missing}
        return {name: with_defaults(of_field(part, name) or {}, inner) for name, inner in full.items()}
    if isinstance(value, list) and "items" in part:
        return [with_defaults(part["items"], item) for item in value]
    return value


def repeated(part: dict[str, Any], value: Any) -> list[str]:
    """Keys of list maps, and items of sets, that are there twice."""
    found = []
    if isinstance(value, list):
        names = part.get("x-kubernetes-list-map-keys")
        if names or part.get("x-kubernetes-list-type") == "set":
            marks = [str([item.get(name) for name in names] if names else item) for item in value]
            found += ["duplicate"] if len(set(marks)) < len(marks) else []
        for item in value:
            found += repeated(part.get("items", {}), item)
    if isinstance(value, dict):
        for name, inner in value.items():
            found += repeated(of_field(part, name) or {}, inner)
    return found


def rules_broken(part: dict[str, Any], value: Any, old: Any = None) -> Iterator[str]:
    """What broken rules say. Rules about a transition hold where there is nothing old."""
    for rule in part.get("x-kubernetes-validations", []):
        if ("oldSelf" not in rule["rule"] or old is not None) and not holds(rule["rule"], value, old):
            yield rule["message"]
    if isinstance(value, dict):
        before = old if isinstance(old, dict) else {}
        for name, inner in value.items():
            yield from rules_broken(of_field(part, name) or {}, inner, before.get(name))
    if isinstance(value, list):
        for item in value:
            yield from rules_broken(part.get("items", {}), item)


def holds(rule: str, value: Any, old: Any = None) -> bool:
    """A rule that cannot be evaluated (no such key) is a broken rule."""
    try:
        return bool(
            _program(rule).evaluate({"self": celpy.json_to_cel(value), "oldSelf": celpy.json_to_cel(old)})
        )
    except celpy.CELEvalError:
        return False


@cache
def _program(rule: str) -> Any:
    environment = celpy.Environment()
    return environment.program(environment.compile(rule))


def parts(part: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema in a schema, with its path."""
    yield path, part
    for name, inner in part.get("properties", {}).items():
        yield from parts(inner, f"{path}.{name}")
    if "additionalProperties" in part:
        yield from parts(part["additionalProperties"], f"{path}.*")
    if "items" in part:
        yield from parts(part["items"], f"{path}[]")
