"""Edits of the texts themselves, declared beforehand."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from w2s_api.methods.selection_steps.step import StepSettings
from w2s_api.rule_template import fault_of
from w2s_api.spec.base import Rule, Struct, text
from w2s_api.spec.paths import Place


class Edit(Struct):
    """One edit. These operations and no others are ever executed."""

    rules = (
        Rule(
            cel="has(self.replacement) == (self.type == 'Replace')",
            message="`replacement` is to be given when `type` is Replace, and only then",
            holds=lambda e: (e.replacement is not None) == (e.type == "Replace"),
            field="replacement",
        ),
    )

    type: Literal["DropLine", "Remove", "Replace", "Cut"] = Field(
        description="DropLine: lines in which `pattern` is found are left out. Remove: what it matches is, everywhere. Replace:"
        " what it matches becomes `replacement`, everywhere. Cut: the text ends before what it matches first."
    )
    pattern: Annotated[str, text(1000, 1)] = Field(
        description="A regular expression (RE2 syntax, any case unless it says `(?-i)`) that is searched in the text as it was"
        " written. Only lines are dropped for a match of no characters."
    )
    replacement: Annotated[str, text(1000)] | None = Field(
        default=None,
        description="What stands in the place of a match. `{version}` is what the group `(?P<version>…)` matches, `{1}` what"
        " the first group does, empty if it takes no part. A brace that is meant is written twice.",
    )


class Refinement(StepSettings):
    """Edits the written texts: declared operations, in their order, each of which is recorded with the text before and after.

    A text of which nothing is left is dropped. `unfiltered` learns from the texts as they were.
    """

    words: ClassVar[str] = "edit the written texts by declared operations, each of them recorded"
    only_for: ClassVar[frozenset[str]] = frozenset({"Generation"})

    edits: Annotated[list[Edit], Field(min_length=1, max_length=50)] = Field(
        description="The edits, made one after another.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )

    def mistakes(self) -> Iterator[tuple[Place, str]]:
        """Replacements that name groups which their patterns do not have."""
        for place, edit in enumerate(self.edits):
            if edit.replacement is not None and (fault := fault_of(edit.replacement, edit.pattern)):
                yield ("edits", place, "replacement"), fault
