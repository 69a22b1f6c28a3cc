"""An OpenAI-compatible API on the loopback: says what it is told to, and keeps what it was sent."""

import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

KEY = "sk-not-a-real-key-4711"


@dataclass(frozen=True)
class Says:
    """One answer."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def completion(
    *texts: str,
    finish: str = "stop",
    refusal: str | None = None,
    usage: tuple[int, int] | None = (100, 2),
    **more: Any,
) -> Says:
    choices = [
        {
            "index": place,
            "finish_reason": finish,
            "message": {"role": "assistant", "content": text, "refusal": refusal},
        }
        | more
        for place, text in enumerate(texts)
    ]
    counted = {"usage": {"prompt_tokens": usage[0], "completion_tokens": usage[1]}} if usage else {}
    return Says({"id": "1", "object": "chat.completion", "choices": choices, **counted})


def error(status: int, message: str = "no", code: str = "", parameter: str = "", **headers: str) -> Says:
    body = {"error": {"message": message, "code": code, "param": parameter, "type": "error"}}
    return Says(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass(frozen=True)
class Request:
    """What was sent."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def text(self) -> str:
        """What is asked about."""
        last = self.body["messages"][-1]["content"]
        return re.findall(r"<(text[-\d]*)>\n(.*?)\n</\1>", last, re.DOTALL)[-1][1]


Script = Callable[[Request, int], Says]
"""The answer to a request; how often its text was asked about before."""


class FakeEndpoint:
    """Listens until it is left; can be away in between."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[Request] = []
        self.asked: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._port = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def begin(self) -> None:
        """Listens, at the same port as before."""
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                headers = {name.lower(): value for name, value in self.headers.items()}
                says = fake._answer(Request(self.path, headers, body))
                data = says.body if isinstance(says.body, bytes) else json.dumps(says.body).encode()
                self.send_response(says.status)
                for name, value in says.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()

    def end(self) -> None:
        """Refuses connections."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _answer(self, request: Request) -> Says:
        with self._lock:
            before = self.asked[request.text]
            self.asked[request.text] += 1
            self.requests.append(request)
        return self.script(request, before)


def by_keyword(**classes: str) -> Script:
    """Names the first class one of whose words is in the text."""

    def script(request: Request, _before: int) -> Says:
        for name, words in classes.items():
            if any(word in request.text for word in words.split()):
                return completion(name)
        return completion("no idea")

    return script
