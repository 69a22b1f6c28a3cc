"""The field reference (docs/fields.md), generated from the CRD: what `kubectl explain` says, on one page."""

import json
from collections.abc import Iterator
from typing import Any

from w2s_api.crd import crd
from w2s_api.names import API_VERSION, KIND
from w2s_api.spec.base import MEANING

_HEAD = f"""\
# The fields of a {KIND}

Generated from `crds/w2s_api` by `w2s crd --fields`; edits are lost. `kubectl explain w2s.spec` says the same on a
cluster, `w2s validate FILE` checks a manifest against it. A manifest begins with `apiVersion: {API_VERSION}`,
`kind: {KIND}` and `metadata.name` (at most 40 characters). Fields in **bold** are required; decimal numbers are
strings in quotes.
"""


def reference() -> str:
    """The page, as Markdown."""
    spec = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return "\n".join([_HEAD, *_sections("spec", spec)])


def _sections(path: str, struct: dict[str, Any]) -> Iterator[str]:
    yield f"## {path}\n"
    yield f"{struct['description']}\n"
    yield "| field | value | default | |"
    yield "| - | - | - | - |"
    required = struct.get("required", [])
    for name, field in struct["properties"].items():
        shown = f"**{name}**" if name in required else name
        yield f"| {shown} | {_value(path, name, field)} | {_default(field)} | {_cell(field['description'])} |"
    rules = [rule["message"] for rule in struct.get("x-kubernetes-validations", [])]
    yield "\n".join(
        ["", "What its rules say when they are broken:", "", *(f"- {rule}" for rule in rules), ""]
        if rules
        else [""]
    )
    for name, field in struct["properties"].items():
        inner, below = _struct_in(field), f"{path}.{name}{'[]' if field['type'] == 'array' else ''}"
        if inner:
            yield from _sections(below, inner)


def _struct_in(field: dict[str, Any]) -> dict[str, Any] | None:
    inner = field.get("items", field)
    return inner if "properties" in inner else None


def _value(path: str, name: str, field: dict[str, Any]) -> str:
    if field["type"] == "array":
        least, most = field.get("minItems", 0), field["maxItems"]
        inner = _value(path, f"{name}[]", field["items"])
        return f"{least} to {most} × {inner}"
    if "properties" in field:
        anchor = f"{path}.{name}".lower().replace(".", "").replace("[]", "")
        return f"[fields](#{anchor})"
    if "enum" in field:
        return ", ".join(f"`{word}`" for word in field["enum"])
    if field["type"] == "integer":
        return f"{field['minimum']:,} to {field['maximum']:,}"
    if field["type"] == "boolean":
        return "`true`, `false`"
    if "pattern" in field:
        return _cell(MEANING[field["pattern"]])
    return f"at most {field['maxLength']:,} characters"


def _default(field: dict[str, Any]) -> str:
    default = field.get("default")
    if default is None or isinstance(default, dict) or default in ("", []):
        return ""
    if isinstance(default, list):
        return ", ".join(f"`{word}`" for word in default)
    return f"`{json.dumps(default) if field.get('pattern') or not isinstance(default, str) else default}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
