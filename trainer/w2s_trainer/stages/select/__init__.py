"""`select`: which weakly labelled texts of the pool are trained on and how much each counts, with an audit of every step."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from w2s_api.spec.selection import SelectionStep
from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.errors import BadData
from w2s_trainer.families import family_of
from w2s_trainer.stages.select.audit import entry, of_seeds, warnings
from w2s_trainer.stages.select.changes import Change, changes_of, with_changes
from w2s_trainer.stages.select.corrected import write_corrected
from w2s_trainer.stages.select.methods import Candidates, Corrected, Edited, Sights, step_of
from w2s_trainer.stages.select.refined import write_refined
from w2s_trainer.stages.tables import (
    EVERY_SEED,
    Examples,
    WeakLabels,
    read_examples,
    read_labels,
    write_table,
)


@dataclass(frozen=True)
class Selected:
    """What is left for a seed, and what each step so far did."""

    left: Candidates
    audit: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    refined: tuple[Change[Edited], ...] = ()
    """Every edit of a weak label that is a text so far, in order."""
    corrected: tuple[Change[Corrected], ...] = ()
    """Every change of one that is a class."""


def run(context: StageContext) -> StageResult:
    """Applies the steps in order, for each seed."""
    examples = read_examples(context.artifact("examples"), context.scratch)
    family = family_of(context.spec)
    labels = read_labels(context.artifact("labels"), examples, context.scratch, family.label_column)
    selected = select(context, examples, labels, Sights(context, examples))
    left = [one.left for one in selected.values()]
    write_table(
        {
            "id": examples.ids.take(np.concatenate([one.rows for one in left])).arrow(),
            "seed": np.repeat(np.array(list(selected), dtype=np.int32), [len(one.rows) for one in left]),
            "weight": np.concatenate([one.weights for one in left]).astype(np.float32),
        },
        context.output / "selection.parquet",
    )
    write_refined({seed: one.refined for seed, one in selected.items()}, examples, context.output)
    write_corrected({seed: one.corrected for seed, one in selected.items()}, examples, context.output)
    summary = summary_of(selected)
    for warning in summary["warnings"]:
        context.progress.note(warning)
    return StageResult(summary, {"kept": summary["kept"], "warnings": len(summary["warnings"])})


def summary_of(selected: Mapping[int, Selected]) -> dict[str, Any]:
    """The audit: of the first seed in full, and of the others beside it."""
    first, *others = selected
    audit = list(selected[first].audit)
    notes = of_seeds({seed: list(one.notes) for seed, one in selected.items()})
    summary: dict[str, Any] = {
        "steps": audit,
        "kept": len(selected[first].left.rows),
        "warnings": [*warnings(audit), *notes],
    }
    if others and audit:
        summary["otherSeeds"] = {
            str(seed): {"kept": len(selected[seed].left.rows), "steps": list(selected[seed].audit)}
            for seed in others
        }
    return summary


def select(
    context: StageContext, examples: Examples, labels: Mapping[int, WeakLabels], sights: Sights
) -> dict[int, Selected]:
    """What is left after all steps, by seed, ascending.

    Steps up to the first that sees gold do the same for all seeds where the labels are the same, and do it once.

    Args:
        context: the stage's.
        examples: N texts.
        labels: by seed; EVERY_SEED alone where no draw changes them.
        sights: what steps look at beside them.

    Raises:
        BadData: nothing is left, or of a class that had weak labels none.
    """
    pool = examples.rows("pool")
    selected = {}
    for seed in sorted(labels):
        rows = pool[~labels[seed].abstain[pool]]
        start = Candidates(context, examples, sights, labels[seed], seed, rows, np.ones(len(rows)))
        selected[seed] = Selected(start)
    for step in context.spec.selection.steps:
        if step.settings.sees_gold() and list(selected) == [EVERY_SEED]:
            everyone = selected[EVERY_SEED]
            selected = {
                seed: replace(everyone, left=replace(everyone.left, seed=seed))
                for seed in range(context.spec.evaluation.seeds)
            }
        selected = {seed: _after(step, one) for seed, one in selected.items()}
    return selected


def _after(step: SelectionStep, so_far: Selected) -> Selected:
    candidates = so_far.left
    kept = step_of(step.settings)(step.settings, candidates)
    if not len(kept.positions):
        raise BadData(
            "NothingSelected",
            f"Selection step {step.type} left none of {len(candidates.rows):,} weak labels.",
            "Ask less of them, or leave the step out.",
        )
    left = replace(candidates, rows=candidates.rows[kept.positions], weights=kept.weights)
    refined = changes_of(kept.edits, candidates.rows, len(so_far.audit))
    if refined:
        left = replace(left, labels=with_changes(left.labels, refined))
    corrected = changes_of(kept.corrections, candidates.rows, len(so_far.audit))
    if corrected:
        left = replace(left, labels=with_changes(left.labels, corrected))
    said = entry(step.type, candidates, kept, left)
    for name, before in said["classesBefore"].items():
        if before and not said["classesAfter"][name]:
            raise BadData(
                "ClassSelectedAway",
                f"Selection step {step.type} left no text of class {name!r} (before: {before}).",
                "Keep a larger share.",
            )
    return Selected(
        left,
        (*so_far.audit, said),
        (*so_far.notes, *kept.notes),
        (*so_far.refined, *refined),
        (*so_far.corrected, *corrected),
    )
