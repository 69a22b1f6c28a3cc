"""What a process needs to know to talk to a store."""

from dataclasses import dataclass
from pathlib import Path

from w2s_trainer.errors import BadSpec


@dataclass(frozen=True)
class StorageSettings:
    """Where the store is and how to be let in.

    Attributes:
        uri: `s3://bucket/prefix`, below which everything is written.
        endpoint: the server's URL; None for what the SDK finds, else AWS.
        region: the server's region; None for what the SDK finds.
        ca_bundle: a PEM file to check the server's certificate with; None for the system's.
        credentials_dir: a mounted Secret with the files `access-key-id`, `secret-access-key` and perhaps
            `session-token` (or the names of the AWS environment variables). None: the SDK's default chain.
    """

    uri: str
    endpoint: str | None = None
    region: str | None = None
    ca_bundle: Path | None = None
    credentials_dir: Path | None = None


@dataclass(frozen=True)
class Patience:
    """How long a process bears trouble before it gives up, in seconds from the first failure.

    Keys rotate, so a pod bears denial for a while; a person at a laptop passes `denied=0`.
    """

    denied: float = 180.0
    unavailable: float = 120.0


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key (or prefix, possibly empty) of an `s3://` URI; BadSpec when it is none."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise BadSpec("BadUri", f"{uri!r} is not an S3 location.", "Write s3://bucket/prefix.")
    return bucket, key
