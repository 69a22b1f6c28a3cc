"""Which edit changes which keys. A key that changes re-runs somebody's work."""

import pytest
from manifests import manifest, put

from w2s_api.keys import canonical, content_key
from w2s_api.pipeline import pipeline
from w2s_api.spec import WeakToStrongJob

ALL = [
    "prepare",
    "label-rules",
    "label-small",
    "label-own",
    "aggregate",
    "select",
    "train",
    "evaluate",
    "promote",
]
FROM_AGGREGATE = ALL[4:]
FROM_TRAIN = ["train", "evaluate", "promote"]


def keys(*edits) -> dict[str, str]:
    job = WeakToStrongJob.model_validate(manifest(*edits))
    return {stage.name: stage.key for stage in pipeline(job.spec)}


EDITS = [
    ("unlabelled data", put("data.unlabeled.uri", "s3://legal/other/"), ALL),
    ("gold data", put("data.gold.uri", "s3://legal/other.csv"), ALL),
    ("a test of its own", put("data.test", {"uri": "s3://legal/test.csv"}), ALL),
    ("revision of the data", put("data.revision", "2"), ALL),
    ("group field", put("data.fields", {"group": "contract"}), ALL),
    ("test fraction", put("data.testFraction", "0.6"), ALL),
    ("split seed", put("data.splitSeed", 1), ALL),
    ("near-duplicates", put("data.nearDuplicates", {"shingleWords": 8}), ALL),
    ("order of the classes", put("task.classes", [{"name": "restricted", "description": "Not free."}, {"name": "free"}]), ALL),
    ("what a teacher was trained on", put("weak.labelers.2.classifier.trainedOn", {"type": "Data", "data": [{"uri": "s3://legal/old.csv"}]}), ALL),
    ("gold budget", put("data.goldBudget", 64), ["label-small", *FROM_AGGREGATE]),
    ("seeds", put("evaluation.seeds", 5), ["label-small", *FROM_AGGREGATE]),
    ("a rule", put("weak.labelers.0.functions.rules.0.pattern", "lgpl"), ["label-rules", *FROM_AGGREGATE]),
    ("calibration of rules", put("weak.labelers.0.calibration", "Temperature"), ["label-rules", *FROM_AGGREGATE]),
    ("a classifier's length", put("weak.labelers.2.classifier.maxTokens", 64), ["label-own", *FROM_AGGREGATE]),
    ("weights", put("aggregation.weightedAverage", {"weights": [{"labeler": "own", "weight": "2"}]}), FROM_AGGREGATE),
    ("selection", put("selection.steps", [{"type": "Confidence", "confidence": {"keepFractionPerClass": "0.5"}}]), ALL[5:]),
    ("strong model", put("strong.model.uri", "hf://org/other"), FROM_TRAIN),
    ("regularisation", put("strong.tuning", {"type": "Head", "head": {"l2": "3"}}), FROM_TRAIN),
    ("hard targets", put("strong.loss", {"type": "CrossEntropy", "crossEntropy": {"targets": "Hard"}}), FROM_TRAIN),
    ("description of a class, that untouched reads", put("task.classes.0.description", "Free."), FROM_TRAIN),
    ("ceiling", put("evaluation.ceiling", True), FROM_TRAIN),
    ("fewer controls", put("evaluation.controls", ["Cascade", "Unfiltered"]), FROM_TRAIN),
    ("without the cascade", put("evaluation.controls", ["Direct", "Unfiltered", "Untouched"]), ["evaluate", "promote"]),
    ("threshold", put("evaluation.positiveThreshold", "0.4"), ["evaluate", "promote"]),
    ("positive class", put("task.positiveClass", "free"), ["evaluate", "promote"]),
    ("instruction", put("task.instruction", "Is it free?"), ["evaluate", "promote"]),
    ("excerpts", put("report.examples", "Excerpts"), ["evaluate", "promote"]),
    ("metric", put("promotion.metric", "Accuracy"), ["evaluate", "promote"]),
    ("a teacher that saw nothing", put("weak.labelers.2.classifier.trainedOn", {"type": "Elsewhere"}), ["evaluate", "promote"]),
    ("gate", put("promotion.minLowerBound", "0.02"), ["evaluate", "promote"]),
    ("arms to beat", put("promotion.over", ["Weak", "Direct"]), ["evaluate", "promote"]),
    ("storage", put("storage", {"uri": "s3://elsewhere/w2s", "endpoint": "http://127.0.0.1:1"}), []),
    ("batch size of a labeler", put("weak.labelers.2.batchTokens", 512), []),
    ("batch size of the student", put("strong.batchTokens", 512), []),
    ("shards", put("weak.labelers.0.shards", 8), []),
    ("defaults written out", put("selection", {"steps": []}), []),
    ("a default struct written out", put("strong.tuning", {"type": "Head", "head": {"l2": "1"}}), []),
    ("another form of the same number", put("data.testFraction", "0.500"), []),
    ("a set in another order", put("evaluation.controls", ["Untouched", "Direct", "Unfiltered", "Cascade"]), []),
]  # fmt: skip


@pytest.mark.parametrize(("what", "edit", "changed"), EDITS, ids=[edit[0] for edit in EDITS])
def test_an_edit_changes_just_these_keys(what, edit, changed):
    before, after = keys(), keys(edit)
    assert [name for name in ALL if before[name] != after[name]] == changed


def test_another_labeler_touches_no_other_labels():
    before = keys()
    after = keys(lambda spec: spec["weak"]["labelers"].append({**SMALL_TOO}))
    assert {name for name in before if before[name] != after[name]} == set(FROM_AGGREGATE)


SMALL_TOO = {"name": "second", "type": "Finetuned", "finetuned": {"model": {"uri": "py://other"}}}


# These must never change: a changed key re-runs the finished work of everybody who upgrades. Should one change
# on purpose, it is a new version of a method (pipeline.METHOD_VERSIONS), and the release notes say so.
GOLDEN = {
    "prepare": "7cb48f4637994e84210c0306db712406",
    "label-rules": "e7d185be3adde690c2c3567f53035a04",
    "label-small": "f0b71e3ab29aa5251e75e5efc5d89fea",
    "label-own": "5ac73a7db87e692e37fb5384278754ca",
    "aggregate": "6d365221fcebb35975ac39a52b409e77",
    "select": "c1b2c8bf610babe5b59439723133efd8",
    "train": "8a3edf78517a9b91d9f638a3d7c4ddf7",
    "evaluate": "6c8e9523da0f41a5f46a476ceffd6d53",
    "promote": "351763095a098948c65f7466dfdc6ceb",
}


def test_keys_are_those_of_the_first_release():
    assert keys() == GOLDEN


def test_a_content_key_is_of_what_was_read():
    base = content_key("k", {"prepare": "a"}, {"s3://m": "1"})
    assert base == content_key("k", {"prepare": "a"}, {"s3://m": "1"})
    others = [
        content_key("l", {"prepare": "a"}, {"s3://m": "1"}),
        content_key("k", {"prepare": "b"}, {"s3://m": "1"}),
        content_key("k", {"prepare": "a"}, {"s3://m": "2"}),
        content_key("k", {"prepare": "a"}, {"s3://n": "1"}),
    ]
    assert len({base, *others}) == 5


def test_canonical_drops_what_says_nothing_and_keeps_empty_lists():
    assert canonical({"a": None, "b": {}, "c": {"d": {}}, "e": [], "f": 0, "g": False}) == {
        "e": [],
        "f": 0,
        "g": False,
    }
