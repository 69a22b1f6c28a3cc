"""What a student gains from a teacher that is calibrated on the budget, and from a round of self-training.

`python tests/science/combination_teaching.py --data ../shared/data --part calibration` (or `self-training`) prints the
tables of docs/design/2026-11-29-combination.md; sets, splits, teachers and cache are those of combination.py.

Fixed before the first run:

Four of the splits; the combination is that with zero-shot.

* **Calibration** of the teacher's log-odds u on the budget's covered texts, in five forms: *scale* c·u; *scale and bias*
  c·u + b by the shrunk fit of the combination with λ of the bias 3 and 30; *shares*: a bias alone, such that on the
  covered pool the mean probability of each class is (its labels on covered budget texts + 16 · the teacher's share) /
  (labels + 16); *judged*: scale and bias (λ 3), taken only if the student's log loss on the budget (calibrated by two
  halves of the families, each judged on the other) is smaller than without by more than one standard error of the
  paired differences. The student learns the calibrated labels. A form is acceptable if in no cell (set × teacher ×
  budget) of all sets the student's mean over the splits falls by more than a point.
* **Self-training**: the combination labels the whole pool with its probabilities and a new head with the l2 of `strong`
  learns them. It is compared with `strong` and with the combination without its teacher (the merged head).
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from combination import CANDIDATES, Setting, combined, lower_bound, macro_f1, sources_of, weights_of
from combination_sources import L2, OTHER_L2, SIZES, Budget, Split, Teacher, read_split
from combination_tasks import CHOOSING, CONFIRMING, Task, read_task
from numpy.typing import NDArray

from w2s_trainer.models.head import Head, folds_of
from w2s_trainer.models.head import fit as fit_head
from w2s_trainer.stages.combine.log_odds import Source, from_probabilities, log_softmax
from w2s_trainer.stages.combine.stacking import Shrinkage, Weights, combine, fit, unfitted

PSEUDO_LABELS = 16
SPLITS = 4
WITHOUT_BIAS = 1e9

Floats = NDArray[np.float64]
Calibration = Callable[[Task, Split, Teacher, NDArray[np.int64]], Floats]
"""Probabilities of all texts, calibrated on rows of the budget."""


def taught(task: Task, split: Split, teacher: Teacher, p: Floats) -> Head:
    """The student of labels p on the covered pool."""
    rows = split.pool[~teacher.abstain[split.pool]]
    l2 = L2.get(task.name, OTHER_L2)
    return fit_head(task.features[rows], p[rows], np.ones(len(rows)), l2, split.mean)


def covered(teacher: Teacher, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return rows[~teacher.abstain[rows]]


def alone(teacher: Teacher) -> tuple[dict[str, Source], Weights]:
    """The teacher as the only source, and weights that change nothing."""
    nothing = np.zeros(teacher.probabilities.shape[1])
    return {"teacher": from_probabilities(teacher.probabilities)}, unfitted({"teacher": nothing}, nothing)


def scaled(bias: float) -> Calibration:
    def calibrate(task: Task, split: Split, teacher: Teacher, rows: NDArray[np.int64]) -> Floats:
        (sources, start), mine = alone(teacher), covered(teacher, rows)
        asked = {"teacher": sources["teacher"].at(mine)}
        return combine(sources, fit(asked, task.y[mine], start, Shrinkage(3.0, bias)))

    return calibrate


def shares(task: Task, split: Split, teacher: Teacher, rows: NDArray[np.int64]) -> Floats:
    (sources, weights), mine, pool = alone(teacher), covered(teacher, rows), covered(teacher, split.pool)
    now = combine(sources, weights)[pool].mean(axis=0)
    counts = np.bincount(task.y[mine], minlength=len(task.classes))
    wanted = (counts + PSEUDO_LABELS * now) / (len(mine) + PSEUDO_LABELS)
    for _ in range(200):
        p = combine(sources, weights)
        weights = replace(weights, bias=weights.bias + np.log(wanted / p[pool].mean(axis=0)))
    return p


def judged(task: Task, split: Split, teacher: Teacher, rows: NDArray[np.int64]) -> Floats:
    plain = combine(*alone(teacher))
    calibrate, half = scaled(3.0), folds_of(task.family[rows], 0, 2)
    gained = []
    for held in (0, 1):
        inside, outside = rows[half != held], rows[half == held]
        heads = [taught(task, split, teacher, p) for p in (plain, calibrate(task, split, teacher, inside))]
        y = task.y[outside]
        losses = [-log_softmax(head.logits(task.features[outside]))[np.arange(len(y)), y] for head in heads]
        gained += [losses[0] - losses[1]]
    each = np.concatenate(gained)
    sure = each.mean() > each.std(ddof=1) / np.sqrt(len(each))
    return calibrate(task, split, teacher, rows) if sure else plain


FORMS: dict[str, Calibration] = {
    "scale": scaled(WITHOUT_BIAS),
    "scale and bias, λ 3": scaled(3.0),
    "scale and bias, λ 30": scaled(30.0),
    "shares": shares,
    "judged": judged,
}


def test_score(task: Task, split: Split, scores: Floats) -> float:
    return macro_f1(task.y[split.test], scores[split.test].argmax(axis=1), len(task.classes))


def calibration(task: Task, splits: list[Split], setting: Setting) -> list[dict[str, float]]:
    lines = []
    for name in splits[0].teachers:
        for size in (16, 64):
            plain, changes, whole = [], {form: [] for form in FORMS}, {form: [] for form in FORMS}  # type: ignore[var-annotated]
            for split in splits:
                teacher, budget = split.teachers[name], split.budgets[size]
                plain.append(test_score(task, split, teacher.strong))
                before = test_score(task, split, combined(task, split, teacher, size, setting))
                for form, calibrate in FORMS.items():
                    p = calibrate(task, split, teacher, budget.rows)
                    other = Teacher(p, teacher.abstain, taught(task, split, teacher, p).logits(task.features))
                    changes[form].append(test_score(task, split, other.strong) - plain[-1])
                    whole[form].append(
                        test_score(task, split, combined(task, split, other, size, setting)) - before
                    )
            line = {form: float(np.mean(d)) for form, d in changes.items()}
            both = " | ".join(f"{line[form]:+.3f} ({np.mean(whole[form]):+.3f})" for form in FORMS)
            print(f"| {task.name} | {name} | {size} | {np.mean(plain):.3f} | {both} |", flush=True)
            lines.append(line | {f"{form}, combined": float(np.mean(d)) for form, d in whole.items()})
    return lines


def self_training(task: Task, splits: list[Split], setting: Setting) -> list[dict[str, float]]:
    lines = []
    for name in splits[0].teachers:
        for size in (0, *SIZES):
            found: dict[str, list[float]] = {"strong": [], "merged": [], "self-trained": [], "combined": []}
            for split in splits:
                teacher, budget = split.teachers[name], split.budgets[size] if size else None
                p = combined(task, split, teacher, size, setting)
                l2 = L2.get(task.name, OTHER_L2)
                pool = split.pool
                head = fit_head(task.features[pool], p[pool], np.ones(len(pool)), l2, split.mean)
                found["strong"].append(test_score(task, split, teacher.strong))
                found["merged"].append(
                    test_score(task, split, _students(task, split, teacher, budget, setting))
                )
                found["self-trained"].append(test_score(task, split, head.logits(task.features)))
                found["combined"].append(test_score(task, split, p))
            d = np.array(found["self-trained"]) - np.array(found["merged"])
            row = " | ".join(f"{np.mean(values):.3f}" for values in found.values())
            print(
                f"| {task.name} | {name} | {size} | {row} | {d.mean():+.3f} | {lower_bound(d):+.3f} |",
                flush=True,
            )
            gain = np.mean(found["self-trained"]) - np.mean(found["strong"])
            lines.append({"self-trained − merged": float(d.mean()), "self-trained − strong": float(gain)})
    return lines


def _students(task: Task, split: Split, teacher: Teacher, budget: Budget | None, setting: Setting) -> Floats:
    """The combination without its teacher."""
    sources = sources_of(task, split, teacher, budget, setting)
    weights = weights_of(task, split, sources, budget, setting)
    del sources["teacher"]
    return combine(sources, replace(weights, scale={name: weights.scale[name] for name in sources}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "combination")
    parser.add_argument("--part", choices=("calibration", "self-training"), required=True)
    arguments = parser.parse_args()
    study = calibration if arguments.part == "calibration" else self_training
    columns = (
        ["plain", *FORMS]
        if arguments.part == "calibration"
        else ["strong", "merged", "self-trained", "combined", "self-trained − merged", "lower bound"]
    )
    print(
        "| set | teacher | gold | " + " | ".join(columns) + " |\n" + "|---" * (3 + len(columns)) + "|",
        flush=True,
    )
    lines = []
    for name in CHOOSING + CONFIRMING:
        task = read_task(name, arguments.data, arguments.cache)
        splits = [read_split(task, number, arguments.cache) for number in range(SPLITS)]
        lines += study(task, splits, CANDIDATES["with zero-shot"])
    for column in lines[0]:
        d = np.array([line[column] for line in lines])
        print(
            f"{column}: mean {d.mean():+.3f}, worst {d.min():+.3f}, best {d.max():+.3f}; below −.010 in"
            f" {(d < -0.010).sum()} of {len(d)}, above +.010 in {(d > 0.010).sum()}"
        )


if __name__ == "__main__":
    main()
