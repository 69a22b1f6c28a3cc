"""Objects in S3: whole, streamed, in parallel parts, under conditions; all with bounded retries."""

import errno
import hashlib
import io
import os
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast
from uuid import uuid4

from botocore.exceptions import ClientError

from w2s_trainer.errors import InputGone, OwnFault
from w2s_trainer.store.connection import Connection
from w2s_trainer.store.retry import Backoff, Retry, code_of, status_of
from w2s_trainer.store.settings import Patience, StorageSettings, split_uri
from w2s_trainer.store.stream import ObjectStream, PreconditionFailed

__all__ = ["AlreadyExists", "NoSuchObject", "ObjectInfo", "Objects", "PreconditionFailed"]

Item = TypeVar("Item")
Result = TypeVar("Result")

MiB = 1024 * 1024
_MOST_PARTS = 10_000
_COPY_PART = 256 * MiB
_UPLOAD_TRIES = 3


class AlreadyExists(PreconditionFailed):
    """`if_absent` was asked for, and there is an object."""


class NoSuchObject(InputGone):
    """There is no object at this URI."""

    def __init__(self, uri: str) -> None:
        super().__init__("NoSuchObject", f"There is no object {uri}.", "Check the URI, or produce it again.")


class _UploadLost(Exception):
    """The server does not know the multipart upload, or a part of it, any more."""


class _Abandoned(Exception):
    """Another part of the same transfer failed."""


@dataclass(frozen=True)
class ObjectInfo:
    """An object as listed: URI, size in bytes, and the tag that names its version."""

    uri: str
    size: int
    etag: str


