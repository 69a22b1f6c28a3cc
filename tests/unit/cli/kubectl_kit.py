"""Jobs as the API server gives them, and a server that gives them."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from w2s_cli.kubectl.job import SeenJob

NOON = 1_767_268_800.0
"""2026-01-01T12:00:00Z."""


def at(minutes: float) -> str:
    """A time so many minutes after eleven."""
    whole = round(minutes * 60)
    return f"2026-01-01T{11 + whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}Z"


def raw_job(
    *stages: dict[str, Any],
    complete: str = "Unknown",
    suspended: bool = False,
    message: str = "",
    spec: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    **status: Any,
) -> dict[str, Any]:
    """A job that was seen by its operator."""
    verdicts = {
        "Complete": complete,
        "Failed": {"True": "False", "False": "True"}.get(complete, complete),
        "Suspended": str(suspended),
    }
    conditions = [
        {"type": type_, "status": value, "reason": "R", "message": message, "lastTransitionTime": at(30)}
        for type_, value in verdicts.items()
    ]
    about = {
        "namespace": "legal",
        "name": "indemnity",
        "uid": "u-1",
        "generation": 2,
        "creationTimestamp": at(0),
    }
    base = {"observedGeneration": 2, "conditions": conditions, "stages": list(stages), "startTime": at(0)}
    return {
        "metadata": about | (metadata or {}),
        "spec": {"storage": {"uri": "s3://legal/w2s"}} | (spec or {}),
        "status": base | status,
    }


def job(*stages: dict[str, Any], **more: Any) -> SeenJob:
    return SeenJob.of(raw_job(*stages, **more))


Answer = tuple[int, list[Any]]
"""Status code, and what is written piece by piece: text, or objects as a line of JSON."""


@contextmanager
def api_server(
    directory: Path, answer: Callable[[str, str, dict[str, str]], Answer]
) -> Iterator[tuple[str, ...]]:
    """A server on loopback; gives the options that name it.

    Args:
        directory: for a kubeconfig.
        answer: what it answers to verb, path and query.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            code, pieces = answer(self.command, asked.path, dict(parse_qsl(asked.query)))
            self.send_response(code)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in pieces:
                data = (piece if isinstance(piece, str) else json.dumps(piece) + "\n").encode()
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")

        do_PATCH = do_GET

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        plain = {
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "legal"}}],
            "current-context": "x",
        }
        file = directory / "kubeconfig"
        file.write_text(json.dumps(plain))
        try:
            yield ("--kubeconfig", str(file))
        finally:
            server.shutdown()
