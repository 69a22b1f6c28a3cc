"""What of a written text stands in its source: its numbers, names and quotations. Pure.

It asks for words, not for meaning: a summary of grounded names can be wrong, and a name in another spelling is missing.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from w2s_trainer.data.normal_form import folded
from w2s_trainer.data.scripts import words

_NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_QUOTATION = re.compile(r'"([^"\n]+)"|“([^”\n]+)”|„([^“”\n]+)[“”]|«([^»\n]+)»|「([^」\n]+)」')
_NAME_PART = r"[^\W\d_][\w'’]*(?:-[\w'’]+)*"
_CAPITALISED = re.compile(rf"{_NAME_PART}(?:[ \t]{_NAME_PART})*")
_SENTENCE_END = re.compile(r"(?:^|[.!?:…]|\n)[\s\"“„«'‘(\[*\-–—•]*$")


@dataclass(frozen=True)
class Grounding:
    """Of the numbers, names and quotations of a text, those that stand in its source."""

    found: int
    missing: tuple[str, ...]
    """Those that do not, as they are written, in order."""
    missing_by_kind: Mapping[str, int] = field(default_factory=dict)
    """How many of these are `numbers`, `names` and `quotations`."""

    @property
    def is_checkable(self) -> bool:
        """Whether the text has any number, name or quotation."""
        return bool(self.found or self.missing)

    @property
    def share(self) -> float:
        """Of all, those that stand in the source: from 0 to 1; 1 where there are none."""
        every = self.found + len(self.missing)
        return self.found / every if every else 1.0


def grounding(text: str, source: str) -> Grounding:
    """What of a text stands in its source. What is said twice counts once.

    Quotations are to stand there word by word, punctuation aside; names as whole words of any case; numbers by their
    value, so that 2.0 is 2, and 1,000 is 1000.
    """
    said = _words(source)
    numbers = {_value(number) for number in _numbers(source)}
    kinds = dict.fromkeys(_names(text), "names") | dict.fromkeys(quotations(text), "quotations")
    unique = dict.fromkeys([*quotations(text), *_names(text)])
    verdicts = {part: _words(part) in said for part in unique}
    verdicts |= {number: _value(number) in numbers for number in _numbers(text)}
    missing = tuple(part for part, found in verdicts.items() if not found)
    return Grounding(sum(verdicts.values()), missing, Counter(kinds.get(part, "numbers") for part in missing))


def is_verbatim(text: str, source: str) -> bool:
    """Whether all quotations of a text stand in its source word by word, or, where it has none, the whole text.

    Case and punctuation aside; a text without a word is not.
    """
    said = _words(source)
    return bool(words(folded(text))) and all(_words(part) in said for part in quotations(text) or [text])


def _words(text: str) -> str:
    """The words of a text, each between two spaces."""
    return " ".join(["", *words(folded(text)), ""])


def quotations(text: str) -> list[str]:
    """What stands in quotation marks in a text, in order."""
    return [quoted for groups in _QUOTATION.findall(text) for quoted in groups if words(quoted)]


def _numbers(text: str) -> list[str]:
    return [found.group() for found in _NUMBER.finditer(_THOUSANDS.sub("", text))]


def _value(number: str) -> str:
    if number.count(".") == 1 and number.replace(".", "").isdecimal():
        return format(Decimal(number).normalize(), "f")
    return str(int(number)) if number.isdecimal() else number


def _names(text: str) -> list[str]:
    """Runs of capitalised words; the word that begins a sentence is one only if it has a second capital."""
    names = []
    for run in _CAPITALISED.finditer(text):
        name: list[str] = []
        for word in re.finditer(_NAME_PART, run.group()):
            begins = _SENTENCE_END.search(text, 0, run.start() + word.start()) is not None
            capitals = sum(character.isupper() for character in word.group())
            if word.group()[0].isupper() and (capitals > 1 or not begins):
                name.append(word.group())
                continue
            names.append(" ".join(name))
            name = []
        names.append(" ".join(name))
    return [name for name in names if name]
