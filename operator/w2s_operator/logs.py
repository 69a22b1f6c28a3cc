"""Structured logs: one JSON object per line."""

import json
import logging
import sys
from datetime import UTC, datetime

from w2s_api.names import PLURAL


class JsonFormatter(logging.Formatter):
    """time, level, logger, message and, of an error, its trace."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _is_news(record: logging.LogRecord) -> bool:
    """kopf tells of each attempt at a watch of jobs that is refused; jobs_watch.py tells of the first."""
    return not (str(record.msg).startswith("Request attempt") and PLURAL in record.getMessage())


def as_json(level: int) -> None:
    """Everything that this process logs, on standard error; what kopf says of its own doings only if it matters."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(_is_news)
    logging.basicConfig(handlers=[handler], force=True)
    logging.getLogger().setLevel(level)
    logging.getLogger("kopf").setLevel(max(level, logging.WARNING))
