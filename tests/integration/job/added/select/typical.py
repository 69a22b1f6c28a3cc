"""Selection `Typical`."""

import numpy as np

from w2s_trainer.stages.select.methods import Kept


def select(settings, candidates):
    """Nearest to the mean of the features; weight 2 where nobody contradicts."""
    features = candidates.features.astype(np.float64)
    distance = np.linalg.norm(features - features.mean(axis=0), axis=1)
    count = max(1, round(float(settings.keep_fraction) * len(distance)))
    positions = np.sort(np.argsort(distance, kind="stable")[:count])
    votes = np.array(
        [
            np.where(labels.abstain, -1, labels.targets.argmax(axis=1))[candidates.rows[positions]]
            for labels in candidates.opinions.values()
        ]
    )
    agreed = ((votes == votes[0]) | (votes == -1)).all(axis=0)
    return Kept(positions, candidates.weights[positions] * np.where(agreed, 2.0, 1.0))
