"""Labeler `Finetuned`: a small pretrained model that is tuned on the gold budget of each seed."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from w2s_api.families import FAMILIES
from w2s_api.methods.labelers import Finetuned
from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.models.encoder import load_encoder
from w2s_trainer.models.head import Head, cross_validated_l2, fit
from w2s_trainer.models.tokens import tokenize
from w2s_trainer.stages.features import features_of
from w2s_trainer.stages.label.methods import Published
from w2s_trainer.stages.label.opinion import Opinion, from_probabilities, place_to_publish, teaching_budget
from w2s_trainer.stages.label.saved_answers import SavedAnswers
from w2s_trainer.stages.label.texts import finetuned as of_texts
from w2s_trainer.stages.label.texts.written import tell_written
from w2s_trainer.stages.label.tuned import published_student, tuned_on_budget
from w2s_trainer.stages.tables import Examples, WeakLabels, read_gold

_HEAD = "head.safetensors"


def opinions(
    context: StageContext, labeler: Labeler, examples: Examples, rows: NDArray[np.int64]
) -> dict[int, Opinion]:
    """What the model says after it was tuned on the budget of each seed.

    Raises:
        Stopped: it was asked to stop; what was tuned so far is saved, and the next run goes on from there.
    """
    settings: Finetuned = labeler.settings
    gold = read_gold(context.artifact("gold"), "budget", examples, context.scratch)
    budgets = [
        teaching_budget(context, examples, gold, seed) for seed in range(context.spec.evaluation.seeds)
    ]
    if settings.tuning.settings.on_frozen_model:
        return _heads(context, settings, labeler.batch_tokens, examples, gold, budgets, rows)
    opinion = of_texts.opinion if FAMILIES[context.spec.task.type].writes else _tuned
    return {
        seed: opinion(context, labeler, examples, gold, drawn, rows, seed)
        for seed, drawn in enumerate(budgets)
    }


def answer(labeler: Labeler, texts: Sequence[str], published: Published) -> WeakLabels:
    """What the model says as it was tuned on the first seed's budget."""
    settings: Finetuned = labeler.settings
    uri = settings.model.uri
    directory, nobody = published.models(uri), np.zeros(len(texts), dtype=bool)
    if settings.tuning.settings.on_frozen_model:
        head = Head(**load_file(published.directory / _HEAD))
        features, _ = load_encoder(directory, uri).features(texts, settings.max_tokens, labeler.batch_tokens)
        return WeakLabels(head.probabilities(features), nobody)
    if FAMILIES[published.family.task.type].writes:
        return of_texts.answer(labeler, texts, published)
    student = published_student(settings, published)
    tokens = published.family.student_tokens(student, texts, settings.max_tokens)
    answers = published.family.student_answers(
        student,
        texts,
        tokens,
        max_tokens=settings.max_tokens,
        batch_tokens=labeler.batch_tokens,
        progress=lambda _done, _total: None,
    )
    return WeakLabels(answers.values, nobody)


def tell(context: StageContext, labeler: Labeler, summary: Mapping[str, Any]) -> int:
    """Notes what it wrote, where it writes; returns how many notes warn."""
    return tell_written(context, labeler, summary)


def _heads(
    context: StageContext,
    settings: Finetuned,
    batch_tokens: int,
    examples: Examples,
    gold: NDArray[np.int64],
    budgets: list[NDArray[np.int64]],
    rows: NDArray[np.int64],
) -> dict[int, Opinion]:
    """A head for each budget, on features of all texts that are computed once."""
    features = features_of(context, settings.max_tokens, batch_tokens)
    classes = np.eye(len(context.spec.task.classes))
    by_seed = {}
    for seed, drawn in enumerate(budgets):
        inputs, labels = features.matrix[drawn], gold[drawn]
        l2 = cross_validated_l2(inputs, labels, examples.families[drawn], seed=seed)
        head = fit(inputs, classes[labels], np.ones(len(drawn)), l2)
        by_seed[seed] = from_probabilities(
            head.probabilities(features.matrix[rows]),
            features.truncated,
            {"l2": l2},
            unreadable=features.unreadable,
        )
        if place := place_to_publish(context, seed):
            arrays = {"weight": head.weight, "bias": head.bias, "mean": head.mean}
            save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, place / _HEAD)
        context.progress("tuning heads", seed + 1, len(budgets))
    return by_seed


def _tuned(
    context: StageContext,
    labeler: Labeler,
    examples: Examples,
    gold: NDArray[np.int64],
    drawn: NDArray[np.int64],
    rows: NDArray[np.int64],
    seed: int,
) -> Opinion:
    """The answers of the model that was tuned on a seed's budget."""
    settings: Finetuned = labeler.settings
    names = context.spec.task.class_names
    tuned = tuned_on_budget(context, labeler, examples, np.eye(len(names))[gold[drawn]], drawn, seed)
    texts = examples.texts.take(rows)
    tokens = tokenize(tuned.student.tokenizer, texts, settings.max_tokens)
    tokens.require_some(context.model.name)
    if caution := tokens.caution(context.model.name):
        context.progress.note(caution)
    about = {"device": tuned.student.device, "precision": tuned.student.precision}
    probabilities = SavedAnswers(context, rows, about)(
        f"seed-{seed}",
        len(rows),
        len(names),
        np.float64,
        lambda left: tuned.student.probabilities_of(tokens.ids, left, labeler.batch_tokens),
        partial(context.progress, "labelling"),
    )
    figures: dict[str, Any] = {
        **tuned.figures,
        "tuning": settings.tuning.type,
        "collapsed": [names[alarm.label] for alarm in tuned.alarms],
    }
    return from_probabilities(
        probabilities, tokens.truncated, {"tuned": figures}, unreadable=len(tokens.unreadable)
    )
