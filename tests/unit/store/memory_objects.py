"""A store in memory."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from w2s_trainer.store.objects import AlreadyExists, NoSuchObject, ObjectInfo, Objects, PreconditionFailed
from w2s_trainer.store.settings import StorageSettings


class MemoryObjects(Objects):
    """What artifacts need of a store, in a dict. What servers do is tested against a real one (integration)."""

    def __init__(self) -> None:
        super().__init__(StorageSettings("s3://bkt"))
        self.at: dict[str, bytes] = {}

    def read_tagged(self, uri: str) -> tuple[bytes, str]:
        if uri not in self.at:
            raise NoSuchObject(uri)
        return self.at[uri], hashlib.md5(self.at[uri]).hexdigest()

    def open_stream(self, uri: str) -> BinaryIO:
        raise NotImplementedError

    def download(self, uri: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.read(uri))

    def upload(self, path: Path, uri: str) -> None:
        self.at[uri] = path.read_bytes()

    def write(
        self,
        uri: str,
        data: bytes,
        *,
        if_absent: bool = False,
        if_match: str | None = None,
        content_type: str | None = None,  # noqa: ARG002
    ) -> str:
        if if_absent and uri in self.at:
            raise AlreadyExists(uri)
        if if_match is not None and (uri not in self.at or self.read_tagged(uri)[1] != if_match):
            raise PreconditionFailed(uri)
        self.at[uri] = data
        return self.read_tagged(uri)[1]

    def list(self, uri_prefix: str) -> Iterator[ObjectInfo]:
        for uri, data in sorted(self.at.items()):
            if uri.startswith(uri_prefix):
                yield ObjectInfo(uri, len(data), "")

    def delete(self, uris: Iterable[str]) -> None:
        for uri in [*uris]:
            self.at.pop(uri, None)
