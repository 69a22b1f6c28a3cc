"""Near-duplicates against the definition: the Jaccard similarity of the sets of shingles."""

import random
import time
from itertools import combinations

import numpy as np
import pytest
from prepare_kit import clause

from w2s_trainer.stages.prepare.duplicates import PERMUTATIONS, band_rows, near_duplicates
from w2s_trainer.stages.prepare.families import families
from w2s_trainer.stages.prepare.texts import Texts, normalised

ORIGINAL = (
    "The Supplier shall indemnify and hold harmless the Customer from and against any and all losses, damages,"
    " liabilities, costs and expenses arising out of or in connection with any claim by a third party that the"
    " use of the Services infringes its intellectual property rights, provided that the Customer gives prompt"
    " notice of the claim and allows the Supplier to conduct the defence."
)


def shingles(text: str, words: int) -> set[tuple[str, ...]]:
    cut = "".join(c if c.isalnum() or c == "_" else " " for c in normalised(text)).split()
    return {tuple(cut[at : at + words]) for at in range(max(1, len(cut) - words + 1))}


def partition_by_definition(texts: list[str], similarity: float, words: int) -> set[frozenset[int]]:
    sets = [shingles(text, words) for text in texts]
    parts = {number: {number} for number in range(len(texts))}
    for one, other in combinations(range(len(texts)), 2):
        alike = len(sets[one] & sets[other]) >= similarity * len(sets[one] | sets[other])
        if alike and parts[one] is not parts[other]:
            parts[one] |= parts[other]
            for member in parts[other]:
                parts[member] = parts[one]
    return {frozenset(part) for part in parts.values()}


def partition(texts: list[str], similarity: float = 0.8, words: int = 5) -> set[frozenset[int]]:
    component = near_duplicates(texts, similarity, words)
    return {frozenset(np.flatnonzero(component == name).tolist()) for name in np.unique(component)}


@pytest.mark.parametrize(
    ("copy", "expected"),
    [
        (ORIGINAL.replace("Customer", "CUSTOMER").replace(",", " ;"), True),
        (ORIGINAL.replace("prompt", "immediate"), True),
        (ORIGINAL + " Clause 9 applies.", True),
        (ORIGINAL.replace("Supplier", "Vendor").replace("Customer", "Client"), False),
        (" ".join(sorted(ORIGINAL.split())), False),
    ],
)
def test_copied_clauses(copy: str, expected: bool) -> None:
    assert (len(partition([ORIGINAL, copy])) == 1) is expected


@pytest.mark.parametrize("similarity", [0.3, 0.5, 0.8, 0.95, 1.0])
def test_the_partition_is_that_of_the_definition(similarity: float) -> None:
    chance = random.Random(5)
    texts = []
    for number in range(40):
        for changes in (0, 1, 2, 3, 5):
            words = clause(number, 40).split()
            for _ in range(changes):
                words[chance.randrange(40)] = f"x{chance.randrange(10**6)}"
            texts.append(" ".join(words))
    texts = list(dict.fromkeys(texts))
    assert partition(texts, similarity) == partition_by_definition(texts, similarity, 5)


def test_a_text_shorter_than_a_shingle_is_one_shingle() -> None:
    assert len(partition(["yes", "No.", "not at all", "not, at all", "...", "?"])) == 5


def test_words_of_any_script() -> None:
    chinese = "供应商应赔偿客户因第三方索赔而遭受的一切损失"
    assert (
        len(
            partition(
                [chinese, chinese + "。", "Lieferant haftet für Schäden", "Lieferant haftet für Schaden"]
            )
        )
        == 3
    )


@pytest.mark.parametrize("similarity", [0.05, 0.3, 0.5, 0.7, 0.8, 0.9, 0.99, 1.0])
def test_bands_miss_next_to_nothing(similarity: float) -> None:
    rows = band_rows(similarity)
    assert (1 - similarity**rows) ** (PERMUTATIONS // rows) <= 0.001 or rows == 1


def test_many_short_texts_take_seconds() -> None:
    """20,000 texts, of which 3,000 are edited copies and 3,000 one filled-in form: 3 s were measured."""
    chance = random.Random(0)
    words = [f"w{number}" for number in range(5_000)]
    texts = [" ".join(chance.choices(words, k=60)) for _ in range(14_000)]
    for text in texts[:3_000]:
        cut = text.split()
        cut[chance.randrange(60)] = "changed"
        texts.append(" ".join(cut))
    form = chance.choices(words, k=80)
    texts += [" ".join([*form[:3], f"name{number}", *form[4:]]) for number in range(3_000)]
    began = time.process_time()
    component = near_duplicates(texts, 0.8, 5)
    assert time.process_time() - began < 60
    assert len(np.unique(component[-3_000:])) == 1
    edited = component[:3_000] == component[14_000:17_000]
    assert len(np.unique(component)) == 20_000 - 2_999 - edited.sum()
    assert edited.mean() > 0.99


def test_exact_duplicates_share_an_index_and_the_first_form_is_kept() -> None:
    texts = Texts()
    assert [texts.add(text) for text in ("Ein  Text", "ein\ttext ", "ﬁne", "FINE", "Ein Text.")] == [
        0,
        0,
        1,
        1,
        2,
    ]
    assert list(texts) == ["Ein  Text", "ﬁne", "Ein Text."]


def test_families_join_groups_and_near_duplicates_in_chains() -> None:
    component = np.array([4, 7, 4, 2, 9, 7], dtype=np.int64)
    groups = np.array([1, 0, 0, -1, -1, -1], dtype=np.int64)
    assert families(component, groups).tolist() == [0, 0, 0, 1, 2, 0]
    assert families(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)).tolist() == []
