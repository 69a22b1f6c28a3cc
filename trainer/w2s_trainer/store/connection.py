"""The SDK's client: how it is made, and made anew when it is denied."""

import os
import threading
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import CredentialRetrievalError

from w2s_trainer.errors import BadSpec
from w2s_trainer.store.retry import Trouble, diagnose
from w2s_trainer.store.settings import StorageSettings

_FILES = {
    "aws_access_key_id": ("access-key-id", "AWS_ACCESS_KEY_ID"),
    "aws_secret_access_key": ("secret-access-key", "AWS_SECRET_ACCESS_KEY"),
    "aws_session_token": ("session-token", "AWS_SESSION_TOKEN"),
}


def read_credentials(directory: Path) -> dict[str, str]:
    """Returns the keys in a mounted Secret, as arguments of a session; CredentialRetrievalError when incomplete."""
    credentials: dict[str, str] = {}
    for argument, names in _FILES.items():
        for name in names:
            file = directory / name
            if file.is_file() and (value := file.read_text().strip()):
                credentials.setdefault(argument, value)
    for argument in ("aws_access_key_id", "aws_secret_access_key"):
        if argument not in credentials:
            raise CredentialRetrievalError(
                provider=str(directory), error_msg=f"there is no file {_FILES[argument][0]}, or it is empty"
            )
    return credentials


def endpoint_of(settings: StorageSettings) -> str | None:
    """The server's URL by the settings or the environment; None for AWS itself."""
    return settings.endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


def new_client(settings: StorageSettings, connections: int) -> Any:
    """An S3 client with credentials read now.

    The SDK's own retries are off: there is one back-off (`retry`). Checksums beyond the signature are sent
    only where S3 requires them, since not every server knows the newer ones; payloads are signed.
    """
    if settings.ca_bundle is not None and not settings.ca_bundle.is_file():
        raise BadSpec(
            "NoCaBundle", f"There is no CA bundle at {settings.ca_bundle}.", "Correct storage.caBundle."
        )
    endpoint = endpoint_of(settings)
    keys = read_credentials(settings.credentials_dir) if settings.credentials_dir is not None else {}
    session = boto3.session.Session(**keys)
    config = Config(
        connect_timeout=10,
        read_timeout=60,
        tcp_keepalive=True,
        max_pool_connections=connections,
        retries={"total_max_attempts": 1, "mode": "standard"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path" if endpoint else "auto"},
    )
    # A server of one's own rarely has regions, yet the signature needs one.
    region = settings.region or session.region_name or ("us-east-1" if endpoint else None)
    try:
        return session.client(
            "s3",
            endpoint_url=endpoint,
            region_name=region,
            verify=None if settings.ca_bundle is None else str(settings.ca_bundle),
            config=config,
        )
    except ValueError as error:
        raise BadSpec(
            "BadStorage", f"Cannot use this storage: {error}.", "Correct storage.endpoint."
        ) from error


class Connection:
    """The client in use. A denied one is dropped, so that the next try reads the credentials again."""

    def __init__(self, settings: StorageSettings, connections: int) -> None:
        self._settings = settings
        self._connections = connections
        self._lock = threading.Lock()
        self._client: Any = None

    @property
    def where(self) -> str:
        """The server, in words for a person."""
        return endpoint_of(self._settings) or "AWS S3"

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One request, tried once."""
        client = None
        try:
            with self._lock:
                client = self._client = self._client or new_client(self._settings, self._connections)
            return getattr(client, method)(**parameters)  # type: ignore[no-any-return]
        except Exception as error:
            if diagnose(error) is Trouble.DENIED:
                with self._lock:
                    if self._client is client:
                        self._client = None
            raise
