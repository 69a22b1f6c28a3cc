import json
from types import SimpleNamespace

import numpy as np
import pytest

from w2s_api.methods.labelers import Classifier
from w2s_api.spec.evaluation import Evaluation
from w2s_api.spec.task import ClassLabel, Task
from w2s_trainer.errors import BadSpec
from w2s_trainer.families.classification import Classification
from w2s_trainer.stages.aggregate.weighted_average import weighted_average
from w2s_trainer.stages.label.calibration import at_temperature, calibrated, fit_temperature
from w2s_trainer.stages.label.classifier import label_columns, means_no_class
from w2s_trainer.stages.label.opinion import Opinion
from w2s_trainer.stages.label.summary import whole_summary
from w2s_trainer.stages.tables import EVERY_SEED, Examples, WeakLabels, write_table

CLASSES = Classification(Task(classes=[ClassLabel(name=name) for name in ("a", "b")]))


def test_a_labeler_twice_as_sure_as_it_is_right_gets_a_higher_temperature():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=4000) * 2
    gold = (rng.random(4000) < 1 / (1 + np.exp(-logits))).astype(np.int64)
    sure = 1 / (1 + np.exp(-2.5 * logits))
    probabilities = np.stack([1 - sure, sure], axis=1)
    temperature = fit_temperature(probabilities, gold)
    assert temperature == pytest.approx(2.5, rel=0.1)
    tempered = at_temperature(probabilities, temperature)
    assert (tempered.argmax(1) == probabilities.argmax(1)).all()


def test_temperature_of_no_labels_changes_nothing():
    p = np.array([[0.3, 0.7]])
    assert at_temperature(p, fit_temperature(p[:0], np.array([], dtype=np.int64))) == pytest.approx(p)


@pytest.fixture
def calibrate(tmp_path):
    """Calibrates an opinion on 40 texts, of which the first ten are the gold budget, and keeps some rows."""
    gold = np.arange(10) % 2
    parts = np.array(["budget"] * 10 + ["pool"] * 30)
    examples = Examples([str(i) for i in range(40)], ["x"] * 40, parts, np.arange(40))
    write_table({"id": examples.ids[:10], "label": gold}, tmp_path / "gold-budget" / "labels.parquet")
    context = SimpleNamespace(
        artifact=lambda _role: SimpleNamespace(
            stage="prepare", key="0", files={}, fetch=lambda name, _directory: tmp_path / name
        ),
        scratch=tmp_path,
        spec=SimpleNamespace(
            task=Task.model_validate({"classes": [{"name": "no"}, {"name": "yes"}]}),
            evaluation=Evaluation(seeds=2),
            data=SimpleNamespace(gold_budget=8),
        ),
    )

    def call(probabilities, abstain, rows, **more):
        opinion = Opinion(np.log(probabilities), probabilities, abstain, **more)
        return calibrated(context, examples, {EVERY_SEED: opinion}, np.arange(40), rows)

    return call


def test_calibration_leaves_abstentions_where_they_were(calibrate):
    rng = np.random.default_rng(0)
    probabilities, abstain = rng.dirichlet([1, 1], 40), rng.random(40) < 0.4
    rows = np.arange(7, 33)
    opinions, _ = calibrate(probabilities, abstain, rows)
    assert sorted(opinions) == [0, 1]
    for opinion in opinions.values():
        assert opinion.abstain.tolist() == abstain[rows].tolist()
        assert opinion.scores == pytest.approx(np.log(probabilities[rows]))


@pytest.mark.parametrize("abstains", [True, False])
def test_what_stands_in_abstaining_rows_does_not_reach_the_temperature(calibrate, abstains):
    rows = np.arange(40)
    probabilities = np.random.default_rng(1).dirichlet([1, 1], 40)
    abstain = rows % 3 == 0
    otherwise = np.where(abstain[:, None], [0.999, 0.001], probabilities)
    temperatures = [calibrate(said, abstain & abstains, rows)[1] for said in (probabilities, otherwise)]
    assert (temperatures[0] == temperatures[1]) is abstains


@pytest.mark.parametrize("were_shown", [True, False])
def test_what_is_said_of_a_text_that_was_shown_does_not_reach_the_temperature(calibrate, were_shown):
    rows = np.arange(40)
    probabilities = np.random.default_rng(1).dirichlet([1, 1], 40)
    shots = np.array([0, 3, 5])
    otherwise = probabilities.copy()
    otherwise[shots] = [0.999, 0.001]
    silent, shown = np.zeros(40, dtype=bool), shots if were_shown else shots[:0]
    temperatures = [calibrate(said, silent, rows, shown=shown)[1] for said in (probabilities, otherwise)]
    assert (temperatures[0] == temperatures[1]) is were_shown


