"""Labeler `Capitals`."""

import numpy as np

from w2s_trainer.stages.label.opinion import from_probabilities
from w2s_trainer.stages.tables import EVERY_SEED


def opinions(context, labeler, examples, rows):
    """Sure by 80 %, never silent."""
    settings, names = labeler.settings, context.spec.task.class_names
    shares = [np.mean([letter.isupper() for letter in text] or [0.0]) for text in examples.texts.take(rows)]
    loud = np.array(shares) >= float(settings.share)
    mine = names.index(settings.class_name)
    probabilities = np.full((len(rows), len(names)), 0.2 / (len(names) - 1))
    probabilities[loud, mine] = 0.8
    probabilities[~loud] = 0.8 / (len(names) - 1)
    probabilities[~loud, mine] = 0.2
    return {EVERY_SEED: from_probabilities(probabilities, truncated=0)}
