"""Which edit changes which keys. A key that changes re-runs somebody's work."""

from typing import get_args

import pytest
from api_server_kit import schema, with_defaults
from hypothesis import given, settings
from hypothesis.strategies import randoms
from manifests import DEEP, FULL, MINIMAL, PODS, RULES, SOUND, manifest, put

from w2s_api.crd import FRESH
from w2s_api.keys import canonical, content_key
from w2s_api.pipeline import METHOD_VERSIONS, pipeline
from w2s_api.spec import Spec, WeakToStrongJob
from w2s_api.spec.selection import SelectionStep
from w2s_api.spec.strong import Loss, Tuning
from w2s_api.spec.weak import Aggregation, Labeler
from w2s_api.status import Status

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


def both(*edits):
    def edit(spec):
        for one in edits:
            one(spec)

    return edit


def same(spec):
    """No edit."""


OWN_TEST = put("data.test", {"uri": "s3://legal/test.csv"})
UNTAUGHT = put("weak.labelers.1", {**RULES, "name": "small"})
NO_DIRECT = put("evaluation.controls", ["Unfiltered", "Untouched"])
TRAINED_ON = put(
    "weak.labelers.2.classifier.trainedOn", {"type": "Data", "data": [{"uri": "s3://legal/old.csv"}]}
)
LABELS = [{"modelLabel": "A", "className": "free"}, {"modelLabel": "B", "className": "restricted"}]

EDITS_OF = [
    ("division of gold, where the test is given", OWN_TEST, put("data.testFraction", "0.6"), []),
    ("split seed, where the test is given", OWN_TEST, put("data.splitSeed", 1), []),
    ("gold budget, where no labeler is taught", UNTAUGHT, put("data.goldBudget", 64), FROM_TRAIN),
    ("gold budget, that nobody uses", both(UNTAUGHT, NO_DIRECT), put("data.goldBudget", 64), []),
    ("seeds, that only intervals use", both(UNTAUGHT, NO_DIRECT), put("evaluation.seeds", 5), ["evaluate", "promote"]),
    ("seeds of the ceiling", both(UNTAUGHT, NO_DIRECT, put("evaluation.ceiling", True)), put("evaluation.seeds", 5), FROM_TRAIN),
    ("description of a class, without untouched", put("evaluation.controls", []), put("task.classes.0.description", "Free."), ["evaluate", "promote"]),
    ("where a teacher was trained, twice", TRAINED_ON, put("weak.labelers.2.classifier.trainedOn.data", [{"uri": "s3://legal/old.csv"}] * 2), []),
    ("order of the model's labels", put("weak.labelers.2.classifier.labels", LABELS), put("weak.labelers.2.classifier.labels", LABELS[::-1]), []),
    ("a label that is called as the class", same, put("weak.labelers.2.classifier.labels", [{"modelLabel": "free", "className": "free"}]), []),
    ("a weight of one", same, put("aggregation", {"weightedAverage": {"weights": [{"labeler": "own", "weight": "1.0"}]}}), []),
    ("order of the labelers", same, lambda spec: spec["weak"]["labelers"].reverse(), []),
    ("empty structs", same, lambda spec: spec["strong"].update(tuning={"head": {}}, loss={"crossEntropy": {}}), []),
    ("instruction, without untouched", put("evaluation.controls", []), put("task.instruction", "Free?"), ["evaluate", "promote"]),
    ("minus nothing", same, put("promotion.minLowerBound", "-0.0"), []),
]  # fmt: skip


@pytest.mark.parametrize(("what", "base", "edit", "changed"), EDITS_OF, ids=[row[0] for row in EDITS_OF])
def test_an_edit_of_another_manifest_changes_just_these_keys(what, base, edit, changed):
    before, after = keys(base), keys(base, edit)
    assert [name for name in ALL if before[name] != after[name]] == changed


