"""`label`: one weak labeler's opinion of every text, with what produced it. Abstention is a mask."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.models.causal import load_causal
from w2s_trainer.models.features import features_of
from w2s_trainer.models.head import cross_validated_l2, fit
from w2s_trainer.models.published import load_classifier, softmax
from w2s_trainer.models.uri import fetch_model
from w2s_trainer.stages.budget import draw
from w2s_trainer.stages.label.calibration import at_temperature, fit_temperature
from w2s_trainer.stages.label.classifier import class_logits
from w2s_trainer.stages.label.functions import vote
from w2s_trainer.stages.label.prior import shares, uniform
from w2s_trainer.stages.label.prompt import Shot
from w2s_trainer.stages.label.prompted import (
    Question,
    answer_scores,
    draw_shots,
    heap_sample,
    probabilities_of,
)
from w2s_trainer.stages.tables import (
    EVERY_SEED,
    Examples,
    lists,
    of_seed,
    read_examples,
    read_gold,
    write_table,
)


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
    shown: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """Rows whose gold label the labeler was shown: what it says of them proves nothing."""
    unsteady: NDArray[np.bool_] | None = None
    """bool[n]: the answer changes with the order of the classes, where there are orders."""


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
        **({} if first.unsteady is None else {"unsteady": int(first.unsteady.sum())}),
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


def _prompted(
    context: StageContext, labeler: Labeler, examples: Examples, rows: NDArray[np.int64]
) -> dict[int, Opinion]:
    assert labeler.prompted is not None
    spec, settings = context.spec, labeler.prompted
    k = len(spec.task.classes)
    model = load_causal(fetch_model(settings.model.uri, context.objects, context.cache), settings.model.uri)
    pool = examples.rows("pool")
    heap = pool[heap_sample([examples.ids[row] for row in pool])] if settings.prior != "None" else pool[:0]
    asked = np.union1d(rows, heap)
    texts, was_cut = model.cut([examples.texts[row] for row in asked], settings.max_tokens)

    seeds = list(range(spec.evaluation.seeds))
    per_seed = settings.shots > 0 or settings.prior == "Gold"
    gold = read_gold(context.needs["prepare"], "budget", examples, context.scratch) if per_seed else None
    budgets = {} if gold is None else {seed: _drawn(context, examples, gold, seed) for seed in seeds}
    shown: dict[int, NDArray[np.int64]] = {}
    questions = {EVERY_SEED: Question(spec.task, settings.orders)}
    if settings.shots and gold is not None:
        shown = {seed: draw_shots(budgets[seed], gold, settings.shots, seed) for seed in seeds}
        questions = {}
        for seed, chosen in shown.items():
            examples_shown, _ = model.cut([examples.texts[row] for row in chosen], settings.max_tokens)
            shots = tuple(
                Shot(text, int(gold[row])) for text, row in zip(examples_shown, chosen, strict=True)
            )
            questions[seed] = Question(spec.task, settings.orders, shots)

    progress = partial(context.progress, "asking the model")
    found = answer_scores(model, list(questions.values()), texts, labeler.batch_tokens, progress)
    scores = dict(zip(questions, found, strict=True))
    mine, sample = np.searchsorted(asked, rows), np.searchsorted(asked, heap)
    opinions = {}
    for seed in seeds if per_seed else [EVERY_SEED]:
        target = None if settings.prior == "None" else uniform(k)
        if settings.prior == "Gold" and gold is not None:
            target = shares(gold[budgets[seed]], k)
        said = of_seed(scores, seed)
        probabilities, unsteady = probabilities_of(said, sample, target)
        opinions[seed] = Opinion(
            said.mean(axis=0)[mine],
            probabilities[mine],
            np.zeros(len(rows), dtype=bool),
            int(was_cut[mine].sum()),
            shown=shown.get(seed, pool[:0]),
            unsteady=unsteady[mine],
        )
    return opinions


METHODS: Mapping[str, Method] = {
    "Classifier": _classifier,
    "Finetuned": _finetuned,
    "Prompted": _prompted,
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
        drawn = np.setdiff1d(_drawn(context, examples, gold, seed), opinion.shown)
        places = np.searchsorted(asked, drawn)
        answered = ~opinion.abstain[places]
        temperature = fit_temperature(opinion.probabilities[places][answered], gold[drawn][answered])
        temperatures[seed] = temperature
        opinions[seed] = Opinion(
            opinion.scores[mine],
            at_temperature(opinion.probabilities[mine], temperature),
            opinion.abstain[mine],
            opinion.truncated,
            unsteady=None if opinion.unsteady is None else opinion.unsteady[mine],
        )
    return opinions, temperatures
