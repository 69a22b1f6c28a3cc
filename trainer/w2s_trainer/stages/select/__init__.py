"""`select`: which weakly labelled texts of the pool are trained on, and an audit of what was dropped."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.spec.selection import SelectionStep
from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.errors import BadData
from w2s_trainer.stages.select.confidence import surest_per_class
from w2s_trainer.stages.tables import Examples, WeakLabels, read_examples, read_labels, write_table

LARGEST_SHIFT = 0.10
"""Of a class share, relative to itself, before a warning: a student copies class shares."""


def run(context: StageContext) -> StageResult:
    """Applies the steps in order, for each seed."""
    spec = context.spec
    examples = read_examples(context.artifact("examples"), context.scratch)
    labels = read_labels(context.artifact("labels"), examples, context.scratch)
    kept: list[NDArray[np.int64]] = []
    seeds: list[NDArray[np.int32]] = []
    summary: dict[str, Any] = {}
    for seed in sorted(labels):
        rows, audit = select(examples, labels[seed], spec.selection.steps, spec.task.class_names)
        kept.append(rows)
        seeds.append(np.full(len(rows), seed, dtype=np.int32))
        summary = summary or {"steps": audit, "kept": len(rows), "warnings": warnings(audit)}
    write_table(
        {
            "id": examples.ids.take(np.concatenate(kept)).arrow(),
            "seed": np.concatenate(seeds),
            "weight": np.ones(sum(map(len, kept)), dtype=np.float32),
        },
        context.output / "selection.parquet",
    )
    for warning in summary["warnings"]:
        context.progress.note(warning)
    return StageResult(summary, {"kept": summary["kept"], "warnings": len(summary["warnings"])})


def select(
    examples: Examples, labels: WeakLabels, steps: list[SelectionStep], class_names: tuple[str, ...]
) -> tuple[NDArray[np.int64], list[dict[str, Any]]]:
    """The kept rows int64[n], ascending, and what each step did.

    Raises:
        BadData: a class that had weak labels is left with none.
    """
    pool = examples.rows("pool")
    rows = pool[~labels.abstain[pool]]
    audit = []
    for step in steps:
        before = _histogram(labels, rows, class_names)
        kept = METHODS[step.type](step, examples, labels, rows)
        after = _histogram(labels, kept, class_names)
        for name in class_names:
            if before[name] and not after[name]:
                raise BadData(
                    "ClassSelectedAway",
                    f"Selection step {step.type} left no text of class {name!r} (before: {before[name]}).",
                    "Keep a larger share.",
                )
        audit.append(
            {
                "type": step.type,
                "before": len(rows),
                "after": len(kept),
                "classesBefore": before,
                "classesAfter": after,
            }
        )
        rows = kept
    return rows, audit


def warnings(audit: list[dict[str, Any]]) -> list[str]:
    """A line for each class whose share a step moved by more than a tenth of itself."""
    found = []
    for step in audit:
        for name, count in step["classesBefore"].items():
            before, after = count / step["before"], step["classesAfter"][name] / step["after"]
            if before and abs(after - before) > LARGEST_SHIFT * before:
                found.append(
                    f"{step['type']} moved the share of class {name!r} from {before:.3f} to {after:.3f};"
                    " a student copies class shares."
                )
    return found


def _confidence(
    step: SelectionStep, examples: Examples, labels: WeakLabels, rows: NDArray[np.int64]
) -> NDArray[np.int64]:
    assert step.confidence is not None
    fraction = float(step.confidence.keep_fraction_per_class)
    ids = examples.ids.take(rows)
    return np.asarray(rows[surest_per_class(ids, labels.probabilities[rows], fraction)])


METHODS: Mapping[
    str, Callable[[SelectionStep, Examples, WeakLabels, NDArray[np.int64]], NDArray[np.int64]]
] = {"Confidence": _confidence}


def _histogram(labels: WeakLabels, rows: NDArray[np.int64], class_names: tuple[str, ...]) -> dict[str, int]:
    counts = np.bincount(labels.probabilities[rows].argmax(axis=1), minlength=len(class_names))
    return {name: int(count) for name, count in zip(class_names, counts, strict=True)}
