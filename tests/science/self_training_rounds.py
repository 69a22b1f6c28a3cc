"""What rounds of self-training bring, and by which loss on the gold budget they are best stopped.

`python tests/science/self_training_rounds.py --data ../shared/data` prints the table of
docs/design/2026-11-30-rounds.md: sets, splits, teachers and cache are those of combination.py, rounds those of
`stages/train/self_training.py`. For each set, teacher and budget: macro-F1 on the test (mean over the splits) of the combination
and of the students of rounds 2 and 3, then of what each rule delivers. Rules hold each round against the one before, out of
fold by family:

* *log loss*: of the answers as they are;
* *scaled*, what was chosen: of the answers at the one temperature, of each round its own, that is best for it on the same texts;
* *macro-F1*: of the decisions; a tie is no gain.

`--part confirm`, declared before its run and with the combination of version 2: the six choosing sets of combination.py, which no rule was
tried on. *scaled* is confirmed if, with 16 and 64 labels, the mean over a set's cells of what it delivers less the combination is above 0
by a 95 % interval over the sets (Student's t), and no cell loses more than .02. Else docs say that it is not, and rounds stay what they
are: off by default.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from combination import macro_f1
from combination_sources import L2, OTHER_L2, Split, Teacher, read_split
from combination_tasks import CHOOSING, Task, read_task
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import t as student_t

from w2s_trainer.models.head import Head, fit, folds_of
from w2s_trainer.stages.combine import combination
from w2s_trainer.stages.combine.log_odds import Source, from_logits, log_softmax
from w2s_trainer.stages.combine.sources import CombinedSources
from w2s_trainer.stages.tables import Examples, WeakLabels
from w2s_trainer.stages.train import self_training
from w2s_trainer.stages.train.self_training import Round, last_accepted, train_round

SETS = {
    "choose": ("youtube_spam_weak", "sms_spam", "subjectivity", "mr_sentence_polarity"),
    "confirm": CHOOSING,
}
SCALED = 4
"""Its column."""
TEACHERS = ("votes", "lr")
BUDGETS, SPLITS, ROUNDS = (0, 16, 64), 3, 3
Floats = NDArray[np.float64]


@dataclass
class Known(CombinedSources):
    """A set as a `combine` stage knows its job."""

    task: Task
    split: Split
    teacher_: Teacher

    def __post_init__(self) -> None:
        n = len(self.task.y)
        part = np.full(n, "budget", dtype=object)
        part[self.split.pool], part[self.split.test] = "pool", "test"
        self.examples = Examples([""] * n, self.task.texts, part, self.task.family)  # type: ignore[arg-type]
        self._student = self.taught(self.teacher_.probabilities, ~self.teacher_.abstain[self.pool])

    @property
    def features(self) -> NDArray[np.float32]:
        return self.task.features

    @property
    def descriptions(self) -> Any:
        return self.task.descriptions

    @property
    def pool(self) -> NDArray[np.int64]:
        return self.split.pool

    @property
    def gold(self) -> NDArray[np.int64]:
        return self.task.y

    def weak(self, _seed: int) -> WeakLabels:
        return WeakLabels(self.teacher_.probabilities, self.teacher_.abstain)

    def strong(self, _seed: int) -> Any:
        return self

    @property
    def head(self) -> Head:
        return self._student

    def answers(self, rows: NDArray[np.int64]) -> Source:
        return from_logits(self._student.logits(self.features[rows]))

    def taught(self, labels: Floats, answered: NDArray[np.bool_]) -> Head:
        """The student of labels of all texts, on those texts of the pool that have one."""
        rows, l2 = self.pool[answered], L2.get(self.task.name, OTHER_L2)
        return fit(self.features[rows], labels[rows], np.ones(len(rows)), l2, self.split.mean)

    def teach(self, labels: Floats) -> Head:
        """The student of labels of the pool."""
        whole = np.zeros((len(self.task.y), labels.shape[1]))
        whole[self.pool] = labels
        return self.taught(whole, np.ones(len(self.pool), dtype=bool))


def log_loss(log_odds: Floats, truth: NDArray[np.int64]) -> float:
    return float(-log_softmax(log_odds)[np.arange(len(truth)), truth].mean())


def scaled_loss(log_odds: Floats, truth: NDArray[np.int64]) -> float:
    found = minimize_scalar(lambda t: log_loss(np.exp(t) * log_odds, truth), bounds=(-4, 3), method="bounded")
    return float(found.fun)


def rounds_of(known: Known, size: int, seed: int) -> tuple[list[float], dict[str, list[float]]]:
    """Macro-F1 on the test of each round, and by rule the losses of each; no losses without a budget."""
    rows, y, k = (
        known.split.budgets[size].rows if size else known.pool[:0],
        known.gold,
        len(known.task.classes),
    )
    rows = np.sort(rows)
    test, nobody = known.split.test, rows[:0]
    made: dict[bytes, Any] = {}

    def combination_of(known: Known, part: NDArray[np.int64], *more: Any) -> Any:
        """Once for all rounds: a stage makes it anew, and it is the same."""
        key = part.tobytes()
        if key not in made:
            made[key] = combination.combination_of(known, part, *more)
        return made[key]

    self_training.combination_of = combination_of  # type: ignore[assignment]
    first = combination_of(known, rows, nobody, seed)
    reached = [macro_f1(y[test], first.probabilities(test).argmax(axis=1), k)]
    rounds: list[Round] = []
    for _ in range(1, ROUNDS):
        rounds.append(train_round(known, rows, nobody, seed, known.teach, rounds[-1] if rounds else None))
        decided = rounds[-1].student.logits(known.features[test]).argmax(axis=1)
        reached.append(macro_f1(y[test], decided, k))
    if not rounds[-1].losses:
        return reached, {"log loss": [], "scaled": [], "macro-F1": []}
    fold = folds_of(known.task.family[rows], seed)
    said = np.zeros((ROUNDS, len(rows), k))
    for number in np.unique(fold):
        held_out = rows[fold == number]
        without = combination_of(known, rows[fold != number], nobody, seed)
        said[0, fold == number] = np.log(without.probabilities(held_out))
        for place, one in enumerate(rounds, start=1):
            said[place, fold == number] = one.without[number].logits(known.features[held_out])
    losses = {
        "log loss": [log_loss(one, y[rows]) for one in said],
        "scaled": [scaled_loss(one, y[rows]) for one in said],
        "macro-F1": [-macro_f1(y[rows], one.argmax(axis=1), k) for one in said],
    }
    assert np.allclose(
        losses["scaled"], rounds[-1].losses, atol=1e-2
    )  # temperatures of the stage are bounded
    return reached, losses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "combination")
    parser.add_argument("--part", choices=SETS, default="choose")
    arguments = parser.parse_args()
    columns = ["combined", "round 2", "round 3", "log loss", "scaled", "macro-F1"]
    print("| set | teacher | gold | " + " | ".join(columns) + " |\n" + "|---" * (3 + len(columns)) + "|")
    lines: dict[int, list[Floats]] = {size: [] for size in BUDGETS}
    by_set: dict[str, list[float]] = {}
    for name in SETS[arguments.part]:
        task = read_task(name, arguments.data, arguments.cache)
        splits = [read_split(task, number, arguments.cache) for number in range(SPLITS)]
        for teacher in (one for one in TEACHERS if one in splits[0].teachers):
            for size in BUDGETS:
                found = []
                for number, split in enumerate(splits):
                    reached, losses = rounds_of(Known(task, split, split.teachers[teacher]), size, number)
                    taken = [reached[last_accepted(of_rule, ROUNDS) - 1] for of_rule in losses.values()]
                    found.append([*reached, *taken])
                line = np.mean(found, axis=0)
                lines[size].append(line)
                if size:
                    by_set.setdefault(name, []).append(line[SCALED] - line[0])
                told = " | ".join(f"{value:.3f}" for value in line)
                print(f"| {name} | {teacher} | {size} | {told} |", flush=True)
    for size, of_size in lines.items():
        gains = np.array(of_size)[:, 1:] - np.array(of_size)[:, :1]
        told = " | ".join(
            f"{mean:+.3f} ({worst:+.3f})"
            for mean, worst in zip(gains.mean(axis=0), gains.min(axis=0), strict=True)
        )
        print(f"| all, less combined: mean (worst) | {len(gains)} cells | {size} | | {told} |")
    means = np.array([np.mean(gains) for gains in by_set.values()])
    half = student_t.ppf(0.975, len(means) - 1) * means.std(ddof=1) / np.sqrt(len(means))
    each = ", ".join(f"{name} {mean:+.4f}" for name, mean in zip(by_set, means, strict=True))
    print(
        f"scaled − combined, with gold: {means.mean():+.4f} [{means.mean() - half:+.4f}, {means.mean() + half:+.4f}]; {each}"
    )


if __name__ == "__main__":
    main()
