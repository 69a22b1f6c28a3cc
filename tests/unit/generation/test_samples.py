"""Of several samples, the text that a model stands by."""

import numpy as np
import pytest

from w2s_api.methods.labelers.samples import SampleAgreement
from w2s_trainer.families.generation.samples import CHOICES, agreed


def rows(*texts: list[str]) -> np.ndarray:
    return np.array(texts, dtype=object)


def test_the_most_frequent_sample_is_taken_and_those_that_are_none_agree_with_nothing():
    texts, agreement = agreed(
        rows(
            ["gpl-2.0", "mit", "GPL-2.0", "gpl-2.0"],
            ["mit", "", "", ""],
            ["", "", "", ""],
            ["b", "a", "", ""],
        ),
        "ExactMatch",
    )
    assert texts.tolist() == ["gpl-2.0", "mit", "", "b"]
    assert agreement.tolist() == [0.75, 0.25, 0.0, 0.25]


@pytest.mark.parametrize("by", ["TokenF1", "Chrf"])
def test_of_texts_of_which_no_two_are_equal_the_one_in_the_middle_is_taken(by):
    samples = rows(["a red car", "the red car stops", "a red car stops", "nothing at all"])
    texts, agreement = agreed(samples, by)
    assert texts.tolist() == ["a red car stops"]
    assert 0.25 < agreement[0] < 1


def test_every_way_that_can_be_asked_for_is_there():
    assert set(SampleAgreement.__args__) == set(CHOICES)