def test_a_labeler_with_another_name_has_its_labels_already():
    before = keys(TRAINED_ON)
    after = keys(TRAINED_ON, put("weak.labelers.2.name", "ours"))
    assert before["prepare"] == after["prepare"]
    assert before["label-own"] == after["label-ours"]
    assert before["aggregate"] != after["aggregate"]  # its weight is given by name


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
    ("instruction, that untouched reads", put("task.instruction", "Is it free?"), FROM_TRAIN),
    ("excerpts", put("report.examples", "Excerpts"), ["evaluate", "promote"]),
    ("metric", put("promotion.metric", "Accuracy"), ["evaluate", "promote"]),
    ("a teacher that saw nothing", put("weak.labelers.2.classifier.trainedOn", {"type": "Elsewhere"}), ["evaluate", "promote"]),
    ("gate", put("promotion.minLowerBound", "0.02"), ["evaluate", "promote"]),
    ("arms to beat", put("promotion.over", ["Weak", "Direct"]), ["evaluate", "promote"]),
    ("storage", put("storage", {"uri": "s3://elsewhere/w2s", "endpoint": "http://127.0.0.1:1"}), []),
    ("credentials", put("storage.credentialsSecretRef", {"name": "store"}), []),
    ("certificates", put("storage.caBundleRef", {"name": "ca", "key": "ca.crt"}), []),
    ("credentials of the test", put("evaluation", {"credentialsSecretRef": {"name": "test"}}), []),
    ("pods of every stage", put("pods", PODS), []),
    ("pods of one stage", put("pods.evaluate", {"resources": {"limits": {"memory": "8Gi"}}}), []),
    ("queue, retries, deadlines", put("execution", {"queueName": "q", "maxRetries": 0, "pendingDeadlineSeconds": 9}), []),
    ("suspended", put("suspend", True), []),
    ("time to live", put("ttlSecondsAfterFinished", 60), []),
    ("another controller", put("managedBy", "example.com/controller"), []),
    ("batch size of a labeler", put("weak.labelers.2.batchTokens", 512), []),
    ("batch size of the student", put("strong.batchTokens", 512), []),
    ("shards", put("weak.labelers.0.shards", 8), []),
    ("defaults written out", put("selection", {"steps": []}), []),
    ("a default struct written out", put("strong.tuning", {"type": "Head", "head": {"l2": "0.3"}}), []),
    ("another form of the same number", put("data.testFraction", "0.500"), []),
    ("a set in another order", put("evaluation.controls", ["Untouched", "Head", "Direct", "Unfiltered", "Cascade"]), []),
]  # fmt: skip


@pytest.mark.parametrize(("what", "edit", "changed"), EDITS, ids=[edit[0] for edit in EDITS])
def test_an_edit_changes_just_these_keys(what, edit, changed):
    before, after = keys(), keys(edit)
    assert [name for name in ALL if before[name] != after[name]] == changed


LORA = put("strong.tuning", {"type": "LoRA"})
SELECTED = put("selection.steps", [{"type": "Confidence", "confidence": {"keepFractionPerClass": "0.5"}}])
CEILING = put("evaluation", {"seeds": 2, "ceiling": True})
STRONG = ["train-strong-0", "train-strong-1"]
UNFILTERED = ["train-unfiltered-0", "train-unfiltered-1"]
DIRECT = ["train-direct-0", "train-direct-1"]
REFERENCE = ["train-ceiling-0", "train-ceiling-1"]
LAST = ["evaluate", "promote"]

DEEP_EDITS = [
    ("rank", put("strong.tuning.lora", {"rank": 4}), [*STRONG, *UNFILTERED, *DIRECT, *REFERENCE, *LAST]),
    ("schedule", put("strong.training", {"epochs": 3}), [*STRONG, *UNFILTERED, *DIRECT, *REFERENCE, *LAST]),
    ("stopping", put("strong.training", {"stopping": {"type": "WeakValidation"}}), [*STRONG, *UNFILTERED, *LAST]),
    ("loss", put("strong.loss", {"type": "LogConf"}), [*STRONG, *UNFILTERED, *LAST]),
    ("selection", put("selection.steps.0.confidence.keepFractionPerClass", "0.6"), ["select", "train-frozen", *STRONG, *REFERENCE, *LAST]),
    ("another control", put("evaluation.controls", ["Direct", "Untouched", "Head"]), LAST),
    ("how often it is saved", put("strong.training", {"checkpointIntervalSeconds": 5}), []),
    ("where activations are", put("strong.training", {"gradientCheckpointing": True}), []),
    ("empty structs", put("strong.tuning.lora", {}), []),
    ("how it is published", put("promotion", {"publish": "Adapter"}), ["promote"]),
]  # fmt: skip


