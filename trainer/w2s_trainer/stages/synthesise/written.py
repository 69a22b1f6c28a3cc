"""What a model is to write about a passage: a line each for question, quotation and answer. Pure."""

import re
from dataclasses import dataclass

_LINE = re.compile(r"(?im)^[ \t*#>\-]*(question|quotation|quote|answer)[ \t*]*:[ \t*]*")


@dataclass(frozen=True)
class Written:
    """A pair as a model wrote it; what it left out is empty."""

    question: str
    quotation: str
    answer: str

    @property
    def lacks(self) -> str:
        """What keeps it from being a pair: a reason that is counted; empty if nothing does."""
        if not self.quotation:
            return "withoutQuotation"
        return "" if self.question and self.answer else "malformed"


def as_lines(question: str, quotation: str, answer: str) -> str:
    """A pair as a model is shown it."""
    parts = (("Question", question), ("Quotation", quotation), ("Answer", answer))
    return "\n".join(f"{name}: {' '.join(words.split())}" for name, words in parts)


def read(text: str) -> Written:
    """The first pair in a text; what comes before its first line or after a line that is there again is passed over."""
    marks = list(_LINE.finditer(text))
    parts: dict[str, str] = {}
    for place, mark in enumerate(marks, 1):
        end = marks[place].start() if place < len(marks) else len(text)
        name = {"quote": "quotation"}.get(mark[1].lower(), mark[1].lower())
        if name in parts:
            break
        parts[name] = " ".join(text[mark.end() : end].split())
    return Written(parts.get("question", ""), parts.get("quotation", ""), parts.get("answer", ""))
