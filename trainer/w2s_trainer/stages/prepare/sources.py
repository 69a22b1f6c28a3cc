"""From a data URI to the objects behind it, and to the digest that says which version of them was read."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from w2s_trainer.errors import BadData, BadSpec

if TYPE_CHECKING:
    from w2s_trainer.store.objects import ObjectInfo, Objects

SUFFIXES = (".jsonl", ".jsonl.gz", ".csv", ".parquet")
"""The formats that are read."""


@dataclass(frozen=True)
class DataFile:
    """One object of a source."""

    uri: str
    name: str
    """Its path below the source's URI; the last part of the URI if the source is the object itself."""
    size: int
    """Bytes."""
    etag: str = ""
    """The store's tag of this version; empty for a local file."""

    def open(self, objects: "Objects") -> BinaryIO:
        """A forward stream of its bytes."""
        return _path(self.uri).open("rb") if _is_local(self.uri) else objects.open_stream(self.uri)

    def local(self, objects: "Objects", scratch: Path) -> Path:
        """A path to its bytes, downloaded if need be: for formats that are not read from front to back."""
        if _is_local(self.uri):
            return _path(self.uri)
        path = scratch / hashlib.sha256(self.uri.encode()).hexdigest()[:16]
        objects.download(self.uri, path)
        return path


def expand(uri: str, objects: "Objects") -> list[DataFile]:
    """The objects of a source, sorted by name.

    Names that begin with `_` or `.` are left out below a prefix: by custom they are notes of the program that
    wrote the others (`_SUCCESS`).

    Raises:
        BadData: there is nothing at this URI.
        BadSpec: an object is of a format that is not read.
    """
    found = _local_files(uri) if _is_local(uri) else _stored_files(uri, objects)
    files = sorted(found, key=lambda file: file.name)
    if not files:
        raise BadData("NoSuchData", f"There are no data at {uri}.", _where_to_look(uri))
    for file in files:
        if not file.name.lower().endswith(SUFFIXES):
            raise BadSpec(
                "UnknownFormat",
                f"{file.uri}: the name must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}.",
                "Convert it, rename it, or keep it elsewhere.",
            )
    return files


def source_digest(uri: str, objects: "Objects") -> str:
    """Hexadecimal sha256 that changes when the data behind a URI do.

    Of (name, etag, size) of the objects in a store; of (name, sha256 of the bytes) of local files.
    """
    whole = hashlib.sha256()
    for file in expand(uri, objects):
        version = _sha256(_path(file.uri)) if _is_local(uri) else f"{file.etag} {file.size}"
        whole.update(f"{file.name}\0{version}\n".encode())
    return whole.hexdigest()


def _stored_files(uri: str, objects: "Objects") -> Iterator[DataFile]:
    if not uri.endswith("/"):
        info = objects.stat(uri)
        if info is not None:
            yield _stored(info, uri.rpartition("/")[2])
        return
    for info in objects.list(uri):
        name = info.uri.removeprefix(uri)
        if not name.endswith("/") and not _is_note(name):  # some tools mark a folder by an object ending in /
            yield _stored(info, name)


def _stored(info: "ObjectInfo", name: str) -> DataFile:
    return DataFile(info.uri, name, info.size, info.etag)


def _local_files(uri: str) -> Iterator[DataFile]:
    root = _path(uri)
    if not uri.endswith("/"):
        if root.is_file():
            yield DataFile(uri, root.name, root.stat().st_size)
        return
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not _is_note(name):
            yield DataFile(uri + name, name, path.stat().st_size)


def _where_to_look(uri: str) -> str:
    if uri.endswith("/"):
        return "Check the prefix; names that begin with `_` or `.` are not read."
    return "Check the name; a prefix (a folder) must end in `/`."


def _is_note(name: str) -> bool:
    return name.rpartition("/")[2].startswith(("_", "."))


def _is_local(uri: str) -> bool:
    return uri.startswith("file://")


def _path(uri: str) -> Path:
    return Path(uri.removeprefix("file://"))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
