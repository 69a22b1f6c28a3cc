"""Labeler `Functions`: keyword and regex rules that vote, or write, in linear time (RE2)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import re2
from numpy.typing import NDArray

from w2s_api.families import FAMILIES
from w2s_api.methods.labelers import Functions
from w2s_api.rule_template import fields_of, filled
from w2s_api.spec.weak import Labeler
from w2s_api.validation import dotted
from w2s_trainer.contract.context import StageContext
from w2s_trainer.errors import BadSpec
from w2s_trainer.families import family_of
from w2s_trainer.families.classification.votes import shares, undecided
from w2s_trainer.stages.columns import taken
from w2s_trainer.stages.label.methods import Published
from w2s_trainer.stages.label.opinion import Opinion, path_of
from w2s_trainer.stages.label.rule_pattern import CaseAsked, keywords_pattern, translated
from w2s_trainer.stages.label.rule_text import marked, searchable, unmarked
from w2s_trainer.stages.label.saved_answers import SavedAnswers
from w2s_trainer.stages.tables import EVERY_SEED, Examples, WeakLabels
from w2s_trainer.tally import silences, tally, tally_of, votes_by_rule

MAX_PATTERN_BYTES = 32 * 2**20
"""Of memory that a compiled pattern may take."""


BATCH = 1024
"""Texts that are searched between two looks at the clock."""


@dataclass(frozen=True)
class Votes:
    """What R rules say of n texts."""

    counts: NDArray[np.float64]
    """float64[n, K], votes by class."""
    matches: NDArray[np.bool_]
    """bool[n, R], which rule matches which text."""

    @property
    def abstain(self) -> NDArray[np.bool_]:
        """bool[n]: no vote, or a tie for the most votes."""
        return undecided(self.counts)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """float64[n, K]: (votes + .25) / (all votes + .25 K)."""
        return shares(self.counts)


def opinions(
    context: StageContext, labeler: Labeler, examples: Examples, rows: NDArray[np.int64]
) -> dict[int, Opinion]:
    """What the rules vote for."""
    settings: Functions = labeler.settings
    family = family_of(context.spec)
    names = family.vote_names(settings)
    compiled = compile_rules(settings, f"{path_of(context, labeler)}.functions")
    texts = examples.texts.take(rows)
    matches = SavedAnswers(context, rows)(
        "matches",
        len(rows),
        len(compiled),
        np.bool_,
        partial(_matches, settings, compiled, texts),
        partial(context.progress, "applying rules"),
    )
    if FAMILIES[family.task.type].writes:
        return {EVERY_SEED: _written(settings, compiled, texts, matches, examples.parts[rows] == "pool")}
    votes = Votes(counts_of(matches, settings, names), matches)
    pool = examples.parts[rows] == "pool"
    counted = tally(votes.matches[pool], votes.counts[pool], names)
    targets = family.of_votes(names, votes.probabilities)
    return {EVERY_SEED: Opinion(votes.counts, targets, votes.abstain, figures={"votes": counted})}


def answer(labeler: Labeler, texts: Sequence[str], published: Published) -> WeakLabels:
    """What the rules vote for, or write."""
    settings: Functions = labeler.settings
    if FAMILIES[published.family.task.type].writes:
        written = write(settings, texts)
        return WeakLabels(written, np.asarray(written == ""))
    names = published.family.vote_names(settings)
    votes = vote(settings, names, texts)
    return WeakLabels(published.family.of_votes(names, votes.probabilities), votes.abstain)


def check(settings: Functions, path: str) -> None:
    """Raises BadSpec if a rule does not compile; `path` is that of the settings in the manifest."""
    compile_rules(settings, path)


def tell(context: StageContext, labeler: Labeler, summary: Mapping[str, Any]) -> int:
    """Notes how often rules vote on the unlabelled texts, and which never do; returns how many notes warn."""
    counted = tally_of(summary)
    if counted is None:
        return 0
    context.progress.note(f"{labeler.name}: {votes_by_rule(counted)}")
    warnings = silences(counted, labeler.settings, f"{path_of(context, labeler)}.functions")
    for warning in warnings:
        context.progress.note(f"Warning: {warning}")
    return len(warnings)


def vote(
    functions: Functions, class_names: Sequence[str], texts: Sequence[str], path: str = "functions"
) -> Votes:
    """Lets every rule vote once on each text's beginning.

    Args:
        functions: the rules.
        class_names: the K classes in order.
        texts: n texts.
        path: of `functions` in the manifest, for errors.
    """
    compiled = compile_rules(functions, path)
    matches = np.zeros((len(texts), len(compiled)), dtype=bool)
    for rows, matched in _matches(functions, compiled, texts, np.arange(len(texts))):
        matches[rows] = matched
    return Votes(counts_of(matches, functions, class_names), matches)


def write(functions: Functions, texts: Sequence[str], path: str = "functions") -> NDArray[np.object_]:
    """What the first rule that matches writes about each of n texts: str[n], empty where none does.

    Arguments as of `vote`. Captured text is as rules see it (`rule_text`): folded, so in small letters.
    """
    compiled = compile_rules(functions, path)
    matches = np.zeros((len(texts), len(compiled)), dtype=bool)
    for rows, matched in _matches(functions, compiled, texts, np.arange(len(texts))):
        matches[rows] = matched
    return _texts_of(functions, compiled, texts, matches)


def _written(
    functions: Functions,
    compiled: Sequence[Any],
    texts: Sequence[str],
    matches: NDArray[np.bool_],
    pool: NDArray[np.bool_],
) -> Opinion:
    """The opinion of rules that write, by bool[n, R]: which matches, and bool[n]: which text is unlabelled."""
    written = _texts_of(functions, compiled, texts, matches)
    first = matches & (matches.cumsum(axis=1) == 1)
    counted = tally(first[pool], np.zeros((int(pool.sum()), 0)), ())
    return Opinion(np.zeros((len(texts), 0)), written, np.asarray(written == ""), figures={"votes": counted})


def _texts_of(
    functions: Functions, compiled: Sequence[Any], texts: Sequence[str], matches: NDArray[np.bool_]
) -> NDArray[np.object_]:
    written = np.full(len(texts), "", dtype=object)
    first = matches.argmax(axis=1)
    answered = np.flatnonzero(matches.any(axis=1))
    for row, text in zip(answered, taken(texts, answered), strict=True):
        found = compiled[first[row]].search(marked(searchable(text[: functions.max_characters])))
        template = functions.rules_[first[row]].write or ""
        written[row] = filled(template, partial(_captured, found)).strip()
    return written


def _captured(found: Any, group: str) -> str:
    return unmarked(found.group(int(group) if group.isdecimal() else group))


def counts_of(
    matches: NDArray[np.bool_], functions: Functions, class_names: Sequence[str]
) -> NDArray[np.float64]:
    """Votes by class, float64[n, K], of bool[n, R]: which rule matches which text."""
    counts = np.zeros((len(matches), len(class_names)))
    for number, rule in enumerate(functions.rules_):
        if rule.class_name is not None:
            counts[:, class_names.index(rule.class_name)] += matches[:, number]
    return counts


def _matches(
    functions: Functions, compiled: Sequence[Any], texts: Sequence[str], rows: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
    """Which rules match the texts at some places: batches of them, and bool[b, R]."""
    needed = [tuple(dict.fromkeys(fields_of(rule.write or ""))) for rule in functions.rules_]
    rules = list(zip(compiled, needed, strict=True))
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        seen = (marked(searchable(text[: functions.max_characters])) for text in taken(texts, batch))
        yield batch, np.array([[_does_match(*rule, text) for rule in rules] for text in seen])


def _does_match(pattern: Any, needed: Sequence[str], text: str) -> bool:
    """Whether a pattern matches, and the groups that its rule writes take part."""
    found = pattern.search(text)
    if found is None:
        return False
    return all(found.group(int(group) if group.isdecimal() else group) is not None for group in needed)


def compile_rules(functions: Functions, path: str) -> list[Any]:
    """Compiled patterns, one a rule.

    Args:
        functions: the rules.
        path: of `functions` in the manifest, for errors.

    Raises:
        BadSpec: a pattern is not a regular expression, or a template names no group of its pattern; names the rule and
            the position of the fault.
    """
    for below, fault in functions.mistakes():
        raise BadSpec(
            "BadTemplate",
            f"{dotted((path, *below))}: {fault}.",
            "Name a group of the pattern, as in `pattern: 'version (?P<version>[0-9.]+)'` and `write: 'gpl-{version}'`.",
        )
    options = _options()
    compiled = []
    for place, rule in enumerate(functions.rules_):
        if rule.pattern is None:
            compiled.append(re2.compile(keywords_pattern(rule.keywords or ()), options))
        else:
            compiled.append(_compiled(rule.pattern, f"{path}.rules[{place}].pattern", options))
    return compiled


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_PATTERN_BYTES
    return options


def compile_for_plain_text(pattern: str, path: str) -> Any:
    """A pattern for texts as they are written, in any case unless it says `(?-i)`; arguments and errors as below."""
    options = _options()
    options.case_sensitive = False
    return _accepted(pattern, path, options)


def _accepted(pattern: str, path: str, options: Any) -> Any:
    """Compiles a pattern as RE2 has it.

    Args:
        pattern: of a manifest.
        path: where it stands there.
        options: of RE2.

    Raises:
        BadSpec: it is not a regular expression; names the position of the fault.
    """
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise BadSpec(
            "BadRegex",
            f"{path}: {pattern!r} is not a regular expression: {_reason(error)},"
            f" at character {fault_position(pattern, options)}.",
            "Patterns are in RE2 syntax (no look-around, no back-references).",
        ) from None


def _compiled(pattern: str, path: str, options: Any) -> Any:
    _accepted(pattern, path, options)
    try:
        return re2.compile(translated(pattern), options)
    except CaseAsked:
        raise BadSpec(
            "BadRegex",
            f"{path}: {pattern!r} tells capitals from small letters (the flag -i), but rules do not see case.",
            "Take the flag out.",
        ) from None
    except re2.error as error:
        raise BadSpec(
            "BadRegex",
            f"{path}: {pattern!r} is too large: {_reason(error)}.",
            "Repeat less, or use several rules.",
        ) from None


def _reason(error: Exception) -> str:
    raw = error.args[0] if error.args else ""
    return raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)


def fault_position(pattern: str, options: Any) -> int:
    """The 1-based character that a pattern fails at: the end of the shortest beginning that stays broken.

    A beginning can be broken only because something is not closed yet, so beginnings are repaired first.
    """
    for end in range(1, len(pattern) + 1):
        beginning = pattern[:end]
        closings = (
            "",
            ")",
            "]",
            "])",
            "\\",
            "}",
            ")" * beginning.count("("),
            "]" + ")" * beginning.count("("),
        )
        if not any(_compiles(beginning + closing, options) for closing in closings):
            return end
    return len(pattern)


def _compiles(pattern: str, options: Any) -> bool:
    try:
        re2.compile(pattern, options)
    except re2.error:
        return False
    return True
