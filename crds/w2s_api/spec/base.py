"""The base of every struct of the API: strict, camelCase outside, with rules the API server checks too."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel, to_snake
from pydantic_core import PydanticCustomError


@dataclass(frozen=True)
class DanglingReference:
    """A word that should name something else in the manifest, and names nothing."""

    path: tuple[str | int, ...]
    """Where it stands, below the struct of the rule: ("labelers", 0, "name")."""
    word: str
    known: tuple[str, ...]
    """What it could have named."""


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
    dangling: Callable[[Any], Iterable[DanglingReference]] | None = None
    """Of a rule about references: each that is broken. CEL can name no place inside a list."""
    excess: Callable[[Any], int] | None = None
    """Of a rule about lengths: how many characters are too many. CEL could say it only at a cost above its budget."""


def refers(
    cel: str, message: str, field: str, dangling: Callable[[Any], Iterable[DanglingReference]]
) -> Rule:
    """A rule about references: it holds where nothing dangles."""
    return Rule(cel, message, lambda struct: not any(dangling(struct)), field, dangling)


def fits(cel_excess: str, message: str, field: str, excess: Callable[[Any], int]) -> Rule:
    """A rule about lengths: nothing is too much."""
    return Rule(
        cel=f"({cel_excess}) <= 0",
        message=message,
        holds=lambda struct: excess(struct) <= 0,
        field=field,
        excess=excess,
    )


def immutable(field: str) -> Rule:
    """A field that stays as it is once it is given. It takes two versions to tell: only the API server has them."""
    return Rule(
        cel=f"!has(oldSelf.{field}) || (has(self.{field}) && self.{field} == oldSelf.{field})",
        message=f"`{field}` cannot be changed once it is given: delete the object and apply it again",
        holds=lambda _: True,
        field=field,
    )


class Struct(BaseModel):
    """A struct of the API. Unknown fields are refused and nothing is coerced, as the API server does it."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, strict=True, validate_default=False
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, given: Any) -> Any:
        """As the API server has it: `revision:` without a value is as if it were not there."""
        if not isinstance(given, dict):
            return given
        known = {field.alias or name for name, field in cls.model_fields.items()}
        return {name: value for name, value in given.items() if value is not None or name not in known}

    @model_validator(mode="after")
    def _rules_hold(self) -> Self:
        broken = [rule for rule in self.rules if not rule.holds(self)]
        if broken:
            summary = "; ".join(rule.message for rule in broken)
            raise PydanticCustomError(
                "rule", "{summary}", {"summary": summary, "broken": broken, "struct": self}
            )
        return self


def attribute_of(struct: type[Struct], field: str) -> str:
    """The attribute of a field by its name in manifests (camelCase)."""
    return next(name for name, info in struct.model_fields.items() if (info.alias or name) == field)


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


def optional_union(**members: str) -> tuple[Rule, ...]:
    """Rules of a union whose structs may be left out: one that is given belongs to `type`.

    Args:
        members: type name → camelCase field.
    """
    return tuple(
        Rule(
            cel=f"!has(self.{field}) || (has(self.type) && self.type == '{name}')",
            message=f"`{field}` is to be given only when `type` is {name}",
            holds=_given_only_for(name, field),
            field=field,
        )
        for name, field in members.items()
    )


def _given_only_for(name: str, field: str) -> Callable[[Any], bool]:
    attribute = to_snake(field)
    return lambda struct: getattr(struct, attribute) is None or struct.type == name


MEANING: dict[str, str] = {}
"""What a pattern asks for, in words, for those who do not read patterns."""


def text(maximum: int, minimum: int = 0, pattern: str | None = None, meaning: str = "") -> Any:
    """Bounds of a string; every string of the API has some. A pattern comes with its meaning in words."""
    if pattern:
        MEANING[pattern] = meaning
    return Field(min_length=minimum or None, max_length=maximum, pattern=pattern)


def _one_form(number: str) -> str:
    return format(Decimal(number).normalize() + 0, "f")  # + 0: "-0" is "0"


OneForm = AfterValidator(_one_form)
"""Decimal strings are kept in one form ("0.70" is "0.7"), so that the same number has the same key."""

OneOrder = AfterValidator(lambda values: sorted(values))
"""Sets are kept in one order, for the same reason."""


def _without_nulls(given: Any) -> Any:
    return (
        {name: value for name, value in given.items() if value is not None} if type(given) is dict else given
    )


NoNulls = BeforeValidator(_without_nulls)
"""Of maps: a name without a value is as if it were not there, as the API server has it."""

Fraction = Annotated[
    str, text(8, 1, r"^(0(\.[0-9]{1,6})?|1(\.0{1,6})?)$", 'a number from 0 to 1 such as "0.7"'), OneForm
]
"""A number from 0 to 1 as a decimal string."""

NonNegative = Annotated[
    str, text(16, 1, r"^[0-9]{1,6}(\.[0-9]{1,6})?$", 'a number of at least 0 such as "1.5"'), OneForm
]
"""A number of at least 0 as a decimal string."""

Signed = Annotated[
    str, text(16, 1, r"^-?(0(\.[0-9]{1,6})?|1(\.0{1,6})?)$", 'a number from -1 to 1 such as "0.02"'), OneForm
]
"""A number from -1 to 1 as a decimal string."""

NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
NAME_MEANING = "a name of lower-case letters, digits and dashes, with no dash at either end"

Name = Annotated[str, text(24, 1, NAME_PATTERN, NAME_MEANING)]
"""A name that becomes part of a pod's name."""

DataURI = Annotated[
    str, text(1024, 6, r"^(s3|file)://.+$", "the URI of data: it begins with s3:// or file://")
]
"""An object, or a prefix that ends in /, of .jsonl, .jsonl.gz, .csv or .parquet."""

ModelURI = Annotated[
    str,
    text(
        1024,
        6,
        r"^(hf|s3|file|py)://.+$",
        "the URI of a model: it begins with hf://, s3://, file:// or py://",
    ),
]
"""hf://org/name[@revision], s3://bucket/prefix/, file:///path (w2s run only) or py://package."""
