"""Which edit changes which keys. A key that changes re-runs somebody's work."""

from typing import get_args

import pytest
from api_server_kit import schema, with_defaults
from hypothesis import given, settings
from hypothesis.strategies import randoms
from manifests import DEEP, FULL, MINIMAL, PODS, RULES, SOUND, asked, llm, manifest, put
from verdicts import (
    EVERY_SYNTHESIS_STEP,
    judged,
    judged_texts,
    prompted,
    retrieves,
    synthesises,
    tuned,
    writes_by,
)

from w2s_api.crd import FRESH
from w2s_api.keys import canonical, content_key
from w2s_api.methods.labelers import Functions
from w2s_api.pipeline import VERSIONS, pipeline
from w2s_api.spec.job import Spec, WeakToStrongJob
from w2s_api.spec.weak import Labeler
from w2s_api.status import Status

ALL = [
    "prepare",
    "label-rules",
    "label-small",
    "label-own",
    "aggregate",
    "select",
    "train",
    "combine",
    "evaluate",
    "promote",
]
FROM_AGGREGATE = ALL[4:]
FROM_COMBINE = ["combine", "evaluate", "promote"]
FROM_TRAIN = ["train", *FROM_COMBINE]


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
NO_GOLD_ONLY = put("evaluation.controls", ["Unfiltered", "ZeroShot"])
TRAINED_ON = put(
    "weak.labelers.2.classifier.trainedOn", {"type": "Data", "data": [{"uri": "s3://legal/old.csv"}]}
)
LABELS = [{"modelLabel": "A", "className": "free"}, {"modelLabel": "B", "className": "restricted"}]

FROM_SMALL = ["label-small", *FROM_AGGREGATE]
VOTES = put("weak.labelers.1", {"name": "small", "type": "Imported", "imported": {"field": "ann"}})
TWO_VALUES = [{"value": "1", "className": "free"}, {"value": "0", "className": "restricted"}]
VALUES = put(
    "weak.labelers.1",
    {"name": "small", "type": "Imported", "imported": {"field": "ann", "values": TWO_VALUES}},
)
CODE = {"name": "code", "type": "Python", "python": {"module": "rules", "functions": ["f"], "revision": "1"}}
CROWD = put("aggregation", {"type": "CrowdLab"})