@pytest.mark.parametrize(("what", "edit", "changed"), DEEP_EDITS, ids=[edit[0] for edit in DEEP_EDITS])
def test_an_edit_of_a_deep_job_changes_just_these_keys(what, edit, changed):
    before, after = keys(UNTAUGHT, LORA, SELECTED, CEILING), keys(UNTAUGHT, LORA, SELECTED, CEILING, edit)
    assert [name for name in after if before[name] != after[name]] == changed


def test_another_seed_is_work_for_that_seed_only():
    before = keys(UNTAUGHT, LORA, put("evaluation.seeds", 2))
    after = keys(UNTAUGHT, LORA, put("evaluation.seeds", 3))
    new = ["train-strong-2", "train-direct-2", *LAST]
    assert [name for name in after if before.get(name) != after[name]] == new


def test_what_needs_the_frozen_model_only_is_one_process():
    seeds = ["train-strong-0", "train-strong-1", "train-strong-2"]
    assert [name for name in keys(LORA, put("evaluation.controls", ["Head"])) if "train" in name] == [
        "train-frozen",
        *seeds,
    ]
    assert [name for name in keys(LORA, put("evaluation.controls", [])) if "train" in name] == seeds


def test_another_labeler_touches_no_other_labels():
    before = keys()
    after = keys(lambda spec: spec["weak"]["labelers"].append({**SMALL_TOO}))
    assert {name for name in before if before[name] != after[name]} == set(FROM_AGGREGATE)


SMALL_TOO = {"name": "second", "type": "Finetuned", "finetuned": {"model": {"uri": "py://other"}}}


# These must never change: a changed key re-runs the finished work of everybody who upgrades. Should one change
# on purpose, it is a new version of a method (pipeline.METHOD_VERSIONS), and the release notes say so.
GOLDEN = {
    "sound": {
        "prepare": "ab34160cc60a64ca036a1ed466290853",
        "label-rules": "d29a0dffd62a843f9cd9373dd4f88b55",
        "label-small": "b95453f3bd5ee42106f649c09873b732",
        "label-own": "b626b6f78ea11cf6dfea6d82f85c5916",
        "aggregate": "01eaa38f17b297f9fa9c57a86aa78ec6",
        "select": "d1bc6ba904cb66c5a04144fe7f5b3c78",
        "train": "e0e4343a55e56faa20f85db17d48e9c3",
        "evaluate": "95630827731fedb5d5c6bc77032c5717",
        "promote": "8f545586bb8296fcad1020bb20dae2cd",
    },
    "full": {
        "prepare": "2e826aa1035f45051e59906563dddba5",
        "label-rules": "62b546116391a3af1ccf33107d26e814",
        "label-small": "ac3bfb7c65497168a672b39a3f9073a6",
        "label-own": "8435924bc22cce4eafb2b716418ce916",
        "aggregate": "4812d14126b06b9c653a0cfbe24cc6d4",
        "select": "1377bad38f5fe5c2a9aea7768e1c2b49",
        "train": "fa544e1b9e621a3345ee49d9c8c991f6",
        "evaluate": "30a27da8755f04e187069739fbf1613c",
        "promote": "ae2388706ac7a8f75e90c74fcad97ab6",
    },
    "deep": {
        "prepare": "ab34160cc60a64ca036a1ed466290853",
        "label-rules": "d29a0dffd62a843f9cd9373dd4f88b55",
        "label-small": "cef6decf735a035de5b85d915cd4c397",
        "label-own": "b626b6f78ea11cf6dfea6d82f85c5916",
        "label-asked": "1c06a65b4119a5dcf8c8784c395f88b6",
        "aggregate": "dec76e49cc997e09506c418e6ba67063",
        "select": "36702485a45d85f92bc63e5b7c2d083d",
        "train-frozen": "71b06bbed2820713a4c70778f6145490",
        "train-strong-0": "764591ba6ca68668061dc91143c5cdb5",
        "train-strong-1": "0fa6b7d92f4da221915fd4d9007655b3",
        "train-unfiltered-0": "4b0806157faed5e227dc3c7a87f82ae4",
        "train-unfiltered-1": "87541d1fd7aa61253e9dc155b53c6f62",
        "train-direct-0": "c7dfd5c62961563c40abe10034713fc4",
        "train-direct-1": "10c4d648061a03769dc35b1f1de6cc59",
        "train-ceiling-0": "f5153f3da8969c7dcf216f69c8f0df07",
        "train-ceiling-1": "78d87c862259dcf6fc40604a349c4553",
        "evaluate": "96b7c10da2f8e2a128eabdf21a96d80e",
        "promote": "3e4ef84c7afd49f71913bd37f653a8a8",
    },
    "minimal": {
        "prepare": "a7acb2af3b9c34ec4defde79249e1c58",
        "label-own": "8324f0e523c2ffdd45ca4a8c9a7f3516",
        "aggregate": "41ace13a258c921de6b737c9e5357f0d",
        "select": "b1361488208e847e0b57251f35156367",
        "train": "d8aa16f934a11dfafcfdc81f55ee47b8",
        "evaluate": "19625757cbb6725b951b153ac4526cc5",
        "promote": "b955d127be355a6f96ed450351064e6c",
    },
}
MANIFESTS = {"sound": SOUND, "full": FULL, "deep": DEEP, "minimal": MINIMAL}


