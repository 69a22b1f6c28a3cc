"""From the manifest's storage to a store client, the same for every process."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from w2s_api.spec.storage import Storage
from w2s_trainer.errors import BadSpec
from w2s_trainer.store.settings import StorageSettings


def storage_settings(
    storage: Storage,
    credentials_dir: Path | None,
    directory: Path,
    environment: Mapping[str, str] = os.environ,
) -> StorageSettings:
    """Settings of the store client.

    Args:
        storage: the manifest's storage.
        credentials_dir: a directory with the files of a mounted Secret; None means the SDK's default chain.
        directory: where the CA bundle of the manifest is written for the TLS library.
        environment: W2S_CA_BUNDLE names the file of `storage.caBundleRef`, which the operator mounts.

    Raises:
        BadSpec: the ConfigMap of `storage.caBundleRef` was not there to be mounted, or has no such key.
    """
    bundle = _mounted_bundle(storage, environment)
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


def _mounted_bundle(storage: Storage, environment: Mapping[str, str]) -> Path | None:
    reference, place = storage.ca_bundle_ref, environment.get("W2S_CA_BUNDLE")
    if reference is None or not place:
        return None
    if not Path(place).is_file():
        raise BadSpec(
            "NoCaBundle",
            f"There is no ConfigMap {reference.name} with a key {reference.key}.",
            "Create it, or correct storage.caBundleRef.",
        )
    return Path(place)
