"""Synthesis `ReadingComprehension`: tasks that the wording of a text gives away (Cheng et al. 2023, AdaptLLM, arXiv 2309.09530,
table 2): definitions, titles, completions, causes and their consequences. No model is asked."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from w2s_api.methods.synthesis_steps import ReadingComprehension
from w2s_trainer.contract.context import StageContext
from w2s_trainer.stages.synthesise.methods import Documents, Made
from w2s_trainer.stages.synthesise.pairs import (
    Document,
    Pair,
    Span,
    in_turns,
    pair_of,
    passage_after,
    passage_around,
    passage_before,
)
from w2s_trainer.stages.synthesise.sentences import sentences

_DEFINITION = re.compile(
    r"""(?sx) ["“](?P<term>[^"”\n]{2,60})["”] \s* (?:\([^)]*\)\s*)?
    (?: (?:shall\s+|will\s+)?means? | refers?\s+to | (?:is|are)\s+defined\s+as | stands?\s+for ) \b [\s:,]+
    (?P<answer>\S.*?) (?: ; \s* (?:and\s+)? (?=["“]) | [.;:]* $ )"""
)
_BECAUSE = re.compile(r"(?si)^(?P<effect>.{20,}?),?\s+because\s+(?!of\b)(?P<cause>.{10,}?)[.;:]*$")
_FOLLOWS = re.compile(
    r"(?si)^(?:therefore|consequently|accordingly|hence|as\s+a\s+(?:result|consequence)),?\s+(?P<effect>.{10,}?)[.;:]*$"
)
_HEADING = re.compile(
    r"(?m)(?:\A|\n[ \t]*\n)[ \t]*(?P<heading>[^\s][^\n]{2,80}?)[ \t]*\n(?:[ \t]*\n)+(?=[ \t]*\S)"
)
_NUMBERING = re.compile(
    r"^(?:(?:section|article|part|chapter)\s+)?(?:[\divxlc]{1,5}[.):]\s*|\d+(?:\.\d+)*\s+)*", re.IGNORECASE
)
_LEAST_DEFINITION = 3
"""Words of a definition."""
_LONGEST_HEADING = 10
"""Words of a line that can be a heading."""
_LEAST_BELOW = 15
"""Words below a heading that it can be the heading of."""
_LEAST_WORDS = 12
"""Words of a sentence that can be divided."""
_LEAST_BEFORE = 80
"""Characters before a sentence that it can go on from."""

Mine = Callable[[Document, Sequence[Span], int], Iterator[Pair]]


def make(settings: ReadingComprehension, documents: Documents, size: int, context: StageContext) -> Made:
    """Mines pairs of each document, its tasks in turns."""
    pairs: list[Pair] = []
    over = 0
    for count, document in enumerate(documents, 1):
        found = mined(settings, document, size)
        pairs += found[: settings.per_document]
        over += max(0, len(found) - settings.per_document)
        context.progress("mining documents", count, len(documents))
    return Made(pairs, {"overQuota": over})


def mined(settings: ReadingComprehension, document: Document, size: int) -> list[Pair]:
    """All pairs of a document, its tasks in turns; passages have at most `size` characters."""
    spans = sentences(document.text)
    return in_turns([list(_TASKS[task](document, spans, size)) for task in settings.tasks])


def _definitions(document: Document, spans: Sequence[Span], size: int) -> Iterator[Pair]:
    for span in spans:
        for found in _DEFINITION.finditer(_said(document, span, size)):
            if len(found["answer"].split()) < _LEAST_DEFINITION:
                continue
            yield from _asked_around(
                document, span, size, f'What does "{found["term"]}" mean?', found["answer"], "Definition"
            )


def _causes(document: Document, spans: Sequence[Span], size: int) -> Iterator[Pair]:
    before: Span | None = None
    for span in spans:
        sentence = _said(document, span, size)
        if found := _BECAUSE.match(sentence):
            yield from _asked_around(
                document, span, size, f"Why is this so: {found['effect']}", found["cause"], "Cause"
            )
        elif before and (found := _FOLLOWS.match(sentence)):
            cause = _said(document, before, size).rstrip(".;:")
            whole = (before[0], span[1])
            yield from _asked_around(
                document, whole, size, f"What follows from this: {cause}", found["effect"], "Cause"
            )
        before = span


def _headings(document: Document, _spans: Sequence[Span], size: int) -> Iterator[Pair]:
    for found in _HEADING.finditer(document.text):
        heading = _NUMBERING.sub("", found["heading"]).strip(" .:-–—*=#")
        words = heading.split()
        if not 1 <= len(words) <= _LONGEST_HEADING or not any(word[0].isalpha() for word in words):
            continue
        if found["heading"].rstrip().endswith((",", ";")):
            continue
        passage = passage_after(document.text, found.end(), size)
        if len(document.text[slice(*passage)].split()) >= _LEAST_BELOW:
            yield pair_of(
                document,
                "What is the heading of this text?",
                heading,
                found.span("heading"),
                passage,
                "Heading",
            )


def _completions(document: Document, spans: Sequence[Span], size: int) -> Iterator[Pair]:
    for span in spans:
        words = document.text[slice(*span)].split()
        if len(words) < _LEAST_WORDS:
            continue
        passage = passage_before(document.text, span[0], size)
        if passage[1] - passage[0] < _LEAST_BEFORE:
            continue
        half = len(words) // 2
        question = f"How does the next sentence go on: {' '.join(words[:half])} …"
        yield pair_of(document, question, " ".join(words[half:]), span, passage, "Completion")


def _said(document: Document, span: Span, size: int) -> str:
    """The words of a sentence, a space between them; none of one that is longer than a passage."""
    return " ".join(document.text[slice(*span)].split()) if span[1] - span[0] <= size else ""


def _asked_around(
    document: Document, span: Span, size: int, question: str, answer: str, task: str
) -> Iterator[Pair]:
    passage = passage_around(document.text, span, size)
    if passage:
        yield pair_of(document, question, answer, span, passage, task)


_TASKS: Mapping[str, Mine] = {
    "Definition": _definitions,
    "Heading": _headings,
    "Completion": _completions,
    "Cause": _causes,
}