class Objects:
    """Every bucket of one S3 server. Safe to share between threads.

    All methods raise BadSpec (no such bucket), and StoreUnavailable or StoreDenied when the patience ends.

    Args:
        settings: the server and the keys; `settings.uri` plays no role here.
        patience: for how long failures are tried again.
        clock: seconds, monotonic.
        sleep: waits for seconds.
        jitter: uniform on [0, 1).
        part_size: bytes of a part; objects above are moved in several parts at once.
        copy_limit: bytes above which the server copies in parts.
        width: parts in flight at once in one transfer.
    """

    def __init__(
        self,
        settings: StorageSettings,
        patience: Patience | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        part_size: int = 8 * MiB,
        copy_limit: int = 1024 * MiB,
        width: int = 8,
    ) -> None:
        self.settings = settings
        self.part_size = part_size
        self.copy_limit = copy_limit
        self.width = width
        self._connection = Connection(settings, connections=4 * width)
        self._retry = Retry(
            patience or Patience(), self._connection.where, clock=clock, sleep=sleep, jitter=jitter
        )

    def read(self, uri: str) -> bytes:
        """The whole object; NoSuchObject when there is none."""
        return self.read_tagged(uri)[0]

    def read_tagged(self, uri: str) -> tuple[bytes, str]:
        """The whole object and its etag, both of one version (for `write(if_match=…)`)."""
        with self._stream(uri) as stream:
            return stream.readall(), cast(str, stream.etag)

    def open_stream(self, uri: str) -> BinaryIO:
        """Opens a buffered forward stream; a broken read resumes where it was, in the same version."""
        return cast(BinaryIO, io.BufferedReader(self._stream(uri), buffer_size=MiB))

    def download(self, uri: str, path: Path) -> None:
        """Brings an object to `path`, which appears only when whole. OwnFault DiskFull when too large."""
        info = self.stat(uri)
        if info is None:
            raise NoSuchObject(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        incoming = path.with_name(f".{path.name}.{uuid4().hex}.partial")
        try:
            with _room_for(info, incoming):
                _reserve(incoming, info.size)
                self._side_by_side(
                    lambda span, stop: self._download_part(info, incoming, span, stop),
                    _spans(info.size, self.part_size),
                )
                incoming.replace(path)
        finally:
            incoming.unlink(missing_ok=True)

    def upload(self, path: Path, uri: str) -> None:
        """Puts a file; in parts, several at once, when it is larger than one part."""
        size = path.stat().st_size
        if size <= self.part_size:
            self.write(uri, path.read_bytes())
            return

        def send(target: dict[str, Any], number: int, span: range) -> str:
            with path.open("rb") as file:
                file.seek(span.start)
                body = file.read(len(span))
            part = self._ask(f"upload {uri}", "upload_part", **target, PartNumber=number, Body=body)
            return str(part["ETag"])

        self._multipart(uri, _spans(size, self.part_size), send)

    def write(
        self,
        uri: str,
        data: bytes,
        *,
        if_absent: bool = False,
        if_match: str | None = None,
        content_type: str | None = None,
    ) -> str:
        """Puts a small object and returns its etag.

        Raises AlreadyExists (`if_absent`) or PreconditionFailed (`if_match`). When an answer was lost on the
        way, the write that stands in one's way may be one's own: compare what is there.
        """
        optional = {
            "IfNoneMatch": "*" if if_absent else None,
            "IfMatch": if_match,
            "ContentType": content_type,
        }
        given = {name: value for name, value in optional.items() if value is not None}
        try:
            answer = self._ask(f"write {uri}", "put_object", **_at(uri), Body=data, **given)
        except (PreconditionFailed, NoSuchObject) as error:
            raise (AlreadyExists if if_absent else PreconditionFailed)(uri) from error
        return str(answer["ETag"])

    def stat(self, uri: str) -> ObjectInfo | None:
        """Size and etag, or None when there is no such object."""
        try:
            head = self._ask(f"look at {uri}", "head_object", **_at(uri))
        except NoSuchObject:
            return None
        return ObjectInfo(uri, int(head["ContentLength"]), str(head["ETag"]))

    def list(self, uri_prefix: str) -> Iterator[ObjectInfo]:
        """All objects whose URI starts with this, in the order of the server (AWS: sorted)."""
        bucket, prefix = split_uri(uri_prefix)
        page: dict[str, Any] = {}
        while True:
            more = {"ContinuationToken": page["NextContinuationToken"]} if page else {}
            page = self._ask(f"list {uri_prefix}", "list_objects_v2", Bucket=bucket, Prefix=prefix, **more)
            for entry in page.get("Contents", ()):
                yield ObjectInfo(f"s3://{bucket}/{entry['Key']}", int(entry["Size"]), str(entry["ETag"]))
            if not page.get("IsTruncated"):
                return

    def delete(self, uris: Iterable[str]) -> None:
        """Deletes objects; those that do not exist are deleted already."""
        keys: dict[str, list[str]] = {}
        for uri in uris:
            bucket, key = split_uri(uri)
            keys.setdefault(bucket, []).append(key)
        for bucket, below in keys.items():
            rest = iter(below)
            while batch := [*islice(rest, 1000)]:
                self._retry.call(f"delete in s3://{bucket}", partial(self._delete, bucket, batch))

    def copy(self, source_uri: str, target_uri: str) -> None:
        """Copies within the server; no byte comes here."""
        info = self.stat(source_uri)
        if info is None:
            raise NoSuchObject(source_uri)
        doing = f"copy {source_uri} to {target_uri}"
        source = {"CopySource": _at(source_uri), "CopySourceIfMatch": info.etag}
        if info.size <= self.copy_limit:
            self._ask(doing, "copy_object", **_at(target_uri), **source)
            return

        def send(target: dict[str, Any], number: int, span: range) -> str:
            wanted = f"bytes={span.start}-{span.stop - 1}"
            copied = self._ask(
                doing, "upload_part_copy", **target, **source, PartNumber=number, CopySourceRange=wanted
            )
            return str(copied["CopyPartResult"]["ETag"])

        self._multipart(target_uri, _spans(info.size, min(_COPY_PART, self.copy_limit)), send)

    def _ask(self, doing: str, method: str, **parameters: Any) -> dict[str, Any]:
        return self._retry.call(doing, lambda: self._request(method, **parameters))

    def _request(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One try, with the refusals that callers tell apart as exceptions of our own."""
        try:
            return self._connection.call(method, **parameters)
        except ClientError as error:
            code, status = code_of(error), status_of(error)
            if code in ("NoSuchUpload", "InvalidPart"):
                raise _UploadLost from error
            if code == "NoSuchKey" or (status == 404 and code != "NoSuchBucket"):
                raise NoSuchObject(f"s3://{parameters['Bucket']}/{parameters.get('Key', '')}") from error
            if status == 412:
                raise PreconditionFailed(str(error)) from error
            raise

    def _stream(self, uri: str, span: range | None = None, etag: str | None = None) -> ObjectStream:
        def get(start: int, end: int | None, version: str | None) -> dict[str, Any]:
            condition = {} if version is None else {"IfMatch": version}
            wanted = {} if end is None else {"Range": f"bytes={start}-{end - 1}"}
            return self._request("get_object", **_at(uri), **condition, **wanted)

        backoff = Backoff(self._retry, f"read {uri}")
        if span is None:
            return ObjectStream(uri, get, backoff)
        return ObjectStream(uri, get, backoff, start=span.start, end=span.stop, etag=etag)

    def _download_part(self, info: ObjectInfo, path: Path, span: range, stop: threading.Event) -> None:
        with path.open("r+b") as file, self._stream(info.uri, span, info.etag) as stream:
            file.seek(span.start)
            buffer = bytearray(MiB)
            while count := stream.readinto(buffer):
                if stop.is_set():
                    raise _Abandoned
                file.write(memoryview(buffer)[:count])

    def _multipart(
        self, uri: str, spans: Sequence[range], send: Callable[[dict[str, Any], int, range], str]
    ) -> None:
        """Sends parts under one upload and joins them; begun anew when the server lost it (a crash)."""
        for remaining in reversed(range(_UPLOAD_TRIES)):
            upload = self._ask(f"upload {uri}", "create_multipart_upload", **_at(uri))
            target = {**_at(uri), "UploadId": upload["UploadId"]}

            def part(
                numbered: tuple[int, range], stop: threading.Event, target: dict[str, Any] = target
            ) -> str:
                if stop.is_set():
                    raise _Abandoned
                return send(target, *numbered)

            try:
                etags = self._side_by_side(part, [*enumerate(spans, 1)])
                self._complete(uri, target, etags)
                return
            except BaseException as error:
                with suppress(Exception):
                    self._connection.call("abort_multipart_upload", **target)
                if not isinstance(error, _UploadLost) or not remaining:
                    raise

    def _complete(self, uri: str, target: dict[str, Any], etags: Sequence[str]) -> None:
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        try:
            self._ask(
                f"upload {uri}", "complete_multipart_upload", **target, MultipartUpload={"Parts": parts}
            )
        except _UploadLost:
            # The answer to an earlier try may have been lost: then the object is there, with our etag.
            info = self.stat(uri)
            if info is None or info.etag != _joined_etag(etags):
                raise

    def _delete(self, bucket: str, keys: Sequence[str]) -> None:
        wanted = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        answer = self._connection.call("delete_objects", Bucket=bucket, Delete=wanted)
        if errors := answer.get("Errors"):
            status = 403 if errors[0]["Code"] == "AccessDenied" else 500
            raise ClientError(
                {"Error": errors[0], "ResponseMetadata": {"HTTPStatusCode": status}},
                "DeleteObjects",
            )

    def _side_by_side(
        self, work: Callable[[Item, threading.Event], Result], items: Sequence[Item]
    ) -> Sequence[Result]:
        """Results in the order of the items; the first failure ends the rest at their next step."""
        stop = threading.Event()
        pool = ThreadPoolExecutor(
            max_workers=max(1, min(self.width, len(items))), thread_name_prefix="w2s-store"
        )
        try:
            return [*pool.map(lambda item: work(item, stop), items)]
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)


def _at(uri: str) -> dict[str, str]:
    bucket, key = split_uri(uri)
    return {"Bucket": bucket, "Key": key}


def _spans(size: int, part_size: int) -> Sequence[range]:
    """The byte ranges of the parts; larger ones when there would be more than S3 allows."""
    step = max(part_size, -(-size // _MOST_PARTS))
    return [range(start, min(size, start + step)) for start in range(0, size, step)]


def _joined_etag(etags: Sequence[str]) -> str | None:
    """What S3 calls an object joined from these parts: the MD5 of their MD5s, and their number."""
    try:
        digests = b"".join(bytes.fromhex(etag.strip('"')) for etag in etags)
    except ValueError:
        return None
    return f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(etags)}"'


def _reserve(path: Path, size: int) -> None:
    """Makes the file with all its blocks, where the system can: a full disk is known before the transfer."""
    with path.open("wb") as file:
        if size and hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                    raise


@contextmanager
def _room_for(info: ObjectInfo, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        free = shutil.disk_usage(path.parent).free
        raise OwnFault(
            "DiskFull",
            f"No room in {path.parent} for {info.uri}: {info.size:,} bytes are needed, {free:,} are free.",
            "Free space there, point TMPDIR at a larger disk, or raise the pod's ephemeral-storage.",
        ) from error
