"""Kinds of task: the declared ones and the implemented ones are the same, and stages know none of them."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import w2s_trainer
from w2s_api.families import FAMILIES
from w2s_api.metrics import METRICS
from w2s_api.spec.task import Task
from w2s_trainer import families
from w2s_trainer.errors import BadSpec
from w2s_trainer.families import TaskFamily, family_class
from w2s_trainer.families.predicting import MARK, load_predictor, mark

TRAINER = Path(w2s_trainer.__file__).parent
OF_CLASSES = {
    "stages/label": "labelers answer with classes",
    "stages/aggregate": "weighs votes for classes",
    "stages/prepare/imported.py": "reads votes for classes",
    "stages/combine": "adds up distributions over classes",
    "stages/select/confidence.py": "ranks classes",
    "stages/train/zero_shot.py": "asks for classes",
    "stages/evaluate/metrics": "each names the kinds that it measures",
}
"""Methods that are for classes, and why they may name them."""


def test_each_declared_kind_is_a_package_and_each_package_is_declared():
    folder = Path(families.__file__).parent
    packages = {place.name for place in folder.iterdir() if (place / "__init__.py").exists()}
    assert packages == {name.lower() for name in FAMILIES}
    for name in FAMILIES:
        assert issubclass(family_class(name), TaskFamily)


def test_each_kind_is_measured_and_each_metric_measures_one():
    measured = {family for metric in METRICS.values() for family in metric.families}
    assert measured == set(FAMILIES)


@pytest.mark.parametrize("package", ["stages", "report", "local", "contract"])
def test_no_stage_asks_what_kind_of_task_it_has_or_what_its_classes_are(package):
    named = re.compile(r"class_names|task\.classes|positive_class|task\.type ==")
    for file in (TRAINER / package).rglob("*.py"):
        place = file.relative_to(TRAINER).as_posix()
        if not place.startswith(tuple(OF_CLASSES)):
            assert not named.search(file.read_text()), place


class Untold(family_class("Classification")):
    """A kind whose models have no config that tells it."""

    is_known_by_config = False


def untold() -> TaskFamily:
    return Untold(Task.model_validate({"classes": [{"name": "a"}, {"name": "b"}]}))


def test_a_model_of_a_kind_that_its_config_does_not_tell_is_marked(tmp_path, monkeypatch):
    mark(tmp_path, untold(), SimpleNamespace())
    monkeypatch.setattr(
        Untold, "load_predictor", classmethod(lambda _cls, directory, name: (directory, name))
    )
    monkeypatch.setattr(families.predicting, "family_class", {"Classification": Untold}.__getitem__)
    assert load_predictor(tmp_path, "mine") == (tmp_path, "mine")


@pytest.mark.parametrize("text", ['{"type": "../../os"}', '{"type": 7}', "[]", "{", "\xff"])
def test_a_mark_that_names_no_known_kind_is_refused(tmp_path, text):
    (tmp_path / MARK).write_bytes(text.encode("latin-1"))
    with pytest.raises(BadSpec, match="names no kind of task"):
        load_predictor(tmp_path, "mine")


def test_what_a_kind_does_not_say_has_a_meaning():
    class Plain(TaskFamily):
        label_column = "value"

        def number(self, label):
            raise NotImplementedError

        no_label = stored_gold = gold_targets = fit_head = choose_l2 = publish_head = load_predictor = number

    plain = Plain(Task.model_validate({"classes": [{"name": "a"}, {"name": "b"}]}))
    values = np.array([1.0, 2.0, 6.0])
    assert plain.typical(values) == 3
    assert plain.strata_of(values).tolist() == [0, 0, 0]
    assert plain.weak_counts(values) == plain.weak_summary(values) == plain.gold_summary({}) == {}
    assert plain.report_parts({}).cards == ()
