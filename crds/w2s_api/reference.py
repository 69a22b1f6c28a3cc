"""The field reference (docs/fields.md), generated from the CRD: what `kubectl explain` says, on one page."""

import json
from collections.abc import Iterator
from typing import Any

from w2s_api.crd import crd
from w2s_api.names import API_VERSION, KIND
from w2s_api.spec.base import MEANING
from w2s_api.spec.job import LONGEST_NAME

_HEAD = f"""\
# The fields of a {KIND}

Generated from `crds/w2s_api` by `w2s crd --fields`; edits are lost. `kubectl explain w2s.spec` says the same on a
cluster, `w2s validate FILE` checks a manifest against it. A manifest begins with `apiVersion: {API_VERSION}`,
`kind: {KIND}` and `metadata.name` (at most {LONGEST_NAME} characters, fewer beside a long name of a labeler or
with LoRA or Full: Jobs are named after all of these). Fields in **bold** are required; decimal numbers are
strings in quotes.
"""

_NOT_IN_ANCHORS = str.maketrans("", "", ".[]*")


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
        suffix, inner = _inside(field)
        if "properties" in inner:
            yield from _sections(f"{path}.{name}{suffix}", inner)


def _inside(field: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """What a list or map holds, and how its place is written."""
    for suffix, kind in (("[]", "items"), (".*", "additionalProperties")):
        if kind in field:
            return suffix, field[kind]
    return "", field


def _value(path: str, name: str, field: dict[str, Any]) -> str:
    if "x-kubernetes-int-or-string" in field:
        return _cell(MEANING[field["pattern"]])
    if "x-kubernetes-preserve-unknown-fields" in field:
        return "as in Kubernetes"
    if "additionalProperties" in field:
        inner = _value(path, f"{name}.*", field["additionalProperties"])
        return f"map of up to {field['maxProperties']} × {inner}"
    if field["type"] == "array":
        least, most = field.get("minItems", 0), field["maxItems"]
        inner = _value(path, f"{name}[]", field["items"])
        return f"{least} to {most} × {inner}"
    if "properties" in field:
        anchor = f"{path}.{name}".lower().translate(_NOT_IN_ANCHORS)
        return f"[fields](#{anchor})"
    if field["type"] == "object":
        return "`{}`: it has no settings"
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