EDITS_OF = [
    ("division of gold, where the test is given", OWN_TEST, put("data.testFraction", "0.6"), []),
    ("split seed, where the test is given", OWN_TEST, put("data.splitSeed", 1), []),
    ("gold budget, where no labeler is taught", UNTAUGHT, put("data.goldBudget", 64), FROM_TRAIN),
    ("gold budget, that the combination alone uses", both(UNTAUGHT, NO_GOLD_ONLY), put("data.goldBudget", 64), FROM_COMBINE),
    ("seeds, that the combination and intervals use", both(UNTAUGHT, NO_GOLD_ONLY), put("evaluation.seeds", 5), FROM_COMBINE),
    ("seeds of the ceiling", both(UNTAUGHT, NO_GOLD_ONLY, put("evaluation.ceiling", True)), put("evaluation.seeds", 5), FROM_TRAIN),
    ("description of a class, without zero-shot", put("evaluation.controls", []), put("task.classes.0.description", "Free."), FROM_COMBINE),
    ("where a teacher was trained, twice", TRAINED_ON, put("weak.labelers.2.classifier.trainedOn.data", [{"uri": "s3://legal/old.csv"}] * 2), []),
    ("order of the model's labels", put("weak.labelers.2.classifier.labels", LABELS), put("weak.labelers.2.classifier.labels", LABELS[::-1]), []),
    ("a label that is called as the class", same, put("weak.labelers.2.classifier.labels", [{"modelLabel": "free", "className": "free"}]), []),
    ("a weight of one", same, put("aggregation", {"weightedAverage": {"weights": [{"labeler": "own", "weight": "1.0"}]}}), []),
    ("order of the labelers", same, lambda spec: spec["weak"]["labelers"].reverse(), []),
    ("empty structs", same, lambda spec: spec["strong"].update(tuning={"head": {}}, loss={"crossEntropy": {}}), []),
    ("instruction, without zero-shot", put("evaluation.controls", []), put("task.instruction", "Free?"), FROM_COMBINE),
    ("what an imported value means", VOTES, put("weak.labelers.1.imported.values", [{"value": "1", "className": "free"}]), FROM_SMALL),
    ("what an imported value means, in another order", VALUES, put("weak.labelers.1.imported", {"field": "ann", "values": TWO_VALUES[::-1]}), []),
    ("the revision of the code", put("weak.labelers.1", {**CODE, "name": "small"}), put("weak.labelers.1.python.revision", "2"), FROM_SMALL),
    ("a share of one", put("aggregation", {"type": "LabelModel"}), put("aggregation.labelModel", {"classShares": [{"className": "free", "share": "1.0"}]}), []),
    ("model, of an aggregation that reads features", CROWD, put("strong.model.uri", "hf://org/other"), FROM_AGGREGATE),
    ("strength, of an aggregation that fits heads", CROWD, put("strong.tuning", {"head": {"l2": "3"}}), FROM_AGGREGATE),
    ("batch size of an aggregation's features", CROWD, put("strong.batchTokens", 512), []),
    ("folds of an aggregation", CROWD, put("aggregation.crowdLab", {"folds": 4}), FROM_AGGREGATE),
    ("default folds of an aggregation", CROWD, put("aggregation.crowdLab", {"folds": 5}), []),
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
    ("answers of experts", put("data.asked", {"uri": "s3://legal/asked/"}), ALL),
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
    ("an imported vote, which is read with the data", lambda spec: spec["weak"]["labelers"].append({"name": "votes", "type": "Imported", "imported": {"field": "ann"}}), ALL),
    ("functions of a module", lambda spec: spec["weak"]["labelers"].append(CODE), FROM_AGGREGATE),
    ("a majority vote", put("aggregation", {"type": "MajorityVote"}), FROM_AGGREGATE),
    ("weights", put("aggregation.weightedAverage", {"weights": [{"labeler": "own", "weight": "2"}]}), FROM_AGGREGATE),
    ("selection", put("selection.steps", [{"type": "Confidence", "confidence": {"keepFractionPerClass": "0.5"}}]), ALL[5:]),
    ("strong model", put("strong.model.uri", "hf://org/other"), FROM_TRAIN),
    ("regularisation", put("strong.tuning", {"type": "Head", "head": {"l2": "3"}}), FROM_TRAIN),
    ("hard targets", put("strong.loss", {"type": "CrossEntropy", "crossEntropy": {"targets": "Hard"}}), FROM_TRAIN),
    ("description of a class, that zero-shot reads", put("task.classes.0.description", "Free."), FROM_TRAIN),
    ("ceiling", put("evaluation.ceiling", True), FROM_TRAIN),
    ("fewer controls", put("evaluation.controls", ["Cascade", "Unfiltered"]), FROM_TRAIN),
    ("without the cascade", put("evaluation.controls", ["GoldOnly", "Unfiltered", "ZeroShot"]), ["evaluate", "promote"]),
    ("threshold", put("evaluation.positiveThreshold", "0.4"), ["evaluate", "promote"]),
    ("positive class", put("task.positiveClass", "free"), ["evaluate", "promote"]),
    ("instruction, that zero-shot reads", put("task.instruction", "Is it free?"), FROM_TRAIN),
    ("excerpts", put("report.examples", "Excerpts"), ["evaluate", "promote"]),
    ("metric", put("promotion.metric", "Accuracy"), ["evaluate", "promote"]),
    ("a teacher that saw nothing", put("weak.labelers.2.classifier.trainedOn", {"type": "Elsewhere"}), ["evaluate", "promote"]),
    ("candidate", put("promotion.candidate", "Student"), ["evaluate", "promote"]),
    ("gate", put("promotion.minLowerBound", "0.02"), ["evaluate", "promote"]),
    ("arms to beat", put("promotion.mustBeat", ["Weak", "GoldOnly"]), ["evaluate", "promote"]),
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
    ("a set in another order", put("evaluation.controls", ["ZeroShot", "Head", "GoldOnly", "Unfiltered", "Cascade"]), []),
]  # fmt: skip


