"""Which row is in which part, and why the others are in none (docs/data.md)."""

from array import array
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from w2s_api.spec.job import Spec
from w2s_trainer.errors import BadData
from w2s_trainer.families.task_family import NO_GOLD, TaskFamily
from w2s_trainer.stages.columns import Strings
from w2s_trainer.stages.prepare.columns import Ids, joint_codes
from w2s_trainer.stages.prepare.corpus import Corpus, Rows
from w2s_trainer.stages.prepare.families import families
from w2s_trainer.stages.prepare.split import Gold, check_every_class_in, divide
from w2s_trainer.stages.prepare.usable import Quarantined


@dataclass(frozen=True)
class Part:
    """The rows of a part, in the order of the files (n of them)."""

    id: Strings
    text: NDArray[np.int64]
    """int64[n], indices into the texts."""
    family: NDArray[np.int64]
    label: NDArray[np.int64]
    """int64[n], numbers of the labels (`TaskFamily.number`); NO_GOLD where a row of the pool has no gold."""

    def __len__(self) -> int:
        return len(self.id)

    def first(self, count: int) -> "Part":
        """Its first rows."""
        return Part(self.id[:count], self.text[:count], self.family[:count], self.label[:count])


@dataclass(frozen=True)
class Parts:
    """The outcome of `prepare`."""

    pool: Part
    budget: Part
    test: Part
    exact_duplicates: int
    """Rows whose text is in the job already."""
    test_families: int
    """Rows of pool and budget that share a family with the test."""
    seen_by_teacher: int
    """Gold rows that were kept out of the test, since the teacher was trained on their family."""
    pool_labels_ignored: int
    """Labels of unlabelled rows that are not classes, or contradict one another."""
    listed_pool: Part
    """The pool, and in their places the texts that `w2s ask` chose from it, which are the last rows of the budget."""
    asked: NDArray[np.bool_]
    """bool[len(listed_pool)]: which are those."""

    def ids(self) -> pa.Array:
        """The ids of all texts, in the order of `examples.parquet`."""
        return pa.concat_arrays([part.id.arrow() for part in (self.listed_pool, self.drawn, self.test)])

    @property
    def drawn(self) -> Part:
        """The rows of the budget that a seed draws from: those that nobody was asked about."""
        return self.budget.first(len(self.budget) - int(self.asked.sum()))


def divide_corpus(
    corpus: Corpus, components: NDArray[np.int64], spec: Spec, task_family: TaskFamily
) -> Parts:
    """Divides all rows into pool, budget and test.

    Args:
        corpus: what was read. Rows with contradicting labels are added to its quarantine.
        components: int64[number of texts], the near-duplicate component of each text.
        spec: the spec.
        task_family: of its task.

    Raises:
        BadData: a label is not a class; a class is not in gold, test or budget; no row is left for the pool.
    """
    every = (corpus.gold, corpus.test, corpus.unlabeled, corpus.seen)
    texts = np.concatenate([np.array(rows.text, dtype=np.int64) for rows in every])
    family = families(components[texts], joint_codes([rows.group for rows in every]))
    ends = np.cumsum([len(rows) for rows in every])[:-1]
    gold_family, test_family, pool_family, seen_family = np.split(family, ends)
    seen = np.unique(seen_family)

    gold = _unique_gold(corpus.gold, gold_family, task_family, corpus.quarantine)
    task_family.check_gold(gold.label, corpus.gold.uri)
    duplicates = gold.duplicates
    if spec.data.test is None:
        in_test = divide(
            Gold(
                gold.part.family,
                task_family.strata_of(gold.label),
                [corpus.texts.digest(text) for text in gold.part.text.tolist()],
            ),
            task_family.strata,
            float(spec.data.test_fraction),
            spec.data.split_seed,
            barred=frozenset(seen.tolist()),
        )
        test, budget = _take(gold.part, in_test), _take(gold.part, ~in_test)
        seen_by_teacher = int(np.isin(gold.part.family, seen).sum())
        leaked = 0
    else:
        gold_test = _unique_gold(corpus.test, test_family, task_family, corpus.quarantine)
        duplicates += gold_test.duplicates
        known = np.isin(gold_test.part.family, seen)
        test, seen_by_teacher = _take(gold_test.part, ~known), int(known.sum())
        overlapping = np.isin(gold.part.family, test.family)
        budget, leaked = _take(gold.part, ~overlapping), int(overlapping.sum())
        _check_given_parts(test, budget, task_family, seen_by_teacher, leaked)

    in_test_family = np.isin(pool_family, test.family)
    asked, again = _asked(corpus, pool_family, test.family, task_family)
    duplicates += again
    listed, copies, ignored = _pool(corpus.unlabeled, pool_family, in_test_family, budget, task_family)
    is_asked = np.isin(listed.text, asked.text)
    pool = _take(listed, ~is_asked)
    budget = _joined(budget, _labelled(_take(listed, is_asked), asked))
    if not len(pool):
        raise BadData(
            "EmptyPool",
            f"Of {len(corpus.unlabeled):,} unlabelled rows none is left: {int(in_test_family.sum()):,} are of"
            f" families of the test, {copies:,} are copies of other rows.",
            "Give unlabelled texts of other groups than the gold ones.",
        )
    return Parts(
        pool=pool,
        budget=budget,
        test=test,
        exact_duplicates=duplicates + copies,
        test_families=leaked + int(in_test_family.sum()),
        seen_by_teacher=seen_by_teacher,
        pool_labels_ignored=ignored + corpus.labels_ignored,
        listed_pool=listed,
        asked=is_asked,
    )


