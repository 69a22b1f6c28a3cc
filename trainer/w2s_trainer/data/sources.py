"""From a data URI to the objects behind it, and to the digest that says which version of them was read."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from w2s_trainer.data.keys import has_lone_surrogate
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
        if not _is_local(self.uri):
            return objects.open_stream(self.uri)
        try:
            return _path(self.uri).open("rb")
        except OSError as error:
            raise BadData(
                "UnreadableFile", f"{self.uri}: {error.strerror}.", "Check who may read it."
            ) from error

    def local(self, objects: "Objects", scratch: Path) -> Path:
        """A path to its bytes, downloaded if need be: for formats that are not read from front to back."""
        if _is_local(self.uri):
            return _path(self.uri)
        path = scratch / hashlib.sha256(self.uri.encode()).hexdigest()[:16]
        objects.download(self.uri, path)
        return path


@dataclass(frozen=True)
class Listing:
    """What is at the URI of a source."""

    files: list[DataFile]
    """Sorted by name."""
    passed_over: list[str]
    """Names of those that are not data, sorted."""


def expand(uri: str, objects: "Objects") -> list[DataFile]:
    """The objects of a source, sorted by name, without those that are not data (`is_data`).

    Raises:
        BadData: there is nothing at this URI.
        BadSpec: an object is of a format that is not read.
    """
    return listing(uri, objects).files


def listing(uri: str, objects: "Objects") -> Listing:
    """Lists the objects of a source, and what else lies below its prefix.

    Raises:
        BadData: there is nothing at this URI.
        BadSpec: an object is of a format that is not read.
    """
    everything = [*(_local_files(uri) if _is_local(uri) else _stored_files(uri, objects))]
    is_prefix = uri.endswith("/")
    files = sorted(
        (file for file in everything if not is_prefix or is_data(file.name)), key=lambda file: file.name
    )
    if not files:
        raise BadData("NoSuchData", f"There are no data at {uri}.", _where_to_look(uri))
    for file in files:
        if not file.name.lower().endswith(SUFFIXES):
            raise BadSpec(
                "UnknownFormat",
                f"{file.uri}: the name must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}.",
                "Convert it, rename it, or keep it elsewhere.",
            )
    passed_over = (file for file in everything if is_prefix and not is_data(file.name))
    hidden = sorted(file.name for file in passed_over if file.size or not is_folder_marker(file.name))
    return Listing(files, hidden)


def is_data(name: str) -> bool:
    """Whether an object below a prefix is data, by its path below the prefix.

    By custom, files and folders whose names begin with `_` or `.` are notes and unfinished work of the programs that
    wrote the others (`_SUCCESS`, `_temporary/`, `.ipynb_checkpoints/`). `_name=value/` is a partition.
    """
    return not is_folder_marker(name) and not any(
        part.startswith(".") or (part.startswith("_") and "=" not in part) for part in name.split("/")
    )


def is_folder_marker(name: str) -> bool:
    """Whether an object only stands for a folder: some tools make `name/` or `name_$folder$`, without content."""
    return not name or name.endswith(("/", "_$folder$"))


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
        yield _stored(info, info.uri.removeprefix(uri))


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
        if has_lone_surrogate(name):  # as Python shows bytes that it cannot decode
            raise BadData("UnreadableFile", f"{uri}{name!a}: the name is not UTF-8.", "Rename it.")
        if path.is_file():
            yield DataFile(uri + name, name, path.stat().st_size)
        elif is_data(name) and not path.exists():
            raise BadData("NoSuchData", f"{uri}{name} is a link to nothing.", "Put the file itself there.")


def _where_to_look(uri: str) -> str:
    if uri.endswith("/"):
        return "Check the prefix; names that begin with `_` or `.` are not read."
    return "Check the name; a prefix (a folder) must end in `/`."


def _is_local(uri: str) -> bool:
    return uri.startswith("file://")


def _path(uri: str) -> Path:
    return Path(uri.removeprefix("file://"))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
