"""Manifests and the verdict on them: `w2s validate`, the CRD as we read it and a real API server must agree."""

from collections.abc import Callable
from typing import Any

from manifests import ASKED, DEEP, FULL, OWN, PODS, RULES, SMALL, asked, llm, put

VOTES = {"name": "votes", "type": "Imported", "imported": {"field": "ann"}}
CODE = {
    "name": "code",
    "type": "Python",
    "python": {"module": "legal.rules", "functions": ["by_fee"], "revision": "1"},
}
STEP = {"type": "Confidence", "confidence": {"keepFractionPerClass": "0.7"}}
TRUST = {"type": "Trust", "trust": {"keepFractionPerClass": "0.7"}}
EVERY_STEP = [
    STEP,
    TRUST,
    {"type": "ConfidentLearning", "confidentLearning": {}},
    {"type": "Neighbours", "neighbours": {"keepFractionPerClass": "0.7"}},
    {"type": "StudentLoss", "studentLoss": {}},
    {"type": "Correction", "correction": {"evidence": "Both", "mixture": "0.7"}},
    {"type": "Diversity", "diversity": {"keepFractionPerClass": "0.7"}},
    {"type": "Shares", "shares": {"like": "BeforeSelection"}},
]


EVERY_TEXT_STEP = [
    {"type": "Shape", "shape": {}},
    {"type": "Groundedness", "groundedness": {"atLeast": "0.5"}},
    {"type": "Agreement", "agreement": {"atLeast": "0.5", "leastAnswers": 2}},
    {"type": "Likelihood", "likelihood": {"dropLeastLikely": "0.1"}},
    {
        "type": "Refinement",
        "refinement": {
            "edits": [
                {"type": "DropLine", "pattern": "^note:"},
                {"type": "Replace", "pattern": "v([0-9])", "replacement": "version {1}"},
            ]
        },
    },
]


def judged(**more: Any) -> dict[str, Any]:
    """A step in which a model rates."""
    return {"type": "Judge", "judge": {"model": {"uri": "py://judge"}, "rubric": "It is true.", **more}}


GENERAL = {"corpora": [{"uri": "s3://general/replayed/"}]}
"""What a step replays."""
PREDICT = {"fractions": ["0.1", "0.3", "0.5", "0.7"], "heldOut": "0.4", "tolerance": "0.05"}
ADAPTED = "spec.strong.adaptation.steps[0]"
FINISHED = "spec.strong.finish.steps[0]"


def finished(*steps: dict[str, Any], tuning: str = "LoRA") -> Callable[[dict[str, Any]], None]:
    """An edit: the student, tuned by that, is finished by these steps."""
    return lambda spec: spec["strong"].update(tuning={"type": tuning}, finish={"steps": list(steps)})


