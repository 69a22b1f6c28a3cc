"""Content-addressed artifacts: many may write one, one wins, and only what is complete exists.

<uri>/artifacts/<stage>/<content key>/<attempt>/<files>
<uri>/artifacts/<stage>/<content key>/shards/<i>-of-<n>.json
<uri>/artifacts/<stage>/<content key>/manifest.json              written last
<uri>/jobs/<namespace>/<name>/<file>
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

from w2s_trainer.errors import BadData, InputGone, StoreUnavailable
from w2s_trainer.store.manifest import (
    CORRUPT,
    Entry,
    Manifest,
    checked_name,
    content_digest,
    file_sha256,
    join_shards,
    segment,
)
from w2s_trainer.store.objects import AlreadyExists, NoSuchObject, Objects, PreconditionFailed

Result = TypeVar("Result")
Shard = tuple[int, int]
"""(i, n): the i-th of n shards, counted from 0."""

_FILES_AT_ONCE = 4
_PUBLISH_TRIES = 8


@dataclass(frozen=True)
class FileInfo:
    """A file of an artifact: size in bytes, SHA-256 in hexadecimal, and where it is."""

    size: int
    sha256: str
    uri: str


@dataclass(frozen=True)
class Artifact:
    """A complete artifact, or (`shard` is set) a complete shard of one that is not yet.

    Attributes:
        attempt: the attempt whose manifest won.
        files: by name; names may contain slashes.
        uri: the prefix below which the files are, with a slash at its end.
    """

    stage: str
    key: str
    attempt: str
    summary: Mapping[str, Any]
    provenance: Mapping[str, Any]
    files: Mapping[str, FileInfo]
    uri: str
    shard: Shard | None
    _objects: Objects = field(repr=False, compare=False)
    _home: str = field(repr=False, compare=False)

    @property
    def digest(self) -> str:
        """SHA-256 over names, sizes and contents: no attempt and no time."""
        return content_digest((name, info.size, info.sha256) for name, info in self.files.items())

    def read(self, name: str) -> bytes:
        """The bytes of a file. InputGone when it is gone, or (ArtifactCorrupt) not what was written."""
        info = self._info(name)
        for _ in range(2):  # a second look, since the fault may have been on the way here
            data = self._objects.read(info.uri)
            if hashlib.sha256(data).hexdigest() == info.sha256:
                return data
        raise self._condemn(name)

    def fetch(self, name: str, directory: Path) -> Path:
        """Brings a file to `directory/name`, verified; one that is there already and verifies is kept."""
        info = self._info(name)
        path = directory / checked_name(name)
        if _is_whole(path, info):
            return path
        incoming = path.with_name(f".{path.name}.{uuid4().hex}.unverified")
        try:
            for _ in range(2):
                self._objects.download(info.uri, incoming)
                if _is_whole(incoming, info):
                    return incoming.replace(path)
        finally:
            incoming.unlink(missing_ok=True)
        raise self._condemn(name)

    def fetch_all(self, directory: Path, prefix: str = "") -> Path:
        """Brings every file whose name starts with `prefix` below `directory`, verified; returns that."""
        names = [name for name in self.files if name.startswith(prefix)]
        _in_parallel(lambda name: self.fetch(name, directory), names)
        return directory

    def verify(self, deep: bool = False) -> list[str]:
        """Says what is wrong with the files, in words; empty when nothing is.

        Args:
            deep: read every byte and compare SHA-256; else presence and sizes, by one listing.
        """
        sizes = {info.uri: info.size for info in self._objects.list(self._home)}
        condemned = {uri.removesuffix(CORRUPT) for uri in sizes if uri.endswith(f"/{CORRUPT}")}
        problems = []
        for name, info in sorted(self.files.items()):
            if info.uri not in sizes:
                problems.append(f"{name} is missing")
            elif sizes[info.uri] != info.size:
                problems.append(f"{name} has {sizes[info.uri]} bytes, not {info.size}")
            elif info.uri.removesuffix(name) in condemned:
                problems.append(f"{name} is corrupt, or beside a file that is")
            elif deep and self._sha256(info) != info.sha256:
                problems.append(f"{name} has other contents than were written")
        return problems

    def _info(self, name: str) -> FileInfo:
        try:
            return self.files[name]
        except KeyError:
            raise InputGone(
                "NoSuchFile", f"The artifact {self.uri} has no file {name}.", "Run its stage again."
            ) from None

    def _sha256(self, info: FileInfo) -> str:
        with self._objects.open_stream(info.uri) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]

    def _condemn(self, name: str) -> InputGone:
        """Notes beside the files that they are not to be trusted, so that the work is done again.

        A process without the right to write leaves the note to one that has it.
        """
        info = self.files[name]
        with suppress(Exception):
            self._objects.write(info.uri.removesuffix(name) + CORRUPT, name.encode())
        return InputGone(
            "ArtifactCorrupt",
            f"{info.uri} is not what was written: its SHA-256 is not {info.sha256}.",
            "Run again: it counts as missing from now on, and is made anew.",
        )


def no_such_job(uri: str) -> BadData:
    """The error where a job's own file is not there."""
    return BadData(
        "NoSuchJob",
        f"{uri}: there is none: no job of that name has come to its end in this store.",
        "Check name, namespace and storage, or run the job.",
    )


