"""The CustomResourceDefinition, generated from the pydantic models: the only source there is."""

import inspect
from typing import Any

from pydantic.fields import FieldInfo

from w2s_api.names import GROUP, KIND, PLURAL, SHORT_NAME, VERSION
from w2s_api.spec import Spec, WeakToStrongJob
from w2s_api.spec.base import Rule, Struct

_DROPPED = frozenset({"title", "additionalProperties", "uniqueItems", "default"})
_META = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"


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
            "spec": _Schema().struct(Spec, in_list=False),
            "status": {
                "type": "object",
                "description": "What came of it. Written by the operator alone.",
                "x-kubernetes-preserve-unknown-fields": True,
            },
        },
        # Of metadata the schema may name nothing, so these rules carry no fieldPath.
        "x-kubernetes-validations": [
            {"rule": rule.cel, "message": rule.message} for rule in WeakToStrongJob.rules
        ],
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
                    "additionalPrinterColumns": [
                        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
                    ],
                }
            ],
        },
    }


class _Schema:
    """Structural schemas of structs."""

    def __init__(self) -> None:
        self._classes: dict[str, type[Struct]] = {}
        _collect(Struct, self._classes)

    def struct(self, cls: type[Struct], in_list: bool) -> dict[str, Any]:
        """A struct as an object; below a list without defaults, which would show as drift in GitOps."""
        plain = cls.model_json_schema(by_alias=True)["properties"]
        fields = {field.alias or name: field for name, field in cls.model_fields.items()}
        found: dict[str, Any] = {"type": "object", "description": inspect.getdoc(cls)}
        if required := [name for name, field in fields.items() if field.is_required()]:
            found["required"] = required
        found["properties"] = {
            name: self._field(plain[name], field, in_list) for name, field in fields.items()
        }
        if cls.rules:
            found["x-kubernetes-validations"] = [_validation(rule) for rule in cls.rules]
        return found

    def _field(self, plain: dict[str, Any], field: FieldInfo, in_list: bool) -> dict[str, Any]:
        found = self._plain(plain, in_list)
        found["description"] = _described(field.description or "", found.get("description", ""))
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        if default is not None and not in_list:
            # In full: the API server judges a default by the rules before it fills what is missing in it.
            found["default"] = (
                default.model_dump(mode="json", by_alias=True, exclude_none=True)
                if isinstance(default, Struct)
                else default
            )
        elif isinstance(default, (int, str)) and default != "" and "Default:" not in found["description"]:
            found["description"] += f" Default: {default}."
        return found

    def _plain(self, plain: dict[str, Any], in_list: bool) -> dict[str, Any]:
        if "anyOf" in plain:  # X | None: an optional field is one that is not required
            inner = next(option for option in plain["anyOf"] if option.get("type") != "null")
            extras = {name: value for name, value in plain.items() if name.startswith("x-kubernetes")}
            return {**self._plain(inner, in_list), **extras}
        if "$ref" in plain:
            return self.struct(self._classes[plain["$ref"].rsplit("/", 1)[1]], in_list)
        found = {name: value for name, value in plain.items() if name not in _DROPPED}
        if "const" in found:
            found["enum"] = [found.pop("const")]
        if found.get("type") == "array":
            found["items"] = self._plain(found["items"], in_list=True)
        return found


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
