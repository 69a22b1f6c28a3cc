"""The manifest of an artifact, as JSON: what it consists of, what it says, what produced it."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

FORMAT = 1
CORRUPT = "CORRUPT"
"""Name of the object that a reader leaves beside files whose bytes are not those of the manifest."""
_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Entry:
    """One file: the attempt that wrote it, its size in bytes and its SHA-256 in hexadecimal."""

    attempt: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What makes an artifact exist. `files` by name relative to the attempt's prefix."""

    stage: str
    key: str
    attempt: str
    summary: Mapping[str, Any]
    provenance: Mapping[str, Any]
    files: Mapping[str, Entry]
    shard: tuple[int, int] | None = None

    def encode(self) -> bytes:
        """Canonical JSON."""
        document = {
            "format": FORMAT,
            "stage": self.stage,
            "key": self.key,
            "attempt": self.attempt,
            "shard": self.shard,
            "summary": self.summary,
            "provenance": self.provenance,
            "files": {name: vars(entry) for name, entry in self.files.items()},
        }
        return json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Manifest":
        """ValueError when it is none: half a document, another format, a name that leads elsewhere."""
        try:
            document = json.loads(data)
            if document["format"] != FORMAT:
                raise ValueError(f"format {document['format']}, expected {FORMAT}")
            files = {checked_name(name): _entry(value) for name, value in document["files"].items()}
            shard = document["shard"]
            return cls(
                stage=segment(document["stage"]),
                key=segment(document["key"]),
                attempt=segment(document["attempt"]),
                summary=dict(document["summary"]),
                provenance=dict(document["provenance"]),
                files=files,
                shard=None if shard is None else (int(shard[0]), int(shard[1])),
            )
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"not a manifest: {error!r}") from error


def _entry(value: Mapping[str, Any]) -> Entry:
    entry = Entry(segment(value["attempt"]), int(value["size"]), str(value["sha256"]))
    if not _SHA256.fullmatch(entry.sha256):
        raise ValueError(f"not a SHA-256: {entry.sha256!r}")
    return entry


def segment(name: str) -> str:
    """A part of a key between slashes, unchanged; ValueError for anything that could lead elsewhere."""
    if not _SEGMENT.fullmatch(name):
        raise ValueError(f"not a name for a place in the store: {name!r}")
    return name


def checked_name(name: str) -> str:
    """A file's name relative to its artifact, unchanged; ValueError when it leads out of it."""
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts or str(path) != name or name == CORRUPT:
        raise ValueError(f"not a file name for an artifact: {name!r}")
    return name


def join_shards(shards: Iterable[Manifest], attempt: str) -> Manifest:
    """The whole artifact, from the manifests of all of its shards in order.

    Summaries and provenances are kept as lists, in the order of the shards. ValueError when two shards have a
    file of the same name.
    """
    ordered = list(shards)
    files: dict[str, Entry] = {}
    for shard in ordered:
        if taken := files.keys() & shard.files.keys():
            raise ValueError(f"two shards of {shard.stage} wrote {min(taken)}")
        files.update(shard.files)
    return Manifest(
        stage=ordered[0].stage,
        key=ordered[0].key,
        attempt=attempt,
        summary={"shards": [dict(shard.summary) for shard in ordered]},
        provenance={"shards": [dict(shard.provenance) for shard in ordered]},
        files=files,
    )


def content_digest(files: Iterable[tuple[str, int, str]]) -> str:
    """SHA-256 over sorted (name, size, sha256): equal when the contents are, whatever the writer and the time."""
    return hashlib.sha256(json.dumps(sorted(files)).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
