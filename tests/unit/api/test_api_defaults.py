"""A default that a key depends on never changes.

Keys leave defaults out, and the API server writes them into the object when it is applied. Had a field another
default in the next release, then (1) every job that left it out would be stored with the old value, which is no
default any more: its key changes and its work is done anew; (2) a job applied later, with the new value, would have
the key of the old one, and be given artifacts that were made with other settings. A new behaviour is a new field, or
a new value of an enum.
"""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from w2s_api.spec.job import Spec

DEFAULTS: dict[str, Any] = {
    "spec.task.type": "Classification",
    "spec.task.classes": [],
    "spec.task.classes.description": "",
    "spec.task.generation.prompt": "{text}",
    "spec.task.generation.maxNewTokens": 64,
    "spec.task.generation.stop": [],
    "spec.task.generation.passages.count": 4,
    "spec.task.generation.passages.oracleShare": "0.8",
    "spec.task.instruction": "",
    "spec.data.fields": {},
    "spec.data.fields.text": "text",
    "spec.data.fields.label": "label",
    "spec.data.testFraction": "0.5",
    "spec.data.splitSeed": 0,
    "spec.data.nearDuplicates": {},
    "spec.data.nearDuplicates.similarity": "0.8",
    "spec.data.nearDuplicates.shingleWords": 5,
    "spec.data.revision": "",
    "spec.synthesis": {},
    "spec.synthesis.steps": [],
    "spec.synthesis.steps.questionAnswer.perDocument": 4,
    "spec.synthesis.steps.questionAnswer.instruction": "Write a question that the text answers, the words of the text that"
    " answer it, and the answer.",
    "spec.synthesis.steps.questionAnswer.examples": [],
    "spec.synthesis.steps.questionAnswer.maxNewTokens": 128,
    "spec.synthesis.steps.readingComprehension.perDocument": 4,
    "spec.synthesis.steps.readingComprehension.tasks": ["Definition", "Heading", "Completion", "Cause"],
    "spec.synthesis.text": "{question}\n\n{passage}",
    "spec.synthesis.passageCharacters": 600,
    "spec.synthesis.longestAnswer": 50,
    "spec.synthesis.mostAlike": "0.7",
    "spec.weak.labelers.classifier.labels": [],
    "spec.weak.labelers.classifier.abstainOn": [],
    "spec.weak.labelers.classifier.trainedOn": {"type": "Unknown"},
    "spec.weak.labelers.classifier.maxTokens": 512,
    "spec.weak.labelers.finetuned.maxTokens": 256,
    "spec.weak.labelers.finetuned.tuning": {},
    "spec.weak.labelers.finetuned.tuning.type": "Head",
    "spec.weak.labelers.finetuned.tuning.lora.rank": 16,
    "spec.weak.labelers.finetuned.tuning.lora.alpha": 32,
    "spec.weak.labelers.finetuned.tuning.lora.targets": "AllLinear",
    "spec.weak.labelers.finetuned.tuning.lora.learningRate": "0.001",
    "spec.weak.labelers.finetuned.tuning.full.learningRate": "0.00003",
    "spec.weak.labelers.finetuned.training.epochs": 2,
    "spec.weak.labelers.finetuned.training.batchSize": 32,
    "spec.weak.labelers.finetuned.training.schedule": "Linear",
    "spec.weak.labelers.finetuned.training.warmupFraction": "0.1",
    "spec.weak.labelers.finetuned.training.weightDecay": "0.01",
    "spec.weak.labelers.finetuned.training.dropout": "0",
    "spec.weak.labelers.finetuned.training.gradientClipping": "1",
    "spec.weak.labelers.finetuned.training.stopping": {},
    "spec.weak.labelers.finetuned.training.stopping.type": "FixedSchedule",
    "spec.weak.labelers.finetuned.training.stopping.weakValidation.fraction": "0.1",
    "spec.weak.labelers.finetuned.training.stopping.weakValidation.checks": 8,
    "spec.weak.labelers.prompted.shots": 0,
    "spec.weak.labelers.prompted.shotSelection": "Drawn",
    "spec.weak.labelers.prompted.reasoningTokens": 0,
    "spec.weak.labelers.prompted.strategies.reasoningTokens": 0,
    "spec.weak.labelers.prompted.strategies.shots": 0,
    "spec.weak.labelers.prompted.strategies.shotSelection": "Drawn",
    "spec.weak.labelers.prompted.strategies.instruction": "",
    "spec.weak.labelers.prompted.orders": 2,
    "spec.weak.labelers.prompted.prior": "Uniform",
    "spec.weak.labelers.prompted.maxTokens": 512,
    "spec.weak.labelers.prompted.samples": 1,
    "spec.weak.labelers.prompted.temperature": "0",
    "spec.weak.labelers.prompted.agreement": "ExactMatch",
    "spec.weak.labelers.functions.maxCharacters": 100000,
    "spec.weak.labelers.imported.values": [],
    "spec.weak.labelers.imported.abstainOn": [],
    "spec.weak.labelers.python.maxErrorShare": "0.1",
    "spec.weak.labelers.python.maxSecondsPerText": "1",
    "spec.weak.labelers.endpoint.shots": 0,
    "spec.weak.labelers.endpoint.orders": 1,
    "spec.weak.labelers.endpoint.reasoning": False,
    "spec.weak.labelers.endpoint.temperature": "0",
    "spec.weak.labelers.endpoint.samples": 1,
    "spec.weak.labelers.endpoint.agreement": "ExactMatch",
    "spec.weak.labelers.endpoint.logprobs": False,
    "spec.weak.labelers.endpoint.maxCharacters": 20000,
    "spec.weak.labelers.calibration": "None",
    "spec.aggregation": {},
    "spec.aggregation.type": "WeightedAverage",
    "spec.aggregation.weightedAverage.weights": [],
    "spec.aggregation.dawidSkene.abstentions": "Missing",
    "spec.aggregation.labelModel.classShares": [],
    "spec.aggregation.crowdLab.folds": 5,
    "spec.aggregation.consensus.weights": [],
    "spec.aggregation.consensus.utility": "Chrf",
    "spec.selection": {},
    "spec.selection.steps": [],
    "spec.selection.steps.confidentLearning.prune": "Contradicted",
    "spec.selection.steps.confidentLearning.folds": 5,
    "spec.selection.steps.confidentLearning.mostDroppedPerClass": "0.5",
    "spec.selection.steps.confidentLearning.weigh": False,
    "spec.selection.steps.neighbours.neighbours": 20,
    "spec.selection.steps.neighbours.weigh": False,
    "spec.selection.steps.trust.folds": 5,
    "spec.selection.steps.trust.weigh": False,
    "spec.selection.steps.studentLoss.rounds": 5,
    "spec.selection.steps.studentLoss.mostDroppedPerClass": "0.5",
    "spec.selection.steps.studentLoss.hardWeight": "1",
    "spec.selection.steps.diversity.weigh": False,
    "spec.selection.steps.shares.by": "Weights",
    "spec.selection.steps.shares.shares": [],
    "spec.selection.steps.shape.mostRepeated": "0.5",
    "spec.selection.steps.shape.lengthsIn": "Words",
    "spec.selection.steps.shape.shortestRatio": "0",
    "spec.selection.steps.agreement.leastAnswers": 1,
    "spec.selection.steps.agreement.by": "Equal",
    "spec.selection.steps.agreement.leastSimilarity": "0.8",
    "spec.selection.steps.judge.scale": "OneToFive",
    "spec.selection.steps.judge.sample": 1000,
    "spec.selection.steps.judge.leastMass": "0.5",
    "spec.selection.steps.judge.folds": 5,
    "spec.selection.steps.judge.maxTokens": 512,
    "spec.selection.steps.likelihood.dropLeastLikely": "0",
    "spec.selection.steps.likelihood.dropMostLikely": "0",
    "spec.selection.steps.likelihood.per": "Token",
    "spec.selection.steps.likelihood.maxTokens": 512,
    "spec.strong.maxTokens": 256,
    "spec.strong.tuning": {},
    "spec.strong.tuning.type": "Head",
    "spec.strong.tuning.head.l2": "0.3",
    "spec.strong.tuning.lora.rank": 16,
    "spec.strong.tuning.lora.alpha": 32,
    "spec.strong.tuning.lora.targets": "AllLinear",
    "spec.strong.tuning.lora.learningRate": "0.001",
    "spec.strong.tuning.full.learningRate": "0.00003",
    "spec.strong.loss": {},
    "spec.strong.loss.type": "CrossEntropy",
    "spec.strong.loss.crossEntropy.targets": "Soft",
    "spec.strong.loss.product.alpha": "1",
    "spec.strong.loss.product.beta": "1",
    "spec.strong.loss.logConf.maxWeight": "0.5",
    "spec.strong.loss.logConf.warmupFraction": "0.2",
    "spec.strong.loss.softTargets.softWeight": "0.5",
    "spec.strong.loss.softTargets.temperature": "1",
    "spec.strong.loss.softTargets.decay": "Constant",
    "spec.strong.training.epochs": 2,
    "spec.strong.training.batchSize": 32,
    "spec.strong.training.schedule": "Linear",
    "spec.strong.training.warmupFraction": "0.1",
    "spec.strong.training.weightDecay": "0.01",
    "spec.strong.training.dropout": "0",
    "spec.strong.training.gradientClipping": "1",
    "spec.strong.training.stopping": {},
    "spec.strong.training.stopping.type": "FixedSchedule",
    "spec.strong.training.stopping.weakValidation.fraction": "0.1",
    "spec.strong.training.stopping.weakValidation.checks": 8,
    "spec.evaluation": {},
    "spec.evaluation.seeds": 3,
    "spec.evaluation.ceiling": False,
    "spec.evaluation.unadapted": True,
    "spec.evaluation.unfinished": True,
    "spec.evaluation.controls": ["Cascade", "GoldOnly", "Head", "Unfiltered", "ZeroShot"],
    "spec.evaluation.positiveThreshold": "0.5",
    "spec.evaluation.judge.question": "Which of the two is the better answer?",
    "spec.evaluation.judge.sample": 300,
    "spec.evaluation.judge.margin": "0",
    "spec.evaluation.judge.maxTokens": 512,
    "spec.evaluation.retention.maxTexts": 500,
    "spec.evaluation.retention.maxTokens": 256,
    "spec.evaluation.retention.prompts": [],
    "spec.evaluation.retention.maxNewTokens": 96,
    "spec.promotion": {},
    "spec.promotion.candidate": "Combined",
    "spec.promotion.metric": "MacroF1",
    "spec.promotion.mustBeat": ["Weak"],
    "spec.promotion.publish": "Merged",
    "spec.strong.adaptation": {},
    "spec.strong.rounds": {},
    "spec.strong.rounds.max": 1,
    "spec.strong.adaptation.steps": [],
    "spec.strong.adaptation.steps.pretrain.pool": True,
    "spec.strong.adaptation.steps.pretrain.corpora": [],
    "spec.strong.adaptation.steps.pretrain.subset": "1",
    "spec.strong.adaptation.steps.pretrain.blockTokens": 256,
    "spec.strong.adaptation.steps.pretrain.maskFraction": "0.15",
    "spec.strong.adaptation.steps.pretrain.tuning": {},
    "spec.strong.adaptation.steps.pretrain.tuning.type": "Full",
    "spec.strong.adaptation.steps.pretrain.tuning.lora.rank": 16,
    "spec.strong.adaptation.steps.pretrain.tuning.lora.alpha": 32,
    "spec.strong.adaptation.steps.pretrain.tuning.lora.targets": "AllLinear",
    "spec.strong.adaptation.steps.pretrain.tuning.lora.learningRate": "0.001",
    "spec.strong.adaptation.steps.pretrain.tuning.full.learningRate": "0.00003",
    "spec.strong.adaptation.steps.pretrain.freezeBlocks": 0,
    "spec.strong.adaptation.steps.pretrain.training": {},
    "spec.strong.adaptation.steps.pretrain.training.epochs": 1,
    "spec.strong.adaptation.steps.pretrain.training.batchSize": 32,
    "spec.strong.adaptation.steps.pretrain.training.schedule": "Linear",
    "spec.strong.adaptation.steps.pretrain.training.warmupFraction": "0.1",
    "spec.strong.adaptation.steps.pretrain.training.weightDecay": "0.01",
    "spec.strong.adaptation.steps.pretrain.training.dropout": "0",
    "spec.strong.adaptation.steps.pretrain.training.gradientClipping": "1",
    "spec.strong.adaptation.steps.pretrain.heldOutFraction": "0.05",
    "spec.strong.adaptation.steps.pretrain.checks": 8,
    "spec.strong.adaptation.steps.merge.method": "Linear",
    "spec.strong.adaptation.steps.merge.models.weight": "0.5",
    "spec.strong.adaptation.steps.prune.method": "Wanda",
    "spec.strong.adaptation.steps.prune.pattern": "Unstructured",
    "spec.strong.adaptation.steps.prune.pool": True,
    "spec.strong.adaptation.steps.prune.corpora": [],
    "spec.strong.adaptation.steps.prune.calibrationBlocks": 128,
    "spec.strong.adaptation.steps.prune.blockTokens": 256,
    "spec.strong.adaptation.steps.prune.heldOutFraction": "0.05",
    "spec.strong.finish": {},
    "spec.strong.finish.steps": [],
    "spec.strong.finish.steps.interpolate.shares": ["0.5"],
    "spec.strong.finish.steps.align.method": "DPO",
    "spec.strong.finish.steps.align.training": {},
    "spec.strong.finish.steps.align.training.epochs": 1,
    "spec.strong.finish.steps.align.training.batchSize": 8,
    "spec.strong.finish.steps.align.training.schedule": "Linear",
    "spec.strong.finish.steps.align.training.warmupFraction": "0.1",
    "spec.strong.finish.steps.align.training.weightDecay": "0.01",
    "spec.strong.finish.steps.align.training.dropout": "0",
    "spec.strong.finish.steps.align.training.gradientClipping": "1",
    "spec.strong.finish.steps.align.heldOutFraction": "0.2",
    "spec.promotion.minLowerBound": "0",
    "spec.report": {},
    "spec.report.examples": "None",
}
"""Of the first release. A field that is new is added here, with the default that means what was done before."""

NO_KEY = ("pods", "execution", "storage", "suspend", "ttlSecondsAfterFinished", "managedBy")
NO_RESULT = (
    "batchTokens",
    "shards",
    "checkpointIntervalSeconds",
    "gradientCheckpointing",
    "concurrency",
    "timeoutSeconds",
)


def structs(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from structs(inner)


def defaults(struct: type[BaseModel], path: str) -> Iterator[tuple[str, Any]]:
    for name, field in struct.model_fields.items():
        word = field.alias or name
        at = f"{path}.{word}"
        if at.split(".")[1] in NO_KEY or word in NO_RESULT:
            continue
        if not field.is_required():
            value = field.get_default(call_default_factory=True)
            if isinstance(value, BaseModel):
                value = value.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            if value is not None:
                yield at, value
        for inner in structs(field.annotation):
            yield from defaults(inner, at)


@pytest.mark.parametrize("path", DEFAULTS)
def test_a_default_is_that_of_the_first_release(path: str):
    assert dict(defaults(Spec, "spec"))[path] == DEFAULTS[path]


def test_every_default_is_in_the_table():
    assert dict(defaults(Spec, "spec")).keys() == DEFAULTS.keys()
