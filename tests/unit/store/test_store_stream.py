import io
from typing import Any

import pytest
from botocore.exceptions import ResponseStreamingError

from w2s_trainer.errors import InputGone, StoreUnavailable
from w2s_trainer.store.retry import Backoff, Retry
from w2s_trainer.store.settings import Patience
from w2s_trainer.store.stream import ObjectStream, PreconditionFailed

DATA = bytes(range(256)) * 40


class Body(io.BytesIO):
    """Gives at most `limit` bytes, then breaks: with an error, or (as a closed connection may look) with an end."""

    def __init__(self, data: bytes, limit: int | None, silent: bool) -> None:
        super().__init__(data)
        self.limit = len(data) if limit is None else limit
        self.silent = silent

    def readinto(self, view: Any) -> int:
        if self.tell() >= self.limit < len(self.getvalue()):
            if self.silent:
                return 0
            raise ResponseStreamingError(error="broken")
        return super().readinto(view[: max(0, self.limit - self.tell())])


class Server:
    def __init__(self, data: bytes = DATA, limit: int | None = None, silent: bool = False) -> None:
        self.data = data
        self.limit = limit
        self.silent = silent
        self.asked: list[tuple[int, int | None, str | None]] = []
        self.version = "v1"

    def get(self, start: int, end: int | None, etag: str | None) -> dict[str, Any]:
        self.asked.append((start, end, etag))
        if etag is not None and etag != self.version:
            raise PreconditionFailed
        body = self.data[start:end]
        return {"ETag": self.version, "ContentLength": len(body), "Body": Body(body, self.limit, self.silent)}


def stream_of(server: Server, patience: float = 100.0, **span: Any) -> ObjectStream:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    retry = Retry(Patience(0, patience), "store", clock=lambda: now[0], sleep=sleep)
    return ObjectStream("s3://b/k", server.get, Backoff(retry, "read s3://b/k"), **span)


def whole(stream: ObjectStream) -> bytes:
    return io.BufferedReader(stream).read(2 * len(DATA))


@pytest.mark.parametrize("silent", [False, True])
def test_a_broken_read_goes_on_where_it_was_in_the_same_version(silent: bool) -> None:
    server = Server(limit=3000, silent=silent)
    assert whole(stream_of(server)) == DATA
    assert server.asked == [
        (0, None, None),
        *((start, len(DATA), "v1") for start in range(3000, len(DATA), 3000)),
    ]


def test_a_range_is_read_to_its_end_only() -> None:
    server = Server(limit=100)
    assert whole(stream_of(server, start=50, end=1050, etag="v1")) == DATA[50:1050]


def test_an_empty_object_is_empty() -> None:
    assert stream_of(Server(b"")).readall() == b""


def test_an_object_that_changes_is_not_mixed() -> None:
    server = Server(limit=3000)
    stream = stream_of(server)
    assert stream.read(100) == DATA[:100]
    server.version = "v2"
    with pytest.raises(InputGone, match="replaced while it was read"):
        stream.readall()


def test_a_server_that_never_sends_a_byte_ends_the_patience() -> None:
    with pytest.raises(StoreUnavailable):
        stream_of(Server(limit=0)).readall()
