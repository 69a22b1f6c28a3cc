"""The rows of a set: which classes, which texts, and which of them belong together."""

import gzip
import hashlib
import importlib
import json
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from w2s_api.canonical_text import canonical_text
from w2s_trainer.stages.prepare.duplicates import near_duplicates

from .declared import CHARACTERS, FEWEST_SHARE, MOST_CLASSES, READ, Set

EXAMPLES = Path(__file__).parents[3] / "examples"
SIMILARITY, SHINGLE_WORDS = 0.8, 5


@dataclass(frozen=True)
class Row:
    """A text with its expert's label."""

    id: str
    text: str
    label: str
    family: str
    vote: str | None = None
    """That came with it."""


def read_rows(one: Set, data: Path) -> list[Row]:
    """The rows of a set in the order of a hash of their ids.

    Args:
        one: the set.
        data: the directory of the labelled sets.
    """
    found = _licence_rows(one.name) if one.licences else _set_rows(data / one.name / "data.jsonl.gz")
    kept = classes_of([row["label"] for row in found])
    first: dict[str, dict[str, Any]] = {}
    for row in sorted(found, key=lambda row: digest(one.name, row["id"])):
        if row["label"] in kept:
            first.setdefault(canonical_text(row["text"]), row)
    rows = list(first.values())[: None if one.rows_of_family else READ]
    families = _families(rows, one.group)
    some = firsts(families, one.rows_of_family or len(rows))[:READ]
    return [
        Row(rows[n]["id"], rows[n]["text"], rows[n]["label"], families[n], _vote(rows[n], one)) for n in some
    ]


def firsts(families: Sequence[str], most: int) -> list[int]:
    """Places of the first items of each family, so many of one at most."""
    seen: Counter[str] = Counter()
    kept = []
    for place, family in enumerate(families):
        seen[family] += 1
        kept += [place] if seen[family] <= most else []
    return kept


def classes_of(labels: Sequence[str]) -> list[str]:
    """The classes of a task: the most frequent of a set, without those that are rare; in the order of their names."""
    counts = Counter(labels)
    often = sorted(counts, key=lambda name: (-counts[name], name))[:MOST_CLASSES]
    rows = len(labels) if len(counts) <= MOST_CLASSES else sum(counts[name] for name in often)
    return sorted(name for name in often if counts[name] >= FEWEST_SHARE * rows)


def digest(*words: str) -> str:
    """What rows are ordered by, so that nothing depends on chance or on a file's order."""
    return hashlib.sha256("\0".join(words).encode()).hexdigest()


def _set_rows(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    for row in rows:
        asked = f"{row['question']}? " if "question" in row else ""
        row["text"] = " ".join(f"{asked}{row['text']}".split())[:CHARACTERS]
    return rows


def _licence_rows(task: str) -> list[dict[str, Any]]:
    """As many of each class as there are: the demo itself balances them."""
    with patch.object(sys, "path", [str(EXAMPLES / "data"), *sys.path]):
        module = importlib.import_module("licences")
    return [{**row, "text": row["text"][:CHARACTERS]} for row in module.rows(task)]


def _families(rows: Sequence[dict[str, Any]], group: str | None) -> list[str]:
    near = near_duplicates([row["text"] for row in rows], SIMILARITY, SHINGLE_WORDS)
    return joined([[f"near {near[place]}", *_group(row, group)] for place, row in enumerate(rows)])


def _group(row: dict[str, Any], group: str | None) -> list[str]:
    """The group that came with a row; of the others the words, so that texts that differ by digits or marks are one."""
    if group:
        return [f"group {row[group]}"]
    return ["words " + re.sub(r"\d+", "0", " ".join(re.findall(r"\w+", row["text"].lower())))]


def joined(keys: Sequence[Sequence[str]]) -> list[str]:
    """The family of each item: items that share a key are of one family, transitively."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for mine in keys:
        for key in mine[1:]:
            parent[root(key)] = root(mine[0])
    return [root(mine[0]) for mine in keys]


def _vote(row: dict[str, Any], one: Set) -> str | None:
    value = row.get(one.imported) if one.imported else None
    return None if value is None else str(value)
