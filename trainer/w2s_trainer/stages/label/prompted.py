"""Labeler `Prompted`: a causal model is asked, and each class name is scored in full as its answer."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from w2s_api.families import FAMILIES
from w2s_api.methods.labelers import Prompted
from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.models.causal import load_causal
from w2s_trainer.models.encoder import load_encoder
from w2s_trainer.models.published import softmax
from w2s_trainer.models.tokens import tokenize
from w2s_trainer.stages.label.methods import Published
from w2s_trainer.stages.label.nearest import Neighbours
from w2s_trainer.stages.label.opinion import Opinion, drawn_budget, place_to_publish
from w2s_trainer.stages.label.prompt import Shot
from w2s_trainer.stages.label.prompting import (
    Neighbourhood,
    Prompting,
    by_chosen_strategy,
    neighbourhoods,
    prior_shift,
    task_of,
)
from w2s_trainer.stages.label.question import Question, answer_scores, provenance
from w2s_trainer.stages.label.shots import shots_by_seed
from w2s_trainer.stages.label.strategy import Choice
from w2s_trainer.stages.label.texts import prompted as of_texts
from w2s_trainer.stages.label.texts.written import tell_written
from w2s_trainer.stages.pool_sample import pool_sample
from w2s_trainer.stages.tables import EVERY_SEED, Examples, WeakLabels, of_seed, read_gold

POOL_SAMPLE = 256
"""Texts of the pool by which a prior is corrected."""

_ASKED, _NEIGHBOURS = "asked.json", "neighbours.safetensors"


def opinions(
    context: StageContext, labeler: Labeler, examples: Examples, rows: NDArray[np.int64]
) -> dict[int, Opinion]:
    """Asks the model and returns its answers.

    Raises:
        BadSpec: the model cannot be asked so, or the shots leave nothing to calibrate on.
        OwnFault: memory ran out.
    """
    if FAMILIES[context.spec.task.type].writes:
        return of_texts.opinions(context, labeler, examples, rows)
    settings: Prompted = labeler.settings
    seeds = range(context.spec.evaluation.seeds) if settings.sees_gold() else []
    gold = np.empty(0, dtype=np.int64)
    if seeds:
        gold = read_gold(context.artifact("gold"), "budget", examples, context.scratch)
    budgets = {seed: drawn_budget(context, examples, gold, seed) for seed in seeds}
    shown = shots_by_seed(context, labeler, settings.shown_labels(), budgets, gold)
    neighbourhood = neighbourhoods(context, labeler, examples, budgets)

    model = load_causal(context.model.directory, context.model.name)
    # The same sample in each shard: the shift must be that of the whole.
    pool = examples.rows("pool")[:0] if settings.prior == "None" else pool_rows(examples)
    asked = np.union1d(rows, pool)
    read = tokenize(model.tokenizer, examples.texts.take(rows), settings.max_tokens)
    read.require_some(context.model.name)
    if caution := read.caution(context.model.name):
        context.progress.note(caution)
    unreadable = len(read.unreadable)
    del read  # its tokens are as large as those of the prompts
    asking = Prompting(
        context, labeler, examples, model, budgets, gold, neighbourhood, np.zeros(len(examples), dtype=bool)
    )
    if settings.strategies:
        answers, choices = by_chosen_strategy(asking, settings, asked, pool, shown)
    else:
        answers, choices = asking.answers(settings.tried()[0], list(seeds), asked), {}

    places, sample = np.searchsorted(asked, rows), np.searchsorted(asked, pool)
    by_seed = {}
    for seed in seeds or [EVERY_SEED]:
        question, scores_of_seed = of_seed(answers, seed)
        labels = gold[budgets[seed]] if seeds else gold
        shift = prior_shift(settings, scores_of_seed.mean(axis=0)[sample], labels)
        probabilities, order_sensitive = probabilities_of(scores_of_seed[:, places], shift)
        if place := place_to_publish(context, seed):
            _leave(question, shift, neighbourhood.get(seed), choices.get(seed), place)
        by_seed[seed] = Opinion(
            scores_of_seed.mean(axis=0)[places],
            probabilities,
            np.zeros(len(rows), dtype=bool),
            int(asking.cut[rows].sum()),
            unreadable,
            {
                "shift": np.round(shift, 4).tolist(),
                "prompt": provenance(model, question),
                **({"strategy": _told(settings, choices[seed])} if choices else {}),
            },
            shown=shown.get(seed, rows[:0]),
            order_sensitive=order_sensitive,
        )
    return by_seed


def answer(labeler: Labeler, texts: Sequence[str], published: Published) -> WeakLabels:
    """What the model answers to the question of the first seed, with its shots and its correction of the prior."""
    if FAMILIES[published.family.task.type].writes:
        return of_texts.answer(labeler, texts, published)
    settings: Prompted = labeler.settings
    uri = settings.model.uri
    directory = published.models(uri)
    asked = json.loads((published.directory / _ASKED).read_text(encoding="utf-8"))
    strategy = settings.tried()[asked.get("strategy", 0)]
    shots = tuple(Shot(shot["text"], shot["label"]) for shot in asked["shots"])
    nearest = None
    if strategy.shot_selection == "Nearest":
        neighbours = Neighbours(**load_file(published.directory / _NEIGHBOURS))
        features, _ = load_encoder(directory, uri).features(texts, settings.max_tokens, labeler.batch_tokens)
        nearest = neighbours.nearest(features, strategy.shots)
    model = load_causal(directory, uri)
    cut, _ = model.cut(texts, settings.max_tokens)
    question = Question(
        task_of(published.family.task, strategy), settings.orders, shots, nearest, strategy.reasoning_tokens
    )
    (scores,) = answer_scores(model, [question], cut, labeler.batch_tokens, lambda _done, _total: None)
    probabilities, _ = probabilities_of(scores, np.array(asked["shift"]))
    return WeakLabels(probabilities, np.zeros(len(texts), dtype=bool))


def tell(context: StageContext, labeler: Labeler, summary: Mapping[str, Any]) -> int:
    """Notes which strategy each seed took, and how good each was, or what it wrote; returns how many notes warn."""
    for seed, choice in summary.get("strategy", {}).items():
        tried, losses = choice["tried"], choice["heldOutLogLoss"]
        figures = (
            f"log loss out of fold on {choice['texts']} texts of the budget: "
            + ", ".join(f"{words} {loss:.3f}" for words, loss in zip(tried, losses, strict=True))
            if losses
            else f"the first, since {choice['texts']} texts of the budget are too few to choose on"
        )
        context.progress.note(f"{labeler.name}: seed {seed} takes {tried[choice['chosen']]}; {figures}")
    return tell_written(context, labeler, summary)


def probabilities_of(
    scores: NDArray[np.float64], shift: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Class probabilities from the scores of several orders.

    Args:
        scores: float64[orders, n, K].
        shift: float64[K], corrects the prior (`matching_shift`).

    Returns:
        softmax(mean over orders + shift), float64[n, K], and bool[n]: the answer, with the same shift, is not
        the same in all orders.
    """
    answers = (scores + shift).argmax(axis=2)
    return softmax(scores.mean(axis=0) + shift), np.asarray((answers != answers[0]).any(axis=0))


def pool_rows(examples: Examples) -> NDArray[np.int64]:
    """The sample of the pool by which a prior is corrected, ascending."""
    return pool_sample(examples, POOL_SAMPLE, "prior")


def _told(settings: Prompted, choice: Choice) -> dict[str, Any]:
    return {"tried": [strategy.in_words() for strategy in settings.tried()], **choice.to_json()}


def _leave(
    question: Question,
    shift: NDArray[np.float64],
    neighbourhood: Neighbourhood | None,
    choice: Choice | None,
    directory: Path,
) -> None:
    """Writes what `answer` needs beside the model: the shots, which are texts of the gold budget, where they are among
    other texts if they are retrieved, the shift, and the strategy if it was chosen."""
    shots = [{"text": shot.text, "label": shot.label} for shot in question.shots]
    asked = {"shots": shots, "shift": shift.tolist(), **({"strategy": choice.place} if choice else {})}
    (directory / _ASKED).write_text(json.dumps(asked, ensure_ascii=False), encoding="utf-8")
    if neighbourhood and question.nearest is not None:
        save_file(vars(neighbourhood.neighbours), directory / _NEIGHBOURS)