@pytest.mark.parametrize(("what", "edit", "changed"), EDITS, ids=[edit[0] for edit in EDITS])
def test_an_edit_changes_just_these_keys(what, edit, changed):
    before, after = keys(), keys(edit)
    assert [name for name in ALL if before[name] != after[name]] == changed


CONFIDENT = put("selection.steps", [{"type": "ConfidentLearning", "confidentLearning": {}}])
NEAR = put("selection.steps", [{"type": "Neighbours", "neighbours": {"keepFractionPerClass": "0.5"}}])
TRUST = put("selection.steps", [{"type": "Trust", "trust": {"keepFractionPerClass": "0.5"}}])
CORRECTED = put("selection.steps", [{"type": "Correction", "correction": {}}])
OF_BUDGET = put("selection.steps", [{"type": "Shares", "shares": {"like": "GoldBudget"}}])
BEFORE = put("selection.steps", [{"type": "Shares", "shares": {"like": "BeforeSelection"}}])
TWO = [{"className": "free", "share": "0.5"}, {"className": "restricted", "share": "0.5"}]
DECLARED = put("selection.steps", [{"type": "Shares", "shares": {"like": "Declared", "shares": TWO}}])
L2, MODEL = put("strong.tuning", {"head": {"l2": "3"}}), put("strong.model.uri", "hf://org/other")
BUDGET, SEEDS = put("data.goldBudget", 64), put("evaluation.seeds", 5)
BATCH = put("strong.batchTokens", 512)

JUDGED = put("selection.steps", [judged(keepFraction="0.5")])

SELECTION_EDITS = [
    ("strength, of a step that fits heads", CONFIDENT, L2, ALL[5:]),
    ("strength, of a step that fits none", NEAR, L2, FROM_TRAIN),
    ("model, of a step that looks at features", NEAR, MODEL, ALL[5:]),
    ("model, of a step that looks at none", BEFORE, MODEL, FROM_TRAIN),
    ("budget, of a step that learns from it", TRUST, BUDGET, ALL[5:]),
    ("seeds, of a step that learns from the budget", TRUST, SEEDS, ALL[5:]),
    ("budget, of a correction", CORRECTED, BUDGET, ALL[5:]),
    ("strength, of a correction", CORRECTED, L2, ALL[5:]),
    ("mixture of a correction", CORRECTED, put("selection.steps.0.correction.mixture", "0.5"), ALL[5:]),
    ("budget, of shares like it", OF_BUDGET, BUDGET, ALL[5:]),
    ("budget, of other shares", BEFORE, BUDGET, FROM_TRAIN),
    ("order of declared shares", DECLARED, lambda spec: spec["selection"]["steps"][0]["shares"]["shares"].reverse(), []),
    ("batch size of a step's features", CONFIDENT, BATCH, []),
    ("defaults of a step written out", CONFIDENT, put("selection.steps.0.confidentLearning", {"folds": 5, "weigh": False}), []),
    ("the question, of a step that asks", JUDGED, put("task.instruction", "Free?"), [name for name in ALL if name in ("select", *FROM_TRAIN)]),
    ("the rubric", JUDGED, put("selection.steps.0.judge.rubric", "It is short."), ALL[5:]),
    ("model of the student, of a judge's distillation", JUDGED, MODEL, ALL[5:]),
    ("batch size of a judge", JUDGED, put("selection.steps.0.judge.batchTokens", 512), []),
    ("budget, of a judge", JUDGED, BUDGET, FROM_TRAIN),
    ("folds", CONFIDENT, put("selection.steps.0.confidentLearning.folds", 4), ALL[5:]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "steps", "edit", "changed"), SELECTION_EDITS, ids=[row[0] for row in SELECTION_EDITS]
)
def test_an_edit_changes_the_selection_only_where_a_step_looks_at_it(what, steps, edit, changed):
    before, after = keys(UNTAUGHT, steps), keys(UNTAUGHT, steps, edit)
    assert [name for name in ALL if before[name] != after[name]] == changed


