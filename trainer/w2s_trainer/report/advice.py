"""What to do now: rules from the results to advice, one code and one sentence each (docs/report.md, What to do now). Pure."""

import math
import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from w2s_api.arms import ARMS
from w2s_api.metrics import METRICS
from w2s_trainer.report.answers import better_and_simpler, loss
from w2s_trainer.report.differences import Differences, with_minus

_MOST_TIMES = 10
"""A test that would have to be larger than so many times is not asked for."""

Advice = dict[str, str]


def advice(results: Mapping[str, Any]) -> list[Advice]:
    """Derives the advice: what to use first, then what to change.

    Args:
        results: the content of results.json, without `advice`.

    Returns:
        {code, text}, each code once at most.
    """
    return [{"code": code, "text": with_minus(text)} for rule in _RULES for code, text in rule(results)]


def _use(results: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What to decide texts with from now on: the new model, a simpler arm, or the teacher as before."""
    evaluation, decision = results["evaluation"], results["decision"]
    verdict, arm = evaluation["comparisons"][0]["verdict"], _best_simpler(evaluation)
    if arm:
        yield "UseSimplerArm", _simpler(evaluation, arm)
    elif verdict != "better":
        shown = "is worse" if verdict == "worse" else "is not shown to be better"
        yield "KeepTeacher", f"Keep the teacher: the new model {shown}."
    elif decision["promoted"]:
        clear_loss = loss(evaluation)
        unless = f", unless what got worse weighs more ({clear_loss})" if clear_loss else ""
        yield "UseModel", f"Use the new model{unless}: `{_command(results)}`."
    else:
        yield (
            "ConditionsNotMet",
            "Do not rely on the new model yet: it is better than its teacher but missed its conditions of publication."
            f" To try it all the same: `{_command(results)}`.",
        )


def _best_simpler(evaluation: Mapping[str, Any]) -> str | None:
    """The best arm of those that are simpler than the candidate and clearly better, if it is above the teacher too."""
    metric = evaluation["metric"]
    sign = 1 if METRICS[metric].higher_is_better else -1
    merit = {arm["arm"]: sign * arm["metrics"][metric]["estimate"] for arm in evaluation["arms"]}
    best = max(better_and_simpler(evaluation), key=merit.__getitem__, default=None)
    return best if best and merit[best] > merit["weak"] else None


def _simpler(evaluation: Mapping[str, Any], arm: str) -> str:
    metric = evaluation["metric"]
    values = {one["arm"]: one["metrics"][metric]["estimate"] for one in evaluation["arms"]}
    figures = f"{metric} {values[arm]:.3f} against {values[evaluation['candidate']]:.3f}"
    how = f" (`promotion.candidate: {ARMS[arm].candidate}` publishes it)" if ARMS[arm].candidate else ""
    return f"Use {ARMS[arm].as_baseline}{how}: arm `{arm}` is simpler than the new model and clearly better ({figures})."


def _command(results: Mapping[str, Any]) -> str:
    job = f"{results['job']['namespace']}/{results['job']['name']}"
    words = ["w2s", "predict", "--job", job, "--storage", results["storage"]["uri"], "texts.jsonl"]
    return shlex.join(words)


def _teacher_where_it_votes(results: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    evaluation, differences = results["evaluation"], Differences.of(results)
    candidate = evaluation["candidate"]
    for comparison in evaluation["exploratory"]:
        sides = (comparison["arm"], comparison["baseline"])
        sign = {("cascade", candidate): 1, (candidate, "cascade"): -1}.get(sides, 0)
        if sign and comparison["verdict"] == {1: "better", -1: "worse"}[sign]:
            yield (
                "TeacherWhereItVotes",
                "Take the teacher's word where it votes and the student's elsewhere: arm `cascade` is clearly better than"
                f" the new model, by {differences.size(comparison['estimate'])} (between"
                f" {differences.between(comparison, sign)}; exploratory).",
            )


def _weak_labels(results: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    evaluation = results["evaluation"]
    against = {comparison["baseline"]: comparison for comparison in evaluation["comparisons"]}
    comparison = against.get("gold-only")
    if comparison and comparison["verdict"] != "better":
        labels = next(arm["trainedOn"] for arm in evaluation["arms"] if arm["arm"] == "gold-only")
        said = "do harm" if comparison["verdict"] == "worse" else "are not shown to help"
        yield (
            "WeakLabelsAddNothing",
            f"Add labelers or better rules, or drop the weak labels: against your {labels:,} gold labels alone they {said},"
            f" {Differences.of(results).from_to(comparison)}.",
        )


def _label(results: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    step = results["evaluation"].get("lastDoubling")
    if step is None:
        return
    differences = Differences.of(results)
    brought = differences.from_to({**step, "exploratory": False})
    labels, at_hand = step["to"], results["data"]["rows"]["budget"]
    spare = at_hand >= 2 * labels
    measured = (
        f"going from {step['from']:,} to {labels:,} brought the model that is tuned on them alone {brought}"
    )
    if step["low"] <= 0:
        yield (
            "MoreLabelsUnproven",
            f"Do not count on more labels: that they help is not shown; {measured}."
            + (
                f" `data.goldBudget: {2 * labels}` would tell: {at_hand:,} are at hand outside of the test."
                if spare
                else ""
            ),
        )
    elif spare:
        yield (
            "RaiseBudget",
            f"Raise `data.goldBudget` to {2 * labels:,}, since {at_hand:,} gold labels are at hand outside of the test:"
            f" {measured}. What the next step brings was not measured.",
        )
    else:
        yield (
            "LabelMore",
            f"Label {2 * labels - at_hand:,} more texts outside of the test, for a budget of {2 * labels:,}: {measured}."
            " What the next step brings was not measured.",
        )


def _test(results: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A provable gain falls with the root of the size of the test: (provable / estimate)² times as much is needed."""
    evaluation, provable = results["evaluation"], results["data"].get("smallestProvableGain")
    gain = evaluation["comparisons"][0]
    if (
        provable is None
        or gain["verdict"] != "no clear difference"
        or not 0 < gain["estimate"] < provable
        or not METRICS[evaluation["metric"]].in_points
    ):
        return
    times, test = (provable / gain["estimate"]) ** 2, evaluation["test"]
    size = Differences.of(results).size(gain["estimate"])
    if times > _MOST_TIMES:
        yield (
            "GainTooSmall",
            f"Take the two for equally good: to prove a gain of {size} the test would have to be more than {_MOST_TIMES} times"
            " as large.",
        )
    else:
        texts, families = (math.ceil((times - 1) * test[name]) for name in ("size", "families"))
        yield (
            "EnlargeTest",
            f"Add about {families:,} families ({texts:,} texts) with gold labels to the test: so many more would prove a gain"
            f" of {size}, if that is what it is, in 4 of 5 cases.",
        )


_RULES: tuple[Callable[[Mapping[str, Any]], Iterator[tuple[str, str]]], ...] = (
    _use,
    _teacher_where_it_votes,
    _weak_labels,
    _label,
    _test,
)
