"""Are labels of the texts that `w2s ask` chooses worth more than as many random ones?

`python tests/science/asking.py --data ../shared/data --cache /tmp/combination --part confirm` prints the tables of
docs/results/2026-11-29-asking.md, one a `--part`. Sets, splits, teachers and students are those of combination.py, and so
is the cache of features (minutes a set on one core where it is not there).

Fixed before the first run:

* **Sets.** Choosing: acord_category, banking77, cuad_clauses, medical_abstracts_test. Confirming: banking77-2,
  cuad_clauses-2, mr_sentence_polarity, sms_spam, subjectivity, youtube_spam_weak. No text is in both halves.
* **Labels.** 16 random ones of the budget (the first of each class in front); then 16 more texts of the pool, and 32 more
  after these: 32 and 64 labels. *Asked* are those that the rule chooses, each time by the combination as it then is;
  *random* are drawn from the same pool. The student on weak labels stays as it is.
* **Teacher.** votes of youtube_spam_weak, else lr of combination.py. One combination a split, so that seeds do not disagree.
* **Choice**, on four splits of the choosing sets: the score (entropy of the combination; the same + its divergence from
  the teacher), the candidates (1, 3 or 10 times those wanted; k-centre among them), and whether the combination's weights
  and prior are fitted on all labels or on the random ones alone. Taken is what has the largest mean over sets and both
  rounds of asked − random in macro-F1 of the combination; of rules within .002 of it the first in the order just given,
  and weights on the random ones alone, which are a sample, unless all are better by more than .002.
* **Confirmed**, on eight splits of the confirming sets, once: asked labels beat random ones on at least half of the sets,
  by the mean over splits and both rounds. The bounds (95 %, Student's t over splits) are of the division and the draw.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from combination import CANDIDATES, macro_f1, sources_of, start_of
from combination_sources import L2, OTHER_L2, Budget, Split, Teacher, divided, teachers_of
from combination_tasks import Task, read_task
from numpy.typing import NDArray
from scipy.stats import t as student_t

from w2s_trainer.asking.choice import choose, disagreement, uncertainty
from w2s_trainer.models.head import fit as fit_head
from w2s_trainer.stages.combine.log_odds import from_logits
from w2s_trainer.stages.combine.stacking import Shrinkage, combine, fit
from w2s_trainer.stages.combine.students import gold_student

CHOOSING = ("acord_category", "banking77", "cuad_clauses", "medical_abstracts_test")
CONFIRMING = (
    "banking77-2", "cuad_clauses-2", "mr_sentence_polarity", "sms_spam", "subjectivity", "youtube_spam_weak",
)  # fmt: skip
SPLITS = {"choose": 4, "confirm": 8}
BEGIN, ROUNDS = 16, (16, 32)
SETTING = CANDIDATES["with zero-shot"]
NEAR = 0.002

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Rule:
    """How texts are chosen."""

    divergence: bool
    candidates: int

    @property
    def name(self) -> str:
        return f"{'entropy + divergence' if self.divergence else 'entropy'}, {self.candidates} n"


RULES = tuple(Rule(divergence, candidates) for divergence in (False, True) for candidates in (1, 3, 10))
CHOSEN = Rule(divergence=True, candidates=3)
"""By the table of `--part choose`, with the weights on all labels."""


@dataclass(frozen=True)
class Place:
    """One split of a set, with its teacher and its student."""

    task: Task
    split: Split
    teacher: Teacher
    begin: Rows
    rng_key: tuple[int, int]


def place_of(task: Task, number: int) -> Place:
    x = task.features
    test, taught, order, pool = divided(task, number)
    teachers = teachers_of(task, taught, pool)
    p, abstain = teachers["votes" if "votes" in teachers else "lr"]
    mean = x[pool].mean(axis=0, dtype=np.float64)
    covered = pool[~abstain[pool]]
    head = fit_head(x[covered], p[covered], np.ones(len(covered)), L2.get(task.name, OTHER_L2), mean)
    none = np.empty(0)
    split = Split(test, pool, mean, none.astype(np.int64), none, {}, {})
    return Place(task, split, Teacher(p, abstain, head.logits(x)), order[:BEGIN], (20261129, number))


def answers(place: Place, rows: Rows, drawn: int) -> NDArray[np.float64]:
    """What the combination with labels of some rows says of all texts; weights and prior from the first `drawn`."""
    task, split = place.task, place.split
    x, y, k = task.features, task.y, len(task.classes)
    student = gold_student(
        x[rows], y[rows], task.family[rows], classes=k, mean=split.mean, seed=place.rng_key[1]
    )
    assert student is not None
    of_sample = rows[:drawn]
    budget = Budget(of_sample, np.empty(0), {"1": student.head.logits(x)}, {})
    sources = sources_of(task, split, place.teacher, budget, SETTING)
    asked = {name: source.at(of_sample) for name, source in sources.items()}
    asked["gold"] = from_logits(student.held_out.log_odds[:drawn])
    start = start_of(task, split, sources, budget, SETTING)
    return combine(sources, fit(asked, y[of_sample], start, Shrinkage(SETTING.scale, SETTING.bias)))


def score(place: Place, said: NDArray[np.float64]) -> float:
    test = place.split.test
    return macro_f1(place.task.y[test], said[test].argmax(axis=1), len(place.task.classes))


def chosen(place: Place, rule: Rule, said: NDArray[np.float64], rows: Rows, count: int) -> Rows:
    task, teacher = place.task, place.teacher
    pool = np.setdiff1d(place.split.pool, rows)
    p = said[pool][None]
    value = uncertainty(p)
    if rule.divergence:
        value = value + disagreement(teacher.probabilities[pool], teacher.abstain[pool], p)
    ids = [f"{task.name}:{row}" for row in pool]
    x = task.features
    return pool[choose(value, x[pool], task.family[pool], ids, count, x[rows], rule.candidates)]


def asked_scores(place: Place, rule: Rule, path: str = "sample") -> dict[str, list[float]]:
    """Macro-F1 after each round, by what the weights are fitted on; the texts are chosen with the weights of `path`."""
    rows, by_weights = place.begin, dict[str, list[float]](sample=[], all=[])
    said = answers(place, rows, BEGIN)
    for count in ROUNDS:
        rows = np.concatenate([rows, chosen(place, rule, said, rows, count)])
        found = {"sample": answers(place, rows, BEGIN), "all": answers(place, rows, len(rows))}
        said = found[path]
        for weights, one in found.items():
            by_weights[weights].append(score(place, one))
    return by_weights


def random_scores(place: Place) -> list[float]:
    """Macro-F1 at the beginning and after each round; random labels are a sample, so all fit the weights."""
    more = np.random.default_rng([*place.rng_key, 1]).permutation(place.split.pool)[: sum(ROUNDS)]
    rows = np.concatenate([place.begin, more])
    sizes = BEGIN + np.cumsum([0, *ROUNDS])
    return [score(place, answers(place, rows[:size], size)) for size in sizes]


def places(name: str, splits: int, data: Path, cache: Path) -> Iterator[Place]:
    task = read_task(name, data, cache)
    for number in range(splits):
        yield place_of(task, number)


def interval(d: NDArray[np.float64]) -> str:
    half = student_t.ppf(0.975, len(d) - 1) * d.std(ddof=1) / np.sqrt(len(d))
    return f"{d.mean():+.3f} [{d.mean() - half:+.3f}, {d.mean() + half:+.3f}]"


def choice(data: Path, cache: Path) -> None:
    by_set: dict[tuple[Rule, str], list[float]] = {}
    for name in CHOOSING:
        here: dict[tuple[Rule, str], list[float]] = {}
        for place in places(name, SPLITS["choose"], data, cache):
            random = random_scores(place)[1:]
            for rule in RULES:
                for weights, scores in asked_scores(place, rule).items():
                    here.setdefault((rule, weights), []).append(float(np.mean(np.subtract(scores, random))))
        for key, d in here.items():
            by_set.setdefault(key, []).append(float(np.mean(d)))
    print("| score, candidates | weights on | " + " | ".join(CHOOSING) + " | mean |")
    print("|---" * (3 + len(CHOOSING)) + "|")
    for (rule, weights), means in by_set.items():
        row = " | ".join(f"{d:+.4f}" for d in means)
        print(f"| {rule.name} | {weights} | {row} | {np.mean(means):+.4f} |")


def confirm(data: Path, cache: Path, weights: str) -> None:
    sizes = " | ".join(f"random, {n} | asked, {n} | difference" for n in BEGIN + np.cumsum(ROUNDS))
    print(f"| set | {BEGIN} labels | {sizes} | both |")
    print("|---" * (3 + 3 * len(ROUNDS)) + "|", flush=True)
    won = []
    for name in CONFIRMING:
        random, asked = [], []
        for place in places(name, SPLITS["confirm"], data, cache):
            random.append(random_scores(place))
            asked.append(asked_scores(place, CHOSEN, weights)[weights])
        r, a = np.array(random), np.array(asked)
        d = a - r[:, 1:]
        row = [f"{r[:, 0].mean():.3f}"]
        for n in range(len(ROUNDS)):
            row.append(f"{r[:, n + 1].mean():.3f} | {a[:, n].mean():.3f} | {interval(d[:, n])}")
        print(f"| {name} | " + " | ".join(row) + f" | {interval(d.mean(axis=1))} |", flush=True)
        won.append(d.mean() > 0)
    print(f"\nAsked labels beat random ones on {sum(won)} of {len(won)} sets.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "combination")
    parser.add_argument("--part", choices=("choose", "confirm"), default="confirm")
    parser.add_argument("--weights", choices=("sample", "all"), default="all")
    arguments = parser.parse_args()
    began = time.process_time()
    if arguments.part == "choose":
        choice(arguments.data, arguments.cache)
    else:
        confirm(arguments.data, arguments.cache, arguments.weights)
    print(f"{time.process_time() - began:.0f} s of processor time")


if __name__ == "__main__":
    main()
