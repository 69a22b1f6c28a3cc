"""Labeler `Classifier`: a fine-tuned sequence classification model that the user has already."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from w2s_api.spec.weak import Classifier, Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.errors import BadSpec
from w2s_trainer.models.published import SequenceClassifier, load_classifier, softmax
from w2s_trainer.models.uri import fetch_model
from w2s_trainer.stages.label.opinion import Opinion, from_probabilities
from w2s_trainer.stages.tables import EVERY_SEED, Examples


def classify(
    context: StageContext, labeler: Labeler, examples: Examples, rows: NDArray[np.int64]
) -> dict[int, Opinion]:
    """The method of type Classifier."""
    settings = labeler.classifier
    assert settings is not None
    logits, truncated = class_logits(
        load_classifier(fetch_model(settings.model.uri, context.objects, context.cache)),
        settings,
        context.spec.task.class_names,
        [examples.texts[row] for row in rows],
        labeler.batch_tokens,
        partial(context.progress, "labelling"),
    )
    return {EVERY_SEED: from_probabilities(softmax(logits), truncated)}


def class_logits(
    classifier: SequenceClassifier,
    settings: Classifier,
    class_names: Sequence[str],
    texts: Sequence[str],
    batch_tokens: int,
    progress: Callable[[int, int], None],
) -> tuple[NDArray[np.float32], int]:
    """Logits float32[n, K] in the order of the task's classes, and how many texts were cut."""
    columns = label_columns(classifier.labels, settings, class_names)
    logits, truncated = classifier.logits(texts, settings.max_tokens, batch_tokens, progress)
    return logits[:, columns], truncated


def label_columns(model_labels: Sequence[str], settings: Classifier, class_names: Sequence[str]) -> list[int]:
    """Which of the model's outputs is which class.

    Raises:
        BadSpec: a class has no label of the model, or two.
    """
    meaning = {mapping.model_label: mapping.class_name for mapping in settings.labels}
    unknown = sorted(set(meaning) - set(model_labels))
    meant = [meaning.get(label, label) for label in model_labels]
    missing = [name for name in class_names if meant.count(name) != 1]
    if unknown or missing:
        what = f"has no label {unknown[0]!r}" if unknown else f"has not exactly one label for {missing[0]!r}"
        raise BadSpec(
            "UnknownModelLabels",
            f"The model {settings.model.uri} {what}; its labels are {', '.join(map(repr, model_labels[:20]))},"
            f" the classes {', '.join(map(repr, class_names[:20]))}.",
            "Say in `labels` which label means which class.",
        )
    return [meant.index(name) for name in class_names]
