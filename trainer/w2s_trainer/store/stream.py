"""Reading an object as a stream that survives a lost connection."""

import io
from collections.abc import Callable
from typing import Any

from botocore.exceptions import IncompleteReadError

from w2s_trainer.errors import InputGone
from w2s_trainer.store.retry import Backoff


class PreconditionFailed(Exception):
    """The object is not (any more) in the state that the request made its condition."""


class ObjectStream(io.RawIOBase):
    """Bytes `start` to `end` of an object, always of the version that the first answer named.

    Args:
        uri: for messages.
        get: one GET request: (start, end or None, etag or None) to the SDK's response.
        backoff: says when a broken read is tried again; progress resets it.
        start: first byte.
        end: one past the last byte; None for the end of the object.
        etag: the version to read; None for whatever is there.
    """

    def __init__(
        self,
        uri: str,
        get: Callable[[int, int | None, str | None], dict[str, Any]],
        backoff: Backoff,
        *,
        start: int = 0,
        end: int | None = None,
        etag: str | None = None,
    ) -> None:
        self.uri = uri
        self.etag = etag
        self._get = get
        self._backoff = backoff
        self._position = start
        self._end = end
        self._body: Any = None
        self._read_into(memoryview(b""))

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills `buffer` as far as one read goes; 0 at the end."""
        return self._read_into(memoryview(buffer).cast("B"))

    def close(self) -> None:
        """Gives the connection back."""
        self._drop()
        super().close()

    def _read_into(self, view: memoryview) -> int:
        while True:
            try:
                if self._body is None and self._position != self._end:
                    self._open()
                count = self._read_some(view)
            except Exception as error:
                self._drop()
                self._backoff.wait_or_raise(error)
            else:
                if count:
                    self._backoff.reset()
                return count

    def _read_some(self, view: memoryview) -> int:
        assert self._end is not None
        missing = self._end - self._position
        if not missing or not view:
            return 0
        count = int(self._body.readinto(view[:missing]))
        if not count:
            raise IncompleteReadError(actual_bytes=self._position, expected_bytes=self._end)
        self._position += count
        return count

    def _open(self) -> None:
        try:
            response = self._get(self._position, self._end, self.etag)
        except PreconditionFailed as error:
            raise InputGone(
                "ObjectChanged",
                f"{self.uri} was replaced while it was read.",
                "Run again to read the new one.",
            ) from error
        self.etag = response["ETag"]
        self._body = response["Body"]
        end = self._position + int(response["ContentLength"])
        if self._end is not None and end != self._end:
            raise InputGone("ObjectChanged", f"{self.uri} is not as long as it was.", "Run again.")
        self._end = end

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None
