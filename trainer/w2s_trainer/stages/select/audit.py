"""What the audit says of each step: counts, figures, and what a reader must be warned of."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.selection_steps import SELECTION_STEPS
from w2s_trainer.families import family_of
from w2s_trainer.stages.select.methods import Candidates, Kept

LARGEST_SHIFT = 0.10
"""Of a class share, relative to itself, before a warning: a student copies class shares."""


def entry(name: str, candidates: Candidates, kept: Kept, left: Candidates) -> dict[str, Any]:
    """What a step did.

    Args:
        name: its type.
        candidates: what it could keep.
        kept: what it kept.
        left: the candidates of the next step.
    """
    family = family_of(candidates.context.spec)
    said: dict[str, Any] = {
        "type": name,
        "before": len(candidates.rows),
        "after": len(left.rows),
        "classesBefore": family.weak_counts(candidates.targets),
        "classesAfter": family.weak_counts(left.targets),
    }
    if not np.array_equal(kept.weights, candidates.weights[kept.positions]):
        said["weights"] = {
            "lowest": round(float(kept.weights.min()), 6),
            "highest": round(float(kept.weights.max()), 6),
        }
    if kept.figures:
        said["figures"] = dict(kept.figures)
    if "opinions" in SELECTION_STEPS[name].looks_at and len(candidates.context.spec.weak.labelers) > 1:
        split = disagreed(candidates)
        stays = np.zeros(len(split), dtype=bool)
        stays[kept.positions] = True
        said["disagreed"] = {"kept": _share(split[stays]), "dropped": _share(split[~stays])}
    return said


def disagreed(candidates: Candidates) -> NDArray[np.bool_]:
    """Where labelers that answer do not all answer alike, bool[n]."""
    family, rows = family_of(candidates.context.spec), candidates.rows
    differ, spoken = np.zeros(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
    first = np.zeros_like(candidates.targets)
    for opinion in candidates.opinions.values():
        answers, speaks = opinion.targets[rows], ~opinion.abstain[rows]
        again = spoken & speaks
        differ[again] |= family.differ(first[again], answers[again])
        first[speaks & ~spoken] = answers[speaks & ~spoken]
        spoken |= speaks
    return differ


def warnings(audit: list[dict[str, Any]]) -> list[str]:
    """A line for each class whose share a step moved by more than a tenth of itself, unless it is there for that."""
    lines = []
    for step in audit:
        if SELECTION_STEPS[step["type"]].moves_shares:
            continue
        for name, count in step["classesBefore"].items():
            before, after = count / step["before"], step["classesAfter"][name] / step["after"]
            if before and abs(after - before) > LARGEST_SHIFT * before:
                lines.append(
                    f"{step['type']} moved the share of class {name!r} from {before:.3f} to {after:.3f};"
                    " a student copies class shares."
                )
    return lines


def of_seeds(notes: Mapping[int, list[str]]) -> list[str]:
    """The notes of all seeds, those of a seed with its number where there are several."""
    if len(notes) == 1:
        return next(iter(notes.values()))
    return [f"Seed {seed}: {note}" for seed, said in notes.items() for note in said]


def _share(where: NDArray[np.bool_]) -> float | None:
    return round(float(where.mean()), 6) if len(where) else None
