"""From the manifest's storage to a store client, the same for every process."""

import tempfile
from pathlib import Path

from w2s_api.spec.storage import Storage
from w2s_trainer.store.settings import StorageSettings


def storage_settings(storage: Storage, credentials_dir: Path | None, directory: Path) -> StorageSettings:
    """Settings of the store client.

    Args:
        storage: the manifest's storage.
        credentials_dir: a directory with the files of a mounted Secret; None means the SDK's default chain.
        directory: where the CA bundle of the manifest is written for the TLS library.
    """
    bundle = None
    if storage.ca_bundle:
        with tempfile.NamedTemporaryFile("w", dir=directory, suffix=".pem", delete=False) as file:
            file.write(storage.ca_bundle)
        bundle = Path(file.name)
    return StorageSettings(
        uri=storage.uri.rstrip("/"),
        endpoint=storage.endpoint,
        region=storage.region,
        ca_bundle=bundle,
        credentials_dir=credentials_dir,
    )
