"""Rows, a spec and a store in memory for tests of `prepare`."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow.parquet as pq

from w2s_api.spec.job import Spec

CLASSES = ("other", "indemnity")


@dataclass(frozen=True)
class Info:
    uri: str
    size: int
    etag: str


@dataclass
class MemoryObjects:
    """The part of the store's interface that `prepare` uses."""

    content: dict[str, bytes] = field(default_factory=dict)

    def stat(self, uri: str) -> Info | None:
        return (
            Info(uri, len(self.content[uri]), str(hash(self.content[uri]))) if uri in self.content else None
        )

    def list(self, prefix: str) -> Iterator[Info]:
        found = (self.stat(uri) for uri in self.content if uri.startswith(prefix))
        return (info for info in found if info)

    def open_stream(self, uri: str) -> BinaryIO:
        return io.BytesIO(self.content[uri])

    def download(self, uri: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.content[uri])


@dataclass
class Prepared:
    summary: dict[str, Any]
    figures: dict[str, Any]
    output: Path
    said: str

    def rows(self, name: str) -> list[dict[str, Any]]:
        return pq.read_table(self.output / name).to_pylist()  # type: ignore[no-any-return]

    def part(self, name: str) -> list[dict[str, Any]]:
        return [row for row in self.rows("examples.parquet") if row["part"] == name]


def spec_of(data: dict[str, Any], **more: Any) -> Spec:
    weak = {"labelers": [{"name": "rules", "type": "Functions", "functions": {"rules": []}}]}
    weak["labelers"][0]["functions"]["rules"] = [{"className": "indemnity", "keywords": ["indemnify"]}]  # type: ignore[index]
    return Spec.model_validate(
        {
            "task": {"classes": [{"name": name} for name in CLASSES]},
            "data": data,
            "storage": {"uri": "s3://bucket/w2s"},
            "weak": weak,
            "strong": {"model": {"uri": "py://encoder"}},
            **more,
        }
    )


def jsonl(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


WORDS = ("party", "loss", "notice", "term", "rent", "court", "law", "seller", "buyer", "goods", "tax", "cure")


def clause(number: int, length: int = 30) -> str:
    """A text that shares no five words in a row with the clause of another number."""
    return " ".join(f"{WORDS[(number * 7 + place * place) % len(WORDS)]}{number}" for place in range(length))


def gold(count: int = 120, start: int = 0) -> list[dict[str, Any]]:
    return [{"text": clause(number), "label": CLASSES[number % 2]} for number in range(start, start + count)]


def pool(count: int = 50, start: int = 10_000) -> list[dict[str, Any]]:
    return [{"text": clause(number)} for number in range(start, start + count)]