class ArtifactStore:
    """The artifacts below one URI."""

    def __init__(
        self,
        objects: Objects,
        uri: str,
        *,
        new_attempt: Callable[[], str] = lambda: uuid4().hex,
        staging: Path | None = None,
    ) -> None:
        """
        Args:
            objects: the server.
            uri: `s3://bucket/prefix`.
            new_attempt: makes attempt ids.
            staging: where attempts keep their files until commit; None for TMPDIR.
        """
        self.objects = objects
        self.uri = uri.rstrip("/")
        self._new_attempt = new_attempt
        self._staging = staging

    def find(self, stage: str, key: str, *, shard: Shard | None = None) -> Artifact | None:
        """The complete artifact, or None: half an artifact, or one that lost a file, does not exist.

        Args:
            stage: kind of stage.
            key: content key.
            shard: also content with this shard of it (`Artifact.shard` is then set). Where all other shards
                are there too, the whole artifact is made.
        """
        whole = self._sound(self._manifest_uri(stage, key))
        if whole is not None or shard is None:
            return whole
        part = self._sound(self._manifest_uri(stage, key, shard))
        return part and (self._assemble(stage, key, shard[1]) or part)

    def begin(
        self, stage: str, key: str, *, attempt: str | None = None, shard: Shard | None = None
    ) -> "Attempt":
        """A fresh attempt at an artifact, or at one shard of it."""
        if shard is not None and not 0 <= shard[0] < shard[1]:
            raise ValueError(f"no such shard: {shard[0]} of {shard[1]}")
        return Attempt(self, segment(stage), segment(key), segment(attempt or self._new_attempt()), shard)

    def job_uri(self, namespace: str, name: str, file: str) -> str:
        """Where a job's small pointers are: `<uri>/jobs/<namespace>/<name>/<file>`."""
        return f"{self.uri}/jobs/{segment(namespace)}/{segment(name)}/{file}"

    def home_uri(self, stage: str, key: str) -> str:
        """What all attempts at one artifact share, with a slash at its end."""
        return f"{self.uri}/artifacts/{segment(stage)}/{segment(key)}/"

    def _manifest_uri(self, stage: str, key: str, shard: Shard | None = None) -> str:
        name = "manifest.json" if shard is None else f"shards/{shard[0]}-of-{shard[1]}.json"
        return self.home_uri(stage, key) + name

    def _artifact(self, manifest: Manifest) -> Artifact:
        home = self.home_uri(manifest.stage, manifest.key)
        attempts = {entry.attempt for entry in manifest.files.values()} | {manifest.attempt}
        return Artifact(
            stage=manifest.stage,
            key=manifest.key,
            attempt=manifest.attempt,
            summary=manifest.summary,
            provenance=manifest.provenance,
            files={
                name: FileInfo(entry.size, entry.sha256, f"{home}{entry.attempt}/{name}")
                for name, entry in manifest.files.items()
            },
            uri=f"{home}{manifest.attempt}/" if len(attempts) == 1 else home,
            shard=manifest.shard,
            _objects=self.objects,
            _home=home,
        )

    def _load(self, uri: str) -> tuple[Manifest | None, str | None]:
        """The manifest there (None when it is none) and the etag of what is there (None: nothing)."""
        try:
            data, etag = self.objects.read_tagged(uri)
        except NoSuchObject:
            return None, None
        try:
            return Manifest.decode(data), etag
        except ValueError:
            return None, etag

    def _sound(self, uri: str) -> Artifact | None:
        manifest, _ = self._load(uri)
        artifact = None if manifest is None else self._artifact(manifest)
        return None if artifact is None or artifact.verify() else artifact

    def _publish(self, manifest: Manifest) -> Artifact:
        """Makes the manifest the one that counts, or returns the artifact of a sound one that was there before."""
        uri = self._manifest_uri(manifest.stage, manifest.key, manifest.shard)
        own = self._artifact(manifest)
        if problems := own.verify():
            raise StoreUnavailable(
                "UploadIncomplete", f"After the upload to {own.uri}: {problems[0]}.", "Try again."
            )
        for _ in range(_PUBLISH_TRIES):
            current, etag = self._load(uri)
            if current is not None and not (earlier := self._artifact(current)).verify():
                return earlier
            with suppress(AlreadyExists, PreconditionFailed):
                self.objects.write(
                    uri,
                    manifest.encode(),
                    if_absent=etag is None,
                    if_match=etag,
                    content_type="application/json",
                )
                return own
        raise StoreUnavailable("ManifestContended", f"Others keep replacing {uri}.", "Try again.")

    def _assemble(self, stage: str, key: str, count: int) -> Artifact | None:
        """The whole artifact when all shards are there; any number of processes may do this at once."""
        shards = []
        for index in range(count):
            manifest, _ = self._load(self._manifest_uri(stage, key, (index, count)))
            if manifest is None:
                return None
            shards.append(manifest)
        whole = join_shards(shards, self._new_attempt())
        return None if self._artifact(whole).verify() else self._publish(whole)


