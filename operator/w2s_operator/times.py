"""Times as Kubernetes writes them."""

from datetime import UTC, datetime


def from_seconds(seconds: float) -> str:
    """RFC 3339 in UTC, whole seconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_seconds(time: str) -> float:
    """Seconds since the epoch."""
    return datetime.fromisoformat(time).timestamp()
