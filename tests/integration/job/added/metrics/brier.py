"""Metric `Brier`."""

import numpy as np


def replicates(test, probabilities, families, weights):
    """Means over texts, weighted by their families."""
    errors = ((probabilities - np.eye(probabilities.shape[1])[test.gold]) ** 2).sum(axis=1)
    sums, sizes = np.bincount(families, errors), np.bincount(families)
    return float(errors.mean()), (weights @ sums) / (weights @ sizes)
