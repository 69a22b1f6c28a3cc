"""What is to be decided about each text."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from w2s_api.spec.base import DanglingReference, Struct, refers, text


class ClassLabel(Struct):
    """A class that a text may belong to."""

    name: Annotated[str, text(63, 1)] = Field(description="The class as it is written in the label field.")
    description: Annotated[str, text(500)] = Field(
        default="",
        description="The class in a sentence, as one would explain it to a new colleague. The arm `zero-shot`"
        " compares texts with it, so write it even if the name speaks for itself. Default: the name.",
    )


class Task(Struct):
    """What is to be decided about each text."""

    rules = (
        refers(
            cel="!has(self.positiveClass) || self.classes.exists(c, c.name == self.positiveClass)",
            message="`positiveClass` must be one of `classes`",
            field="positiveClass",
            dangling=lambda task: _dangling_positive_class(task),
        ),
    )

    type: Literal["Classification"] = Field(
        default="Classification", description="Classification: each text belongs to exactly one class."
    )
    classes: Annotated[list[ClassLabel], Field(min_length=2, max_length=100)] = Field(
        description="The classes, in the order in which ties are broken.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    positive_class: Annotated[str, text(63, 1)] | None = Field(
        default=None,
        description="The class that one is looking for: its misses and false alarms are counted in the"
        " report. Leave it out when no class matters more than another.",
    )
    instruction: Annotated[str, text(2000)] = Field(
        default="",
        description="The question about each text, in words. It is shown in the report and the model card.",
    )

    @property
    def class_names(self) -> tuple[str, ...]:
        """The K class names, in order."""
        return tuple(c.name for c in self.classes)


def _dangling_positive_class(task: Task) -> Iterator[DanglingReference]:
    if task.positive_class is not None and task.positive_class not in task.class_names:
        yield DanglingReference(("positiveClass",), task.positive_class, task.class_names)
