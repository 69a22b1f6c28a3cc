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


def server_refuses(document: dict[str, Any]) -> list[str]:
    """Why the API server refuses a document; empty if it does not."""
    full = with_defaults(schema(), without_nulls(schema(), document))
    found = [error.message for error in _validator().iter_errors(full)]
    return found or repeated(schema(), full) or list(rules_broken(schema(), full))


def _strict(part: dict[str, Any]) -> dict[str, Any]:
    """`fieldValidation=Strict`; and `$` is the end of the text, as it is in Go."""
    part = dict(part)
    if "properties" in part:
        part["properties"] = {name: _strict(inner) for name, inner in part["properties"].items()}
        part["additionalProperties"] = False
    if "items" in part:
        part["items"] = _strict(part["items"])
    if "pattern" in part:
        part["pattern"] = part["pattern"].removesuffix("$") + r"\Z"
    return part


def without_nulls(part: dict[str, Any], value: Any) -> Any:
    """Nulls of fields that are not nullable are pruned."""
    known = part.get("properties", {})
    if isinstance(value, dict) and known:
        return {
            name: without_nulls(known.get(name, {}), inner)
            for name, inner in value.items()
            if inner is not None or name not in known
        }
    if isinstance(value, list):
        return [without_nulls(part.get("items", {}), item) for item in value]
    return value


def with_defaults(part: dict[str, Any], value: Any) -> Any:
    if isinstance(value, dict) and "properties" in part:
        full = dict(value)
        for name, inner in part["properties"].items():
            if name not in full and "default" in inner:
                full[name] = inner["default"]
            if name in full:
                full[name] = with_defaults(inner, full[name])
        return full
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
        for name, inner in part.get("properties", {}).items():
            found += repeated(inner, value.get(name))
    return found


def rules_broken(part: dict[str, Any], value: Any) -> Iterator[str]:
    for rule in part.get("x-kubernetes-validations", []):
        if not holds(rule["rule"], value):
            yield rule["message"]
    if isinstance(value, dict):
        for name, inner in part.get("properties", {}).items():
            if name in value:
                yield from rules_broken(inner, value[name])
    if isinstance(value, list):
        for item in value:
            yield from rules_broken(part.get("items", {}), item)


def holds(rule: str, value: Any) -> bool:
    """A rule that cannot be evaluated (no such key) is a broken rule."""
    try:
        return bool(_program(rule).evaluate({"self": celpy.json_to_cel(value)}))
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
    if "items" in part:
        yield from parts(part["items"], f"{path}[]")
