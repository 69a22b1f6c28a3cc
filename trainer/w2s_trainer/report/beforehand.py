"""Whether a job is likely to pay, and what to do first: rules from what is known before a student is trained to advice, one
code and one sentence each (docs/report.md, What is known beforehand). Pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from w2s_api.metrics import METRICS
from w2s_trainer.report import failure_map
from w2s_trainer.report.failure_map import PREDICTORS, FailureMap, forecast

FEWEST_ANSWERS = 30
"""Of fewer answers on the gold budget it is not said that they are no better than guessing: next to nothing would be."""
FEWEST_ERRORS = (1.959964 + 0.841621) ** 2
"""Errors of the teacher on the test that a student without any must mend, for a paired comparison to show it in 4 of 5 cases.
McNemar's test in its normal approximation, as for the smallest provable gain, with a discordance of the teacher's errors: e
errors in n rows are clear if e / n ≥ z · √(e / n / n), that is e ≥ z²."""
LARGEST_GAIN = 0.10
"""A test that cannot prove less than so much leaves most gains unseen."""
FAR_OFF = 0.05
"""Of a metric of written texts: below it they have next to nothing of the experts'."""
FEWEST_OF_A_CLASS = 2
"""Gold labels: with one, nothing is left to check what was learnt of the class."""
_SHOWN = 5
"""Classes that are named one by one."""

Known = Mapping[str, Any]
Status = Literal["True", "False", "Unknown"]


def foretold(known: Known | None, by: FailureMap | None = None) -> dict[str, Any]:
    """What is to be said before a student is trained.

    Args:
        known: the facts (`stages.beforehand`); None where nobody knows any.
        by: the map to forecast with; None: the one that is in use, if there is one.

    Returns:
        `status` (True: there is something to do first; False: nothing that is known speaks against the job; Unknown: nothing
        is known), `reason`, the first code, and `advice` [{code, text}].
    """
    if known is None:
        return {"status": "Unknown", "reason": "NothingKnown", "advice": []}
    found = [{"code": code, "text": text} for rule in _RULES for code, text in rule(known)]
    status: Status = "True" if found else "False"
    by = by or failure_map.MAP
    if by is not None and "classes" in known:
        pays, code, text = _forecast(known, by)
        status = status if pays else "True"
        found.append({"code": code, "text": text})
    if not found:
        found = [
            {
                "code": "NothingAgainst",
                "text": "Nothing that is known before training speaks against this job.",
            }
        ]
    return {"status": status, "reason": found[0]["code"], "advice": found}


def _forecast(known: Known, by: FailureMap) -> tuple[bool, str, str]:
    said = forecast(known, by)
    measured = f"({by.source}; right about {by.hit_rate:.0%} of jobs on other tasks)"
    meaning = (
        "to be clearly better than the best of its teacher, your gold labels alone and the untouched model"
    )
    if said.probability >= 0.5:
        return (
            True,
            "LikelyToPay",
            f"Of jobs like this one {said.probability:.0%} are expected {meaning} {measured}.",
        )
    against = PREDICTORS[said.against] if said.against else None
    why = f" What speaks most against it is {against.words}: {against.do}, or stop here." if against else ""
    return (
        False,
        "UnlikelyToPay",
        f"Of jobs like this one only {said.probability:.0%} are expected {meaning} {measured}.{why}",
    )


def _guesses(known: Known) -> Iterator[tuple[str, str]]:
    """Mean recall, since a teacher of rare classes may be worse than the commonest class by accuracy and still know much."""
    teacher = known["teacher"]
    if known["sawBudget"] or "recall" not in teacher:
        return
    where = f"On the {teacher['texts']:,.0f} texts of the gold budget that it answers the teacher"
    figures = f"mean recall {teacher['recall']:.2f}, between {teacher['recallLow']:.2f} and {teacher['recallHigh']:.2f}"
    if teacher["recallHigh"] < teacher["guess"]:
        yield (
            "TeacherWorseThanGuessing",
            f"{where} is worse than guessing ({figures}; guessing has {teacher['guess']:.2f}): mend it first. Are classes"
            " swapped in its rules or labels?",
        )
    elif teacher["recallLow"] <= teacher["guess"] and teacher["texts"] >= FEWEST_ANSWERS:
        yield (
            "TeacherNotShownToKnow",
            f"{where} is not shown to be better than guessing ({figures}; guessing has {teacher['guess']:.2f}): mend its"
            " rules, add a labeler, or label more texts to be sure.",
        )


