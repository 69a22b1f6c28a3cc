"""The CustomResourceDefinition, generated from the pydantic models: the only source there is."""

import inspect
import json
from dataclasses import replace
from typing import Any

from pydantic.fields import FieldInfo

from w2s_api.names import GROUP, KIND, PLURAL, SHORT_NAME, VERSION
from w2s_api.spec.base import Rule, Struct
from w2s_api.spec.job import Spec, WeakToStrongJob
from w2s_api.status import NEVER, Status

_DROPPED = frozenset({"title", "additionalProperties", "uniqueItems", "default", "propertyNames"})
_META = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"

FRESH = {
    "observedGeneration": -1,
    "conditions": [
        {
            "type": type_,
            "status": status,
            "reason": "Pending",
            "message": "Waiting for the operator.",
            "lastTransitionTime": NEVER,
        }
        for type_, status in (("Complete", "Unknown"), ("Failed", "Unknown"), ("Reconciling", "True"))
    ],
}
"""The status of a job that no operator has seen yet: to those who wait for an end, it has none."""

_COMPLETE = '.status.conditions[?(@.type=="Complete")]'
COLUMNS = [
    {"name": "Stage", "type": "string", "jsonPath": ".status.stage"},
    {"name": "Progress", "type": "string", "jsonPath": ".status.progress"},
    {"name": "Gain", "type": "string", "jsonPath": ".status.gain"},
    {"name": "Complete", "type": "string", "jsonPath": f"{_COMPLETE}.status"},
    {"name": "Reason", "type": "string", "jsonPath": f"{_COMPLETE}.reason"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
]
"""What `kubectl get` prints."""


def crd() -> dict[str, Any]:
    """The CustomResourceDefinition as `apiextensions.k8s.io/v1` wants it: structural, bounded, with defaults."""
    schema = {
        "type": "object",
        "description": inspect.getdoc(WeakToStrongJob),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}. See {_META}#resources"},
            "kind": {"type": "string", "description": f"{KIND}. See {_META}#types-kinds"},
            "metadata": {"type": "object"},
            "spec": _Schema().struct(Spec),
            "status": {**_Schema(defaults=False).struct(Status), "default": FRESH},
        },
        # Of metadata the schema may name nothing, so these rules carry no fieldPath.
        "x-kubernetes-validations": [_validation(replace(rule, field="")) for rule in WeakToStrongJob.rules],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": [SHORT_NAME],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": COLUMNS,
                }
            ],
        },
    }


class _Schema:
    """Structural schemas of structs."""

    def __init__(self, defaults: bool = True) -> None:
        self._defaults = defaults
        self._classes: dict[str, type[Struct]] = {}
        _collect(Struct, self._classes)

    def struct(self, cls: type[Struct], in_list: bool = False) -> dict[str, Any]:
        """Returns the schema of a struct; below a list it has no defaults, which would show as drift in GitOps."""
        if values := getattr(cls, "values_of_map", None):
            return self._map(cls, values, in_list)
        plain = cls.model_json_schema(by_alias=True)["properties"]
        fields = {field.alias or name: field for name, field in cls.model_fields.items()}
        schema: dict[str, Any] = {"type": "object", "description": inspect.getdoc(cls)}
        if required := [name for name, field in fields.items() if field.is_required()]:
            schema["required"] = required
        if fields:  # the API server drops an empty map, and each `kubectl apply` would find a difference
            schema["properties"] = {
                name: self._field(plain[name], field, in_list) for name, field in fields.items()
            }
        if cls.rules:
            schema["x-kubernetes-validations"] = [_validation(rule) for rule in cls.rules]
        return schema

    def _map(self, cls: type[Struct], values: type[Struct], in_list: bool) -> dict[str, Any]:
        """A struct whose fields are alike, as a map from their names."""
        names = [field.alias or name for name, field in cls.model_fields.items()]
        return {
            "type": "object",
            "description": inspect.getdoc(cls),
            "maxProperties": len(names),
            "additionalProperties": self.struct(values, in_list),
            "x-kubernetes-validations": [
                {
                    "rule": f"self.all(name, name in {names})",
                    "message": f"the names here are {', '.join(names)}",
                }
            ],
        }

    def _field(self, plain: dict[str, Any], field: FieldInfo, in_list: bool) -> dict[str, Any]:
        schema = self._plain(plain, in_list)
        schema["description"] = _described(field.description or "", schema.get("description", ""))
        has_default = self._defaults and not field.is_required()
        default = field.get_default(call_default_factory=True) if has_default else None
        if default == [] and schema.get("minItems"):
            default = (
                None  # left out or of some length: the API server refuses a default that it would refuse
            )
        if default is not None and not in_list:
            # In full: the API server judges a default by the rules before it fills what is missing in it.
            schema["default"] = (
                default.model_dump(mode="json", by_alias=True, exclude_none=True)
                if isinstance(default, Struct)
                else default
            )
        elif isinstance(default, (int, str)) and default != "" and "Default:" not in schema["description"]:
            shown = json.dumps(default) if isinstance(default, bool) else default
            schema["description"] += f" Default: {shown}."
        return schema

    def _plain(self, plain: dict[str, Any], in_list: bool) -> dict[str, Any]:
        if "anyOf" in plain:  # X | None: an optional field is one that is not required
            inner = next(option for option in plain["anyOf"] if option.get("type") != "null")
            extras = {name: value for name, value in plain.items() if name.startswith("x-kubernetes")}
            return {**self._plain(inner, in_list), **extras}
        if "$ref" in plain:
            return self.struct(self._classes[plain["$ref"].rsplit("/", 1)[1]], in_list)
        schema = {name: value for name, value in plain.items() if name not in _DROPPED}
        if "const" in schema:
            schema["enum"] = [schema.pop("const")]
        if schema.get("type") == "array":
            schema["items"] = self._plain(schema["items"], in_list=True)
        if isinstance(values := plain.get("additionalProperties"), dict):
            schema["additionalProperties"] = self._plain(values, in_list)
        if schema.get("x-kubernetes-int-or-string"):
            del schema["type"]
        return schema


def _described(field: str, struct: str) -> str:
    """What a field is for, and what the struct in it is, if that says more."""
    if struct.startswith(field.rstrip(".")):
        return struct
    return f"{field} {struct}".strip()


def _validation(rule: Rule) -> dict[str, Any]:
    place = {"fieldPath": f".{rule.field}"} if rule.field else {}
    return {"rule": rule.cel, "message": rule.message, **place}


def _collect(base: type[Struct], into: dict[str, type[Struct]]) -> None:
    for cls in base.__subclasses__():
        into[cls.__name__] = cls
        _collect(cls, into)
