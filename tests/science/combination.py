"""Does the combination lose nothing? Teacher, student and gold labels, added in log-odds, on real labelled sets.

`python tests/science/combination.py --data ../shared/data --cache /tmp/combination` prints the tables of
docs/design/2026-11-29-combination.md, one a `--part`. The first run reads the texts and fits the heads (half an hour on
one core); the cache keeps both.

Fixed before the first run:

* **Sets.** Choosing (alphabetically the first half): acord_category, acord_indemnity, banking77, boolq_dev,
  cuad_clauses, medical_abstracts_test. Confirming: mr_sentence_polarity, restricted (the demo's texts), sms_spam,
  subjectivity, youtube_spam_weak. At most 1,600 texts and 10 classes of each, natural prevalence. Left out:
  scancode_licence_category, whose texts are the demo's, and lexglue_ledgar_1k, with 97 classes on 1,000 texts.
* **Splits.** Eight of each set, by whole families (the group that came with the row, else equal words):
  40 % test, 6 % for a teacher that is trained elsewhere, 20 % budget, the rest pool. Budgets of 0, 16, 64 and 256
  labels, nested, the first of each class in front.
* **Teachers.** nb: TF-IDF naive Bayes on 64 labels of its own. nb-half: the same, silent on the texts that it
  is less sure of than on half of the pool. votes: those that came with youtube_spam_weak. rules: those of the demo.
* **Students.** Heads on frozen MiniLM (96 tokens, the demo's 128), l2 .3 (the demo's 2).
* **Choice**, on the choosing sets alone, coordinate by coordinate: the form (see below); (λ of the weights, λ of the
  bias); the floor of the teacher's probabilities; the weight of the row at the centre (budgets of 16 and 64). The score
  of a setting is the mean over cells (set × teacher × budget) of d + min(d, 0), d = combined − the best of weak, strong,
  gold-only and zero-shot by their means over the splits: losses count twice. Of λ within .001 of the best, the strongest.
* **Confirmed** is "no regret" where the lower bound of d (95 %, Student's t over the eight splits) is above −.010. The
  splits are of the same texts, so the bound is of the division and the draw, not of other texts.

The metric is macro-F1.

Amended after acord_category and acord_indemnity were seen (choosing sets, whose nb always answers the commonest class:
added three times, it drowned the rest), before any confirming set: the teacher *lr* (TF-IDF logistic regression, classes
balanced, on the labels of nb), and forms beside the plain sum, judged by the same score. *Relative*: of each source's
log-odds those of its own mean answer on the pool are subtracted, and one prior is added: the shares of the teacher, of
budget and teacher together (the teacher's as 16 labels), of budget, teacher and uniform together (8 labels each), or
uniform. *Zero-shot*: a fourth source, by cosine as the arm, or on features centred as the heads' are. The form is chosen
first, with and without zero-shot. After its first table, in which every form without zero-shot lost to zero-shot, the
forms without it were judged against weak, strong and gold-only (uniform was the best of them either way); and λ 30 and 100
were added when the best of λ .3 to 10 was 10.

Amended again after the confirming sets were seen once, with λ 100 of the weights and 10 of the bias, which the score had
chosen: with zero-shot it lost to 256 gold labels (lower bound below −.010 in 11 of 14 cells). By the goal itself, cells of
the choosing sets with gold whose lower bound is below −.010 (`--part bounds`), λ 30 and 100 miss it
as often (14 of 108; without boolq_dev 3 and 6), 10 and 3 more often (18, 24): 30 was taken. The confirming sets are no clean confirmation of that, so
`--part fresh` was added before it was read: other texts of mr_sentence_polarity, sms_spam and subjectivity, other classes
of banking77 and cuad_clauses, and scancode_licence_category.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache as kept
from pathlib import Path

import numpy as np
from combination_sources import CENTRE_ROWS, SIZES, Budget, Split, Teacher, read_split
from combination_tasks import CHOOSING, CONFIRMING, FRESH, Task, read_task
from numpy.typing import NDArray
from scipy.stats import t as student_t

from w2s_trainer.models.head import centred as centred_rows
from w2s_trainer.models.head import normalise
from w2s_trainer.stages.combine.log_odds import (
    Source,
    from_logits,
    from_probabilities,
    log_shares,
    log_softmax,
    mean_answer,
)
from w2s_trainer.stages.combine.stacking import PRIOR_LABELS, Shrinkage, Weights, combine, fit, unfitted
from w2s_trainer.stages.train.zero_shot import SHARPNESS

SPLITS = 8
REGRET = 0.010
RIVALS = {
    True: ("weak", "strong", "zero-shot", "gold-only"),
    False: ("weak", "strong", "gold-only"),
}
"""Whom a combination must not lose against, by whether it hears zero-shot."""


@dataclass(frozen=True)
class Setting:
    """The defaults are those that the choice began with."""

    scale: float = 3.0
    bias: float = 3.0
    floor: float = 1e-3
    centre_row: str = "1"
    per_label: bool = False
    """The penalty is multiplied by the number of labels."""
    relative: str = ""
    """Whose prior is added once: `teacher`, `budget`, `mixed`, `uniform`; empty: the plain sum."""
    zero_shot: str = ""
    """A source too: `cosine`, as the arm is, or `centred`, of the features that the heads read; empty: it is none."""


CHOSEN = Setting(scale=30.0, bias=10.0, floor=0.01)
CANDIDATES = {
    "plain": Setting(),
    "combined": replace(CHOSEN, relative="uniform"),
    "with zero-shot": replace(CHOSEN, relative="budget", zero_shot="centred"),
}
"""What is confirmed: the sum that the issue began with, and what was chosen without and with zero-shot."""


@dataclass(frozen=True)
class Cell:
    """A set, a teacher and a budget, by split."""

    task: Task
    teacher: str
    size: int
    splits: tuple[Split, ...]

    @property
    def name(self) -> str:
        return f"{self.task.name} | {self.teacher} | {self.size}"


def macro_f1(y: NDArray[np.int64], said: NDArray[np.int64], k: int) -> float:
    counts = np.zeros((k, k))
    np.add.at(counts, (y, said), 1)
    return float((2 * np.diag(counts) / np.maximum(counts.sum(0) + counts.sum(1), 1)).mean())


def sources_of(
    task: Task, split: Split, teacher: Teacher, budget: Budget | None, setting: Setting
) -> dict[str, Source]:
    """What each says of all texts."""
    sources = {
        "teacher": from_probabilities(teacher.probabilities, teacher.abstain, setting.floor),
        "strong": from_logits(teacher.strong),
    }
    if setting.zero_shot == "cosine":
        similar = normalise(task.features) @ normalise(task.descriptions).T
        sources["zero-shot"] = from_logits(SHARPNESS * similar.astype(np.float64))
    if setting.zero_shot == "centred":
        similar = centred_rows(task.features, split.mean) @ centred_rows(task.descriptions, split.mean).T
        sources["zero-shot"] = from_logits(SHARPNESS * similar)
    if budget is not None:
        sources["gold"] = from_logits(budget.gold[setting.centre_row])
    return sources


def start_of(
    task: Task, split: Split, sources: dict[str, Source], budget: Budget | None, setting: Setting
) -> Weights:
    """Weights before anything is fitted."""
    k = len(task.classes)
    if not setting.relative:
        return unfitted(dict.fromkeys(sources, np.zeros(k)), np.zeros(k))
    means = {name: mean_answer(source.at(split.pool)) for name, source in sources.items()}
    known = np.exp(log_softmax(means["teacher"]))
    if setting.relative == "uniform":
        return unfitted(means, np.zeros(k))
    if setting.relative == "mixed":
        known = (known + 1 / k) / 2
    if setting.relative != "teacher" and budget is not None:
        known = PRIOR_LABELS * known + np.bincount(task.y[budget.rows], minlength=k)
    return unfitted(means, log_shares(known / known.sum()))


def weights_of(
    task: Task, split: Split, sources: dict[str, Source], budget: Budget | None, setting: Setting
) -> Weights:
    start = start_of(task, split, sources, budget, setting)
    if budget is None:
        return start
    asked = {name: source.at(budget.rows) for name, source in sources.items()}
    asked["gold"] = from_logits(budget.held_out[setting.centre_row])
    times = len(budget.rows) if setting.per_label else 1
    return fit(asked, task.y[budget.rows], start, Shrinkage(setting.scale * times, setting.bias * times))


def combined(task: Task, split: Split, teacher: Teacher, size: int, setting: Setting) -> NDArray[np.float64]:
    """Class probabilities of all texts."""
    budget = split.budgets[size] if size else None
    sources = sources_of(task, split, teacher, budget, setting)
    return combine(sources, weights_of(task, split, sources, budget, setting))


def parts_of(task: Task, split: Split, name: str, size: int) -> dict[str, NDArray[np.int64]]:
    """Decisions on all texts of the arms that the combination is made of or compared with."""
    teacher = split.teachers[name]
    voted = split.pool[~teacher.abstain[split.pool]]
    commonest = teacher.probabilities[voted].sum(axis=0).argmax()
    strong = teacher.strong.argmax(axis=1)
    vote = teacher.probabilities.argmax(axis=1)
    arms = {
        "weak": np.where(teacher.abstain, commonest, vote),
        "strong": strong,
        "zero-shot": split.zero_shot,
        "cascade": np.where(teacher.abstain, strong, vote),
        "ceiling": split.ceiling.argmax(axis=1),
    }
    if size:
        arms["gold-only"] = split.budgets[size].gold_only.argmax(axis=1)
    return arms


@kept
def part_scores(name: str, teacher: str, size: int) -> dict[str, NDArray[np.float64]]:
    cell = CELLS[name, teacher, size]
    by_split = []
    for split in cell.splits:
        arms = parts_of(cell.task, split, teacher, size)
        y, k = cell.task.y[split.test], len(cell.task.classes)
        by_split.append({arm: macro_f1(y, said[split.test], k) for arm, said in arms.items()})
    return {arm: np.array([one[arm] for one in by_split]) for arm in by_split[0]}


def combined_scores(cell: Cell, setting: Setting) -> NDArray[np.float64]:
    found = []
    for split in cell.splits:
        p = combined(cell.task, split, split.teachers[cell.teacher], cell.size, setting)[split.test]
        found.append(macro_f1(cell.task.y[split.test], p.argmax(axis=1), len(cell.task.classes)))
    return np.array(found)


def best_part(cell: Cell, names: tuple[str, ...]) -> tuple[str, NDArray[np.float64]]:
    parts = part_scores(cell.task.name, cell.teacher, cell.size)
    best = max((name for name in names if name in parts), key=lambda name: parts[name].mean())
    return best, parts[best]


def lower_bound(d: NDArray[np.float64]) -> float:
    return float(d.mean() - student_t.ppf(0.975, len(d) - 1) * d.std(ddof=1) / np.sqrt(len(d)))


CELLS: dict[tuple[str, str, int], Cell] = {}


def cells(names: tuple[str, ...], sizes: tuple[int, ...] = (0, *SIZES)) -> Iterator[Cell]:
    for (name, _, size), cell in CELLS.items():
        if name in names and size in sizes:
            yield cell


def score(setting: Setting, sizes: tuple[int, ...] = (0, *SIZES)) -> tuple[float, int, float]:
    """What a setting is chosen by, on the choosing sets; cells that lose more than a point; the worst."""
    d = np.array(
        [
            combined_scores(cell, setting).mean() - best_part(cell, RIVALS[bool(setting.zero_shot)])[1].mean()
            for cell in cells(CHOOSING, sizes)
        ]
    )
    return float((d + np.minimum(d, 0)).mean()), int((d < -REGRET).sum()), float(d.min())


def begin_choice() -> None:
    print("| form | λ weights | λ bias | per label | floor | centre row | score | cells lost | worst |")
    print("|---" * 9 + "|", flush=True)


def judge(one: Setting, sizes: tuple[int, ...] = (0, *SIZES)) -> float:
    """Prints the line of a setting."""
    value, lost, worst = score(one, sizes)
    form = (one.relative or "plain") + (f", zero-shot {one.zero_shot}" if one.zero_shot else "")
    print(
        f"| {form} | {one.scale:g} | {one.bias:g} | {'yes' if one.per_label else ''} | {one.floor:g}"
        f" | {one.centre_row} | {value:+.4f} | {lost} | {worst:+.3f} |",
        flush=True,
    )
    return value


def strongest(scores: dict[Setting, float]) -> Setting:
    near = [one for one, value in scores.items() if value >= max(scores.values()) - 0.001]
    return max(near, key=lambda one: (one.scale * one.bias, one.scale))


def choose_form(setting: Setting) -> None:
    begin_choice()
    for zero_shot in ("", "cosine", "centred"):
        for relative in ("", "teacher", "budget", "mixed", "uniform"):
            judge(replace(setting, relative=relative, zero_shot=zero_shot))


def choose_numbers(setting: Setting) -> None:
    begin_choice()
    scores = {}
    for scale in (0.3, 1.0, 3.0, 10.0, 30.0, 100.0):
        for bias in (1.0, 3.0, 10.0, 30.0, 1e9):
            one = replace(setting, scale=scale, bias=bias)
            scores[one] = judge(one, SIZES)
    setting = strongest(scores)
    print(f"chosen: {setting}", flush=True)
    judge(replace(setting, scale=0.2, bias=0.2, per_label=True), SIZES)
    floors = {}
    for floor in (1e-1, 3e-2, 1e-2, 1e-3, 1e-6):
        one = replace(setting, floor=floor)
        floors[one] = judge(one)
    setting = max(floors, key=floors.__getitem__)
    print(f"chosen: {setting}", flush=True)
    for weight in CENTRE_ROWS:
        judge(replace(setting, centre_row=weight), (16, 64))


def count_bounds() -> None:
    """By λ of the weights, how often the goal is missed on the choosing sets where there is gold."""
    print("| candidate | λ weights | d < −.010 | lower bound < −.010 | the same without boolq_dev |")
    print("|---" * 5 + "|", flush=True)
    for name, candidate in list(CANDIDATES.items())[1:]:
        for scale in (3.0, 10.0, 30.0, 100.0):
            found = []
            for cell in cells(CHOOSING, SIZES):
                d = combined_scores(cell, replace(candidate, scale=scale))
                d = d - best_part(cell, RIVALS[bool(candidate.zero_shot)])[1]
                found.append((cell.task.name != "boolq_dev", d.mean() < -REGRET, lower_bound(d) < -REGRET))
            told, lost, low = np.array(found).T
            print(
                f"| {name} | {scale:g} | {lost.sum()} | {low.sum()} | {lost[told].sum()}, {low[told].sum()} |",
                flush=True,
            )


def table(candidates: dict[str, Setting], names: tuple[str, ...]) -> None:
    """Arms and candidates; of each candidate d against the best of all four rivals, and its lower bound."""
    arms = ("weak", "strong", "zero-shot", "gold-only", "cascade", "ceiling")
    print("| set | teacher | gold | " + " | ".join(arms), end=" | best part | ")
    print(" | ".join(f"{name} | d | lower bound | splits lost" for name in candidates) + " |")
    print("|---" * (len(arms) + 4 + 4 * len(candidates)) + "|", flush=True)
    found: dict[tuple[str, str], list[tuple[int, float, float]]] = {}
    for cell in cells(names):
        parts = part_scores(cell.task.name, cell.teacher, cell.size)
        row = [f"{parts[arm].mean():.3f}" if arm in parts else "–" for arm in arms]
        row.append(best_part(cell, RIVALS[True])[0])
        for name, setting in candidates.items():
            scores = combined_scores(cell, setting)
            for who, rivals in (("all four", RIVALS[True]), ("weak, strong, gold-only", RIVALS[False])):
                d = scores - best_part(cell, rivals)[1]
                found.setdefault((name, who), []).append((cell.size, d.mean(), lower_bound(d)))
                if who == "all four":
                    bound = f"{lower_bound(d):+.3f} | {(d < 0).sum()}"
                    row.append(f"{scores.mean():.3f} | {d.mean():+.3f} | {bound}")
        print(f"| {cell.name} | " + " | ".join(row) + " |", flush=True)
    print(
        "\n| candidate | against the best of | gold | cells | mean d | median | worst | d < −.010 |", end=""
    )
    print(" lower bound < −.010 | lower bound > 0 |\n" + "|---" * 10 + "|")
    for (name, who), lines in found.items():
        for size in (0, *SIZES):
            d, low = np.array([(d, low) for s, d, low in lines if s == size]).T
            print(
                f"| {name} | {who} | {size} | {len(d)} | {d.mean():+.3f} | {np.median(d):+.3f} | {d.min():+.3f}"
                f" | {(d < -REGRET).sum()} | {(low < -REGRET).sum()} | {(low > 0).sum()} |",
                flush=True,
            )


def lying() -> None:
    """A teacher, and its student, that name the next class in place of theirs: what do weights near 1 cost then?"""
    print(
        "| set | gold | gold-only | zero-shot | "
        + " | ".join(f"{n}, λ 3 | λ 10 | λ 30" for n in list(CANDIDATES)[1:]),
        end=" |\n",
    )
    print("|---" * (4 + 3 * (len(CANDIDATES) - 1)) + "|", flush=True)
    for cell in cells(tuple({name for name, _, _ in CELLS}), SIZES):
        if cell.teacher != "lr":
            continue
        parts = part_scores(cell.task.name, cell.teacher, cell.size)
        row = [f"{parts['gold-only'].mean():.3f}", f"{parts['zero-shot'].mean():.3f}"]
        splits = []
        for split in cell.splits:
            told = split.teachers["lr"]
            liar = Teacher(
                np.roll(told.probabilities, 1, axis=1), told.abstain, np.roll(told.strong, 1, axis=1)
            )
            splits.append(replace(split, teachers={"lr": liar}))
        for candidate in list(CANDIDATES.values())[1:]:
            for scale in (3.0, 10.0, 30.0):
                lied_to = replace(cell, splits=tuple(splits))
                row.append(f"{combined_scores(lied_to, replace(candidate, scale=scale)).mean():.3f}")
        print(f"| {cell.task.name} | {cell.size} | " + " | ".join(row) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "combination")
    parser.add_argument(
        "--part",
        choices=(
            "form",
            "numbers",
            "chosen",
            "confirm",
            "fresh",
            "lying",
            "bounds",
            "teachers",
            "teachers-confirm",
            "teachers-fresh",
        ),
        default="confirm",
    )
    parser.add_argument("--relative", default=Setting.relative, help="of the form; `plain` is none")
    parser.add_argument("--zero-shot", default=Setting.zero_shot, help="of the form")
    parser.add_argument("--forms", nargs="+", help="of the parts on good teachers, after `one`; all")
    arguments = parser.parse_args()
    if arguments.part.startswith("teachers"):
        from combination_reliability import FORMS, teachers  # it reads this module

        forms = ("one", *arguments.forms) if arguments.forms else FORMS
        teachers(arguments.part, arguments.data, arguments.cache, forms)
        return
    setting = Setting(relative=arguments.relative.replace("plain", ""), zero_shot=arguments.zero_shot)
    names = {"confirm": CONFIRMING, "fresh": FRESH}.get(arguments.part, CHOOSING)
    for name in names:
        task = read_task(name, arguments.data, arguments.cache)
        splits = tuple(read_split(task, number, arguments.cache) for number in range(SPLITS))
        for teacher in splits[0].teachers:
            for size in (0, *SIZES):
                CELLS[name, teacher, size] = Cell(task, teacher, size, splits)
    match arguments.part:
        case "form":
            choose_form(setting)
        case "numbers":
            choose_numbers(setting)
        case "bounds":
            count_bounds()
        case "lying":
            lying()
        case _:
            table(CANDIDATES, names)


if __name__ == "__main__":
    main()
