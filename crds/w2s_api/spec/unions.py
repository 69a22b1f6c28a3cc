"""Unions of methods, made from their tables: a `type`, the settings of each, and the rules that join the two."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import Field, create_model
from pydantic.alias_generators import to_snake

from w2s_api.methods.method import Method, field_of
from w2s_api.spec.base import Struct, optional_union, union

U = TypeVar("U", bound="MethodUnion")
MethodClass = type[Method]


class MethodUnion(Struct):
    """A choice of one method: its `type`, and its settings."""

    table: ClassVar[Mapping[str, MethodClass]] = {}
    """The methods by the values of `type`."""
    of_one_method: ClassVar[frozenset[str]] = frozenset()
    """Attributes that mean something for one `type` alone; what else the union has, any type may depend on."""
    without_settings: ClassVar[frozenset[str]] = frozenset()
    """Methods of the table that can be chosen and not set here."""

    type: str

    @property
    def method(self) -> MethodClass:
        """The class of the settings that `type` names."""
        return self.table[self.type]

    @property
    def settings(self) -> Any:
        """The settings of the method that `type` names; its defaults where the manifest gives none."""
        return self.given(self.method) or self.method()

    def given(self, method: MethodClass) -> Any:
        """The settings of a method as the manifest gives them, or None."""
        return getattr(self, to_snake(field_of(method)), None)

    def result_settings(self) -> dict[str, Any]:
        """What results depend on: the `type`, its settings, and whatever the union has beside them."""
        shared = self.model_dump(
            mode="json", by_alias=True, exclude_defaults=True, exclude=set(self.of_one_method)
        )
        settings = self.given(self.method)
        return {**shared, **({field_of(self.method): settings.result_settings()} if settings else {})}


def of_methods(
    base: type[U], methods: Mapping[str, type[Method]], *, default: str = "", may_be_left_out: bool = False
) -> type[U]:
    """The union of a table of methods.

    Args:
        base: what the union has beside their settings; its name with an underscore before it.
        methods: by the values of `type`.
        default: the type of a manifest that names none; empty if it must name one.
        may_be_left_out: every method works with its defaults, so that its settings need not be there.
    """
    choice = Field(
        default=default or ...,
        description=" ".join(f"{name}: {method.words}." for name, method in methods.items()),
    )
    fields: dict[str, Any] = {"type": (Literal[tuple(methods)], choice)}
    own: dict[str, str] = {}
    for name, method in methods.items():
        attribute = to_snake(field_of(method))
        if name in base.without_settings or attribute in base.model_fields:
            continue
        own[name] = field_of(method)
        fields[attribute] = (method | None, Field(default=None, description=f"Settings of type {name}."))
    made = create_model(base.__name__.removeprefix("_"), __base__=base, __module__=base.__module__, **fields)
    made.__doc__ = base.__doc__
    made.table = methods
    made.of_one_method = frozenset(fields) - {"type"}
    made.rules = (*(optional_union(**own) if may_be_left_out else union(**own)), *base.rules)
    return made


def only_types(methods: Mapping[str, type[Method]], fact: str, path: str = "self.type") -> str:
    """A CEL expression that holds where the method at `path` has a fact (a class variable that is true)."""
    names = [name for name, method in methods.items() if getattr(method, fact)]
    return f"{path} in [{', '.join(repr(name) for name in names)}]"