def _far_off(known: Known) -> Iterator[tuple[str, str]]:
    teacher = known["teacher"]
    if not known["sawBudget"] and teacher.get("scoreHigh", 1.0) < FAR_OFF:
        metric = METRICS[known["of"]["metric"]].label
        yield (
            "TeacherFarOff",
            f"What the teacher writes has next to nothing of what experts wrote: {metric} {teacher['score']:.3f}, at most"
            f" {teacher['scoreHigh']:.3f}, on {teacher['texts']:,.0f} texts of the gold budget. Mend its rules or its prompt"
            " first.",
        )


def _few_weak_labels(known: Known) -> Iterator[tuple[str, str]]:
    covered, pool, budget = known["covered"], known["pool"], known["budget"]
    if covered < budget:
        yield (
            "FewWeakLabels",
            f"The teacher answers {covered:,} of {pool:,} texts of the pool, fewer than your {budget:,} gold labels: add rules,"
            " add a labeler that always answers, or add texts to the pool.",
        )


def _classes_without_votes(known: Known) -> Iterator[tuple[str, str]]:
    silent = [name for name, counts in known.get("classes", {}).items() if not counts["pool"]]
    if silent:
        yield (
            "ClassNeverVotedFor",
            f"The teacher never names {_named(silent)} on the {known['covered']:,} texts of the pool that it answers: add rules"
            " or a labeler for it, or a student will not learn it from weak labels.",
        )


def _classes_without_gold(known: Known) -> Iterator[tuple[str, str]]:
    few = [name for name, counts in known.get("classes", {}).items() if counts["budget"] < FEWEST_OF_A_CLASS]
    if few:
        yield (
            "ClassHardlyLabelled",
            f"The gold budget has fewer than {FEWEST_OF_A_CLASS} labels of {_named(few)}: label more texts of it, for nothing"
            " that is learnt of it can be checked.",
        )


def _silent_rules(known: Known) -> Iterator[tuple[str, str]]:
    if silent := known["silent"]:
        each = ", ".join(f"{count:,} of `{name}`" for name, count in silent.items())
        yield "RulesNeverVote", f"Rules that never vote on the pool: {each}. Mend them or take them out."


def _nothing_to_prove(known: Known) -> Iterator[tuple[str, str]]:
    high, size = known["teacher"].get("wrongHigh"), known.get("testSize")
    if high is None or size is None or known["sawBudget"] or high * size >= FEWEST_ERRORS:
        return
    yield (
        "TestCannotTell",
        f"The teacher errs on {known['teacher']['wrong']:.1%} of the gold budget (at most {high:.1%}), which is fewer than"
        f" {FEWEST_ERRORS:.0f} errors in a test worth {size:,.0f} independent texts: even a student without errors would not be"
        " shown to be better. Enlarge the test, or stop and keep the teacher.",
    )


def _small_test(known: Known) -> Iterator[tuple[str, str]]:
    provable = known.get("smallestProvableGain")
    if provable is not None and provable > LARGEST_GAIN:
        yield (
            "GainMayGoUnseen",
            f"The test can prove a gain of about {provable * 100:.0f} points; a smaller one will probably go unseen. Add texts"
            " of other groups to the test.",
        )


def _named(classes: list[str]) -> str:
    more = f" and {len(classes) - _SHOWN:,} more classes" if len(classes) > _SHOWN else ""
    return f"{'classes' if len(classes) > 1 else 'class'} {', '.join(map(repr, classes[:_SHOWN]))}{more}"


_RULES: tuple[Callable[[Known], Iterator[tuple[str, str]]], ...] = (
    _guesses,
    _far_off,
    _few_weak_labels,
    _classes_without_votes,
    _classes_without_gold,
    _nothing_to_prove,
    _small_test,
    _silent_rules,
)
