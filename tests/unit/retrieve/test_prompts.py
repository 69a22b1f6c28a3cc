"""Which passages stand in which prompt. Texts are places on a line of one-hot features, so that what is nearest is known."""

import numpy as np
import pytest

from w2s_api.spec.data import NearDuplicates
from w2s_trainer.stages.retrieve.passages import UNKNOWN, passages_of
from w2s_trainer.stages.retrieve.prompts import as_text, choose, recall

PLACES = np.eye(6)
NAMES = [f"Passage of {name} alone." for name in ("Ada", "Bo", "Cy", "Di", "Eve", "Fay")]


def chosen(rows, oracles, *, test=(), families=None, count=2, share=1.0, ids=None):
    """Of rows, each the weights of what it is like; and the oracle's place of each or None."""
    given = ["" if one is None else NAMES[one] for one in oracles]
    is_test = np.isin(np.arange(len(rows)), list(test))
    passages = passages_of(given, NAMES, is_test, NearDuplicates())
    order = [NAMES.index(text) for text in passages.texts]
    features = np.array([[like.get(place, 0.0) for place in range(6)] for like in rows])
    found = choose(
        passages,
        features,
        PLACES[order],
        np.zeros(6),
        ids=ids or [f"r{n}" for n in range(len(rows))],
        is_test=is_test,
        families=np.arange(len(rows)) if families is None else np.array(families),
        count=count,
        oracle_share=share,
    )
    return [[order[number] for number in some] for some in found.numbers], found.ranks


def test_a_prompt_of_the_test_holds_the_nearest_the_nearest_first_whatever_its_oracle():
    numbers, ranks = chosen([{0: 1.0, 3: 0.9, 5: 0.5}], [5], test=[0])
    assert numbers == [[0, 3]]
    assert ranks.tolist() == [2]


def test_a_prompt_of_training_holds_its_oracle_among_the_nearest_others():
    """The oracle is the one that is least like the text: it is not there for being near."""
    numbers, ranks = chosen([{0: 1.0, 3: 0.9, 4: 0.1, 2: 0.2, 1: 0.3, 5: -1.0}], [5], count=3)
    assert sorted(numbers[0]) == [0, 3, 5]
    assert ranks.tolist() == [-1]


def test_without_its_oracle_all_are_distractors():
    numbers, _ = chosen([{0: 1.0, 3: 0.9, 4: 0.5}], [0], share=0.0)
    assert sorted(numbers[0]) == [3, 4]


def test_what_is_the_tests_stands_in_no_prompt_of_training():
    numbers, _ = chosen([{0: 1.0, 3: 0.9, 4: 0.5}, {0: 1.0}], [0, 0], test=[1])
    assert sorted(numbers[0]) == [3, 4]
    assert numbers[1][0] == 0


def test_another_passage_of_the_family_is_no_distractor():
    numbers, _ = chosen([{0: 1.0, 3: 0.9, 4: 0.5}, {1: 1.0}], [3, 0], families=[7, 7])
    assert sorted(numbers[0]) == [3, 4]


@pytest.mark.parametrize("share", [0.3, 0.8])
def test_the_oracle_is_there_as_often_as_was_asked_and_in_every_place(share):
    """600 draws: three standard errors are .06."""
    n = 600
    numbers, _ = chosen([{0: 1.0, 1: 0.5}] * n, [5] * n, share=share, count=3)
    places = [some.index(5) for some in numbers if 5 in some]
    assert len(places) / n == pytest.approx(share, abs=0.06)
    assert np.bincount(places, minlength=3) / len(places) == pytest.approx([1 / 3] * 3, abs=0.11)


def test_what_is_drawn_for_a_row_depends_on_its_id_alone():
    rows = [{0: 1.0, 1: 0.5, 2: 0.25}] * 4
    alone, _ = chosen(rows[:1], [5], ids=["d"], share=0.5, count=3)
    among, _ = chosen(rows, [5] * 4, ids=["a", "b", "c", "d"], share=0.5, count=3)
    assert among[3] == alone[0]


def test_a_row_whose_oracle_nobody_knows_has_distractors():
    numbers, ranks = chosen([{0: 1.0, 3: 0.9}, {3: 1.0, 0: 0.9}], [None, None], test=[1])
    assert sorted(numbers[0]) == [0, 3]
    assert numbers[1] == [3, 0]
    assert ranks.tolist() == [UNKNOWN, UNKNOWN]


def test_recall_counts_those_whose_oracle_is_known():
    assert recall(np.array([0, 3, -1, 1, 0]), 2) == {"1": 0.5, "2": 0.75}
    assert recall(np.array([-1]), 4) == {}
    assert recall(np.array([0, 1]), 1) == {"1": 0.5}


def test_passages_are_numbered():
    assert as_text(["One.", "Two."]) == "[1] One.\n\n[2] Two."
