"""`label`: one weak labeler's opinion of every text, with what produced it. Abstention is a mask."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.models.features import features_of
from w2s_trainer.models.head import cross_validated_l2, fit
from w2s_trainer.models.published import load_classifier, softmax
from w2s_trainer.models.uri import fetch_model
from w2s_trainer.stages.budget import draw
from w2s_trainer.stages.label.calibration import at_temperature, fit_temperature
from w2s_trainer.stages.label.classifier import class_logits
from w2s_trainer.stages.label.functions import vote
from w2s_trainer.stages.tables import EVERY_SEED, Examples, lists, read_examples, read_gold, write_table


@dataclass(frozen=True)
class Opinion:
    """What a labeler says of n texts, for one seed."""

    scores: NDArray[np.float64]
    """float64[n, K]: log-probabilities or votes, as they came."""
    probabilities: NDArray[np.float64]
    """float64[n, K]."""
    abstain: NDArray[np.bool_]
    """bool[n]."""
    truncated: int = 0
    figures: dict[str, float] = field(default_factory=dict)


Method = Callable[[StageContext, Labeler, Examples, NDArray[np.int64]], dict[int, Opinion]]


def run(context: StageContext) -> StageResult:
    """Labels this shard's rows with the stage's labeler."""
    labeler = next(one for one in context.spec.weak.labelers if one.name == context.job.stage.labeler)
    examples = read_examples(context.needs["prepare"], context.scratch)
    index, count = context.shard
    rows = np.array_split(np.arange(len(examples), dtype=np.int64), count)[index]

    if labeler.calibration == "None":
        opinions = METHODS[labeler.type](context, labeler, examples, rows)
        temperatures: dict[int, float] = {}
    else:
        # A shard needs the opinions on the gold budget too: the temperature must be that of the whole.
        budget = examples.rows("budget")
        asked = np.union1d(rows, budget)
        raw = METHODS[labeler.type](context, labeler, examples, asked)
        opinions, temperatures = _calibrated(context, examples, raw, asked, rows)

    suffix = "" if count == 1 else f"-{index}-of-{count}"
    n = len(rows)
    seeds = sorted(opinions)
    write_table(
        {
            "id": [examples.ids[row] for _ in seeds for row in rows],
            "seed": np.repeat(np.array(seeds, dtype=np.int32), n),
            "scores": lists(np.concatenate([opinions[seed].scores for seed in seeds])),
            "probabilities": lists(np.concatenate([opinions[seed].probabilities for seed in seeds])),
            "abstain": np.concatenate([opinions[seed].abstain for seed in seeds]),
        },
        context.output / f"labels{suffix}.parquet",
    )
    first = opinions[seeds[0]]
    summary = {
        "labeler": labeler.name,
        "type": labeler.type,
        "calibrated": labeler.calibration != "None" or labeler.type == "Finetuned",
        "perSeed": seeds != [EVERY_SEED],
        "rows": n,
        "abstained": int(first.abstain.sum()),
        "truncated": first.truncated,
        **({"temperature": {str(s): round(t, 4) for s, t in temperatures.items()}} if temperatures else {}),
        "l2": {str(s): o.figures["l2"] for s, o in opinions.items() if "l2" in o.figures},
    }
    return StageResult(summary, {name: summary[name] for name in ("rows", "abstained", "truncated")})


def _functions(
    context: StageContext, labeler: Labeler, examples: Examples, rows: NDArray[np.int64]
) -> dict[int, Opinion]:
    assert labeler.functions is not None
    place = [one.name for one in context.spec.weak.labelers].index(labeler.name)
    path = f"spec.weak.labelers[{place}].functions"
    texts = [examples.texts[row] for row in rows]
    votes = vote(labeler.functions, context.spec.task.class_names, texts, path)
    context.progress("applying rules", len(rows), len(rows))
    return {EVERY_SEED: Opinion(votes.counts, votes.probabilities, votes.abstain)}


def _classifier(
    context: StageContext, labeler: Labeler, examples: Examples, rows: NDArray[np.int64]
) -> dict[int, Opinion]:
    assert labeler.classifier is not None
    model = load_classifier(fetch_model(labeler.classifier.model.uri, context.objects, context.cache))
    logits, truncated = class_logits(
        model,
        labeler.classifier,
        context.spec.task.class_names,
        [examples.texts[row] for row in rows],
        labeler.batch_tokens,
        partial(context.progress, "labelling"),
    )
    probabilities = softmax(logits)
    return {
        EVERY_SEED: Opinion(
            np.log(np.maximum(probabilities, 1e-30)),
            probabilities,
            np.zeros(len(rows), dtype=bool),
            truncated,
        )
    }


def _finetuned(
    context: StageContext, labeler: Labeler, examples: Examples, rows: NDArray[np.int64]
) -> dict[int, Opinion]:
    assert labeler.finetuned is not None
    spec, settings = context.spec, labeler.finetuned
    features = features_of(context, settings.model.uri, settings.max_tokens, labeler.batch_tokens)
    gold = read_gold(context.needs["prepare"], "budget", examples, context.scratch)
    opinions = {}
    for seed in range(spec.evaluation.seeds):
        drawn = _drawn(context, examples, gold, seed)
        inputs, labels = features.matrix[drawn], gold[drawn]
        l2 = cross_validated_l2(inputs, labels, examples.families[drawn], seed=seed)
        head = fit(inputs, np.eye(len(spec.task.classes))[labels], np.ones(len(drawn)), l2)
        probabilities = head.probabilities(features.matrix[rows])
        context.progress("tuning heads", seed + 1, spec.evaluation.seeds)
        opinions[seed] = Opinion(
            np.log(np.maximum(probabilities, 1e-30)),
            probabilities,
            np.zeros(len(rows), dtype=bool),
            features.truncated,
            {"l2": l2},
        )
    return opinions


METHODS: Mapping[str, Method] = {
    "Classifier": _classifier,
    "Finetuned": _finetuned,
    "Functions": _functions,
}


def _drawn(
    context: StageContext, examples: Examples, gold: NDArray[np.int64], seed: int
) -> NDArray[np.int64]:
    budget = examples.rows("budget")
    ids = [examples.ids[row] for row in budget]
    return np.asarray(budget[draw(ids, gold[budget], context.spec.data.gold_budget, seed)])


def _calibrated(
    context: StageContext,
    examples: Examples,
    raw: dict[int, Opinion],
    asked: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> tuple[dict[int, Opinion], dict[int, float]]:
    gold = read_gold(context.needs["prepare"], "budget", examples, context.scratch)
    mine = np.searchsorted(asked, rows)
    opinions, temperatures = {}, {}
    for seed in range(context.spec.evaluation.seeds):
        opinion = raw.get(seed) or raw[EVERY_SEED]
        drawn = _drawn(context, examples, gold, seed)
        places = np.searchsorted(asked, drawn)
        answered = ~opinion.abstain[places]
        temperature = fit_temperature(opinion.probabilities[places][answered], gold[drawn][answered])
        temperatures[seed] = temperature
        opinions[seed] = Opinion(
            opinion.scores[mine],
            at_temperature(opinion.probabilities[mine], temperature),
            opinion.abstain[mine],
            opinion.truncated,
        )
    return opinions, temperatures
