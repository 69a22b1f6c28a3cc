"""The base of every struct of the API: strict, camelCase outside, with rules the API server checks too."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel, to_snake
from pydantic_core import PydanticCustomError


@dataclass(frozen=True)
class Rule:
    """A rule over several fields, said twice: for the API server in CEL, for `w2s validate` in Python.

    A test runs one table of manifests through both, so that they cannot drift apart.
    """

    cel: str
    """The rule in the Common Expression Language, `self` being the struct."""
    message: str
    """What to write instead."""
    holds: Callable[[Any], bool]
    field: str = ""
    """The field (camelCase, dotted) that the message is about; empty for the struct itself."""


class Struct(BaseModel):
    """A struct of the API. Unknown fields are refused and nothing is coerced, as the API server does it."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, strict=True, validate_default=False
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _rules_hold(self) -> Self:
        broken = [(rule.field, rule.message) for rule in self.rules if not rule.holds(self)]
        if broken:
            raise PydanticCustomError(
                "rule", "{summary}", {"summary": "; ".join(m for _, m in broken), "broken": broken}
            )
        return self


def union(**members: str) -> tuple[Rule, ...]:
    """Rules of a union: the struct that `type` names is set, and no other.

    Args:
        members: type name → camelCase field; an empty string for a type without settings of its own.
    """
    return tuple(
        Rule(
            cel=f"has(self.{field}) == (self.type == '{name}')",
            message=f"`{field}` is to be given when `type` is {name}, and only then",
            holds=_given_exactly_for(name, field),
            field=field,
        )
        for name, field in members.items()
        if field
    )


def _given_exactly_for(name: str, field: str) -> Callable[[Any], bool]:
    attribute = to_snake(field)
    return lambda struct: (getattr(struct, attribute) is not None) == (struct.type == name)


def text(maximum: int, minimum: int = 0, pattern: str | None = None) -> Any:
    """Bounds of a string; every string of the API has some."""
    return Field(min_length=minimum, max_length=maximum, pattern=pattern)


def _one_form(number: str) -> str:
    return format(Decimal(number).normalize(), "f")


OneForm = AfterValidator(_one_form)
"""Decimal strings are kept in one form ("0.70" is "0.7"), so that the same number has the same key."""

OneOrder = AfterValidator(lambda values: sorted(values))
"""Sets are kept in one order, for the same reason."""

Fraction = Annotated[str, text(8, 1, r"^(0(\.[0-9]{1,6})?|1(\.0{1,6})?)$"), OneForm]
"""A number from 0 to 1 as a decimal string."""

NonNegative = Annotated[str, text(16, 1, r"^[0-9]{1,6}(\.[0-9]{1,6})?$"), OneForm]
"""A number of at least 0 as a decimal string."""

Signed = Annotated[str, text(16, 1, r"^-?(0(\.[0-9]{1,6})?|1(\.0{1,6})?)$"), OneForm]
"""A number from -1 to 1 as a decimal string."""

Name = Annotated[str, text(24, 1, r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
"""A name that becomes part of a pod's name."""

DataURI = Annotated[str, text(1024, 6, r"^(s3|file)://.+$")]
"""An object, or a prefix that ends in /, of .jsonl, .jsonl.gz, .csv or .parquet."""

ModelURI = Annotated[str, text(1024, 6, r"^(hf|s3|file|py)://.+$")]
"""hf://org/name[@revision], s3://bucket/prefix/, file:///path (w2s run only) or py://package."""