@pytest.mark.parametrize(
    ("model_labels", "labels", "columns"),
    [
        (["a", "b"], [], [0, 1]),
        (["b", "a"], [], [1, 0]),
        (["LABEL_0", "LABEL_1"], [("LABEL_0", "b"), ("LABEL_1", "a")], [1, 0]),
    ],
)
def test_which_output_is_which_class(model_labels, labels, columns):
    assert label_columns(model_labels, mapping(labels), ("a", "b")) == columns


@pytest.mark.parametrize("model_labels", [["x", "a", "b"], ["a", "neutral", "b", "other"]])
def test_labels_that_mean_no_class_are_refused_or_abstained_on(model_labels):
    with pytest.raises(BadSpec, match="mean none of the classes") as refused:
        label_columns(model_labels, mapping([]), ("a", "b"))
    others = [label for label in model_labels if label not in ("a", "b")]
    assert f"`abstainOn: [{', '.join(map(json.dumps, others))}]`" in str(refused.value)
    columns = label_columns(model_labels, mapping([], abstain_on=others), ("a", "b"))
    assert [model_labels[column] for column in columns] == ["a", "b"]


def test_a_label_that_is_abstained_on_is_no_class_whatever_it_is_called():
    with pytest.raises(BadSpec, match="exactly one label for 'a'"):
        label_columns(["a", "b"], mapping([], abstain_on=["a"]), ("a", "b"))
    with pytest.raises(BadSpec, match="no label 'neutral'"):
        label_columns(["a", "b"], mapping([], abstain_on=["neutral"]), ("a", "b"))


def test_a_text_is_abstained_on_where_another_label_is_the_likeliest():
    logits = np.array([[3.0, 0.0, 12.0], [3.0, 0.0, 2.0], [0.0, 1.0, 1.0]])
    assert means_no_class(logits, [0, 1]).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("model_labels", "labels", "says"),
    [
        (["LABEL_0", "LABEL_1"], [], "'a'"),
        (["a", "c"], [], "'b'"),
        (["a", "b"], [("c", "b")], "no label 'c'"),
        (["x", "y", "b"], [("x", "a"), ("y", "a")], "exactly one label for 'a'"),
    ],
)
def test_labels_that_do_not_fit_are_refused(model_labels, labels, says):
    with pytest.raises(BadSpec, match=says):
        label_columns(model_labels, mapping(labels), ("a", "b"))


def mapping(labels, abstain_on=()) -> Classifier:
    plain = [{"modelLabel": ours, "className": name} for ours, name in labels]
    return Classifier.model_validate(
        {"model": {"uri": "s3://models/m/"}, "labels": plain, "abstainOn": list(abstain_on)}
    )


def weak(*rows: tuple[float, float] | None) -> WeakLabels:
    return WeakLabels(np.array([row or (9.0, 9.0) for row in rows]), np.array([row is None for row in rows]))


def test_who_abstains_is_left_out_of_the_average():
    together = weighted_average(
        CLASSES, [weak((0.8, 0.2), (0.6, 0.4), None), weak((0.2, 0.8), None, None)], [3.0, 1.0]
    )
    assert together.abstain.tolist() == [False, False, True]
    assert together.targets[0] == pytest.approx([0.65, 0.35])
    assert together.targets[1] == pytest.approx([0.6, 0.4])


def test_a_labeler_of_weight_nothing_says_nothing():
    together = weighted_average(CLASSES, [weak((0.8, 0.2), None), weak((0.2, 0.8), (0.1, 0.9))], [1.0, 0.0])
    assert together.abstain.tolist() == [False, True]
    assert together.targets[0] == pytest.approx([0.8, 0.2])


def test_a_summary_of_shards_adds_up():
    shard = {"labeler": "rules", "type": "Classifier", "rows": 10, "abstained": 2, "truncated": 1}
    assert whole_summary({"shards": [shard, shard]}) == {**shard, "rows": 20, "abstained": 4, "truncated": 2}
    head = {**shard, "l2": {"0": 0.3}}  # each shard reads the features of all texts
    assert whole_summary({"shards": [head, head]})["truncated"] == 1
    assert whole_summary(shard) == shard


def test_every_shard_that_tuned_for_itself_cost_something():
    def shard(seconds, joules):
        tuned = {"0": {"steps": 4, "seconds": seconds, "joules": joules}}
        return {
            "labeler": "small",
            "type": "Finetuned",
            "rows": 5,
            "abstained": 0,
            "truncated": 1,
            "tuned": tuned,
        }

    whole = whole_summary({"shards": [shard(1.5, 30), shard(2.0, 40)]})
    assert whole["tuned"] == {"0": {"steps": 4, "seconds": 3.5, "joules": 70}}
    assert whole["truncated"] == 2  # each reads its own texts only
    assert whole_summary({"shards": [shard(1.5, 30), shard(2.0, None)]})["tuned"]["0"]["joules"] is None
