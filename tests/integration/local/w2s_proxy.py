"""A door before an S3 server: it lets requests through slowly, or stops one half way."""

import asyncio
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

_CHUNK = 1 << 16


@dataclass
class Held:
    """A request that is stopped half way."""

    there: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)


class Door:
    """A server on loopback that passes on to another what comes.

    Args:
        endpoint: of the S3 server.
        bytes_per_second: that go in at most, over all connections; None for any.
    """

    def __init__(self, endpoint: str, bytes_per_second: float | None = None) -> None:
        self._to = urlsplit(endpoint)
        self._rate = bytes_per_second
        self._holds: list[tuple[re.Pattern[str], Held]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._free_at = 0.0
        self.endpoint = ""

    def hold(self, pattern: str) -> Held:
        """Stops the first request whose line (`PUT /bucket/key?…`) matches, half of its body sent."""
        held = Held()
        self._holds.append((re.compile(pattern), held))
        return held

    def __enter__(self) -> Self:
        self._thread.start()
        start = asyncio.start_server(self._serve, "127.0.0.1", 0)
        server = asyncio.run_coroutine_threadsafe(start, self._loop).result(10)
        self.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        for _, held in self._holds:
            held.go_on.set()

        async def end() -> None:
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back, onward = await asyncio.open_connection(self._to.hostname, self._to.port)
            answers = asyncio.create_task(_copy(back, writer.write, writer.drain))
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    await self._request(reader, onward)
            answers.cancel()
            onward.close()
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, onward: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        line = head.split(b"\r\n")[0].decode(errors="replace")
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        left = int(length[1]) if length else 0
        held = self._held(line)
        onward.write(head)
        half = left // 2
        while left > 0:
            if held and left <= half:
                await _stop(held)
                held = None
            data = await reader.read(min(_CHUNK, left))
            if not data:
                raise ConnectionError
            await self._slowly(len(data))
            left -= len(data)
            onward.write(data)
            await onward.drain()
        if held:
            await _stop(held)

    def _held(self, line: str) -> Held | None:
        for one in self._holds:
            if one[0].search(line):
                self._holds.remove(one)
                return one[1]
        return None

    async def _slowly(self, size: int) -> None:
        if self._rate is None:
            return
        now = self._loop.time()
        self._free_at = max(self._free_at, now) + size / self._rate
        await asyncio.sleep(self._free_at - now)


async def _stop(held: Held) -> None:
    held.there.set()
    while not held.go_on.is_set():
        await asyncio.sleep(0.005)


async def _copy(
    reader: asyncio.StreamReader, write: Callable[[bytes], None], drain: Callable[[], object]
) -> None:
    while data := await reader.read(_CHUNK):
        write(data)
        await drain()  # type: ignore[misc]