@dataclass(frozen=True)
class _UniqueGold:
    part: Part
    duplicates: int

    @property
    def label(self) -> NDArray[np.int64]:
        return self.part.label


def _unique_gold(
    rows: Rows, family: NDArray[np.int64], task_family: TaskFamily, quarantine: list[Quarantined]
) -> _UniqueGold:
    """The first row of each text; none of a text with contradicting labels."""
    names = [label for label in rows.label if label is not None]
    labels = task_family.numbers(names, rows.place, rows.uri)
    of_text: defaultdict[int, list[int]] = defaultdict(list)
    for row, text in enumerate(rows.text):
        of_text[text].append(row)
    kept, duplicates = [], 0
    for same in of_text.values():
        if len({int(labels[row]) for row in same}) == 1:
            kept.append(same[0])
            duplicates += len(same) - 1
        else:
            quarantine += [
                Quarantined(
                    *rows.place[row], "contradicting labels: the same text has another label elsewhere"
                )
                for row in same
            ]
    return _UniqueGold(_part(rows, np.array(sorted(kept), dtype=np.int64), family, labels), duplicates)


def _asked(
    corpus: Corpus, pool_family: NDArray[np.int64], test_family: NDArray[np.int64], task_family: TaskFamily
) -> tuple[Part, int]:
    """The answers to `w2s ask` as rows of the pool, and how many of them say what gold or another answer says.

    Those of families of the test are left out, as they are from the pool: that of gold may have changed since.
    """
    answers, pool = corpus.asked, corpus.unlabeled
    rows = np.array(answers.row, dtype=np.int64)
    of_pool = Rows(
        answers.uri,
        array("q", (pool.text[row] for row in answers.row)),
        answers.label,
        place=answers.place,
        id=_ids(pool.id.strings().take(rows)),
    )
    unique = _unique_gold(of_pool, pool_family[rows], task_family, corpus.quarantine)
    elsewhere = np.isin(unique.part.text, [*corpus.gold.text, *corpus.test.text])
    kept = ~elsewhere & ~np.isin(unique.part.family, test_family)
    return _take(unique.part, kept), unique.duplicates + int(elsewhere.sum()) + answers.known


def _ids(names: Strings) -> Ids:
    ids = Ids()
    for name in names:
        ids.append(name)
    return ids


def _labelled(part: Part, answers: Part) -> Part:
    """A part with the labels that answers have for the same texts."""
    order = np.argsort(answers.text)
    found = order[np.searchsorted(answers.text, part.text, sorter=order)]
    return Part(part.id, part.text, part.family, answers.label[found])


def _joined(first: Part, second: Part) -> Part:
    return Part(
        Strings.of(pa.chunked_array([first.id.arrow(), second.id.arrow()], pa.string())),
        np.concatenate([first.text, second.text]),
        np.concatenate([first.family, second.family]),
        np.concatenate([first.label, second.label]),
    )


def _pool(
    rows: Rows,
    family: NDArray[np.int64],
    in_test_family: NDArray[np.bool_],
    budget: Part,
    task_family: TaskFamily,
) -> tuple[Part, int, int]:
    """The pool, how many copies were left out, and how many labels were ignored."""
    taken = set(budget.text.tolist())
    labels = np.full(len(rows), NO_GOLD, dtype=np.int64)
    first_of = array("q", [-1]) * (max(rows.text, default=-1) + 1)
    contradicted: set[int] = set()
    copies = ignored = 0
    for row, text in enumerate(rows.text):
        if in_test_family[row]:
            continue
        if text in taken:
            copies += 1
            continue
        label = rows.label[row]
        number = NO_GOLD if label is None else task_family.number(label)
        ignored += label is not None and number == NO_GOLD
        if first_of[text] < 0:
            first_of[text] = row
        first = first_of[text]
        copies += first != row
        if labels[first] == NO_GOLD and text not in contradicted:
            labels[first] = number
        elif number not in (NO_GOLD, labels[first]):
            ignored += 1 + (text not in contradicted)
            contradicted.add(text)
            labels[first] = NO_GOLD
    kept = np.sort(np.array(first_of, dtype=np.int64))
    return _part(rows, kept[kept >= 0], family, labels), copies, ignored


def _part(rows: Rows, kept: NDArray[np.int64], family: NDArray[np.int64], labels: NDArray[np.int64]) -> Part:
    text = np.array(rows.text, dtype=np.int64)
    return Part(rows.id.strings().take(kept), text[kept], family[kept], labels[kept])


def _take(part: Part, chosen: NDArray[np.bool_]) -> Part:
    rows = np.flatnonzero(chosen)
    return Part(part.id.take(rows), part.text[rows], part.family[rows], part.label[rows])


def _check_given_parts(
    test: Part, budget: Part, task_family: TaskFamily, seen_by_teacher: int, leaked: int
) -> None:
    check_every_class_in(
        "test",
        task_family.strata_of(test.label),
        task_family.strata,
        f" ({seen_by_teacher:,} rows were left out, because the teacher was trained on their families)"
        if seen_by_teacher
        else "",
        "Add examples of it to `data.test`, or leave `data.test` out to have gold divided.",
    )
    check_every_class_in(
        "budget",
        task_family.strata_of(budget.label),
        task_family.strata,
        f" ({leaked:,} rows of gold were left out, because they are of families of the test)"
        if leaked
        else "",
        "Add examples of it from other groups to `data.gold`.",
    )
