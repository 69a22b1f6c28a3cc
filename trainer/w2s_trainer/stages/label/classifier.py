"""Labeler `Classifier`: a fine-tuned sequence classification model that the user has already."""

import json
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.labelers import Classifier
from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.errors import BadSpec
from w2s_trainer.models.published import load_classifier, softmax
from w2s_trainer.stages.label.methods import Published
from w2s_trainer.stages.label.opinion import Opinion, from_probabilities
from w2s_trainer.stages.label.saved_answers import SavedAnswers
from w2s_trainer.stages.tables import EVERY_SEED, Examples, WeakLabels


def opinions(
    context: StageContext, labeler: Labeler, examples: Examples, rows: NDArray[np.int64]
) -> dict[int, Opinion]:
    """What the model says of each text."""
    settings: Classifier = labeler.settings
    classifier = load_classifier(context.model.directory, context.model.name)
    columns = label_columns(classifier.labels, settings, context.spec.task.class_names)
    tokens = classifier.read(examples.texts.take(rows), settings.max_tokens)
    logits = SavedAnswers(context, rows, {"device": classifier.device})(
        "logits",
        len(rows),
        len(classifier.labels),
        np.float32,
        lambda left: classifier.logits_of(tokens, left, labeler.batch_tokens),
        partial(context.progress, "labelling"),
    )
    if caution := tokens.caution(context.model.name):
        context.progress.note(caution)
    return {
        EVERY_SEED: from_probabilities(
            softmax(logits[:, columns]),
            tokens.truncated,
            unreadable=len(tokens.unreadable),
            abstain=means_no_class(logits, columns),
        )
    }


def answer(labeler: Labeler, texts: Sequence[str], published: Published) -> WeakLabels:
    """What the model says, read from where the manifest has it."""
    settings: Classifier = labeler.settings
    uri = settings.model.uri
    classifier = load_classifier(published.models(uri), uri)
    columns = label_columns(classifier.labels, settings, published.family.task.class_names)
    logits, _ = classifier.logits(texts, settings.max_tokens, labeler.batch_tokens)
    return WeakLabels(softmax(logits[:, columns]), means_no_class(logits, columns))


def means_no_class(logits: NDArray[np.floating], columns: Sequence[int]) -> NDArray[np.bool_]:
    """Which texts the model gives to a label that means none of the classes, bool[n].

    Args:
        logits: float[n, L] of all its labels.
        columns: those of them that are classes.
    """
    return ~np.isin(logits.argmax(axis=1), columns)


def label_columns(model_labels: Sequence[str], settings: Classifier, class_names: Sequence[str]) -> list[int]:
    """Finds which of the model's outputs is which class.

    Raises:
        BadSpec: a class has no label of the model, or two; or a label means no class, and nothing says what of it.
    """
    meaning = {mapping.model_label: mapping.class_name for mapping in settings.labels}
    named = {*meaning, *settings.abstain_on}
    unknown = sorted(named - set(model_labels))
    meant = [None if label in settings.abstain_on else meaning.get(label, label) for label in model_labels]
    missing = [name for name in class_names if meant.count(name) != 1]
    if unknown or missing:
        problem = (
            f"has no label {unknown[0]!r}" if unknown else f"has not exactly one label for {missing[0]!r}"
        )
        raise BadSpec(
            "UnknownModelLabels",
            f"The model {settings.model.uri} {problem}; its labels are {', '.join(map(repr, model_labels[:20]))},"
            f" the classes {', '.join(map(repr, class_names[:20]))}.",
            "Say in `labels` which label means which class.",
        )
    left = [
        label
        for label, name in zip(model_labels, meant, strict=True)
        if name is not None and name not in class_names
    ]
    if left:
        listed = ", ".join(map(json.dumps, left[:20]))
        raise BadSpec(
            "LabelsWithoutClass",
            f"The model {settings.model.uri} has labels that mean none of the classes: {listed}.",
            f"Write `abstainOn: [{listed}]` beside its `labels`: a text where one of them is the likeliest then"
            " gets no weak label. Or say in `labels` which class they mean.",
        )
    return [meant.index(name) for name in class_names]