class Attempt:
    """One try at an artifact: a local directory to fill, and `commit`. As a context it removes the directory.

    Attributes:
        directory: put files here; folders are kept as parts of names.
    """

    def __init__(self, store: ArtifactStore, stage: str, key: str, attempt: str, shard: Shard | None) -> None:
        self.attempt = attempt
        self._store = store
        self._stage = stage
        self._key = key
        self._shard = shard
        self._staging = TemporaryDirectory(prefix="w2s-", dir=store._staging, ignore_cleanup_errors=True)
        self.directory = Path(self._staging.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._staging.cleanup()

    def commit(self, summary: Mapping[str, Any], provenance: Mapping[str, Any]) -> Artifact:
        """Uploads every file, then writes the manifest, which makes the artifact exist.

        Args:
            summary: what stages after this one read, JSON.
            provenance: what produced it, JSON.

        Returns:
            The artifact that counts: this one, or that of the first writer (`attempt` tells). With shards:
            the whole artifact when all shards are there, else this shard's.
        """
        prefix = f"{self._store.home_uri(self._stage, self._key)}{self.attempt}/"
        files = {
            checked_name(path.relative_to(self.directory).as_posix()): path
            for path in sorted(self.directory.rglob("*"))
            if path.is_file()
        }

        def send(name: str) -> Entry:
            path = files[name]
            entry = Entry(self.attempt, path.stat().st_size, file_sha256(path))
            self._store.objects.upload(path, prefix + name)
            return entry

        entries = dict(zip(files, _in_parallel(send, files), strict=True))
        manifest = Manifest(self._stage, self._key, self.attempt, summary, provenance, entries, self._shard)
        winner = self._store._publish(manifest)
        if self._shard is None:
            return winner
        return self._store._assemble(self._stage, self._key, self._shard[1]) or winner


def _is_whole(path: Path, info: FileInfo) -> bool:
    return path.is_file() and path.stat().st_size == info.size and file_sha256(path) == info.sha256


def _in_parallel(work: Callable[[str], Result], names: Iterable[str]) -> list[Result]:
    with ThreadPoolExecutor(max_workers=_FILES_AT_ONCE, thread_name_prefix="w2s-files") as pool:
        return [*pool.map(work, names)]
