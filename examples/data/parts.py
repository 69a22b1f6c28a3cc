"""Gold and the pool of an example: who goes to which side, and the two files."""

import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

OPENING = 8
"""Words that tell texts apart."""
GOLD_SHARE = 0.5


def lot(*words: object) -> float:
    """A number from 0 to 1 that depends on nothing but the words."""
    return int.from_bytes(hashlib.sha256("\0".join(map(str, words)).encode()).digest()[:8], "big") / 2**64


def opening(row: Mapping[str, Any]) -> str:
    """The words that a text begins with."""
    return " ".join(row["text"].casefold().split()[:OPENING])


def sides(found: Iterable[dict[str, str]], kind: str) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Gold's side and the pool's, one row an opening, in an order by lot.

    Args:
        found: rows with `id` and `text`.
        kind: what a row is, so that two examples draw apart.
    """
    by_lot = sorted(found, key=lambda row: lot(kind, row["id"]))
    one_each = {opening(row): row for row in reversed(by_lot)}
    rows = [row for row in by_lot if one_each[opening(row)] is row]
    gold = [row for row in rows if lot("gold", opening(row)) < GOLD_SHARE]
    pool = [row for row in rows if lot("gold", opening(row)) >= GOLD_SHARE]
    return gold, pool


def write(gold: Iterable[Mapping[str, Any]], pool: Iterable[Mapping[str, Any]], out: Path) -> None:
    """Writes `gold.jsonl` and `unlabeled.jsonl.gz`; the same rows are the same bytes, so w2s finds its work again."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / "gold.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in gold)
    with gzip.GzipFile(out / "unlabeled.jsonl.gz", "wb", mtime=0) as packed:
        packed.writelines(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in pool)
