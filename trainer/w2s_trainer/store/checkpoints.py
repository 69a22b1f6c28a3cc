"""Checkpoints of a training: complete or not there, one writer to a prefix, the newest few kept.

<home of the artifact>checkpoints/<name>/<step>-<attempt>/<files>
<home of the artifact>checkpoints/<name>/<step>-<attempt>/manifest.json     written last
<home of the artifact>checkpoints/<name>/<step>-<attempt>/CORRUPT           a reader found other bytes
"""

import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Condition, Thread
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from w2s_trainer.errors import InputGone, StoreUnavailable
from w2s_trainer.store.artifacts import Artifact, FileInfo
from w2s_trainer.store.manifest import checked_name, file_sha256, segment
from w2s_trainer.store.objects import NoSuchObject, Objects

Note = Callable[[str], None]

_FORMAT = 1
_MANIFEST = "manifest.json"
_PLACE = re.compile(r"(?P<step>[0-9]{1,18})-[A-Za-z0-9][A-Za-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILES_AT_ONCE = 4


def _silent(_: str) -> None:
    """No notes."""


def _never(_: Mapping[str, Any]) -> None:
    """No checkpoint is unfit."""


@dataclass(frozen=True)
class Found:
    """A checkpoint that was brought here and verified.

    Attributes:
        step: steps done when it was saved.
        meta: what was given to `save`, as JSON gives it back (lists for tuples, strings for keys).
        directory: the files, under the names that they were saved by.
    """

    step: int
    meta: Mapping[str, Any]
    directory: Path


@dataclass(frozen=True, order=True)
class _Place:
    """Where one checkpoint is, or half of one, as listed: ordered by step, then by attempt."""

    step: int
    uri: str
    has_manifest: bool


class _Unusable(Exception):
    """Why a place holds no checkpoint, as the second half of a sentence."""


class Checkpoints:
    """The checkpoints of one training. Any number of writers may save at once, and readers read meanwhile.

    Errors of the store (StoreUnavailable, StoreDenied, BadSpec) come through wherever nothing else is said.

    Args:
        objects: the server.
        home_uri: what all attempts at the artifact share (`ArtifactStore.home_uri`).
        name: tells the trainings of one stage apart ("all", or the sizes of a curve).
        keep: how many complete ones stay.
        new_attempt: makes the ids that keep writers apart.
        unfit: given the `meta` of a save, says as the second half of a sentence why this process cannot resume
            from it; None where it can. An unfit checkpoint counts for nothing.
        note: is called with a sentence for what was passed over or could not be removed, once each.
        saved: is called with the step of each checkpoint that `save` has brought to the store.
    """

    def __init__(
        self,
        objects: Objects,
        home_uri: str,
        name: str,
        *,
        keep: int = 2,
        new_attempt: Callable[[], str] = lambda: uuid4().hex,
        unfit: Callable[[Mapping[str, Any]], str | None] = _never,
        note: Note = _silent,
        saved: Callable[[int], None] = lambda _step: None,
    ) -> None:
        if keep < 1:
            raise ValueError(f"keep is {keep}; at least 1 checkpoint stays")
        self._objects = objects
        self._name = segment(name)
        self._uri = f"{checkpoints_uri(home_uri)}{self._name}/"
        self._keep = keep
        self._new_attempt = new_attempt
        self._unfit = unfit
        self._note = note
        self._saved = saved
        self._noted: set[str] = set()

    def save(self, step: int, directory: Path, meta: Mapping[str, Any]) -> None:
        """Uploads every file below `directory`, then the manifest; then removes what is not needed any more.

        Once this returns, a complete checkpoint of this step or a later one is in the store. Killed at any
        point, it leaves earlier ones as they were. Failure to remove fails nothing.

        Args:
            step: steps done, at least 0.
            directory: the files; folders are part of their names. No `manifest.json` at its top.
            meta: JSON values; floats come back exactly, infinities and NaN too.
        """
        files = _files_below(directory)
        place = _Place(step, f"{self._uri}{step}-{segment(self._new_attempt())}/", has_manifest=True)
        if not _PLACE.fullmatch(_label(place)):
            raise ValueError(f"not a step: {step!r}")
        json.dumps([step, meta])  # what JSON cannot say is found before the upload

        def send(name: str) -> FileInfo:
            path, uri = files[name], place.uri + name
            info = FileInfo(path.stat().st_size, file_sha256(path), uri)
            self._objects.upload(path, uri)
            return info

        with ThreadPoolExecutor(max_workers=_FILES_AT_ONCE, thread_name_prefix="w2s-files") as pool:
            infos = dict(zip(files, pool.map(send, files), strict=True))
        if problems := self._artifact(place, meta, infos).verify():
            if newer := next((other for other in self._sound() if other.step >= step), None):
                # Another writer is ahead, and took these files for leftovers.
                self._note_once(
                    f"Step {step} was not saved as a checkpoint: that of step {newer.step} is there."
                )
                return
            raise StoreUnavailable(
                "UploadIncomplete", f"After the upload to {place.uri}: {problems[0]}.", "Try again."
            )
        self._objects.write(
            place.uri + _MANIFEST, _encode(step, meta, infos), content_type="application/json"
        )
        self._saved(step)
        self._remove_old(place)

    def newest(self, directory: Path, step_at_most: int | None = None) -> Found | None:
        """Brings the newest complete checkpoint that verifies to a folder of its own below `directory`.

        Corrupt, incomplete and unfit ones are passed over, as are those removed meanwhile. The store is listed anew
        each time, since what was removed gave way to newer ones. A corrupt one is marked, and counts for
        nothing from then on.

        Args:
            directory: where to; OwnFault DiskFull when it has no room.
            step_at_most: later ones do not count.

        Returns:
            None when there is none.
        """
        passed: set[_Place] = set()
        while True:
            places = (
                place
                for place in self._places()
                if place not in passed and (step_at_most is None or place.step <= step_at_most)
            )
            if (place := next(places, None)) is None:
                return None
            target = directory / _label(place)
            try:
                return self._bring(place, target)
            except _Unusable as error:
                passed.add(place)
                shutil.rmtree(target, ignore_errors=True)
                self._note_once(f"Passed over the checkpoint {_label(place)}: {error}.")

    def clear(self) -> None:
        """Removes all of this training: nobody goes on with it."""
        _remove(self._objects, [info.uri for info in self._objects.list(self._uri)])

    def _bring(self, place: _Place, target: Path) -> Found:
        shutil.rmtree(target, ignore_errors=True)  # of a process that was killed here
        checkpoint = self._open(place)
        target.mkdir(parents=True)
        try:
            checkpoint.fetch_all(target)
        except InputGone as error:
            raise _Unusable(error.message.rstrip(".")) from error
        return Found(place.step, checkpoint.summary, target)

    def _places(self) -> list[_Place]:
        """All that looks like a checkpoint, or half of one, newest first."""
        names = [info.uri.removeprefix(self._uri).partition("/") for info in self._objects.list(self._uri)]
        manifests = {label for label, _, file in names if file == _MANIFEST}
        matches = filter(None, map(_PLACE.fullmatch, {label for label, _, _ in names}))
        places = (
            _Place(int(match["step"]), f"{self._uri}{match[0]}/", match[0] in manifests) for match in matches
        )
        return sorted(places, reverse=True)

    def _open(self, place: _Place) -> Artifact:
        """The checkpoint there, presence and sizes verified; _Unusable with the reason when it is none."""
        if not place.has_manifest:
            raise _Unusable("it has no manifest: it is being written or removed, or that was broken off")
        try:
            data = self._objects.read(place.uri + _MANIFEST)
        except NoSuchObject:
            raise _Unusable("it was removed meanwhile") from None
        try:
            meta, files = _decode(data, place)
        except ValueError as error:
            raise _Unusable(f"its manifest is unreadable ({error})") from error
        if why := self._unfit(meta):
            raise _Unusable(why)
        checkpoint = self._artifact(place, meta, files)
        if problems := checkpoint.verify():
            raise _Unusable(problems[0])
        return checkpoint

    def _sound(self) -> Iterable[_Place]:
        """The complete ones that are fit, newest first; contents not compared."""
        for place in self._places():
            try:
                self._open(place)
            except _Unusable:
                continue
            yield place

    def _artifact(self, place: _Place, meta: Mapping[str, Any], files: Mapping[str, FileInfo]) -> Artifact:
        """A checkpoint is read and verified as an artifact is, with `meta` as its summary."""
        return Artifact(
            stage="checkpoints",
            key=self._name,
            attempt=_label(place),
            summary=meta,
            provenance={},
            files=files,
            uri=place.uri,
            shard=None,
            _objects=self._objects,
            _home=place.uri,
        )

    def _remove_old(self, saved: _Place) -> None:
        """Removes what is older than the newest `keep` sound ones, but never what was just saved.

        Halves that are newer than the oldest kept one stay, since another writer may be at work on them.
        """
        try:
            oldest = min(islice(self._sound(), self._keep), default=saved).step
            old = tuple(
                place.uri for place in self._places() if place.step < oldest and place.uri != saved.uri
            )
            _remove(
                self._objects,
                [info.uri for info in self._objects.list(self._uri) if info.uri.startswith(old)],
            )
        except Exception as error:
            self._note_once(f"Old checkpoints were not removed: {error}")

    def _note_once(self, sentence: str) -> None:
        if sentence not in self._noted:
            self._noted.add(sentence)
            self._note(sentence)


def clear_checkpoints(objects: Objects, home_uri: str) -> None:
    """Removes all checkpoints of an artifact, whatever their names. Nothing happens when there are none."""
    _remove(objects, [info.uri for info in objects.list(checkpoints_uri(home_uri))])


@dataclass(frozen=True)
class _Save:
    step: int
    directory: Path
    meta: Mapping[str, Any]


class BackgroundSaver:
    """Saves checkpoints in a thread beside the training: one at a time, and at most one waits.

    A checkpoint that could not be saved ends no training, not even when the store denies it: the training is
    healthy, and the next checkpoint tries again, with keys that may have been corrected by then. It is noted,
    and `finish` reports it when it is the newest. As a context, `close` is called at the end; after an
    exception, what waits is saved first, since the next run starts from there.

    Args:
        checkpoints: where to.
        note: is called with a sentence for what was not saved, from the thread.
    """

    def __init__(self, checkpoints: Checkpoints, *, note: Note = _silent) -> None:
        self._checkpoints = checkpoints
        self._note = note
        self._changed = Condition()
        self._waiting: _Save | None = None
        self._busy = False
        self._closed = False
        self._saved_step: int | None = None
        self._error: Exception | None = None
        # A daemon, so that a process that ends in any other way than by `close` does not hang.
        self._thread = Thread(target=self._work, name="w2s-checkpoints", daemon=True)
        self._thread.start()

    @property
    def saved_step(self) -> int | None:
        """Step of the newest checkpoint that this saver brought to the store; None before the first."""
        with self._changed:
            return self._saved_step

    def submit(self, step: int, directory: Path, meta: Mapping[str, Any]) -> None:
        """Saves `directory` as soon as nothing else is under way; returns at once.

        It is the saver's from now on, and removed once it is saved, has failed, or was replaced: one that
        still waits gives way to a newer one. `meta` is read now. Arguments as of `Checkpoints.save`.
        """
        save = _Save(step, directory, json.loads(json.dumps(meta)))
        with self._changed:
            if self._closed:
                raise RuntimeError("this saver is closed")
            replaced, self._waiting = self._waiting, save
            self._changed.notify_all()
        _discard(replaced)

    def finish(self) -> None:
        """Waits until nothing is under way or waits; raises the error of the newest save if that has failed."""
        self._drain()
        with self._changed:
            error = self._error
        if error is not None:
            raise error

    def close(self) -> None:
        """Waits for what is under way, drops what waits, and ends the thread. Raises nothing of the store's."""
        with self._changed:
            dropped, self._waiting = self._waiting, None
            self._closed = True
            self._changed.notify_all()
        _discard(dropped)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._drain()
        self.close()

    def _drain(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._busy and self._waiting is None)

    def _work(self) -> None:
        while (save := self._next()) is not None:
            error: Exception | None = None
            try:
                self._checkpoints.save(save.step, save.directory, save.meta)
            except Exception as failure:
                error = failure
                with suppress(Exception):  # a note that fails is no reason to stop saving
                    self._note(f"The checkpoint of step {save.step} was not saved: {failure}")
            _discard(save)
            with self._changed:
                self._error = error
                if error is None:
                    self._saved_step = save.step
                self._busy = False
                self._changed.notify_all()

    def _next(self) -> _Save | None:
        """What to save now, waiting for it; None when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting is not None)
            save, self._waiting = self._waiting, None
            self._busy = save is not None
            return save


def _discard(save: _Save | None) -> None:
    if save is not None:
        shutil.rmtree(save.directory, ignore_errors=True)


def checkpoints_uri(home_uri: str) -> str:
    """Where all checkpoints of an artifact are; it ends in /."""
    return f"{home_uri.rstrip('/')}/checkpoints/"


def _label(place: _Place) -> str:
    return place.uri.rstrip("/").rpartition("/")[2]


def _files_below(directory: Path) -> Mapping[str, Path]:
    if not directory.is_dir():
        raise NotADirectoryError(directory)
    files = {
        checked_name(path.relative_to(directory).as_posix()): path
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
    if _MANIFEST in files:
        raise ValueError(f"{_MANIFEST} is not a file name for a checkpoint")
    return files


def _remove(objects: Objects, uris: Iterable[str]) -> None:
    """Removes manifests first: broken off half way, what is left is no checkpoint rather than a broken one."""
    uris = [*uris]
    objects.delete(uri for uri in uris if uri.endswith(f"/{_MANIFEST}"))
    objects.delete(uri for uri in uris if not uri.endswith(f"/{_MANIFEST}"))


def _encode(step: int, meta: Mapping[str, Any], files: Mapping[str, FileInfo]) -> bytes:
    document = {
        "format": _FORMAT,
        "step": step,
        "meta": meta,
        "files": {name: {"size": info.size, "sha256": info.sha256} for name, info in files.items()},
    }
    return json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False).encode()


def _decode(data: bytes, place: _Place) -> tuple[Mapping[str, Any], Mapping[str, FileInfo]]:
    """Meta and files; ValueError when the manifest is none, or that of another step."""
    try:
        document = json.loads(data)
        if (document["format"], document["step"]) != (_FORMAT, place.step):
            raise ValueError(f"format {document['format']}, step {document['step']}")
        files = {
            checked_name(name): FileInfo(int(file["size"]), str(file["sha256"]), place.uri + name)
            for name, file in document["files"].items()
        }
        meta = dict(document["meta"])
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"not a manifest: {error!r}") from error
    for name, info in files.items():
        if not _SHA256.fullmatch(info.sha256):
            raise ValueError(f"{name}: not a SHA-256: {info.sha256!r}")
    return meta, files
