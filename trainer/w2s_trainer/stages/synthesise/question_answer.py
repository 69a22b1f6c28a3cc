"""Synthesis `QuestionAnswer`: rules or a model write a question, its answer and the words of the text that say so."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import re2

from w2s_api.methods.synthesis_steps import QuestionAnswer
from w2s_api.rule_template import fields_of, filled
from w2s_api.stage import ModelReference
from w2s_api.validation import dotted
from w2s_trainer.contract.context import StageContext
from w2s_trainer.contract.model import StageModel
from w2s_trainer.errors import BadSpec
from w2s_trainer.models.causal import load_causal
from w2s_trainer.models.decoding import Decoding
from w2s_trainer.models.layout import Wording, layout_of
from w2s_trainer.stages.label.functions import fault_position
from w2s_trainer.stages.label.saved_answers import SavedAnswers
from w2s_trainer.stages.label.texts.written import write_and_save
from w2s_trainer.stages.synthesise.methods import Documents, Made
from w2s_trainer.stages.synthesise.pairs import (
    Document,
    Pair,
    Span,
    find_quotation,
    in_turns,
    pair_of,
    passage_around,
    passages_of,
)
from w2s_trainer.stages.synthesise.written import as_lines, read

_END = "\n\n"
_WORDING = Wording("Pair", end=_END)
"""A blank line ends a pair where prompts are plain lines."""


def make(settings: QuestionAnswer, documents: Documents, size: int, context: StageContext) -> Made:
    """Makes pairs by the rules, or by the model.

    Raises:
        BadSpec: a rule does not compile; it is no causal model, or reads less than a prompt and what is written after it.
        OwnFault: memory ran out.
        Stopped: the process was asked to stop; the next run goes on from there.
    """
    if settings.rules_ is None:
        return _by_model(settings, documents, size, context)
    patterns = compiled(settings, "synthesis")
    pairs: list[Pair] = []
    dropped: Counter[str] = Counter(overQuota=0, tooLong=0)
    for count, document in enumerate(documents, 1):
        found, too_long = by_rules(settings, patterns, document, size)
        pairs += found[: settings.per_document]
        dropped["overQuota"] += max(0, len(found) - settings.per_document)
        dropped["tooLong"] += too_long
        context.progress("applying rules", count, len(documents))
    return Made(pairs, dropped)


def check(settings: QuestionAnswer, path: str) -> None:
    """Raises BadSpec if a rule does not compile, or an example is not grounded; `path` is that of the settings."""
    for below, fault in settings.mistakes():
        raise BadSpec("BadSynthesis", f"{dotted((path, *below))}: {fault}.", "Correct it there.")
    compiled(settings, path)


def compiled(settings: QuestionAnswer, path: str) -> list[Any]:
    """The compiled patterns of its rules, for documents as they are written.

    Raises:
        BadSpec: a pattern is not a regular expression; names the rule and the place of the fault.
    """
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = False
    patterns = []
    for place, rule in enumerate(settings.rules_ or ()):
        try:
            patterns.append(re2.compile(rule.pattern, options))
        except re2.error as error:
            raw = error.args[0] if error.args else ""
            raise BadSpec(
                "BadRegex",
                f"{path}.rules[{place}].pattern: {rule.pattern!r} is not a regular expression:"
                f" {raw.decode(errors='replace') if isinstance(raw, bytes) else raw}, at character"
                f" {fault_position(rule.pattern, options)}.",
                "Patterns are in RE2 syntax (no look-around, no back-references).",
            ) from None
    return patterns


def by_rules(
    settings: QuestionAnswer, patterns: Sequence[Any], document: Document, size: int
) -> tuple[list[Pair], int]:
    """All pairs of a document, rules in turns; and how many quotations are longer than a passage, `size` characters.

    A rule whose template names a group that took no part in the match makes no pair of it.
    """
    found: list[list[Pair]] = []
    too_long = 0
    for place, (rule, pattern) in enumerate(zip(settings.rules_ or (), patterns, strict=True)):
        found.append([])
        needed = {*fields_of(rule.question), *fields_of(rule.answer)}
        for match in pattern.finditer(document.text):
            captured = {name: match.group(int(name) if name.isdecimal() else name) for name in needed}
            if not match.group() or any(words is None for words in captured.values()):
                continue
            passage = passage_around(document.text, match.span(), size)
            if passage is None:
                too_long += 1
                continue
            question, answer = (
                filled(template, captured.__getitem__) for template in (rule.question, rule.answer)
            )
            if question.strip() and answer.strip():
                found[-1].append(
                    pair_of(document, question, answer, match.span(), passage, f"rules[{place}]")
                )
    return in_turns(found), too_long


def _by_model(settings: QuestionAnswer, documents: Documents, size: int, context: StageContext) -> Made:
    """Asks the model about passages, each once; a pair is kept where its quotation stands in the passage."""
    assert settings.model is not None
    dropped: Counter[str] = Counter(dict.fromkeys(_REASONS, 0))
    passages = list(_passages(settings, documents, size))
    if not passages:
        return Made([], dropped)
    model_uri = settings.model.uri
    directory = StageModel(ModelReference(uri=model_uri), context.objects, context.cache).directory
    model = load_causal(directory, model_uri)
    shots = [
        (example.passage, as_lines(example.question, example.quotation, example.answer))
        for example in settings.examples
    ]
    place = [step.settings for step in context.spec.synthesis.steps].index(settings)
    written = write_and_save(
        SavedAnswers(context, np.array([document.row for document, _ in passages]), {"device": model.device}),
        f"step-{place}",
        model,
        layout_of(model.tokenizer, settings.instruction, shots, _WORDING),
        [document.text[slice(*span)] for document, span in passages],
        Decoding(settings.max_new_tokens, (_END,)),
        settings.batch_tokens,
        partial(context.progress, "writing pairs"),
    )
    texts, endings = written.texts[:, 0].tolist(), written.endings[:, 0].tolist()
    pairs: list[Pair] = []
    for (document, span), text, ending in zip(passages, texts, endings, strict=True):
        pair = "cutOff" if ending == "length" else grounded(document, span, text, model_uri)
        if isinstance(pair, Pair):
            pairs.append(pair)
        else:
            dropped[pair] += 1
    return Made(pairs, dropped)


_REASONS = ("cutOff", "withoutQuotation", "malformed", "notInSource")


def grounded(document: Document, passage: Span, text: str, generator: str) -> Pair | str:
    """The pair that a model wrote about a passage; where it is none, why not, as it is counted."""
    said = read(text)
    if said.lacks:
        return said.lacks
    quotation = find_quotation(said.quotation, document.text, passage)
    if quotation is None:
        return "notInSource"
    return pair_of(document, said.question, said.answer, quotation, passage, generator)


def _passages(settings: QuestionAnswer, documents: Documents, size: int) -> Iterator[tuple[Document, Span]]:
    for document in documents:
        for span in passages_of(document.text, size, settings.per_document):
            yield document, span
