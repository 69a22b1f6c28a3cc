"""The CustomResourceDefinition, generated from the pydantic models: the only source there is."""

from typing import Any

from pydantic.fields import FieldInfo

from w2s_api.names import GROUP, KIND, PLURAL, SHORT_NAME, VERSION
from w2s_api.spec import Spec
from w2s_api.spec.base import Struct

_DROPPED = frozenset({"title", "additionalProperties", "uniqueItems"})
_LONGEST_NAME = 40


def crd() -> dict[str, Any]:
    """The CustomResourceDefinition as `apiextensions.k8s.io/v1` wants it: structural, bounded, with defaults."""
    spec = _Schema().struct(Spec, in_list=False)
    spec["description"] = (
        "What is wanted. It may be edited at any time: only what an edit changes is run again."
    )
    schema = {
        "type": "object",
        "description": "A job that turns a weak model and a heap of unlabelled text into a strong specialised"
        " model, and measures whether it was worth it.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
        },
        "x-kubernetes-validations": [
            {
                "rule": f"size(self.metadata.name) <= {_LONGEST_NAME}",
                "message": f"metadata.name may have {_LONGEST_NAME} characters: it becomes part of pod names",
            }
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
        plain = cls.model_json_schema(by_alias=True)
        by_alias = {field.alias or name: field for name, field in cls.model_fields.items()}
        properties = {
            name: self._field(plain["properties"][name], field, in_list) for name, field in by_alias.items()
        }
        found: dict[str, Any] = {"type": "object", "description": (cls.__doc__ or "").strip()}
        required = [name for name, field in by_alias.items() if field.is_required()]
        if required:
            found["required"] = required
        found["properties"] = properties
        if cls.rules:
            found["x-kubernetes-validations"] = [
                {"rule": rule.cel, "message": rule.message} for rule in cls.rules
            ]
        return found

    def _field(self, plain: dict[str, Any], field: FieldInfo, in_list: bool) -> dict[str, Any]:
        found = self._plain(plain, in_list)
        if field.description:
            found["description"] = field.description
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        if default is not None and not in_list:
            found["default"] = {} if isinstance(default, Struct) else default
        return found

    def _plain(self, plain: dict[str, Any], in_list: bool) -> dict[str, Any]:
        if "anyOf" in plain:  # X | None: an optional field is one that is not required
            inner = next(option for option in plain["anyOf"] if option.get("type") != "null")
            extras = {name: value for name, value in plain.items() if name.startswith("x-kubernetes")}
            return {**self._plain(inner, in_list), **extras}
        if "$ref" in plain:
            return self.struct(self._classes[plain["$ref"].rsplit("/", 1)[1]], in_list)
        found = {name: value for name, value in plain.items() if name not in _DROPPED and name != "default"}
        if "const" in found:
            found["enum"] = [found.pop("const")]
        if found.get("type") == "array":
            found["items"] = self._plain(found["items"], in_list=True)
        return found


def _collect(base: type[Struct], into: dict[str, type[Struct]]) -> None:
    for cls in base.__subclasses__():
        into[cls.__name__] = cls
        _collect(cls, into)
