"""Which weight of one model is which of another's: with a prefix or without one, and what is no counterpart."""

import pytest

from w2s_trainer.models.loading import weights_of_head
from w2s_trainer.models.shapes import common_names

BODY = {"embeddings.weight": (9, 4), "encoder.layer.0.weight": (4, 4)}
WHOLE = {**{f"bert.{name}": shape for name, shape in BODY.items()}, "cls.predictions.bias": (9,)}


def test_the_same_names_are_the_same_weights():
    assert common_names(BODY, BODY) == {name: name for name in BODY}


def test_a_prefix_is_put_before_and_taken_away():
    assert common_names(BODY, WHOLE) == {name: f"bert.{name}" for name in BODY}
    assert common_names(WHOLE, BODY) == {f"bert.{name}": name for name in BODY}


def test_a_head_that_both_have_does_not_hide_the_bodies():
    other = {**BODY, "cls.predictions.bias": (9,)}
    assert common_names(WHOLE, other) == {f"bert.{name}": name for name in BODY}


def test_nothing_in_common():
    assert common_names(BODY, {"model.layers.0.weight": (4, 4)}) == {}


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("cls.predictions.bias", True),
        ("lm_head.weight", True),
        ("bert.pooler.dense.weight", True),
        ("encoder.layer.0.weight", False),
        ("classifier.weight", False),
    ],
)
def test_heads_of_pretraining_and_poolers_may_be_missing(name, head):
    assert weights_of_head(name) is head