def adapted(*steps: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """An edit: the strong model is adapted by these steps."""
    return put("strong.adaptation", {"steps": list(steps)})


def pretrain(**settings: Any) -> dict[str, Any]:
    """A step that pretrains."""
    return {"type": "Pretrain", "pretrain": settings}


def prune(**settings: Any) -> dict[str, Any]:
    """A step that prunes."""
    return {"type": "Prune", "prune": settings}


def extend(**settings: Any) -> dict[str, Any]:
    """A step that adds tokens."""
    return {"type": "ExtendVocabulary", "extendVocabulary": {"tokens": 100, **settings}}


def merge(*models: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """A step that merges models, each `py://other` unless it says something else."""
    return {
        "type": "Merge",
        "merge": {**settings, "models": [{"uri": "py://other", **model} for model in models]},
    }


def retained(uri: str = "s3://general/texts.jsonl", **settings: Any) -> Callable[[dict[str, Any]], None]:
    """An edit: what was forgotten is measured."""
    return lambda spec: spec.setdefault("evaluation", {}).update(
        retention={"texts": {"uri": uri}, **settings}
    )


def refines(*edits: dict[str, Any]) -> dict[str, Any]:
    """A step that edits texts."""
    return {"type": "Refinement", "refinement": {"edits": list(edits)}}


def writes(*rules: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """An edit: a task whose texts are written by these rules."""

    def edit(spec: dict[str, Any]) -> None:
        spec["task"] = {"type": "Generation", "instruction": "Which licence?", "generation": {}}
        spec["weak"]["labelers"] = [{**RULES, "functions": {"rules": list(rules)}}]
        spec["strong"]["tuning"] = {"type": "LoRA"}
        spec["promotion"] = {"metric": "ExactMatch", "candidate": "Student"}

    return edit


def writes_by(labeler: dict[str, Any], **task: Any) -> Callable[[dict[str, Any]], None]:
    """An edit: a task whose texts are written by a labeler."""

    def edit(spec: dict[str, Any]) -> None:
        writes({"write": "gpl", "pattern": "gpl"})(spec)
        spec["weak"]["labelers"].append(labeler)
        spec["task"].update(task)

    return edit


def tuned(**more: Any) -> dict[str, Any]:
    """A labeler that is tuned."""
    return {**SMALL, "finetuned": {"model": {"uri": "py://llm"}, **more}}


def prompted(**more: Any) -> dict[str, Any]:
    """A labeler that is asked."""
    return {"name": "asked", "type": "Prompted", "prompted": {"model": {"uri": "py://llm"}, **more}}


def selects_texts(*steps: dict[str, Any], labelers: int = 1) -> Callable[[dict[str, Any]], None]:
    """An edit: written texts are selected by these steps."""

    def edit(spec: dict[str, Any]) -> None:
        writes({"write": "gpl", "pattern": "gpl"})(spec)
        (rules,) = spec["weak"]["labelers"]
        spec["weak"]["labelers"] = [{**rules, "name": f"rules-{n}"} for n in range(labelers)]
        spec["selection"] = {"steps": list(steps)}

    return edit


def judged_texts(labelers: int = 2, **more: Any) -> Callable[[dict[str, Any]], None]:
    """An edit: a model prefers one of the texts that labelers wrote."""
    judge = {"model": {"uri": "py://llm"}, "rubric": "It names every licence.", **more}

    def edit(spec: dict[str, Any]) -> None:
        selects_texts(labelers=labelers)(spec)
        spec["aggregation"] = {"type": "Judged", "judged": judge}

    return edit


MINED = {"type": "ReadingComprehension", "readingComprehension": {}}
RULED = {"pattern": "by (?P<who>[a-z]+)", "question": "Who?", "answer": "{who}"}
SHOWN = {"passage": "made by\n bo", "question": "Who?", "quotation": "by bo", "answer": "bo"}
EVERY_SYNTHESIS_STEP = [
    MINED,
    {"type": "QuestionAnswer", "questionAnswer": {"rules": [RULED], "perDocument": 2}},
    {"type": "QuestionAnswer", "questionAnswer": {"model": {"uri": "py://llm"}, "examples": [SHOWN]}},
]


def synthesises(
    *steps: dict[str, Any], field: str = "answer", **more: Any
) -> Callable[[dict[str, Any]], None]:
    """An edit: the texts of the pool give way to pairs, and a labeler takes what came with them."""

    def edit(spec: dict[str, Any]) -> None:
        writes_by({**VOTES, "imported": {"field": field}})(spec)
        spec["synthesis"] = {"steps": list(steps), **more}

    return edit


def retrieves(
    *edits: Callable[[dict[str, Any]], None], prompt: str = "{passages}\n\n{text}", **passages: Any
) -> Callable[[dict[str, Any]], None]:
    """An edit: a job that writes, whose prompts hold passages."""

    def edit(spec: dict[str, Any]) -> None:
        for one in edits or (writes_by({**VOTES, "imported": {"field": "answer"}}),):
            one(spec)
        spec["task"]["generation"] |= {"prompt": prompt, "passages": {"oracle": "context", **passages}}

    return edit


def both_edits(*edits: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    """Edits one after another."""

    def edit(spec: dict[str, Any]) -> None:
        for one in edits:
            one(spec)

    return edit


def question_answer(**settings: Any) -> dict[str, Any]:
    """A step of that type."""
    return {"type": "QuestionAnswer", "questionAnswer": settings}


def same(spec: dict[str, Any]) -> None:
    """No edit."""


def private(
    strong: dict[str, Any] | None = None, candidate: str = "Student", **privacy: Any
) -> Callable[[dict[str, Any]], None]:
    """An edit: a student that LoRA tunes with differential privacy."""

    def edit(spec: dict[str, Any]) -> None:
        training = {"privacy": {"epsilon": "8", "delta": "0.00001", **privacy}}
        spec["strong"] |= {"tuning": {"type": "LoRA"}, **(strong or {})}
        spec["strong"]["training"] = {**spec["strong"].get("training", {}), **training}
        spec.setdefault("promotion", {})["candidate"] = candidate

    return edit


BAD = [
    ("private: a head", private({"tuning": {"type": "Head"}}), "spec.strong.training", "without a schedule"),
    ("private: nothing to be spent", private(epsilon="0"), "spec.strong.training.privacy.epsilon", "at least 0.01"),
    ("private: never sure", private(delta="0"), "spec.strong.training.privacy.delta", "above 0"),
    ("private: hardly ever sure", private(delta="0.1"), "spec.strong.training.privacy.delta", "at most 0.01"),
    ("private: clipped to nothing", private(clipNorm="0"), "spec.strong.training.privacy.clipNorm", "above 0"),
    ("private: LogConf", private({"loss": {"type": "LogConf"}}), "spec.strong.training.privacy", "depend on other texts"),
    ("private: stopped by held-out texts", private({"training": {"stopping": {"type": "WeakValidation"}}}), "spec.strong.training.privacy", "does not go with `stopping"),
    ("private: pretrained on the pool", private({"adaptation": {"steps": [pretrain()]}}), "spec.strong.training.privacy", "without noise"),
    ("private: calibrated on the pool", private({"adaptation": {"steps": [prune()]}}), "spec.strong.training.privacy", "without noise"),
    ("private: tokens of the pool", private({"adaptation": {"steps": [extend()]}}), "spec.strong.training.privacy", "without noise"),
    ("private: combined", private(candidate="Combined"), "spec.promotion.candidate", "Write `promotion: {candidate: Student}`"),
    ("private: ended by its losses", private({"training": {"earlyTermination": {"afterFraction": "0.3"}}}), "spec.strong.training.earlyTermination", "Leave one of the two out"),
    ("private: in an order", private({"training": {"order": "EasyToHard"}}), "spec.strong.training.order", "drawn for each of them"),
    ("given up at once", lambda spec: spec["strong"].update(tuning={"type": "LoRA"}, training={"earlyTermination": {"afterFraction": "0"}}), "spec.strong.training.earlyTermination.afterFraction", "between 0 and 1"),
    ("private: a labeler", put("weak.labelers.1.finetuned", {**SMALL["finetuned"], "tuning": {"type": "LoRA"}, "training": {"privacy": {"epsilon": "8", "delta": "0.00001"}}}), "spec.weak.labelers[1].finetuned.training.privacy", "unknown"),
    ("unknown field", put("strong.maxtokens", 3), "spec.strong.maxtokens", "did you mean `maxTokens`"),
    ("unknown struct", put("foo", {}), "spec.foo", "unknown field"),
    ("bad enum", put("promotion.metric", "F1"), "spec.promotion.metric", "allowed: MacroF1, Accuracy, AUROC"),
    ("bad enum, near", put("evaluation.controls", ["GoldOnyl"]), "spec.evaluation.controls[0]", "did you mean `GoldOnly`"),
    ("wrong case", put("weak.labelers.0.type", "functions"), "spec.weak.labelers[0].type", "did you mean `Functions`"),
    ("required", put("strong.model", None), "spec.strong.model", "required"),
    ("float", put("data.testFraction", 0.7), "spec.data.testFraction", 'write "0.7" in quotes'),
    ("above one", put("data.testFraction", "1.5"), "spec.data.testFraction", "from 0 to 1"),
    ("negative", put("strong.tuning", {"type": "Head", "head": {"l2": "-1"}}), "spec.strong.tuning.head.l2", "number"),
    ("string for a number", put("evaluation.seeds", "3"), "spec.evaluation.seeds", "whole number"),
    ("too many seeds", put("evaluation.seeds", 21), "spec.evaluation.seeds", "above 20"),
    ("no seed", put("evaluation.seeds", 0), "spec.evaluation.seeds", "below 1"),
    ("string for a bool", put("evaluation.ceiling", "yes"), "spec.evaluation.ceiling", "true or false"),
    ("list for fields", put("strong.model", []), "spec.strong.model", "in place of fields"),
    ("one class", put("task.classes", [{"name": "free"}]), "spec.task.classes", "at least 2"),
    ("no labeler", put("weak.labelers", []), "spec.weak.labelers", "at least 1"),
    ("bucket name", put("storage.uri", "s3://x/y"), "spec.storage.uri", "3 to 63"),
    ("not a model", put("strong.model.uri", "gpt2-large"), "spec.strong.model.uri", "begins with hf://"),
    ("not data", put("data.gold.uri", "http://legal/gold"), "spec.data.gold.uri", "begins with s3://"),
    ("endpoint", put("storage.endpoint", "minio:9000"), "spec.storage.endpoint", "http://"),
    ("labeler name", put("weak.labelers.0.name", "My_Rules"), "spec.weak.labelers[0].name", "lower-case"),
    ("positive class", put("task.positiveClass", "unfree"), "spec.task.positiveClass", "allowed: free, restricted"),
    ("same object", put("data.gold.uri", "s3://legal/pool/"), "spec.data.gold.uri", "the same object"),
    ("test is gold", put("data.test", {"uri": "s3://legal/gold.csv"}), "spec.data.test.uri", "object of its own"),
    ("pool in the gold", put("data.unlabeled.uri", "s3://legal/gold.csv/pool/"), "spec.data.gold.uri", "one lies below the other"),
    ("gold in the pool", put("data.gold.uri", "s3://legal/pool/gold.csv"), "spec.data.gold.uri", "one lies below the other"),
    ("gold deep in the pool", put("data.gold.uri", "s3://legal/pool/a/b/"), "spec.data.gold.uri", "one lies below the other"),
    ("the pool without its slash", put("data.gold.uri", "s3://legal/pool"), "spec.data.gold.uri", "the same object"),
    ("pool of the whole bucket", put("data.unlabeled.uri", "s3://legal/"), "spec.data.gold.uri", "one lies below the other"),
    ("pool of the whole bucket, without a slash", put("data.unlabeled.uri", "s3://legal"), "spec.data.gold.uri", "one lies below the other"),
    ("test in the gold", lambda spec: spec["data"].update(gold={"uri": "s3://legal/gold/"}, test={"uri": "s3://legal/gold/test.csv"}), "spec.data.test.uri", "neither below `gold`"),
    ("gold in the test", lambda spec: spec["data"].update(gold={"uri": "s3://legal/all/gold.csv"}, test={"uri": "s3://legal/all/"}), "spec.data.test.uri", "nor above"),
    ("test in the pool", put("data.test", {"uri": "s3://legal/pool/test.csv"}), "spec.data.test.uri", "neither below"),
    ("pool in the test", put("data.test", {"uri": "s3://legal/pool/"}), "spec.data.test.uri", "neither below"),
    ("asked is gold", put("data.asked", {"uri": "s3://legal/gold.csv"}), "spec.data.asked.uri", "place of its own"),
    ("asked in the pool", put("data.asked", {"uri": "s3://legal/pool/asked/"}), "spec.data.asked.uri", "neither below"),
    ("asked in the test", lambda spec: spec["data"].update(asked={"uri": "s3://legal/test/asked.csv"}, test={"uri": "s3://legal/test/"}), "spec.data.asked.uri", "`test`"),
    ("storage in what was asked", put("data.asked", {"uri": "s3://legal/w2s/"}), "spec.storage.uri", "`data.asked`, or lies below it"),
    ("storage in the pool", put("storage.uri", "s3://legal/pool/w2s"), "spec.storage.uri", "`data.unlabeled`, or lies below it"),
    ("storage is the pool", put("storage.uri", "s3://legal/pool"), "spec.storage.uri", "`data.unlabeled`, or lies below it"),
    ("storage in the gold", lambda spec: (spec["data"].update(gold={"uri": "s3://legal/gold/"}), spec.update(storage={"uri": "s3://legal/gold/w2s/"})), "spec.storage.uri", "`data.gold`, or lies below it"),
    ("storage in the test", lambda spec: (spec["data"].update(test={"uri": "s3://legal/w2s/"})), "spec.storage.uri", "`data.test`, or lies below it"),
    ("storage in what the teacher saw", put("weak.labelers.2.classifier.trainedOn", {"type": "Data", "data": [{"uri": "s3://legal/old.csv"}, {"uri": "s3://legal/"}]}), "spec.storage.uri", "`trainedOn.data`, or lies below it"),
    ("on disk", lambda spec: spec["data"].update(unlabeled={"uri": "file:///data/"}, gold={"uri": "file:///data/gold.csv"}), "spec.data.gold.uri", "one lies below the other"),
    ("wrong member", put("weak.labelers.0", {**RULES, "type": "Classifier"}), "spec.weak.labelers[0].classifier", "when `type` is Classifier"),
    ("two members", put("weak.labelers.0", {**RULES, "classifier": OWN["classifier"]}), "spec.weak.labelers[0].classifier", "only then"),
    ("pattern and keywords", put("weak.labelers.0.functions.rules.0.keywords", ["a"]), "spec.weak.labelers[0].functions.rules[0].pattern", "either"),
    ("rule of no class", put("weak.labelers.0.functions.rules.0.className", "fre"), "spec.weak.labelers[0].functions.rules[0].className", "did you mean `free`"),
    ("rule of nothing", put("weak.labelers.0.functions.rules.0", {"pattern": "gpl"}), "spec.weak.labelers[0].functions.rules[0].className", "give `className`"),
    ("rule that votes and writes", put("weak.labelers.0.functions.rules.0.write", "gpl"), "spec.weak.labelers[0].functions.rules[0].className", "give `className`"),
    ("rule that writes where there are classes", put("weak.labelers.0.functions.rules.1", {"write": "gpl", "pattern": "gpl"}), "spec.weak.labelers[0].functions.rules[1].write", "rules `write` when `task.type` is Generation"),
    ("rule that votes where texts are written", writes({"className": "free", "pattern": "gpl"}), "spec.weak.labelers[0].functions.rules[0].className", "rules `write` when `task.type` is Generation"),
    ("texts calibrated", lambda spec: (writes({"write": "gpl", "pattern": "gpl"})(spec), spec["weak"]["labelers"][0].update(calibration="Temperature")), "spec.weak.labelers", "give no probabilities of classes"),
    ("a head that writes", writes_by(tuned()), "spec.weak.labelers[1].finetuned.tuning.type", "write `tuning: {type: LoRA}`"),
    ("a head that writes, said", writes_by(tuned(tuning={"type": "Head"})), "spec.weak.labelers[1].finetuned.tuning.type", "write `tuning: {type: LoRA}`"),
    ("pairs where there are classes", put("synthesis", {"steps": [MINED]}), "spec.synthesis.steps", "it is for tasks of type Generation"),
    ("gold labels of pairs", lambda spec: (synthesises(MINED)(spec), spec.update(evaluation={"ceiling": True})), "spec.evaluation.ceiling", "write `ceiling: false`"),
    ("fields that pairs do not have", lambda spec: (synthesises(MINED)(spec), spec["task"]["generation"].update(prompt="{text} {party}")), "spec.task.generation.prompt", "as `synthesis.text` writes them"),
    ("other fields beside pairs and passages", retrieves(synthesises(MINED), prompt="{passages} {text} {party}"), "spec.task.generation.prompt", "leave other fields out"),
    ("passages that no prompt reads", retrieves(prompt="{{passages}} {text}"), "spec.task.generation.prompt", "leaves out `{passages}`"),
    ("the expert's text as a passage", retrieves(oracle="label"), "spec.task.generation.passages.oracle", "what is to be written"),
    ("passages of nothing", retrieves(oracle=""), "spec.task.generation.passages.oracle", ""),
    ("no passage in a prompt", retrieves(count=0), "spec.task.generation.passages.count", ""),
    ("an oracle too often", retrieves(oracleShare="1.5"), "spec.task.generation.passages.oracleShare", ""),
    ("what came with the rows beside pairs", synthesises(MINED, field="answers"), "spec.weak.labelers[1].imported.field", "did you mean `answer`"),
    ("pairs without a question", synthesises(MINED, text="{passage}"), "spec.synthesis.text", "has no {question}"),
    ("every two pairs alike", synthesises(MINED, mostAlike="0"), "spec.synthesis.mostAlike", "above 0"),
    ("no pair of a document", synthesises({"type": "ReadingComprehension", "readingComprehension": {"perDocument": 0}}), "spec.synthesis.steps[0].readingComprehension.perDocument", "below 1"),
    ("a task that is not mined", synthesises({"type": "ReadingComprehension", "readingComprehension": {"tasks": ["Definitions"]}}), "spec.synthesis.steps[0].readingComprehension.tasks[0]", "did you mean `Definition`"),
    ("a step without its settings", synthesises({"type": "ReadingComprehension"}), "spec.synthesis.steps[0].readingComprehension", "when `type` is ReadingComprehension"),
    ("pairs by nobody", synthesises(question_answer()), "spec.synthesis.steps[0].questionAnswer.model", "give either `model` or `rules`"),
    ("pairs by both", synthesises(question_answer(model={"uri": "py://llm"}, rules=[RULED])), "spec.synthesis.steps[0].questionAnswer.model", "give either `model` or `rules`"),
    ("examples for rules", synthesises(question_answer(rules=[RULED], examples=[SHOWN])), "spec.synthesis.steps[0].questionAnswer.examples", "are shown to a model"),
    ("orders of texts", writes_by(prompted(orders=4)), "spec.weak.labelers[1].prompted.orders", "are for classes: leave them out"),
    ("a prior of texts", writes_by(prompted(prior="Gold")), "spec.weak.labelers[1].prompted.prior", "are for classes: leave them out"),
    ("strategies of texts", writes_by(prompted(strategies=[{}, {"shots": 2}])), "spec.weak.labelers[1].prompted.strategies", "are for classes: leave them out"),
    ("token probabilities after a reasoning", writes_by(prompted(topK=4, reasoningTokens=32)), "spec.weak.labelers[1].prompted.topK", "exclude each other"),
    ("the nearest of no shots of texts", writes_by(prompted(shotSelection="Nearest")), "spec.weak.labelers[1].prompted.shots", "needs `shots`"),
    ("samples of classes", put("weak.labelers.1", prompted(samples=3, temperature="0.7")), "spec.weak.labelers[1].prompted.samples", "are for texts that are written: leave them out"),
    ("a temperature of classes", put("weak.labelers.1", prompted(temperature="0.7")), "spec.weak.labelers[1].prompted.temperature", "are for texts that are written"),
    ("samples of texts that are all the same", writes_by(prompted(samples=3)), "spec.weak.labelers[1].prompted.temperature", "above 0"),
    ("reasoning before texts", writes_by(llm(reasoning=True)), "spec.weak.labelers[1].endpoint.reasoning", "are for classes: leave them out"),
    ("values of texts", writes_by({**VOTES, "imported": {"field": "ann", "values": [{"value": "1", "className": "free"}]}}), "spec.weak.labelers[1].imported.values", "are for classes: leave them out"),
    ("probabilities of texts", writes_by({**VOTES, "imported": {"probabilities": [{"className": "free", "field": "p"}]}}), "spec.weak.labelers[1].imported.probabilities", "are for classes: leave them out"),
    ("asked to write anything", writes_by(prompted(), instruction=""), "spec.task.instruction", "say what is to be written"),
    ("a template without the text", writes_by(prompted(), generation={"prompt": "Party: {party}, {{text}}"}), "spec.task.generation.prompt", "leaves out `{text}`"),
    ("a template with an open brace", writes_by(prompted(), generation={"prompt": "{text} {party"}), "spec.task.generation.prompt", "a brace that is meant twice"),
    ("a template with a field without a name", writes_by(prompted(), generation={"prompt": "{text} {}"}), "spec.task.generation.prompt", "a brace that is meant twice"),
    ("a template that tells the answer", writes_by(prompted(), generation={"prompt": "{text} {label}"}), "spec.task.generation.prompt", "shown what it is to write"),
    ("texts measured as classes", lambda spec: (writes({"write": "gpl", "pattern": "gpl"})(spec), spec["promotion"].update(metric="MacroF1")), "spec.promotion.metric", "measured by ExactMatch or TokenF1"),
    ("classes measured as texts", put("promotion.metric", "Chrf"), "spec.promotion.metric", "measured by MacroF1 or Accuracy"),
    ("label of no class", put("weak.labelers.2.classifier.labels", [{"modelLabel": "A", "className": "x"}]), "spec.weak.labelers[2].classifier.labels[0].className", "does not have"),
    ("trained on nothing", put("weak.labelers.2.classifier.trainedOn", {"type": "Data"}), "spec.weak.labelers[2].classifier.trainedOn.data", "when `type` is Data"),
    ("weight of nobody", put("aggregation.weightedAverage", {"weights": [{"labeler": "x", "weight": "1"}]}), "spec.aggregation.weightedAverage.weights[0].labeler", "allowed: rules, small, own"),
    ("rounds: too many", put("strong.rounds", {"max": 5}), "spec.strong.rounds.max", "4"),
    ("rounds: none", put("strong.rounds", {"max": 0}), "spec.strong.rounds.max", "1"),
    ("rounds: of a tuned student", lambda spec: spec["strong"].update(tuning={"type": "LoRA"}, rounds={"max": 2}), "spec.strong.rounds.max", "only while `tuning.type` is Head"),
    ("rounds: of texts", lambda spec: (writes_by(prompted())(spec), spec["strong"].update(rounds={"max": 2})), "spec.strong.rounds.max", "for tasks of type Classification"),
    ("rounds: published without one", put("promotion.candidate", "SelfTrained"), "spec.promotion.candidate", "write `strong.rounds: {max: 2}`"),
    ("adaptation: a step without settings", adapted({"type": "Pretrain"}), f"{ADAPTED}.pretrain", "when `type` is Pretrain"),
    ("adaptation: no text", adapted(pretrain(pool=False)), f"{ADAPTED}.pretrain.corpora", "without `pool`, give `corpora`"),
    ("adaptation: no subset", adapted(pretrain(subset="0")), f"{ADAPTED}.pretrain.subset", "`subset` must be above 0"),
    ("adaptation: all hidden", adapted(pretrain(maskFraction="1")), f"{ADAPTED}.pretrain.maskFraction", "above 0 and below 1"),
    ("adaptation: nothing held out", adapted(pretrain(heldOutFraction="0")), f"{ADAPTED}.pretrain.heldOutFraction", "above 0 and below 1"),
    ("adaptation: a head is no pretraining", adapted(pretrain(tuning={"type": "Head"})), f"{ADAPTED}.pretrain.tuning.type", "LoRA"),
    ("adaptation: on gold", adapted(pretrain(corpora=[{"uri": "s3://legal/gold.csv"}])), f"{ADAPTED}.pretrain.corpora[0].uri", "would have read the test"),
    ("adaptation: storage in a corpus", adapted(pretrain(corpora=[{"uri": "s3://legal/w2s/"}])), "spec.storage.uri", "`strong.adaptation.steps`, or lies below it"),
    ("adaptation: replay of nothing", adapted(pretrain(replay={"fraction": "0.5"})), f"{ADAPTED}.pretrain.replay.corpora", "required"),
    ("adaptation: all replayed", adapted(pretrain(replay=GENERAL | {"fraction": "1"})), f"{ADAPTED}.pretrain.replay.fraction", "`fraction` must be below 1"),
    ("adaptation: gold replayed", adapted(pretrain(replay={"fraction": "0.5", "corpora": [{"uri": "s3://legal/gold.csv"}]})), f"{ADAPTED}.pretrain.replay.corpora[0].uri", "would have read the test"),
    ("adaptation: forgetting of what is replayed", lambda spec: (adapted(pretrain(replay={"fraction": "0.5", "corpora": [{"uri": "s3://general/texts.jsonl"}]}))(spec), retained()(spec)), "spec.evaluation.retention.texts.uri", "on what was learnt nothing is forgotten"),
    ("adaptation: replay without a share", adapted(pretrain(replay=GENERAL)), f"{ADAPTED}.pretrain.replay.fraction", "give `fraction`, or `predict`"),
    ("adaptation: a share given and predicted", adapted(pretrain(replay=GENERAL | {"fraction": "0.5", "predict": PREDICT})), f"{ADAPTED}.pretrain.replay.fraction", "give `fraction`, or `predict`"),
    ("adaptation: too few pilots", adapted(pretrain(replay=GENERAL | {"predict": PREDICT | {"fractions": ["0.1", "0.5"]}})), f"{ADAPTED}.pretrain.replay.predict.fractions", "4"),
    ("adaptation: a pilot of nothing", adapted(pretrain(replay=GENERAL | {"predict": PREDICT | {"heldOut": "0"}})), f"{ADAPTED}.pretrain.replay.predict.fractions", "above 0 and below 1"),
    ("adaptation: a pilot that is not held out", adapted(pretrain(replay=GENERAL | {"predict": PREDICT | {"heldOut": "0.50"}})), f"{ADAPTED}.pretrain.replay.predict.fractions", "must be different"),
    ("adaptation: a pilot twice", adapted(pretrain(replay=GENERAL | {"predict": PREDICT | {"fractions": ["0.1", "0.3", "0.3", "0.5"]}})), f"{ADAPTED}.pretrain.replay.predict.fractions", "must be different"),
    ("adaptation: retained by nothing", adapted(pretrain(retain={"startingPoint": {}})), f"{ADAPTED}.pretrain.retain.type", "required"),
    ("adaptation: settings of another retainer", adapted(pretrain(retain={"type": "StartingPoint", "distillation": {}})), f"{ADAPTED}.pretrain.retain.distillation", "`type` is Distillation"),
    ("adaptation: a divergence that counts nothing", adapted(pretrain(retain={"type": "Distillation", "distillation": {"weight": "0"}})), f"{ADAPTED}.pretrain.retain.distillation.weight", "`weight` must be above 0"),
    ("adaptation: adapters held to weights", adapted(pretrain(retain={"type": "StartingPoint"}, tuning={"type": "LoRA"})), f"{ADAPTED}.pretrain.tuning.type", "about the model's own weights"),
    ("adaptation: adapters of added blocks", adapted(pretrain(retain={"type": "BlockExpansion"}, tuning={"type": "LoRA"})), f"{ADAPTED}.pretrain.tuning.type", "about the model's own weights"),
    ("adaptation: frozen beside added blocks", adapted(pretrain(retain={"type": "BlockExpansion"}, freezeBlocks=1)), f"{ADAPTED}.pretrain.freezeBlocks", "leave `freezeBlocks` out"),
    ("adaptation: nothing merged", adapted(merge()), f"{ADAPTED}.merge.models", "1"),
    ("adaptation: a mean of more than everything", adapted(merge({"weight": "0.7"}, {})), f"{ADAPTED}.merge.models", "may be 1 together"),
    ("adaptation: an arc between three", adapted(merge({}, {}, method="Slerp")), f"{ADAPTED}.merge.models", "one other"),
    ("adaptation: base of a mean", adapted(merge({}, base={"uri": "py://b"})), f"{ADAPTED}.merge.base", "`base` belongs to"),
    ("adaptation: density of a mean", adapted(merge({}, density="0.5")), f"{ADAPTED}.merge.density", "TIES and DARE"),
    ("adaptation: nothing kept", adapted(merge({}, method="TIES", density="0")), f"{ADAPTED}.merge.density", "`density` must be above 0"),
    ("adaptation: everything pruned", adapted(prune(sparsity="1")), f"{ADAPTED}.prune.sparsity", "nothing left"),
    ("adaptation: nothing pruned", adapted(prune(sparsity="0")), f"{ADAPTED}.prune.sparsity", "nothing would be pruned"),
    ("adaptation: two of four, and more", adapted(prune(pattern="2:4", sparsity="0.6")), f"{ADAPTED}.prune.sparsity", "leave `sparsity` out"),
    ("adaptation: a pattern of neurons", adapted(prune(method="Neurons", pattern="2:4")), f"{ADAPTED}.prune.pattern", "Magnitude and Wanda"),
    ("adaptation: a pattern that is not known", adapted(prune(pattern="4:8")), f"{ADAPTED}.prune.pattern", "not one of the values"),
    ("adaptation: how many blocks", adapted(prune(method="BlockInfluence")), f"{ADAPTED}.prune.blocks", "when `method` is BlockInfluence"),
    ("adaptation: blocks by Wanda", adapted(prune(blocks=2)), f"{ADAPTED}.prune.blocks", "when `method` is BlockInfluence"),
    ("adaptation: a share of blocks", adapted(prune(method="BlockInfluence", blocks=2, sparsity="0.2")), f"{ADAPTED}.prune.sparsity", "`blocks` says how many"),
    ("adaptation: pruned by no text", adapted(prune(pool=False)), f"{ADAPTED}.prune.corpora", "without `pool`, give `corpora`"),
    ("adaptation: pruned and not measured", adapted(prune(heldOutFraction="0")), f"{ADAPTED}.prune.heldOutFraction", "above 0 and below 1"),
    ("adaptation: pruned by gold", adapted(prune(corpora=[{"uri": "s3://legal/gold.csv"}])), f"{ADAPTED}.prune.corpora[0].uri", "would have read the test"),
    ("adaptation: storage in what it is pruned by", adapted(prune(corpora=[{"uri": "s3://legal/w2s/"}])), "spec.storage.uri", "`strong.adaptation.steps`, or lies below it"),
    ("adaptation: how many tokens", adapted({"type": "ExtendVocabulary", "extendVocabulary": {}}), f"{ADAPTED}.extendVocabulary.tokens", "required"),
    ("adaptation: no token", adapted(extend(tokens=0)), f"{ADAPTED}.extendVocabulary.tokens", "1"),
    ("adaptation: tokens of no text", adapted(extend(pool=False)), f"{ADAPTED}.extendVocabulary.corpora", "without `pool`, give `corpora`"),
    ("adaptation: tokens that are not counted", adapted(extend(heldOutFraction="1")), f"{ADAPTED}.extendVocabulary.heldOutFraction", "above 0 and below 1"),
    ("adaptation: tokens of gold", adapted(extend(corpora=[{"uri": "s3://legal/gold.csv"}])), f"{ADAPTED}.extendVocabulary.corpora[0].uri", "would have read the test"),
    ("finish: of a head", finished({"type": "Interpolate"}, tuning="Head"), "spec.strong.finish.steps", "Write `tuning: {type: LoRA}`"),
    ("finish: no share", finished({"type": "Interpolate", "interpolate": {"shares": []}}), f"{FINISHED}.interpolate.shares", "1"),
    ("finish: more than all", finished({"type": "Interpolate", "interpolate": {"shares": ["1.5"]}}), f"{FINISHED}.interpolate.shares[0]", "from 0 to 1"),
    ("finish: preferences of classes", finished({"type": "Align"}), "spec.strong.finish.steps", "a task of type Classification knows only Interpolate here"),
    ("finish: margin of DPO", finished({"type": "Align", "align": {"margin": "1"}}), f"{FINISHED}.align.margin", "`margin` belongs to the method SimPO"),
    ("finish: nothing to learn by", finished({"type": "Align", "align": {"beta": "0"}}), f"{FINISHED}.align.beta", "`beta` must be above 0"),
    ("finish: no pair held out", finished({"type": "Align", "align": {"heldOutFraction": "0"}}), f"{FINISHED}.align.heldOutFraction", "above 0 and below 1"),
    ("finish: five steps", finished(*[{"type": "Interpolate"}] * 5), "spec.strong.finish.steps", "4"),
    ("adaptation: an adapter on it", lambda spec: (adapted(pretrain())(spec), spec["strong"].update(tuning={"type": "LoRA"}), put("promotion.publish", "Adapter")(spec)), "spec.promotion.publish", "this job's"),
    ("step without settings", put("selection.steps", [{"type": "Confidence"}]), "spec.selection.steps[0].confidence", "when `type` is Confidence"),
    ("nothing kept", put("selection.steps", [{**STEP, "confidence": {"keepFractionPerClass": "0"}}]), "spec.selection.steps[0].confidence.keepFractionPerClass", "above 0"),
    ("nothing changed", put("selection.steps", [{"type": "Neighbours", "neighbours": {"keepFractionPerClass": "1"}}]), "spec.selection.steps[0].neighbours.keepFractionPerClass", "would change nothing"),
    ("nothing trusted", put("selection.steps", [{"type": "Diversity", "diversity": {"keepFractionPerClass": "0.0"}}]), "spec.selection.steps[0].diversity.keepFractionPerClass", "above 0 and below 1"),
    ("a class gone", put("selection.steps", [{"type": "ConfidentLearning", "confidentLearning": {"mostDroppedPerClass": "1"}}]), "spec.selection.steps[0].confidentLearning.mostDroppedPerClass", "a class could be gone"),
    ("hard texts that count nothing", put("selection.steps", [{"type": "StudentLoss", "studentLoss": {"hardWeight": "0"}}]), "spec.selection.steps[0].studentLoss.hardWeight", "above 0"),
    ("too few folds", put("selection.steps", [{"type": "ConfidentLearning", "confidentLearning": {"folds": 1}}]), "spec.selection.steps[0].confidentLearning.folds", "below 2"),
    ("share of no class", put("selection.steps", [{"type": "Shares", "shares": {"like": "Declared", "shares": [{"className": "fre", "share": "0.5"}]}}]), "spec.selection.steps[0].shares.shares[0].className", "did you mean `free`"),
    ("shares undeclared", put("selection.steps", [{"type": "Shares", "shares": {"like": "Declared"}}]), "spec.selection.steps[0].shares.shares", "when `like` is Declared"),
    ("shares of the budget, declared", put("selection.steps", [{"type": "Shares", "shares": {"like": "GoldBudget", "shares": [{"className": "free", "share": "0.5"}]}}]), "spec.selection.steps[0].shares.shares", "only then"),
    ("no share", put("selection.steps", [{"type": "Shares", "shares": {"like": "Declared", "shares": [{"className": "free", "share": "0"}]}}]), "spec.selection.steps[0].shares.shares", "above 0"),
    ("a consensus of classes", put("aggregation", {"type": "Consensus"}), "spec.aggregation.type", "a task of type Classification knows only WeightedAverage, MajorityVote, DawidSkene, LabelModel, CrowdLab here"),
    ("confusion matrices of texts", lambda spec: (selects_texts(labelers=3)(spec), spec.update(aggregation={"type": "DawidSkene"})), "spec.aggregation.type", "a task of type Generation knows only WeightedAverage, MajorityVote, Consensus, Judged here"),
    ("consensus with nobody", lambda spec: (selects_texts(labelers=2)(spec), spec.update(aggregation={"type": "Consensus", "consensus": {"weights": [{"labeler": "x", "weight": "1"}]}})), "spec.aggregation.consensus.weights[0].labeler", "allowed: rules-0, rules-1"),
    ("a judge of classes' labelers", put("aggregation", {"type": "Judged", "judged": {"model": {"uri": "py://llm"}, "rubric": "Is it right?"}}), "spec.aggregation.type", "a task of type Classification knows only WeightedAverage, MajorityVote, DawidSkene, LabelModel, CrowdLab here"),
    ("a judge of one labeler", judged_texts(labelers=1), "spec.aggregation.type", "at least 2 labelers"),
    ("a judge without a rubric", judged_texts(rubric=""), "spec.aggregation.judged.rubric", "at least 1"),
    ("a judge whom nothing convinces", judged_texts(margin="0.5"), "spec.aggregation.judged.margin", "below 0.5"),
    ("a step for texts where there are classes", put("selection.steps", [{"type": "Shape", "shape": {}}]), "spec.selection.steps", "a task of type Classification knows only Confidence, ConfidentLearning, "),
    ("a step for classes where texts are written", selects_texts(STEP), "spec.selection.steps", "a task of type Generation knows only Groundedness, Shape, Agreement, Judge, Likelihood, Refinement here"),
    ("agreement of one labeler", selects_texts(EVERY_TEXT_STEP[2]), "spec.selection.steps", "Agreement needs at least 2 labelers"),
    ("grounded in nothing", selects_texts({"type": "Groundedness", "groundedness": {"atLeast": "0"}}), "spec.selection.steps[0].groundedness.atLeast", "every text has that share"),
    ("a text that is removed and replaced", selects_texts(refines({"type": "Remove", "pattern": "a", "replacement": "b"})), "spec.selection.steps[0].refinement.edits[0].replacement", "when `type` is Replace"),
    ("a replacement that is not there", selects_texts(refines({"type": "Replace", "pattern": "a"})), "spec.selection.steps[0].refinement.edits[0].replacement", "when `type` is Replace"),
    ("an operation that is not declared", selects_texts(refines({"type": "Rewrite", "pattern": "a"})), "spec.selection.steps[0].refinement.edits[0].type", "not one of the values"),
    ("soft targets that nobody keeps", lambda spec: (writes_by(prompted())(spec), spec["strong"].update(loss={"type": "SoftTargets"})), "spec.strong.loss.type", "give one of type Finetuned or Prompted `topK`"),
    ("soft targets of classes", lambda spec: spec["strong"].update(tuning={"type": "LoRA"}, loss={"type": "SoftTargets"}), "spec.strong.loss.type", "a task of type Classification knows only CrossEntropy, Product, LogConf here"),
    ("token probabilities of classes", put("weak.labelers.1", prompted(topK=4)), "spec.weak.labelers[1].prompted.topK", "are for texts that are written: leave them out"),
    ("no token probabilities", writes_by(prompted(topK=0)), "spec.weak.labelers[1].prompted.topK", "below 1"),
    ("soft targets that count nothing", lambda spec: (writes_by(prompted(topK=4))(spec), spec["strong"].update(loss={"type": "SoftTargets", "softTargets": {"softWeight": "0"}})), "spec.strong.loss.softTargets.softWeight", "above 0"),
    ("soft targets at no temperature", lambda spec: (writes_by(prompted(topK=4))(spec), spec["strong"].update(loss={"type": "SoftTargets", "softTargets": {"temperature": "0"}})), "spec.strong.loss.softTargets.temperature", "at least 0.1"),
    ("longest as short as the shortest", selects_texts({"type": "Shape", "shape": {"shortestRatio": "0.5", "longestRatio": "0.5"}}), "spec.selection.steps[0].shape.longestRatio", "no text would be left"),
    ("likelihood that drops nothing", selects_texts({"type": "Likelihood", "likelihood": {"per": "Text"}}), "spec.selection.steps[0].likelihood.dropLeastLikely", "would change nothing"),
    ("likelihood that drops all", selects_texts({"type": "Likelihood", "likelihood": {"dropLeastLikely": "0.5", "dropMostLikely": "0.5"}}), "spec.selection.steps[0].likelihood.dropLeastLikely", "nothing would be left"),
    ("a pairwise judge of classes", put("evaluation.judge", {"model": {"uri": "py://judge"}}), "spec.evaluation.judge", "it is for tasks of type Generation"),
    ("a pairwise judge by whom nothing wins", both_edits(selects_texts(), put("evaluation", {"judge": {"model": {"uri": "py://judge"}, "margin": "0.5"}})), "spec.evaluation.judge.margin", "no text could win"),
    ("a pairwise judge of ten", both_edits(selects_texts(), put("evaluation", {"judge": {"model": {"uri": "py://judge"}, "sample": 10}})), "spec.evaluation.judge.sample", "below 20"),
    ("retention: a gate without a measure", put("promotion.maxForgetting", "0.05"), "spec.promotion.maxForgetting", "`evaluation.retention` measures"),
    ("retention: a limit below nothing", both_edits(retained(), put("promotion.maxForgetting", "-0.1")), "spec.promotion.maxForgetting", "at least 0"),
    ("retention: prompts to a classifier", retained(prompts=["Why?"]), "spec.evaluation.retention.prompts", "for tasks of type Generation"),
    ("retention: on the pool", retained("s3://legal/pool/part.jsonl"), "spec.evaluation.retention.texts.uri", "nothing is forgotten"),
    ("retention: on gold", retained("s3://legal/gold.csv"), "spec.evaluation.retention.texts.uri", "nothing is forgotten"),
    ("retention: on what it is pruned by", both_edits(adapted(prune(corpora=[{"uri": "s3://legal/general/"}])), retained("s3://legal/general/a.jsonl")), "spec.evaluation.retention.texts.uri", "nothing is forgotten"),
    ("retention: on what is pretrained on", both_edits(adapted(pretrain(corpora=[{"uri": "s3://legal/general/"}])), retained("s3://legal/general/a.jsonl")), "spec.evaluation.retention.texts.uri", "nothing is forgotten"),
    ("retention: storage in the texts", retained("s3://legal/w2s/"), "spec.storage.uri", "`evaluation.retention`, or lies below it"),
    ("retention: a handful of texts", retained(maxTexts=19), "spec.evaluation.retention.maxTexts", "below 20"),
    ("a judge that cuts nothing", selects_texts(judged()), "spec.selection.steps[0].judge.keepFraction", "and not both"),
    ("a judge that cuts twice", selects_texts(judged(keepFraction="0.5", minimum="3")), "spec.selection.steps[0].judge.keepFraction", "and not both"),
    ("a judge that keeps all", selects_texts(judged(keepFraction="1")), "spec.selection.steps[0].judge.keepFraction", "below 1"),
    ("a judge that asks the lowest rating", selects_texts(judged(minimum="1")), "spec.selection.steps[0].judge.minimum", "between the ends"),
    ("a judge that asks above its scale", selects_texts(judged(minimum="3", scale="YesNo")), "spec.selection.steps[0].judge.minimum", "between the ends"),
    ("a judge without a rubric", selects_texts(judged(minimum="3", rubric="")), "spec.selection.steps[0].judge.rubric", "at least 1 character"),
    ("a judge of a handful", selects_texts(judged(minimum="3", sample=31)), "spec.selection.steps[0].judge.sample", "below 32"),
    ("a judge of another scale", put("selection.steps", [judged(minimum="3", scale="OneToTen")]), "spec.selection.steps[0].judge.scale", "not one of the values"),
    ("a class corrected away", put("selection.steps", [{"type": "Correction", "correction": {"mostChangedPerClass": "1"}}]), "spec.selection.steps[0].correction.mostChangedPerClass", "a class could be gone"),
    ("a mixture of nothing new", put("selection.steps", [{"type": "Correction", "correction": {"mixture": "0"}}]), "spec.selection.steps[0].correction.mixture", "no label would change"),
    ("two disjoint folds", put("selection.steps", [{"type": "Correction", "correction": {"folds": 2}}]), "spec.selection.steps[0].correction.folds", "3"),
    ("correction of what learnt the budget", put("selection.steps", [{"type": "Correction", "correction": {}}]), "spec.selection.steps", "tuned on that budget"),
    ("correction of texts that are written", selects_texts({"type": "Correction", "correction": {}}), "spec.selection.steps", "a task of type Generation knows only"),
    ("trust in what learnt the budget", put("selection.steps", [TRUST]), "spec.selection.steps", "tuned on that budget"),
    ("no regularisation", put("strong.tuning", {"type": "Head", "head": {"l2": "0"}}), "spec.strong.tuning.head.l2", "above 0"),
    ("threshold", put("evaluation.positiveThreshold", "1"), "spec.evaluation.positiveThreshold", "between 0 and 1"),
    ("arm not computed", lambda spec: spec.update(evaluation={"controls": []}, promotion={"mustBeat": ["GoldOnly"]}), "spec.promotion.mustBeat[0]", "not computed"),
    ("unfiltered is strong", put("promotion.mustBeat", ["Unfiltered"]), "spec.promotion.mustBeat", "without `selection.steps`"),
    ("AUROC of what", lambda spec: (spec["task"].pop("positiveClass"), spec.update(promotion={"metric": "AUROC"})), "spec.promotion.metric", "positiveClass"),
    ("an adapter of a head", put("promotion.publish", "Adapter"), "spec.promotion.publish", "Write `publish: Merged`, or `strong.tuning: {type: LoRA}`"),
    ("an adapter of all weights", lambda spec: spec.update(strong={**spec["strong"], "tuning": {"type": "Full"}}, promotion={"publish": "Adapter"}), "spec.promotion.publish", "tuned by LoRA"),
    ("number for a string", put("data.revision", 2024), "spec.data.revision", 'write "2024" in quotes'),
    ("yes as a class", put("task.classes.0.name", True), "spec.task.classes[0].name", "YAML reads yes"),
    ("nothing for what is required", lambda spec: spec["strong"].update(model=None), "spec.strong.model", "required"),
    ("null under an unknown name", lambda spec: spec["strong"].update(nothing=None), "spec.strong.nothing", "unknown field"),
    ("trained on, of no type", put("weak.labelers.2.classifier.trainedOn", {}), "spec.weak.labelers[2].classifier.trainedOn.type", "required"),
    ("a text that is its own label", put("data.fields", {"text": "body", "label": "body"}), "spec.data.fields.label", "must be different columns"),
    ("a label that is a group", put("data.fields", {"group": "label"}), "spec.data.fields.label", "must be different columns"),
    ("a text that is a group", put("data.fields", {"text": "body", "group": "body"}), "spec.data.fields.label", "must be different columns"),
    ("text of nothing", put("data.fields", {"text": ""}), "spec.data.fields.text", "at least 1 character"),
    ("long instruction", put("task.instruction", "x" * 2001), "spec.task.instruction", "at most 2,000 characters"),
    ("many labelers", lambda spec: spec["weak"].update(labelers=[{**RULES, "name": f"r{n}"} for n in range(21)]), "spec.weak.labelers", "at most 20 items"),
    ("class twice", put("task.classes.1.name", "free"), "spec.task.classes[1]", "given twice"),
    ("labeler twice", put("weak.labelers.1.name", "rules"), "spec.weak.labelers[1]", "given twice"),
    ("LoRA settings of a head", put("strong.tuning", {"type": "Head", "lora": {"rank": 8}}), "spec.strong.tuning.lora", "only when `type` is LoRA"),
    ("full settings of LoRA", put("strong.tuning", {"type": "LoRA", "full": {}}), "spec.strong.tuning.full", "only when `type` is Full"),
    ("no rank", put("strong.tuning", {"type": "LoRA", "lora": {"rank": 0}}), "spec.strong.tuning.lora.rank", "below 1"),
    ("no learning rate", put("strong.tuning", {"type": "Full", "full": {"learningRate": "0"}}), "spec.strong.tuning.full.learningRate", "above 0"),
    ("learning rate as people write it", put("strong.tuning", {"type": "LoRA", "lora": {"learningRate": "3e-4"}}), "spec.strong.tuning.lora.learningRate", "number"),
    ("a schedule for a head", put("strong.training", {"epochs": 3}), "spec.strong.training", "without a schedule"),
    ("an order for a head", put("strong.training", {"order": "EasyToHard"}), "spec.strong.training", "a head is fitted to the end, without a schedule"),
    ("an order of no kind", lambda spec: spec["strong"].update(tuning={"type": "LoRA"}, training={"order": "Easy"}), "spec.strong.training.order", "EasyToHard"),
    ("an order of expert labels", put("weak.labelers.1.finetuned", {**SMALL["finetuned"], "tuning": {"type": "Full"}, "training": {"order": "EasyToHard"}}), "spec.weak.labelers[1].finetuned.training.order", "the experts'"),
    ("an order of written texts", lambda spec: (selects_texts()(spec), spec["strong"].update(training={"order": "HardToEasy"})), "spec.strong.training.order", "texts that are written have none"),
    ("LogConf of a head", put("strong.loss", {"type": "LogConf"}), "spec.strong.loss", "Write `tuning: {type: LoRA}`"),
    ("loss settings of another loss", lambda spec: spec["strong"].update(tuning={"type": "LoRA"}, loss={"type": "Product", "logConf": {}}), "spec.strong.loss.logConf", "only when `type` is LogConf"),
    ("all dropped out", lambda spec: spec["strong"].update(tuning={"type": "LoRA"}, training={"dropout": "1"}), "spec.strong.training.dropout", "below 1"),
    ("validation without its type", lambda spec: spec["strong"].update(tuning={"type": "LoRA"}, training={"stopping": {"weakValidation": {}}}), "spec.strong.training.stopping.weakValidation", "only when `type` is WeakValidation"),
    ("a labeler's LoRA settings of a head", put("weak.labelers.1.finetuned.tuning", {"lora": {}}), "spec.weak.labelers[1].finetuned.tuning.lora", "only when `type` is LoRA"),
    ("a labeler's schedule for a head", put("weak.labelers.1.finetuned.training", {"epochs": 2}), "spec.weak.labelers[1].finetuned.training", "without a schedule"),
    ("a labeler's learning rate", put("weak.labelers.1.finetuned.tuning", {"type": "Full", "full": {"learningRate": "0"}}), "spec.weak.labelers[1].finetuned.tuning.full.learningRate", "above 0"),
    ("a head calibrated on what it was fitted on", put("weak.labelers.1.calibration", "Temperature"), "spec.weak.labelers[1].calibration", "Write `calibration: None`"),
    ("LoRA calibrated on what it was tuned on", put("weak.labelers.1", {**SMALL, "finetuned": {**SMALL["finetuned"], "tuning": {"type": "LoRA"}}, "calibration": "Temperature"}), "spec.weak.labelers[1].calibration", "far too sure"),
    ("a vote of nothing", put("weak.labelers.0", {**VOTES, "imported": {}}), "spec.weak.labelers[0].imported.field", "give either `field`"),
    ("a vote beside rules", put("weak.labelers.0.imported", {"field": "a"}), "spec.weak.labelers[0].imported", "only then"),
    ("a vote with probabilities", put("weak.labelers.0", {**VOTES, "imported": {"field": "a", "probabilities": [{"className": "free", "field": "p"}]}}), "spec.weak.labelers[0].imported.field", "give either `field`"),
    ("values of probabilities", put("weak.labelers.0", {**VOTES, "imported": {"abstainOn": ["0"], "probabilities": [{"className": "free", "field": "p"}]}}), "spec.weak.labelers[0].imported.values", "are for the votes of `field`"),
    ("gold as a vote", put("weak.labelers.0", {**VOTES, "imported": {"field": "label"}}), "spec.weak.labelers", "would measure themselves"),
    ("gold by another name as a vote", lambda spec: (spec["data"].update(fields={"label": "ann"}), spec["weak"]["labelers"].append(VOTES)), "spec.weak.labelers", "would measure themselves"),
    ("gold as a probability", put("weak.labelers.0", {**VOTES, "imported": {"probabilities": [{"className": "free", "field": "label"}]}}), "spec.weak.labelers", "would measure themselves"),
    ("a value of no class", put("weak.labelers.0", {**VOTES, "imported": {"field": "ann", "values": [{"value": "1", "className": "fre"}]}}), "spec.weak.labelers[0].imported.values[0].className", "did you mean `free`"),
    ("a probability of no class", put("weak.labelers.0", {**VOTES, "imported": {"probabilities": [{"className": "x", "field": "p"}]}}), "spec.weak.labelers[0].imported.probabilities[0].className", "does not have"),
    ("a module that is a file", put("weak.labelers.0", {**CODE, "python": {**CODE["python"], "module": "rules/mine.py"}}), "spec.weak.labelers[0].python.module", "the name of a Python module"),
    ("code without a revision", put("weak.labelers.0", {**CODE, "python": {"module": "m", "functions": ["f"]}}), "spec.weak.labelers[0].python.revision", "required"),
    ("no time for a function", put("weak.labelers.0", {**CODE, "python": {**CODE["python"], "maxSecondsPerText": "0.0"}}), "spec.weak.labelers[0].python.maxSecondsPerText", "above 0"),
    ("Dawid and Skene of two", lambda spec: (spec["weak"]["labelers"].pop(), spec.update(aggregation={"type": "DawidSkene"})), "spec.aggregation.type", "at least 3 labelers"),
    ("a label model of two", lambda spec: (spec["weak"]["labelers"].pop(), spec.update(aggregation={"type": "LabelModel"})), "spec.aggregation.type", "at least 3 labelers"),
    ("CROWDLAB of one", lambda spec: (spec["weak"].update(labelers=spec["weak"]["labelers"][:1]), spec.update(aggregation={"type": "CrowdLab"})), "spec.aggregation.type", "at least 2 labelers"),
    ("CROWDLAB of one fold", put("aggregation", {"type": "CrowdLab", "crowdLab": {"folds": 1}}), "spec.aggregation.crowdLab.folds", "2"),
    ("a share of no class", put("aggregation", {"type": "LabelModel", "labelModel": {"classShares": [{"className": "x", "share": "1"}]}}), "spec.aggregation.labelModel.classShares[0].className", "does not have"),
    ("too many shots", put("weak.labelers.1", {**ASKED, "prompted": {**ASKED["prompted"], "shots": 65}}), "spec.weak.labelers[1].prompted.shots", "above 64"),
    ("the nearest of no shots", put("weak.labelers.1", asked(shots=0, shotSelection="Nearest")), "spec.weak.labelers[1].prompted.shots", "needs `shots`"),
    ("a sweep of one", put("weak.labelers.1", asked(shots=0, strategies=[{"shots": 4}])), "spec.weak.labelers[1].prompted.strategies", "at least 2"),
    ("a sweep of too many", put("weak.labelers.1", asked(shots=0, strategies=[{"shots": n} for n in range(9)])), "spec.weak.labelers[1].prompted.strategies", "at most 8"),
    ("a sweep beside shots", put("weak.labelers.1", asked(shots=4, strategies=[{}, {"shots": 4}])), "spec.weak.labelers[1].prompted.strategies", "leave `shots`"),
    ("a sweep beside a reasoning", put("weak.labelers.1", asked(shots=0, reasoningTokens=8, strategies=[{}, {"shots": 4}])), "spec.weak.labelers[1].prompted.strategies", "leave `shots`"),
    ("a reasoning after shots", put("weak.labelers.1", asked(shots=4, reasoningTokens=64)), "spec.weak.labelers[1].prompted.reasoningTokens", "exclude each other"),
    ("a strategy that reasons after shots", put("weak.labelers.1", asked(shots=0, strategies=[{"shots": 1, "reasoningTokens": 64}, {}])), "spec.weak.labelers[1].prompted.strategies[0].reasoningTokens", "exclude each other"),
    ("a strategy of no nearest shots", put("weak.labelers.1", asked(shots=0, strategies=[{}, {"shotSelection": "Nearest"}])), "spec.weak.labelers[1].prompted.strategies[1].shots", "needs `shots`"),
    ("an unknown way to pick shots", put("weak.labelers.1", asked(shotSelection="Nearst")), "spec.weak.labelers[1].prompted.shotSelection", "did you mean `Nearest`"),
    ("asked without a model", put("weak.labelers.1", {"name": "asked", "type": "Prompted"}), "spec.weak.labelers[1].prompted", "when `type` is Prompted"),
    ("a password in a URL", put("weak.labelers.1", llm(url="https://me:pw@llm.example.org/v1")), "spec.weak.labelers[1].endpoint.url", "without user, password, query"),
    ("a key in a query", put("weak.labelers.1", llm(url="https://llm.example.org/v1?key=1")), "spec.weak.labelers[1].endpoint.url", "without user, password, query"),
    ("a host without its scheme", put("weak.labelers.1", llm(url="llm.example.org/v1")), "spec.weak.labelers[1].endpoint.url", "http:// or https://"),
    ("no model of an endpoint", put("weak.labelers.1", llm(model=None)), "spec.weak.labelers[1].endpoint.model", "required"),
    ("an API key in the manifest", put("weak.labelers.1", llm(apiKey="sk")), "spec.weak.labelers[1].endpoint.apiKey", "unknown field"),
    ("a Secret without its key", put("weak.labelers.1", llm(apiKeySecretRef={"name": "llm"})), "spec.weak.labelers[1].endpoint.apiKeySecretRef.key", "required"),
    ("samples that are all the same", put("weak.labelers.1", llm(samples=4)), "spec.weak.labelers[1].endpoint.temperature", "above 0"),
    ("samples at temperature 0", put("weak.labelers.1", llm(samples=4, temperature="0.0")), "spec.weak.labelers[1].endpoint.temperature", "above 0"),
    ("a limit of an unknown cost", put("weak.labelers.1", llm(maxCost="5")), "spec.weak.labelers[1].endpoint.pricePerMillionTokens", "no cost can be counted"),
    ("half a price", put("weak.labelers.1", llm(pricePerMillionTokens={"input": "1"})), "spec.weak.labelers[1].endpoint.pricePerMillionTokens.output", "required"),
    ("control twice", put("evaluation.controls", ["GoldOnly", "GoldOnly"]), "spec.evaluation.controls[1]", "given twice"),
    ("pods of no stage", put("pods.trian", {"image": "x"}), "spec.pods.trian", "did you mean `train`"),
    ("pods of a labeler", put("pods", {"label-own": {}}), "spec.pods.label-own", "did you mean `label`"),
    ("pods of all", put("pods.image", "x"), "spec.pods.image", "allowed: default, prepare"),
    ("unknown pod setting", put("pods.train", {"gpus": 1}), "spec.pods.train.gpus", "unknown field"),
    ("near pod setting", put("pods.train", {"nodeselector": {}}), "spec.pods.train.nodeselector", "did you mean `nodeSelector`"),
    ("pods of nothing", put("pods.train", []), "spec.pods.train", "in place of fields"),
    ("amount with a space", put("pods.train.resources", {"limits": {"memory": "8 Gi"}}), "spec.pods.train.resources.limits.memory", "a Kubernetes quantity"),
    ("amount below nothing", put("pods.train.resources", {"limits": {"nvidia.com/gpu": -1}}), "spec.pods.train.resources.limits.nvidia.com/gpu", "a Kubernetes quantity"),
    ("half a core", put("pods.default.resources", {"requests": {"cpu": 0.5}}), "spec.pods.default.resources.requests.cpu", 'write "0.5" in quotes'),
    ("node label that is no string", put("pods.train", {"nodeSelector": {"spot": True}}), "spec.pods.train.nodeSelector.spot", "YAML reads yes"),
    ("node label", put("pods.train", {"nodeSelector": {"pool": "a b"}}), "spec.pods.train.nodeSelector.pool", "the value of a label"),
    ("many node labels", put("pods.train", {"nodeSelector": {f"l{n}": "" for n in range(17)}}), "spec.pods.train.nodeSelector", "at most 16"),
    ("affinity as a list", put("pods.train", {"affinity": []}), "spec.pods.train.affinity", "in place of fields"),
    ("labels of the operator", put("pods.train", {"labels": {"w2s.dev/stage": "x"}}), "spec.pods.train.labels", "are the operator's"),
    ("annotations of the operator", put("pods.default", {"annotations": {"w2s.dev/run": "1"}}), "spec.pods.default.annotations", "are the operator's"),
    ("variable of nothing", put("pods.default", {"env": [{"name": "A"}]}), "spec.pods.default.env[0]", "one of `value`, `secretKeyRef`"),
    ("variable twice over", put("pods.default", {"env": [{"name": "A", "value": "1", "secretKeyRef": {"name": "s", "key": "k"}}]}), "spec.pods.default.env[0]", "one of `value`"),
    ("variable given twice", put("pods.default", {"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}), "spec.pods.default.env[1]", "given twice"),
    ("variable with a dash", put("pods.default", {"env": [{"name": "A-B", "value": "1"}]}), "spec.pods.default.env[0].name", "underscores"),
    ("variable that is a number", put("pods.default", {"env": [{"name": "A", "value": 1}]}), "spec.pods.default.env[0].value", 'write "1" in quotes'),
    ("variables of nothing", put("pods.default", {"envFrom": [{}]}), "spec.pods.default.envFrom[0]", "one of `secretRef` and `configMapRef`"),
    ("toleration of what", put("pods.default", {"tolerations": [{"effect": "NoSchedule"}]}), "spec.pods.default.tolerations[0].operator", "write `operator: Exists`"),
    ("toleration of a value", put("pods.default", {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}), "spec.pods.default.tolerations[0].value", "only when `operator` is Equal"),
    ("toleration for a while", put("pods.default", {"tolerations": [{"key": "a", "operator": "Exists", "tolerationSeconds": 3}]}), "spec.pods.default.tolerations[0].tolerationSeconds", "NoExecute"),
    ("volume of nothing", put("pods.default", {"volumes": [{"name": "a", "mountPath": "/a", "type": "Secret"}]}), "spec.pods.default.volumes[0].secret", "when `type` is Secret"),
    ("volume on the host", put("pods.default", {"volumes": [{"name": "a", "mountPath": "/a", "type": "HostPath"}]}), "spec.pods.default.volumes[0].type", "allowed: PersistentVolumeClaim, Secret, ConfigMap"),
    ("volume twice", put("pods.default", {"volumes": [{"name": "a", "mountPath": path, "type": "Secret", "secret": {"name": "a"}} for path in ("/a", "/b")]}), "spec.pods.default.volumes[1]", "given twice"),
    ("volume somewhere", put("pods.default", {"volumes": [{"name": "a", "mountPath": "a", "type": "Secret", "secret": {"name": "a"}}]}), "spec.pods.default.volumes[0].mountPath", "absolute path"),
    ("volume over our own", put("pods.default", {"volumes": [{"name": "a", "mountPath": "/w2s/job", "type": "Secret", "secret": {"name": "a"}}]}), "spec.pods.default.volumes[0].mountPath", "elsewhere"),
    ("cache of two sizes", put("pods.train", {"cache": {"claimName": "a", "sizeLimit": "1Gi"}}), "spec.pods.train.cache.sizeLimit", "leave one of them out"),
    ("no grace", put("pods.train", {"terminationGracePeriodSeconds": 0}), "spec.pods.train.terminationGracePeriodSeconds", "below 1"),
    ("two certificates", put("storage", {"uri": "s3://legal/w2s", "caBundle": "x", "caBundleRef": {"name": "a", "key": "b"}}), "spec.storage.caBundleRef", "not both"),
    ("a Secret without its name", put("storage.credentialsSecretRef", {}), "spec.storage.credentialsSecretRef.name", "required"),
    ("a Secret by its name alone", put("evaluation.credentialsSecretRef", "s"), "spec.evaluation.credentialsSecretRef", "in place of fields"),
    ("endless retries", put("execution.maxRetries", -1), "spec.execution.maxRetries", "below 0"),
    ("back-off beyond the longest", put("execution.retryBackoffSeconds", 301), "spec.execution.retryBackoffSeconds", "above 300"),
    ("queue of a namespace", put("execution.queueName", "team/gpus"), "spec.execution.queueName", "lower-case"),
    ("no time", put("execution.activeDeadlineSeconds", 0), "spec.execution.activeDeadlineSeconds", "below 1"),
    ("a duration", put("ttlSecondsAfterFinished", "1h"), "spec.ttlSecondsAfterFinished", "whole number"),
    ("suspended, in a word", put("suspend", "true"), "spec.suspend", "true or false"),
    ("managed by somebody", put("managedBy", "kueue"), "spec.managedBy", "a domain and a name"),
]  # fmt: skip

GOOD = [
    ("private", private()),
    ("given up when a third is done", lambda spec: spec["strong"].update(tuning={"type": "LoRA"}, training={"earlyTermination": {"afterFraction": "0.3"}})),
    ("private: targets of each text alone, other texts before", private({"loss": {"type": "Product"}, "adaptation": {"steps": [pretrain(pool=False, corpora=[{"uri": "s3://general/texts.jsonl"}])]}})),
    ("finish by every method", finished({"type": "Interpolate"}, {"type": "Interpolate", "interpolate": {"shares": ["0", "0.5", "1"]}})),
    ("adaptation by every method", adapted(pretrain(corpora=[{"uri": "s3://legal/more/"}], tuning={"type": "LoRA"}), merge({"weight": "0.3"}, {"weight": "0.7"}), merge({}, method="Slerp"), merge({"weight": "2"}, method="TIES", density="0.3", base={"uri": "py://older"}))),
    ("nearest shots", put("weak.labelers.1", asked(shots=4, shotSelection="Nearest"))),
    ("several ways to ask", put("weak.labelers.1", asked(shots=0, strategies=[{}, {"shots": 4}, {"shots": 4, "shotSelection": "Nearest", "instruction": "Free?"}, {"reasoningTokens": 64}]))),
    ("a reasoning", put("weak.labelers.1", asked(shots=0, reasoningTokens=64))),
    ("votes of several annotators", lambda spec: spec.update(weak={"labelers": [{**VOTES, "name": f"v{n}", "imported": {"field": f"ann_{n}", "abstainOn": ["-1"]}} for n in range(20)]}, aggregation={"type": "DawidSkene", "dawidSkene": {"abstentions": "Answers"}})),
    ("probabilities of one class of two", put("weak.labelers.0", {**VOTES, "imported": {"probabilities": [{"className": "free", "field": "p"}]}})),
    ("functions of a module", put("weak.labelers.0", {**CODE, "calibration": "Temperature"})),
    ("a label model", put("aggregation", {"type": "LabelModel", "labelModel": {"classShares": [{"className": "free", "share": "3"}]}})),
    ("votes and a head that reads the texts", put("aggregation", {"type": "CrowdLab", "crowdLab": {"folds": 3}})),
    ("a majority of three", put("aggregation", {"type": "MajorityVote"})),
    ("as it is", same),
    ("a template of several fields", writes_by(prompted(), generation={"prompt": "In JSON, {{}}:\n{text}\nParty: {the party}, {{{year}}}"})),
    ("every step of a synthesis", synthesises(*EVERY_SYNTHESIS_STEP, field="quotation", text="{passage} {question}")),
    ("passages beside fields", retrieves(prompt="{passages} {party} {text}", more={"uri": "s3://one/passages/"}, model={"uri": "py://e"})),
    ("passages beside pairs", retrieves(synthesises(MINED, text="{question}"))),
    ("a field that is called passages", lambda spec: (retrieves()(spec), spec["task"]["generation"].pop("passages"))),
    ("gold whose field is called as that of pairs", lambda spec: (synthesises(MINED)(spec), spec["data"].update(fields={"label": "answer"}))),
    ("a synthesis of nothing", put("synthesis", {})),
    ("rules that write", writes({"write": "gpl-{version}", "pattern": "gpl (?P<version>[0-9.]+)"}, {"write": "mit", "keywords": ["mit"]})),
    ("all that writes", lambda spec: (writes({"write": "gpl", "pattern": "gpl"})(spec), spec["weak"]["labelers"].extend([{**VOTES, "imported": {"field": "note", "abstainOn": ["-"]}}, tuned(tuning={"type": "LoRA"}), prompted(shots=4, samples=5, temperature="0.7", agreement="Chrf")]))),
    ("selection", put("selection.steps", [STEP])),
    ("likelihood under a labeler's model", selects_texts({"type": "Likelihood", "likelihood": {"dropMostLikely": "0.1", "model": {"uri": "py://llm"}}})),
    ("a pairwise judge", both_edits(selects_texts(), put("evaluation", {"judge": {"model": {"uri": "py://judge"}, "margin": "0.1", "question": "Which is shorter?"}}))),
    ("retention", both_edits(retained(maxTexts=20), put("promotion.maxForgetting", "0.05"))),
    ("retention of who writes", both_edits(selects_texts(), retained(prompts=["What is rain?"], maxNewTokens=8))),
    ("adaptation with replay", both_edits(adapted(pretrain(replay=GENERAL | {"fraction": "0.25"})), retained())),
    ("adaptation at a share that is predicted", adapted(pretrain(replay=GENERAL | {"predict": PREDICT}))),
    ("adaptation that retains", adapted(pretrain(retain={"type": "Distillation"}, tuning={"type": "LoRA"}), pretrain(retain={"type": "StartingPoint", "startingPoint": {"weight": "0.1"}}, freezeBlocks=1), pretrain(retain={"type": "BlockExpansion", "blockExpansion": {"blocks": 2}}, freezeBlocks=0, tuning={}))),
    ("pruning by every method", adapted(prune(sparsity="0.3", corpora=[{"uri": "s3://legal/general/"}]), prune(method="Magnitude", pattern="2:4", sparsity="0.50"), prune(method="BlockInfluence", blocks=2), prune(method="Neurons", pool=False, corpora=[{"uri": "s3://legal/general/"}]))),
    ("more tokens", adapted(extend(corpora=[{"uri": "s3://legal/more/"}], general=[{"uri": "s3://legal/general/"}], allowSmallCorpus=True), pretrain())),
    ("pruning with its defaults", adapted(prune())),
    ("retention beside a corpus", both_edits(adapted(pretrain(corpora=[{"uri": "s3://legal/more/"}])), retained())),
    ("a judge of texts", selects_texts(judged(keepFraction="0.5", sample=32))),
    ("a judge of texts that says yes", selects_texts(judged(minimum="0.5", scale="YesNo"))),
    ("a judge of classes", put("selection.steps", [judged(minimum="4.5", scale="OneToFive")])),
    ("every step for texts", selects_texts(*EVERY_TEXT_STEP, labelers=2)),
    ("a consensus", lambda spec: (selects_texts(labelers=2)(spec), spec.update(aggregation={"type": "Consensus"}))),
    ("a judge of what labelers write", judged_texts(labelers=3, margin="0.1", maxTokens=256)),
    ("a consensus of unequals", lambda spec: (selects_texts(labelers=2)(spec), spec.update(aggregation={"type": "Consensus", "consensus": {"utility": "TokenF1", "weights": [{"labeler": "rules-1", "weight": "2"}]}}))),
    ("nearest shots of texts", writes_by(prompted(shots=4, shotSelection="Nearest", topK=4))),
    ("texts after a reasoning", writes_by(prompted(reasoningTokens=64, samples=3, temperature="0.7"))),
    ("soft targets", lambda spec: (writes_by(prompted(topK=4))(spec), spec["strong"].update(loss={"type": "SoftTargets", "softTargets": {"decay": "Linear"}}))),
    ("a longest length alone", selects_texts({"type": "Shape", "shape": {"longestRatio": "2"}})),
    ("every step with its defaults", lambda spec: (spec["weak"]["labelers"].pop(1), spec.update(selection={"steps": EVERY_STEP}))),
    ("shares of some classes", put("selection.steps", [{"type": "Shares", "shares": {"like": "Declared", "by": "Dropping", "shares": [{"className": "free", "share": "0.5"}]}}])),
    ("weights alone", put("selection.steps", [{"type": "Neighbours", "neighbours": {"keepFractionPerClass": "1", "weigh": True}}])),
    ("unfiltered over a selection", lambda spec: spec.update(selection={"steps": [STEP]}, promotion={"mustBeat": ["Unfiltered"]})),
    ("AUROC", put("promotion.metric", "AUROC")),
    ("an adapter", lambda spec: spec.update(strong={**spec["strong"], "tuning": {"type": "LoRA"}}, promotion={"publish": "Adapter"})),
    ("all weights as one model", lambda spec: spec.update(strong={**spec["strong"], "tuning": {"type": "Full"}}, promotion={"publish": "Merged"})),
    ("a test", put("data.test", {"uri": "s3://legal/test.csv"})),
    ("answers of experts", put("data.asked", {"uri": "s3://legal/asked/"})),
    ("places that begin alike", lambda spec: spec["data"].update(gold={"uri": "s3://legal/gold"}, test={"uri": "s3://legal/gold2"}, unlabeled={"uri": "s3://legal/gold-pool/"})),
    ("data below the storage", lambda spec: spec.update(storage={"uri": "s3://legal"})),
    ("storage beside what begins alike", put("storage.uri", "s3://legal/heap2")),
    ("another bucket", put("data.gold.uri", "s3://legal2/pool/gold.csv")),
    ("another scheme", lambda spec: spec["data"].update(gold={"uri": "file://legal/pool/gold.csv"})),
    ("the teacher saw the gold", put("weak.labelers.2.classifier.trainedOn", {"type": "Data", "data": [{"uri": "s3://legal/gold.csv"}]})),
    ("trained on data", put("weak.labelers.2.classifier.trainedOn", {"type": "Data", "data": [{"uri": "s3://a/b"}]})),
    ("weights", put("aggregation.weightedAverage", {"weights": [{"labeler": "own", "weight": "0.5"}]})),
    ("structs of defaults", lambda spec: spec.update(strong={**spec["strong"], "tuning": {}, "loss": {}}, selection={}, evaluation={}, promotion={}, report={}, aggregation={"weightedAverage": {}})),
    ("fields without a value", lambda spec: spec["data"].update(revision=None, goldBudget=None, fields=None)),
    ("deep tuning", lambda spec: spec.update(DEEP["spec"])),
    ("a schedule in a labeler", put("weak.labelers.1.finetuned", {**SMALL["finetuned"], "tuning": {"type": "Full"}, "training": {"stopping": {}}})),
    ("calibrated by others", lambda spec: spec["weak"].update(labelers=[{**RULES, "calibration": "Temperature"}, {**SMALL, "calibration": "None"}, {**OWN, "calibration": "Temperature"}, ASKED])),
    ("settings without a value", put("pods", {"train": {"nodeSelector": {"a": None}, "env": None}, "label": None})),
    ("pods", put("pods", PODS)),
    ("everything at once", lambda spec: spec.update(FULL["spec"])),
]  # fmt: skip

LORA = put("strong.tuning", {"type": "LoRA"})
LONG_LABELER = put("weak.labelers.0.name", "x" * 24)

BAD_NAMES = [
    ("Licences", same, "lower-case"),
    ("a.b", same, "lower-case"),
    ("-x", same, "no dash"),
    ("x" * 38, same, "at most 37"),
    ("x" * 34, same, "`metadata.name` and the longest name in `spec.weak.labelers` may have 38 characters together, for Jobs are named after both: shorten one of them (1 too many)"),
    ("x" * 17, LONG_LABELER, "shorten one of them (3 too many)"),
    ("x" * 26, finished({"type": "Interpolate"}), "`metadata.name` may have 25 characters where there are `spec.strong.finish.steps`: Jobs are named after it, after the step and its seed (1 too many)"),
    ("x" * 33, adapted(pretrain()), "`metadata.name` may have 32 characters where there are `spec.strong.adaptation.steps`, 23 with one of type ExtendVocabulary: Jobs are named after it and after the step (1 too many)"),
    ("x" * 33, LORA, "`metadata.name` may have 29 characters where `spec.strong.tuning.type` is LoRA or Full: Jobs are named after it and after the arm and seed that they tune (4 too many)"),
]  # fmt: skip
GOOD_NAMES = [("x" * 33, same), ("x" * 14, LONG_LABELER), ("x" * 29, LORA)]

HELD = put("managedBy", "example.com/controller")
TRANSITIONS = [
    (HELD, HELD, False),
    (same, HELD, False),
    (HELD, same, True),
    (HELD, put("managedBy", "example.com/other"), True),
]
"""(what there is, what it is to become, whether that is refused)"""
