"""What is to be decided about each text, or written about it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field
from pydantic.alias_generators import to_snake

from w2s_api.families import FAMILIES
from w2s_api.input_template import (
    MEANING,
    PASSAGES,
    PATTERN,
    READS_PASSAGES,
    READS_TEXT,
    TEXT_ALONE,
    fields_of,
    reads_text,
)
from w2s_api.spec.base import DanglingReference, Rule, Struct, refers, text
from w2s_api.spec.passages import Passages

if TYPE_CHECKING:
    Kind = str
else:
    Kind = Literal[tuple(FAMILIES)]


class ClassLabel(Struct):
    """A class that a text may belong to."""

    name: Annotated[str, text(63, 1)] = Field(description="The class as it is written in the label field.")
    description: Annotated[str, text(500)] = Field(
        default="",
        description="The class in a sentence, as one would explain it to a new colleague. The arm `zero-shot`"
        " compares texts with it, so write it even if the name speaks for itself. Default: the name.",
    )


class TextToWrite(Struct):
    """What a model reads of a row, how long a text that is written may be, and where it ends."""

    rules = (
        Rule(
            cel=f"self.prompt.matches(r'{READS_TEXT}')",
            message="`prompt` leaves out `{text}`: that stands for the text of a row, whatever its column is called",
            holds=lambda generation: reads_text(generation.prompt),
            field="prompt",
        ),
        Rule(
            cel=f"!has(self.passages) || self.prompt.matches(r'{READS_PASSAGES}')",
            message="`prompt` leaves out `{passages}`: that stands for the passages of a row, as in `{passages}`, an empty line"
            " and `{text}`",
            holds=lambda generation: not generation.passages or PASSAGES in fields_of(generation.prompt),
            field="prompt",
        ),
    )

    prompt: Annotated[str, text(4000, 1, PATTERN, MEANING)] = Field(
        default=TEXT_ALONE,
        description="What a model that is asked or writes reads of a row, after the instruction: the text, as `{text}`, with"
        " other fields of the row by their names, such as `Contract: {text}` and, on the next line, `Party: {party}`."
        " Each field is cut at `maxTokens`. Rules read the text alone. Default: the text alone.",
    )
    max_new_tokens: Annotated[int, Field(ge=1, le=4096)] = Field(
        default=64, description="Texts are cut off there; the report counts how many were."
    )
    stop: Annotated[list[Annotated[str, text(64, 1)]], Field(max_length=8)] = Field(
        default_factory=list,
        description="A text ends before the first of these. Default: where the model ends its turn; of a model without"
        " a chat template, its line.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )

    passages: Passages | None = Field(
        default=None,
        description="Passages that stand in the prompt beside the text, as `{passages}`: what is retrieved. Default: none.",
    )

    @property
    def inputs(self) -> tuple[str, ...]:
        """What a model reads of a row beside the text: fields, and passages where there are some."""
        return fields_of(self.prompt)

    @property
    def row_fields(self) -> tuple[str, ...]:
        """The fields of the rows, beside the text, that prompts are made of."""
        if self.passages is None:
            return self.inputs
        named = (*(name for name in self.inputs if name != PASSAGES), self.passages.oracle)
        return tuple(dict.fromkeys(named))


def _fields(of: str) -> list[str]:
    """The fields of `task` that belong to some kinds of it, in the order in which they are declared."""
    return list(dict.fromkeys(field for family in FAMILIES.values() for field in getattr(family, of)))


def _of_those_that_need(field: str) -> Rule:
    """A field that is given just where the kind of task needs it."""
    names = [family.name for family in FAMILIES.values() if field in family.needs]
    return Rule(
        cel=f"has(self.{field}) == (self.type in {names})",
        message=f"`{field}` is required when `type` is {' or '.join(names)}, and is for no other",
        holds=lambda task: bool(getattr(task, to_snake(field))) == (task.type in names),
        field=field,
    )


def _is_for_all(field: str) -> bool:
    return all(field in family.may_have for family in FAMILIES.values())


def _of_those_that_may_have(field: str) -> Rule:
    """A field that says something only for some kinds of task."""
    names = [family.name for family in FAMILIES.values() if field in family.may_have]
    return Rule(
        cel=f"self.type in {names} || !has(self.{field}) || self.{field} == ''",
        message=f"`{field}` is to be given only when `type` is {' or '.join(names)}",
        holds=lambda task: task.type in names or not getattr(task, to_snake(field)),
        field=field,
    )


class Task(Struct):
    """What is to be decided about each text, or written about it."""

    rules = (
        *(_of_those_that_need(field) for field in _fields("needs")),
        *(_of_those_that_may_have(field) for field in _fields("may_have") if not _is_for_all(field)),
        refers(
            cel="!has(self.positiveClass) || !has(self.classes) || self.classes.exists(c, c.name == self.positiveClass)",
            message="`positiveClass` must be one of `classes`",
            field="positiveClass",
            dangling=lambda task: _dangling_positive_class(task),
        ),
    )

    type: Kind = Field(
        default="Classification",
        description=" ".join(f"{family.name}: {family.words}." for family in FAMILIES.values()),
    )
    classes: Annotated[list[ClassLabel], Field(min_length=2, max_length=100)] = Field(
        default_factory=list,
        description="The classes, in the order in which ties are broken.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    positive_class: Annotated[str, text(63, 1)] | None = Field(
        default=None,
        description="The class that one is looking for: its misses and false alarms are counted in the"
        " report. Leave it out when no class matters more than another.",
    )
    generation: TextToWrite | None = Field(default=None, description="How a text is written.")
    instruction: Annotated[str, text(2000)] = Field(
        default="",
        description="What is asked about each text, in words. Models that are asked read it, and students that write; it"
        " is shown in the report and the model card.",
    )

    @property
    def class_names(self) -> tuple[str, ...]:
        """The K class names, in order; none where the task has no classes."""
        return tuple(c.name for c in self.classes)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The fields of the rows that a model reads beside the text."""
        return self.generation.inputs if self.generation else ()

    @property
    def row_fields(self) -> tuple[str, ...]:
        """The fields of the rows, beside the text, that prompts are made of."""
        return self.generation.row_fields if self.generation else ()

    @property
    def passages(self) -> Passages | None:
        """The passages that stand in prompts, if there are some."""
        return self.generation.passages if self.generation else None


def _dangling_positive_class(task: Task) -> Iterator[DanglingReference]:
    if task.positive_class is not None and task.classes and task.positive_class not in task.class_names:
        yield DanglingReference(("positiveClass",), task.positive_class, task.class_names)
