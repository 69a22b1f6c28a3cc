"""Labels that come with the rows: votes of an annotator or of another tool, or probabilities."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from w2s_api.methods.labelers.labeler import LabelerSettings
from w2s_api.spec.base import Rule, Struct, text
from w2s_api.spec.data import FieldName
from w2s_api.spec.paths import Place

Value = Annotated[str, text(128, 1)]


class ValueMapping(Struct):
    """What stands in the field, and the class that it means."""

    value: Value = Field(description="As it stands in the rows; 1 and 1.0 are one value.")
    class_name: Annotated[str, text(63, 1)] = Field(description="The class of `task.classes` that it means.")


class ClassField(Struct):
    """The field that has the probability of a class."""

    class_name: Annotated[str, text(63, 1)] = Field(description="The class of `task.classes`.")
    field: FieldName = Field(description="The field with its probability, a number from 0 to 1.")


class Imported(LabelerSettings):
    """Labels that came with the rows of the data. A row without one gets no weak label."""

    rules = (
        Rule(
            cel="has(self.field) != has(self.probabilities)",
            message="give either `field`, for votes, or `probabilities`",
            holds=lambda s: (s.field_ is None) != (s.probabilities is None),
            field="field",
        ),
        Rule(
            cel="!has(self.probabilities) || ((!has(self.values) || size(self.values) == 0)"
            " && (!has(self.abstainOn) || size(self.abstainOn) == 0))",
            message="`values` and `abstainOn` are for the votes of `field`",
            holds=lambda s: s.probabilities is None or not (s.values or s.abstain_on),
            field="values",
        ),
    )

    words: ClassVar[str] = "votes or probabilities that came with the rows"
    scores_are_votes: ClassVar[bool] = True
    names_classes: ClassVar[Mapping[str, str]] = {
        "values[].className": "a value is mapped to a class that `task.classes` does not have",
        "probabilities[].className": "a probability is of a class that `task.classes` does not have",
    }
    of_classes: ClassVar[tuple[str, ...]] = ("values", "probabilities")
    names_fields: ClassVar[tuple[str, ...]] = ("field", "probabilities[].field")

    field_: FieldName | None = Field(
        alias="field",
        default=None,
        description="The field of the rows with the vote: the name of a class or, where texts are written, the text."
        " Empty, null, or no such field: an abstention.",
    )
    values: Annotated[list[ValueMapping], Field(max_length=200)] = Field(
        default_factory=list,
        description="Which value of the field means which class. Default: it is the name of the class.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["value"]},
    )
    abstain_on: Annotated[list[Value], Field(max_length=100)] = Field(
        default_factory=list,
        description="Values of the field that are abstentions, such as -1.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    probabilities: Annotated[list[ClassField], Field(min_length=1, max_length=100)] | None = Field(
        default=None,
        description="The field of each class with its probability. One class may be left out: it has what is left"
        " of 1. A row that has none of them is an abstention.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["className"]},
    )

    def result_settings(self) -> dict[str, Any]:
        """The orders of the lists do not matter."""
        settings = super().result_settings()
        if self.values:
            settings["values"] = {given.value: given.class_name for given in self.values}
        if self.abstain_on:
            settings["abstainOn"] = sorted(self.abstain_on)
        if self.probabilities:
            settings["probabilities"] = {given.class_name: given.field for given in self.probabilities}
        return settings

    def vote_fields(self) -> tuple[str, ...]:
        """The field with the vote, if there is one."""
        return (self.field_,) if self.field_ else ()

    def number_fields(self) -> tuple[str, ...]:
        """The fields with probabilities."""
        return tuple(given.field for given in self.probabilities or ())

    def doubts(self) -> Iterator[tuple[Place, str]]:
        """Yields values that are a vote and an abstention at once, and fields that are given for two classes."""
        voted = {given.value for given in self.values}
        for place, value in enumerate(self.abstain_on):
            if value in voted:
                yield ("abstainOn", place), f"{value!r} is mapped to a class, too: it is taken as that class"
        fields = self.number_fields()
        for place, name in enumerate(fields):
            if name in fields[:place]:
                yield ("probabilities", place, "field"), f"`{name}` is the probability of another class, too"