@pytest.mark.parametrize("name", GOLDEN)
def test_keys_are_those_of_the_first_release(name):
    job = WeakToStrongJob.model_validate(MANIFESTS[name])
    assert {stage.name: stage.key for stage in pipeline(job.spec)} == GOLDEN[name]


def written_out(given, full, chance):
    """What is given, and of the defaults in `full` some that were not."""
    if isinstance(given, dict):
        kept = {name: written_out(value, full[name], chance) for name, value in given.items()}
        more = {name: value for name, value in full.items() if name not in given and chance.random() < 0.5}
        return {**kept, **more}
    if isinstance(given, list) and given and isinstance(given[0], dict):
        return [written_out(one, other, chance) for one, other in zip(given, full, strict=True)]
    return given


@pytest.mark.parametrize("name", GOLDEN)
@settings(max_examples=60, deadline=None)
@given(chance=randoms(use_true_random=False))
def test_writing_a_default_out_changes_no_key(name, chance):
    job = WeakToStrongJob.model_validate(MANIFESTS[name])
    full = job.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    spec = Spec.model_validate(written_out(MANIFESTS[name]["spec"], full, chance))
    assert [stage.key for stage in pipeline(spec)] == [stage.key for stage in pipeline(job.spec)]


@pytest.mark.parametrize("name", GOLDEN)
def test_the_api_server_filling_in_defaults_changes_no_key(name):
    job = WeakToStrongJob.model_validate(MANIFESTS[name])
    stored = WeakToStrongJob.model_validate(with_defaults(schema(), MANIFESTS[name]))
    assert (stored.spec, stored.metadata) == (job.spec, job.metadata)
    assert Status.model_validate(stored.status) == Status.model_validate(FRESH)
    assert pipeline(stored.spec) == pipeline(job.spec)


@pytest.mark.parametrize("name", GOLDEN)
def test_a_job_file_keeps_the_keys(name):
    """Frozen without defaults, read again by the same version."""
    job = WeakToStrongJob.model_validate(MANIFESTS[name])
    frozen = job.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    assert pipeline(Spec.model_validate(frozen)) == pipeline(job.spec)


@pytest.mark.parametrize("name", GOLDEN)
def test_stages_come_after_what_they_need(name):
    seen: set[str] = set()
    for stage in pipeline(WeakToStrongJob.model_validate(MANIFESTS[name]).spec):
        assert set(stage.needs) <= seen
        seen.add(stage.name)


def test_a_new_version_of_a_method_is_new_work_from_there_on(monkeypatch):
    before = keys()
    monkeypatch.setitem(METHOD_VERSIONS, "Functions", METHOD_VERSIONS["Functions"] + 1)
    after = keys()
    assert [name for name in ALL if before[name] != after[name]] == ["label-rules", *FROM_AGGREGATE]


def test_every_method_that_can_be_asked_for_has_a_version():
    asked = {
        word
        for struct in (Labeler, SelectionStep, Aggregation, Tuning, Loss)
        for word in get_args(struct.model_fields["type"].annotation)
    }
    calibrations = set(get_args(Labeler.model_fields["calibration"].annotation)) - {"None"}
    assert asked | calibrations <= set(METHOD_VERSIONS)


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
