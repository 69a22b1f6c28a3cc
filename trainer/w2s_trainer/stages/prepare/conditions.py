"""What must hold for a job beside its data: told from the summary alone, so that a reused artifact is judged too."""

from collections.abc import Mapping
from typing import Any

from w2s_api.methods.method import field_of
from w2s_api.spec.job import Spec
from w2s_trainer.errors import BadData, BadSpec
from w2s_trainer.families import family_of
from w2s_trainer.stages.prepare.imported import check_votes
from w2s_trainer.stages.prepare.power import LARGEST_USEFUL_GAIN, LEAST_SIZE, families_missing


def verify(summary: Mapping[str, Any], spec: Spec) -> None:
    """Judges the summary of a `prepare` artifact for a spec.

    Raises:
        BadSpec: a rule does not compile, a step of the synthesis could not work, or the gold budget is larger than what there
            is.
        BadData: the test is too small, or the ceiling is wanted without gold in the pool.
    """
    check_labelers(spec)
    check_synthesis(spec)
    check_steps(spec)
    check_votes(summary, spec)
    _check_test_size(summary, spec)
    _check_budget(summary, spec)
    _check_ceiling(summary, spec)


def check_labelers(spec: Spec) -> None:
    """Raises BadSpec if a labeler could not work, such as a rule that does not compile."""
    from w2s_trainer.stages.label.methods import check

    for number, labeler in enumerate(spec.weak.labelers):
        check(labeler.settings, f"spec.weak.labelers[{number}].{field_of(labeler.method)}")


def check_synthesis(spec: Spec) -> None:
    """Raises BadSpec if a step of the synthesis could not work."""
    from w2s_trainer.stages.synthesise.methods import check

    for number, step in enumerate(spec.synthesis.steps):
        check(step.settings, f"spec.synthesis.steps[{number}].{field_of(step.method)}")


def check_steps(spec: Spec) -> None:
    """Raises BadSpec if a step of the selection could not work, such as a pattern that does not compile."""
    from w2s_trainer.stages.select.methods import check

    for number, step in enumerate(spec.selection.steps):
        check(step.settings, f"spec.selection.steps[{number}].{field_of(step.method)}")


def _check_test_size(summary: Mapping[str, Any], spec: Spec) -> None:
    size, families = float(summary["effectiveTestSize"]), int(summary["families"]["test"])
    if size >= LEAST_SIZE:
        return
    more = families_missing(size, families)
    raise BadData(
        "TestTooSmall",
        f"The test has {summary['rows']['test']:,} rows in {families:,} families, worth {size:.0f} independent"
        f" rows. {_provable(summary)}it needs about {more:,} families more.",
        "Add rows of other groups to `data.test`."
        if spec.data.test
        else "Label texts of other groups, raise `data.testFraction`, or give `data.test`.",
    )


def _provable(summary: Mapping[str, Any]) -> str:
    gain = summary.get("smallestProvableGain")
    if gain is None:
        return f"To be worth {LEAST_SIZE} "
    return (
        f"The smallest gain that it can prove is about {gain:.2f}; for a gain of {LARGEST_USEFUL_GAIN:.2f} "
    )


def _check_budget(summary: Mapping[str, Any], spec: Spec) -> None:
    wanted, there = spec.data.gold_budget, int(summary["rows"]["budget"])
    there -= int(summary.get("asked", {}).get("labelled", 0))
    if wanted is None:
        return
    if wanted > there:
        raise BadSpec(
            "GoldBudgetTooLarge",
            f"spec.data.goldBudget is {wanted:,}, but only {there:,} gold rows are outside of the test.",
            f"Set it to {there:,} at most, leave it out to use all, or label more texts.",
        )
    strata = family_of(spec).strata
    if wanted < len(strata):
        raise BadSpec(
            "GoldBudgetTooSmall",
            f"spec.data.goldBudget is {wanted:,}, but there are {len(strata):,} classes.",
            "Each class needs one gold example at least.",
        )


def _check_ceiling(summary: Mapping[str, Any], spec: Spec) -> None:
    if spec.evaluation.ceiling and not summary["poolGold"]:
        raise BadData(
            "NoPoolGold",
            f"spec.evaluation.ceiling needs gold labels in the pool, but no usable row of {spec.data.unlabeled.uri}"
            f" has a class in `{spec.data.fields.label}`.",
            "Set `evaluation.ceiling: false`, or add the label field to the unlabelled rows.",
        )
