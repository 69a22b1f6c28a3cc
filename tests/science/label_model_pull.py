"""How strongly the rates of `LabelModel` are to be held near those of their beginning, on made-up rules.

    python tests/science/label_model_pull.py

25 populations of ten rules each (eight for one class only), which vote on 4 to 30 % of the texts and are right 60 to 97 %
of the time. In `copies`, each with probability .4 repeats 60 % of the votes of another. No real data are looked at.
"""

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.stages.aggregate.label_model import fitted, posterior

PULLS = (0.0, 4.0, 16.0, 64.0, 256.0, 1024.0)
SIDES = (1, 1, 1, 1, 0, 0, 0, None, None, 1)
"""The class that each rule votes for; None: both."""


def population(
    rng: np.random.Generator, texts: int, copies: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Votes int64[n, 10] and classes int64[n]."""
    share = rng.uniform(0.35, 0.65)
    gold = (rng.random(texts) < share).astype(np.int64)
    votes = np.full((texts, len(SIDES)), -1)
    for place, side in enumerate(SIDES):
        right, covered = rng.uniform(0.6, 0.97), rng.uniform(0.04, 0.3)
        if side is None:
            fires = rng.random(texts) < covered
            votes[fires, place] = np.where(rng.random(fires.sum()) < right, gold[fires], 1 - gold[fires])
        else:
            base = share if side else 1 - share
            hit, miss = min(0.95, covered * right / base), min(0.95, covered * (1 - right) / (1 - base))
            votes[rng.random(texts) < np.where(gold == side, hit, miss), place] = side
        if copies and place and rng.random() < 0.4:
            other = rng.integers(0, place)
            repeats = (votes[:, other] >= 0) & (rng.random(texts) < 0.6)
            votes[repeats, place] = votes[repeats, other]
    return votes, gold


def main() -> None:
    """Prints accuracy and log loss where there is a vote, for each pull."""
    shares = np.array([0.5, 0.5])
    print(f"{'':22}" + "".join(f"{f'pull {pull:g}':>14}" for pull in PULLS))
    for copies in (False, True):
        for texts in (400, 1250, 10_000):
            scores: dict[float, list[tuple[float, float]]] = {pull: [] for pull in PULLS}
            for seed in range(25):
                votes, gold = population(np.random.default_rng(seed), texts, copies)
                said = (votes >= 0).any(axis=1)
                for pull in PULLS:
                    found = posterior(votes[said], fitted(votes, shares, pull), shares)
                    chance = found[np.arange(len(found)), gold[said]]
                    right = float((found.argmax(axis=1) == gold[said]).mean())
                    scores[pull].append((right, float(-np.log(np.maximum(chance, 1e-12)).mean())))
            means = [np.mean(scores[pull], axis=0) for pull in PULLS]
            label = f"{'copies' if copies else 'independent'}, {texts:,}"
            print(f"{label:22}" + "".join(f"{right:7.3f}{loss:7.3f}" for right, loss in means))


if __name__ == "__main__":
    main()
