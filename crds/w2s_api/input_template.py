"""What a model reads of a row, by a template: `Contract: {text}\\nParty: {party}`. A brace that is meant is written twice."""

import re
from collections.abc import Callable
from string import Formatter

TEXT = "text"
"""The field of a template that stands for the text of a row, whatever its column is called."""
TEXT_ALONE = "{text}"
"""The template of tasks that say none."""

PASSAGES = "passages"
"""The field of a template that stands for retrieved passages, where the task has some (`task.generation.passages`)."""

PATTERN = r"^([^{}]|\{\{|\}\}|\{[^{}:!\[\]]+\})+$"
MEANING = (
    'a template such as "Contract: {text}": a field in braces, and a brace that is meant twice, {{ or }}'
)
READS_TEXT = r"(^|[^{])(\{\{)*\{text\}"
"""A pattern that is found in a template that reads the text."""

READS_PASSAGES = r"(^|[^{])(\{\{)*\{passages\}"
"""A pattern that is found in a template that reads passages."""
OF_PAIRS = r"^([^{}]|\{\{|\}\}|\{text\}|\{passages\})+$"
"""What matches templates that read of a row nothing but its text and passages."""


def fields_of(template: str) -> tuple[str, ...]:
    """The fields of the rows that a template reads beside the text, each once, in order."""
    named = [field for _, field, _, _ in Formatter().parse(template) if field is not None]
    return tuple(dict.fromkeys(field for field in named if field != TEXT))


def reads_text(template: str) -> bool:
    """Whether the text of a row is among what a template reads."""
    return re.search(READS_TEXT, template) is not None


def filled(template: str, value: Callable[[str], str]) -> str:
    """A template with the value of each field, TEXT among them, in the place of its name."""
    return "".join(
        literal + ("" if field is None else value(field))
        for literal, field, _, _ in Formatter().parse(template)
    )
