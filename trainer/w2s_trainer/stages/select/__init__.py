"""`select`: which weakly labelled texts of the pool are trained on and how much each counts, with an audit of every step."""

from typing import Any

import numpy as np

from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.errors import BadData
from w2s_trainer.families import family_of
from w2s_trainer.stages.select.methods import Candidates, step_of
from w2s_trainer.stages.tables import Examples, WeakLabels, read_examples, read_labels, write_table

LARGEST_SHIFT = 0.10
"""Of a class share, relative to itself, before a warning: a student copies class shares."""


def run(context: StageContext) -> StageResult:
    """Applies the steps in order, for each seed."""
    examples = read_examples(context.artifact("examples"), context.scratch)
    family = family_of(context.spec)
    labels = read_labels(context.artifact("labels"), examples, context.scratch, family.label_column)
    by_seed: dict[int, Candidates] = {}
    summary: dict[str, Any] = {}
    for seed in sorted(labels):
        by_seed[seed], audit = select(context, examples, labels[seed], seed)
        kept = len(by_seed[seed].rows)
        summary = summary or {"steps": audit, "kept": kept, "warnings": warnings(audit)}
    rows = np.concatenate([left.rows for left in by_seed.values()])
    write_table(
        {
            "id": examples.ids.take(rows).arrow(),
            "seed": np.repeat(
                np.array(list(by_seed), dtype=np.int32), [len(left.rows) for left in by_seed.values()]
            ),
            "weight": np.concatenate([left.weights for left in by_seed.values()]).astype(np.float32),
        },
        context.output / "selection.parquet",
    )
    for warning in summary["warnings"]:
        context.progress.note(warning)
    return StageResult(summary, {"kept": summary["kept"], "warnings": len(summary["warnings"])})


def select(
    context: StageContext, examples: Examples, labels: WeakLabels, seed: int
) -> tuple[Candidates, list[dict[str, Any]]]:
    """What is left after all steps, and what each did.

    Raises:
        BadData: a class that had weak labels is left with none.
    """
    family = family_of(context.spec)
    pool = examples.rows("pool")
    rows = pool[~labels.abstain[pool]]
    candidates = Candidates(context, examples, labels, seed, rows, np.ones(len(rows)))
    audit = []
    for step in context.spec.selection.steps:
        before = family.weak_counts(labels.targets[candidates.rows])
        kept = step_of(step.settings)(step.settings, candidates)
        left = candidates.rows[kept.positions]
        after = family.weak_counts(labels.targets[left])
        for name in before:
            if before[name] and not after[name]:
                raise BadData(
                    "ClassSelectedAway",
                    f"Selection step {step.type} left no text of class {name!r} (before: {before[name]}).",
                    "Keep a larger share.",
                )
        audit.append(
            {
                "type": step.type,
                "before": len(candidates.rows),
                "after": len(left),
                "classesBefore": before,
                "classesAfter": after,
            }
        )
        candidates = Candidates(context, examples, labels, seed, left, kept.weights)
    return candidates, audit


def warnings(audit: list[dict[str, Any]]) -> list[str]:
    """A line for each class whose share a step moved by more than a tenth of itself."""
    lines = []
    for step in audit:
        for name, count in step["classesBefore"].items():
            before, after = count / step["before"], step["classesAfter"][name] / step["after"]
            if before and abs(after - before) > LARGEST_SHIFT * before:
                lines.append(
                    f"{step['type']} moved the share of class {name!r} from {before:.3f} to {after:.3f};"
                    " a student copies class shares."
                )
    return lines
