"""The order of a training, from the manifest's word and how sure the weak labels are."""

import numpy as np
import pytest

from w2s_api.spec.strong import Strong
from w2s_api.spec.task import Task
from w2s_trainer.families.classification import Classification
from w2s_trainer.stages.session import Recipe, ranks_of
from w2s_trainer.tuning.order import Order
from w2s_trainer.tuning.training_set import TrainingSet

CONFIDENCE = np.array([0.6, 0.9, 0.7, 0.9])


@pytest.mark.parametrize(
    ("order", "epoch"), [("EasyToHard", [{1, 3}, {2}, {0}]), ("HardToEasy", [{0}, {2}, {1, 3}])]
)
def test_an_epoch_begins_with_the_surest_labels_or_ends_with_them(order, epoch):
    rows = Order(4, 4, 1, 0, ranks_of(order, CONFIDENCE)).batch(0).tolist()
    parts = [{rows.pop(0) for _ in part} for part in epoch]
    assert parts == epoch


def test_what_float32_rounds_is_equal():
    near = np.array([0.9, np.float32(0.9)])
    assert len(set(ranks_of("EasyToHard", near).tolist())) == 1


@pytest.mark.parametrize(("order", "confidence"), [("Random", CONFIDENCE), ("EasyToHard", None)])
def test_otherwise_it_is_by_lot(order, confidence):
    assert ranks_of(order, confidence) is None


def test_gold_labels_are_not_ordered():
    strong = Strong.model_validate(
        {"model": {"uri": "hf://a/b"}, "tuning": {"type": "LoRA"}, "training": {"order": "HardToEasy"}}
    )
    assert Recipe.of_strong(strong, on_gold=False).training.order == "HardToEasy"
    assert Recipe.of_strong(strong, on_gold=True).training.order == "Random"


def test_a_part_of_a_training_set_is_as_sure_as_it_was():
    data = TrainingSet(np.arange(4), np.eye(4), np.ones(4), np.arange(4), confidence=CONFIDENCE)
    assert data.part(np.array([True, False, True, False])).confidence.tolist() == [0.6, 0.7]


def test_a_weak_label_of_a_class_is_as_sure_as_its_likeliest_class():
    family = Classification(Task.model_validate({"classes": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}))
    assert family.weak_confidence(np.array([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0]])).tolist() == [0.5, 1.0]