def test_a_pairwise_judge_is_work_for_the_evaluation_alone():
    judge = {"model": {"uri": "py://judge"}}
    texts = writes_by(prompted())
    plain = keys(texts)
    with_judge = keys(texts, put("evaluation.judge", judge))
    assert [name for name in plain if plain[name] != with_judge[name]] == ["evaluate", "promote"]
    assert with_judge == keys(texts, put("evaluation.judge", {**judge, "batchTokens": 512, "margin": "0.0"}))
    assert with_judge != keys(texts, put("evaluation.judge", {**judge, "question": "Which is shorter?"}))


LORA = put("strong.tuning", {"type": "LoRA"})
SELECTED = put("selection.steps", [{"type": "Confidence", "confidence": {"keepFractionPerClass": "0.5"}}])
CEILING = put("evaluation", {"seeds": 2, "ceiling": True})
STRONG = ["train-strong-0", "train-strong-1"]
UNFILTERED = ["train-unfiltered-0", "train-unfiltered-1"]
GOLD_ONLY = ["train-gold-only-0", "train-gold-only-1"]
REFERENCE = ["train-ceiling-0", "train-ceiling-1"]
LAST = FROM_COMBINE

DEEP_EDITS = [
    ("rank", put("strong.tuning.lora", {"rank": 4}), [*STRONG, *UNFILTERED, *GOLD_ONLY, *REFERENCE, *LAST]),
    ("the head that tuning starts from", put("strong.tuning.head", {"l2": "0.7"}), ["train-frozen", *STRONG, *UNFILTERED, *GOLD_ONLY, *REFERENCE, *LAST]),
    ("schedule", put("strong.training", {"epochs": 3}), [*STRONG, *UNFILTERED, *GOLD_ONLY, *REFERENCE, *LAST]),
    ("stopping", put("strong.training", {"stopping": {"type": "WeakValidation"}}), [*STRONG, *UNFILTERED, *LAST]),
    ("when it is given up", put("strong.training", {"earlyTermination": {"afterFraction": "0.3"}}), [*STRONG, *UNFILTERED, *LAST]),
    ("order", put("strong.training", {"order": "EasyToHard"}), [*STRONG, *UNFILTERED, *LAST]),
    ("the order as it is by default", put("strong.training", {"order": "Random"}), []),
    ("loss", put("strong.loss", {"type": "LogConf"}), [*STRONG, *UNFILTERED, *LAST]),
    ("selection", put("selection.steps.0.confidence.keepFractionPerClass", "0.6"), ["select", "train-frozen", *STRONG, *REFERENCE, *LAST]),
    ("another control", put("evaluation.controls", ["GoldOnly", "ZeroShot", "Head"]), ["evaluate", "promote"]),
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
    new = ["train-strong-2", "train-gold-only-2", *LAST]
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
# on purpose, it is a new version of a method (its class in w2s_api.methods, or pipeline.VERSIONS), and the release notes say so.
GOLDEN = {
    "sound": {
        "prepare": "55498cdd97f5df7970b045b756750661",
        "label-rules": "9af77af5d1f3a5a412b8f18a4388b921",
        "label-small": "8fa3619af798fa6d09b3159ea2cb987c",
        "label-own": "26dade4b38cfde48542447eb988ae464",
        "aggregate": "c564089d108c593cf2edadf016f79c14",
        "select": "41fa592496bb2c33f8f5b24cbcd67ce4",
        "train": "1c2eccb7a4d92b2d5e6625763bab3165",
        "combine": "4ff29a740811b89e2a3bd40c4d381836",
        "evaluate": "b3b7bc0cf560fa8a0e6a0a8c0fee6125",
        "promote": "7e343244088bbce1c91f6956054a6223",
    },
    "full": {
        "prepare": "fa26e7e3a6a3760cafa5227edbe4f134",
        "label-rules": "caf36775dc40d9f9a23c1c268325d81c",
        "label-small": "62a76c006c733569c2b72e281d81431d",
        "label-own": "82c13309e099eeb33c6c2831a2cfaf98",
        "aggregate": "6d8ac57e47e3bbcde406e5bdca2fd5c8",
        "select": "bcbbc77b13b2604f92059f0155421287",
        "train": "2e3ae2cf85a1024e174eb3152d76f5bb",
        "combine": "f58ddea06d5fc7512325660f8c123c63",
        "evaluate": "aa40a8e325026247f54931be22f639c7",
        "promote": "c6aa42fb0ee1f9b778ed9890458b891d",
    },
    "deep": {
        "prepare": "55498cdd97f5df7970b045b756750661",
        "label-rules": "9af77af5d1f3a5a412b8f18a4388b921",
        "label-small": "05230da9b95be0f6d7fee67cb8e7aeaf",
        "label-own": "26dade4b38cfde48542447eb988ae464",
        "label-asked": "d6d4e99aa13ca45bb33633245b03a901",
        "aggregate": "ebb2023769c4da6a8fa5a00376e72cd9",
        "select": "aea833a415fa20ac89d5ece8795ed92d",
        "train-frozen": "fa36b190a78e3455d41b95d56c26f2cd",
        "train-strong-0": "5e0ddbcd6c95d80226c124f057ead3d5",
        "train-strong-1": "6d1f129c8dba44aafd066cdea91f6e4d",
        "train-unfiltered-0": "948a1136e004fbb13428daddfa1be661",
        "train-unfiltered-1": "5d8667180e1e4d8594f33e1b5a2c8695",
        "train-gold-only-0": "ff19fe439eaae8319a22d4234b38b912",
        "train-gold-only-1": "83a2643bd8e7f12776a259ac8fae1650",
        "train-ceiling-0": "0312c51f6f07518763181b96c4406b16",
        "train-ceiling-1": "9f6182eb0b20e6e196dce334a7eb2653",
        "combine": "c8325530098d4aca02984addbb8c5baa",
        "evaluate": "c461ad8e5de44125bb73c4e25e1dcd16",
        "promote": "ceffc7d81b312918db5708539370538a",
    },
    "minimal": {
        "prepare": "0b009723e86ae71ee636241cb4025dbf",
        "label-own": "4a7af2679ac379542022531a9e744a7f",
        "aggregate": "ea1ad0719fc4bab467029d0f13fe1be9",
        "select": "560c880b547ccd1f5bad5cd0dd002c1a",
        "train": "c6e360da5d591f82eb5144885527501a",
        "combine": "652ade2b0c7ff15b260f9cf2bea2a7bb",
        "evaluate": "8215c648b129f5a764266a61c997f13a",
        "promote": "4f538910ddff425a30a1b3b5f46a636d",
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
    monkeypatch.setattr(Functions, "version", Functions.version + 1)
    after = keys()
    assert [name for name in ALL if before[name] != after[name]] == ["label-rules", *FROM_AGGREGATE]


def test_every_calibration_that_can_be_asked_for_has_a_version():
    assert set(get_args(Labeler.model_fields["calibration"].annotation)) - {"None"} <= set(VERSIONS)


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


HOW_IT_IS_REACHED = {
    "url": "http://vllm.llm.svc:8000/v1",
    "apiKeySecretRef": {"name": "llm", "key": "token"},
    "concurrency": 32,
    "requestsPerMinute": 60,
    "timeoutSeconds": 9,
    "pricePerMillionTokens": {"input": "1", "output": "2"},
    "maxCost": "5",
}


def test_how_an_endpoint_is_reached_and_paid_for_is_in_no_key():
    assert keys(put("weak.labelers.1", llm())) == keys(put("weak.labelers.1", llm(**HOW_IT_IS_REACHED)))


@pytest.mark.parametrize(
    "asked",
    [
        {"model": "other"},
        {"shots": 4},
        {"orders": 2},
        {"reasoning": True},
        {"maxTokensOut": 5},
        {"temperature": "0.5"},
        {"temperature": "1", "samples": 3},
        {"logprobs": True},
        {"maxCharacters": 100},
    ],
    ids=str,
)
def test_what_an_endpoint_is_asked_is_in_its_key(asked):
    before, after = keys(put("weak.labelers.1", llm())), keys(put("weak.labelers.1", llm(**asked)))
    assert before["label-llm"] != after["label-llm"]
    assert before["label-own"] == after["label-own"]


def test_an_endpoint_is_asked_the_instruction():
    before = keys(put("weak.labelers.1", llm()))
    after = keys(put("weak.labelers.1", llm()), put("task.instruction", "Is it free?"))
    assert before["label-llm"] != after["label-llm"]


PAIR_LABELER = {"name": "pairs", "type": "Imported", "imported": {"field": "answer"}}
MINED_ONLY = {"steps": EVERY_SYNTHESIS_STEP[:1]}


def of_texts(**task) -> dict[str, str]:
    """Keys of a job whose texts are written by rules, a tuned model and one that is asked."""
    learner = tuned(tuning={"type": "LoRA"})
    return keys(writes_by(learner, **task), lambda spec: spec["weak"]["labelers"].append(prompted()))


def test_soft_targets_train_the_students_of_weak_labels_anew_from_the_opinions_and_no_other():
    labeler = tuned(tuning={"type": "LoRA"})
    softened = writes_by(tuned(tuning={"type": "LoRA"}, topK=8))
    soft = put("strong.loss", {"type": "SoftTargets"})
    plain, kept = keys(writes_by(labeler)), keys(softened)
    assert plain["label-small"] != kept["label-small"], "what is kept is part of the work"
    assert plain["label-rules"] == kept["label-rules"]
    learnt = keys(softened, soft)
    changed = {name for name in kept if kept[name] != learnt[name]}
    assert {"train-strong-0", "train-strong-1", "combine", "evaluate"} <= changed
    assert not changed & {"label-small", "aggregate", "select", "train-frozen", "train-gold-only-0"}
    job = WeakToStrongJob.model_validate(manifest(softened, soft))
    roles = {stage.name: set(stage.roles) for stage in pipeline(job.spec)}
    assert "opinions" in roles["train-strong-0"]
    assert "opinions" not in roles["train-gold-only-0"]


def test_an_edit_of_the_edits_selects_and_trains_again_what_is_selected_alone():
    edits = [[{"type": "Remove", "pattern": pattern}] for pattern in ("a", "b")]
    before, after = (
        keys(
            writes_by(tuned(tuning={"type": "LoRA"})),
            put("selection.steps", [{"type": "Refinement", "refinement": {"edits": one}}]),
        )
        for one in edits
    )
    changed = {name for name in before if before[name] != after[name]}
    assert {"select", "train-strong-0", "combine", "evaluate"} <= changed
    assert not changed & {"prepare", "label-small", "aggregate", "train-unfiltered-0", "train-gold-only-0"}


def test_a_judge_of_texts_is_asked_again_by_what_it_is_asked_and_not_by_how_it_is_run():
    found = {
        name: keys(judged_texts(**edit))
        for name, edit in {
            "plain": {},
            "batches": {"batchTokens": 128},
            "rubric": {"rubric": "Is it short?"},
        }.items()
    }
    reworded = keys(judged_texts(), put("task.instruction", "Which one?"))
    assert found["batches"] == found["plain"]
    for other in (found["rubric"], reworded):
        assert other["aggregate"] != found["plain"]["aggregate"]
        assert other["label-rules-0"] == found["plain"]["label-rules-0"]
    voted = keys(judged_texts(), put("aggregation", {"type": "MajorityVote"}))
    assert (
        voted["aggregate"]
        == keys(
            judged_texts(), put("aggregation", {"type": "MajorityVote"}), put("task.instruction", "Which?")
        )["aggregate"]
    )
    job = WeakToStrongJob.model_validate(manifest(judged_texts()))
    (stage,) = (stage for stage in pipeline(job.spec) if stage.name == "aggregate")
    assert [(read.uri, read.what) for read in stage.reads] == [("py://llm", "model")]


@pytest.mark.parametrize(
    "task",
    [
        {"instruction": "Which one?"},
        {"generation": {"maxNewTokens": 9}},
        {"generation": {"stop": [";"]}},
        {"generation": {"prompt": "Notice: {text}"}},
    ],
)
def test_who_learns_to_write_is_asked_and_rules_are_not(task):
    before, after = of_texts(), of_texts(**task)
    changed = {name for name in before if before[name] != after[name]}
    assert {"label-small", "label-asked"} <= changed
    assert {name for name in before if name.startswith("train-gold-only")} <= changed
    assert not changed & {"prepare", "label-rules"}


def test_students_that_write_on_the_gold_budget_alone_have_a_schedule_of_their_own():
    def versions(document) -> dict[str, dict]:
        job = WeakToStrongJob.model_validate(document)
        return {stage.name: dict(stage.methods) for stage in pipeline(job.spec)}

    controls = put("evaluation.controls", ["GoldOnly", "Unfiltered"])
    of_texts, of_classes = versions(manifest(writes_by(prompted()), controls)), versions(DEEP)
    assert {name for name, methods in of_texts.items() if "GoldSchedule" in methods} == {
        name for name in of_texts if name.startswith("train-gold-only-")
    }
    assert not any("GoldSchedule" in methods for methods in of_classes.values())


def test_fields_that_a_template_names_are_prepared_and_its_words_are_not():
    plain, default = of_texts(), of_texts(generation={"prompt": "{text}"})
    named = of_texts(generation={"prompt": "{text}\nParty: {party}"})
    reworded = of_texts(generation={"prompt": "{party} says: {text} {party}"})
    assert default == plain
    assert named["prepare"] != plain["prepare"]
    assert reworded["prepare"] == named["prepare"]
    assert reworded["label-rules"] == named["label-rules"]
    assert reworded["label-asked"] != named["label-asked"]


PAIRS = synthesises(*EVERY_SYNTHESIS_STEP)
SYNTHESIS_EDITS = [
    ("a quota", put("synthesis.steps.1.questionAnswer.perDocument", 3), True),
    ("a default that is written out", put("synthesis.steps.0.readingComprehension", {"perDocument": 4}), False),
    ("how the model is run", put("synthesis.steps.2.questionAnswer.batchTokens", 128), False),
    ("what the model is shown", put("synthesis.steps.2.questionAnswer.examples", []), True),
    ("how pairs are written", put("synthesis.text", "{question} {passage}"), True),
    ("how alike pairs may be", put("synthesis.mostAlike", "0.8"), True),
]  # fmt: skip


@pytest.mark.parametrize(("what", "edit", "again"), SYNTHESIS_EDITS, ids=[row[0] for row in SYNTHESIS_EDITS])
def test_an_edit_of_the_synthesis_is_work_from_there_on(what, edit, again):
    before, after = keys(PAIRS), keys(PAIRS, edit)
    changed = [name for name in before if before[name] != after[name]]
    assert changed == ([name for name in before if name != "prepare"] if again else [])


def test_pairs_are_made_of_what_is_prepared_and_their_gold_stays_there():
    written, paired = writes_by(PAIR_LABELER), both(writes_by(PAIR_LABELER), put("synthesis", MINED_ONLY))
    assert "synthesise" not in keys(written)
    stages = {stage.name: stage for stage in pipeline(WeakToStrongJob.model_validate(manifest(paired)).spec)}
    assert stages["synthesise"].needs == ("prepare",)
    for stage in stages.values():
        if "examples" in stage.roles and stage.name != "synthesise":
            assert stage.roles["examples"] == ("synthesise",)
            assert stage.roles["gold"] == ("prepare",)


PASSAGE_EDITS = [
    ("how many", put("task.generation.passages.count", 5), True),
    ("how many by default, written out", put("task.generation.passages.count", 4), False),
    ("how often the oracle is shown", put("task.generation.passages.oracleShare", "0.5"), True),
    ("further ones", put("task.generation.passages.more", {"uri": "s3://one/passages/"}), True),
    ("by which model", put("task.generation.passages.model", {"uri": "py://encoder"}), True),
    ("the strong model as it came, written out", lambda spec: spec["task"]["generation"]["passages"].update(model=dict(spec["strong"]["model"])), None),
]  # fmt: skip


@pytest.mark.parametrize(("what", "edit", "again"), PASSAGE_EDITS, ids=[row[0] for row in PASSAGE_EDITS])
def test_an_edit_of_the_passages_is_work_from_there_on(what, edit, again):
    before, after = keys(retrieves()), keys(retrieves(), edit)
    changed = [name for name in before if before[name] != after[name]]
    assert "prepare" not in changed
    assert ("retrieve" in changed) is bool(again)
    if again is not None:
        assert changed == ([name for name in before if name != "prepare"] if again else [])


def test_passages_stand_beside_what_was_prepared_or_made_of_it():
    plain = {
        stage.name: stage for stage in pipeline(WeakToStrongJob.model_validate(manifest(retrieves())).spec)
    }
    assert plain["retrieve"].roles["examples"] == ("prepare",)
    assert plain["retrieve"].model == plain["train-strong-0"].model
    assert {stage.roles["examples"] for stage in plain.values() if "labels" in stage.roles} == {("retrieve",)}
    assert "pairs" not in plain["evaluate"].roles
    paired = retrieves(synthesises(*EVERY_SYNTHESIS_STEP, text="{question}"))
    stages = {stage.name: stage for stage in pipeline(WeakToStrongJob.model_validate(manifest(paired)).spec)}
    assert stages["retrieve"].roles["examples"] == ("synthesise",)
    assert stages["evaluate"].roles["pairs"] == ("synthesise",)
    assert "retrieve" not in keys(PAIRS)


def test_what_is_imported_from_pairs_is_nothing_that_rows_must_have():
    written, paired = writes_by(PAIR_LABELER), both(writes_by(PAIR_LABELER), put("synthesis", MINED_ONLY))
    without = both(writes_by(PAIR_LABELER), lambda spec: spec["weak"]["labelers"].pop())
    assert keys(written)["prepare"] != keys(without)["prepare"] == keys(paired)["prepare"]


def test_how_shots_are_picked_and_what_is_tried_is_in_the_key_of_a_prompted_labeler():
    ways = [
        {},
        {"shotSelection": "Nearest"},
        {"shots": 0, "strategies": [{}, {"shots": 8}]},
        {"shots": 0, "strategies": [{"shots": 8}, {}]},
        {"shots": 0, "strategies": [{}, {"shots": 8, "instruction": "Is it free?"}]},
    ]
    found = [keys(put("weak.labelers.1", asked(**way))) for way in ways]
    assert len({key["label-asked"] for key in found}) == len(ways)
    assert keys(put("weak.labelers.1", asked(shotSelection="Drawn"))) == found[0]
    assert len({key["label-rules"] for key in found}) == 1


def test_several_ways_to_ask_are_chosen_by_the_budget_of_each_seed():
    tried = asked(shots=0, prior="None", strategies=[{}, {"instruction": "Is it free?"}])
    of_seeds = [
        keys(put("weak.labelers.1", {**tried, "calibration": "None"}), put("evaluation.seeds", seeds))
        for seeds in (3, 4)
    ]
    assert of_seeds[0]["label-asked"] != of_seeds[1]["label-asked"]


def test_privacy_is_of_students_on_weak_labels_alone():
    job = (UNTAUGHT, LORA, SELECTED, CEILING, put("promotion.candidate", "Student"))
    private = put("strong.training", {"privacy": {"epsilon": "8", "delta": "0.00001"}})
    before, after = keys(*job), keys(*job, private)
    assert [name for name in after if before[name] != after[name]] == [*STRONG, *UNFILTERED, *LAST]
    written_out = put("strong.training", {"privacy": {"epsilon": "8.0", "delta": "0.00001", "clipNorm": "1"}})
    assert keys(*job, written_out) == after
