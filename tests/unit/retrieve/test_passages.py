"""The passages of a job, and which of them training may not see."""

import numpy as np
import pytest

from w2s_api.spec.data import NearDuplicates
from w2s_trainer.errors import BadData
from w2s_trainer.stages.retrieve.passages import UNKNOWN, passages_of, require_enough

NEAR = NearDuplicates()
LONG = "The ship was built by Ada in the harbour of Oslo in the spring of the year of the great flood."


def made(oracles, more=(), test=()):
    is_test = np.isin(np.arange(len(oracles)), list(test))
    return passages_of(oracles, more, is_test, NEAR)


def test_equal_passages_are_one_whoever_gives_them():
    passages = made(["By Ada.", "", "by  ADA.", "By Bo."], more=["by bo.", "By Cy."])
    assert list(passages.texts) == ["By Ada.", "By Bo.", "By Cy."]
    assert passages.oracle.tolist() == [0, UNKNOWN, 0, 1]


def test_those_of_the_test_and_what_is_like_them_are_kept_from_training():
    """The longer one has one word more; its shingles are .94 of all."""
    passages = made(["By Ada.", LONG, "By Bo."], more=[LONG + " Indeed", "By Cy."], test=[1])
    assert passages.of_test.tolist() == [False, True, False, True, False]


def test_without_a_test_row_that_has_one_all_may_be_seen():
    assert not made(["By Ada.", ""], test=[1]).of_test.any()


def test_no_passage_at_all_is_refused():
    with pytest.raises(BadData, match=r"prompts would hold none") as caught:
        made(["", "  "])
    assert caught.value.reason == "NoPassages"


@pytest.mark.parametrize(("count", "enough"), [(1, True), (2, True), (3, False), (9, False)])
def test_more_than_there_are_is_refused(count, enough):
    """Of five one is the test's, and two are of one family: for a row of that, two are left."""
    passages = made(["By Ada.", "By Bo.", "By Cy.", "By Di."], more=["By Eve."], test=[3])
    families = np.array([7, 7, 8, 9])
    if enough:
        require_enough(passages, families, count)
        return
    with pytest.raises(BadData, match=r"of 5 passages 1 are .* up to 2 of one family: .* hold 2 distractors"):
        require_enough(passages, families, count)


def test_by_family_those_of_its_rows():
    passages = made(["By Ada.", "By Bo.", "By Ada.", ""])
    of = passages.of_families(np.array([7, 7, 8, 9]))
    assert {family: numbers.tolist() for family, numbers in of.items()} == {7: [0, 1], 8: [0]}
