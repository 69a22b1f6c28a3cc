"""Labeler `Functions`: keyword and regex rules that vote, in linear time (RE2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import re2
from numpy.typing import NDArray

from w2s_api.spec.weak import FunctionRule, Functions, Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.errors import BadSpec
from w2s_trainer.stages.label.opinion import Opinion, path_of
from w2s_trainer.stages.tables import EVERY_SEED, Examples

SMOOTHING = 0.25
"""Added to each class's votes, so that one vote is not certainty."""


@dataclass(frozen=True)
class Votes:
    """What rules say of n texts."""

    counts: NDArray[np.float64]
    """float64[n, K], votes by class."""

    @property
    def abstain(self) -> NDArray[np.bool_]:
        """bool[n]: no vote, or a tie for the most votes."""
        most = self.counts.max(axis=1, keepdims=True)
        return np.asarray((most[:, 0] == 0) | ((self.counts == most).sum(axis=1) > 1))

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """float64[n, K]: (votes + .25) / (all votes + .25 K)."""
        smoothed = self.counts + SMOOTHING
        return np.asarray(smoothed / smoothed.sum(axis=1, keepdims=True))


def apply_rules(
    context: StageContext, labeler: Labeler, examples: Examples, rows: NDArray[np.int64]
) -> dict[int, Opinion]:
    """The method of type Functions."""
    assert labeler.functions is not None
    votes = vote(
        labeler.functions,
        context.spec.task.class_names,
        [examples.texts[row] for row in rows],
        f"{path_of(context, labeler)}.functions",
    )
    context.progress("applying rules", len(rows), len(rows))
    return {EVERY_SEED: Opinion(votes.counts, votes.probabilities, votes.abstain)}


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
    index = {name: place for place, name in enumerate(class_names)}
    counts = np.zeros((len(texts), len(class_names)))
    for row, text in enumerate(texts):
        beginning = text[: functions.max_characters]
        for rule, pattern in zip(functions.rules_, compiled, strict=True):
            if pattern.search(beginning):
                counts[row, index[rule.class_name]] += 1
    return Votes(counts)


def compile_rules(functions: Functions, path: str) -> list[Any]:
    """Compiled patterns, one a rule.

    Args:
        functions: the rules.
        path: of `functions` in the manifest, for errors.

    Raises:
        BadSpec: a pattern is not a regular expression; names the rule and the position of the fault.
    """
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    compiled = []
    for place, rule in enumerate(functions.rules_):
        pattern = expression(rule)
        try:
            compiled.append(re2.compile(pattern, options))
        except re2.error as error:
            raw = error.args[0] if error.args else ""
            why = raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)
            raise BadSpec(
                "BadRegex",
                f"{path}.rules[{place}].pattern: {pattern!r} is not a regular expression: {why},"
                f" at character {fault_position(pattern, options)}.",
                "Patterns are in RE2 syntax (no look-around, no back-references).",
            ) from None
    return compiled


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


def expression(rule: FunctionRule) -> str:
    """A rule as one pattern; keywords are whole words."""
    if rule.pattern is not None:
        return rule.pattern
    words = "|".join(re2.escape(word) for word in rule.keywords or ())
    return rf"(?:^|[^\pL\pN_])(?:{words})(?:$|[^\pL\pN_])"
