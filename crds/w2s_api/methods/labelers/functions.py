"""Keyword and regex rules that vote, or write."""

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from w2s_api.canonical_text import canonical_text
from w2s_api.methods.labelers.labeler import LabelerSettings
from w2s_api.rule_template import fault_of
from w2s_api.spec.base import Rule, Struct, text
from w2s_api.spec.paths import Place

_SEPARATORS = "\x85\u2028\u2029"
"""What YAML makes of \\N, \\L and \\P in double quotes."""


class FunctionRule(Struct):
    """One rule: where it matches, it votes for a class, or writes a text."""

    rules = (
        Rule(
            cel="has(self.pattern) != has(self.keywords)",
            message="give either `pattern` or `keywords`",
            holds=lambda r: (r.pattern is None) != (r.keywords is None),
            field="pattern",
        ),
        Rule(
            cel="has(self.className) != has(self.write)",
            message="give `className`, the class to vote for, or, where texts are written, `write`",
            holds=lambda r: (r.class_name is None) != (r.write is None),
            field="className",
        ),
    )

    class_name: Annotated[str, text(63, 1)] | None = Field(
        default=None, description="The class of `task.classes` to vote for."
    )
    write: Annotated[str, text(1000, 1)] | None = Field(
        default=None,
        description="The text to write, where the task is to write one. `{version}` is what the group `(?P<version>…)` of"
        " `pattern` matches, in small letters, and `{1}` what the first group does; a rule whose group takes no part in"
        " the match writes nothing. A brace that is meant is written twice.",
    )
    pattern: Annotated[str, text(1000, 1)] | None = Field(
        default=None,
        description="A regular expression (RE2 syntax, any case, words of every script) that is searched in the"
        " text.",
    )
    keywords: Annotated[list[Annotated[str, text(128, 1)]], Field(min_length=1, max_length=100)] | None = (
        Field(
            default=None,
            description="Whole words or phrases (any case); one of them is enough. In scripts without spaces they are"
            " found anywhere.",
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        )
    )


class Functions(LabelerSettings):
    """Rules that vote. No vote, or a tie, is an abstention: the text stays without a weak label. Where texts are written, the
    first rule that matches writes."""

    version: ClassVar[int] = 2
    words: ClassVar[str] = "keyword and regex rules"
    scores_are_votes: ClassVar[bool] = True
    names_classes: ClassVar[Mapping[str, str]] = {
        "rules[].className": "a rule votes for a class that `task.classes` does not have"
    }

    rules_: Annotated[list[FunctionRule], Field(min_length=1, max_length=200)] = Field(
        alias="rules",
        description="The rules. Each votes once at most; of rules that write, the first that matches does.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    max_characters: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        default=100_000, description="Only the beginning of each text, this long, is searched."
    )

    def votes_for(self) -> frozenset[str]:
        """The classes of the rules."""
        return frozenset(rule.class_name for rule in self.rules_ if rule.class_name is not None)

    def mistakes(self) -> Iterator[tuple[Place, str]]:
        """Templates that name groups which their patterns do not have."""
        for place, rule in enumerate(self.rules_):
            if rule.write is not None and (fault := fault_of(rule.write, rule.pattern)):
                yield ("rules", place, "write"), fault

    def doubts(self) -> Iterator[tuple[Place, str]]:
        """Rules that cannot vote."""
        for place, rule in enumerate(self.rules_):
            if rule.pattern is not None:
                yield from _odd_characters(("rules", place, "pattern"), rule.pattern)
            if rule.write is not None:
                yield from _odd_characters(("rules", place, "write"), rule.write)
            for index, keyword in enumerate(rule.keywords or ()):
                path: Place = ("rules", place, "keywords", index)
                yield from _odd_characters(path, keyword)
                if not canonical_text(keyword):
                    yield path, "nothing in it can be seen: it never votes"


def _odd_characters(path: Place, text: str) -> Iterator[tuple[Place, str]]:
    for character in dict.fromkeys(text):
        control = unicodedata.category(character) == "Cc" and not character.isspace()
        if control or character in _SEPARATORS:
            yield (
                path,
                f"has the control character U+{ord(character):04X}, which texts do not have. In double quotes YAML"
                r" makes one of \b, \a, \e, \0, \N, \L and \P: write it in single quotes",
            )
