"""How pods reach the storage: the one place that gives any pod its credentials and certificates.

Where the storage is travels in the job file. Without a Secret the pod has what the SDK finds: variables that the
user sets, or the identity of its service account. The latter's token is put into the pod by the cloud's own
webhook, as a projected volume; `automountServiceAccountToken: false` concerns the API server's token alone.
"""

from dataclasses import dataclass
from typing import Any

from w2s_operator.children.settings import ChildSettings

_CREDENTIALS = "/w2s/credentials"
_CERTIFICATES, _BUNDLE = "/w2s/ca", "ca.crt"


@dataclass(frozen=True)
class StorageParts:
    """What a pod needs for its storage."""

    volumes: tuple[dict[str, Any], ...] = ()
    mounts: tuple[dict[str, Any], ...] = ()
    env: tuple[dict[str, Any], ...] = ()
    arguments: tuple[str, ...] = ()
    """Options of `w2s stage`."""

    def __add__(self, other: "StorageParts") -> "StorageParts":
        return StorageParts(
            self.volumes + other.volumes,
            self.mounts + other.mounts,
            self.env + other.env,
            self.arguments + other.arguments,
        )


def storage_parts(settings: ChildSettings) -> StorageParts:
    """Volumes, variables and options for the storage of a job."""
    return _credentials(settings) + _certificates(settings)


def _credentials(settings: ChildSettings) -> StorageParts:
    """Mounts files, which the kubelet renews when the Secret changes; not by `subPath`, where it does not.

    A volume of a missing Secret stops a pod without a word in its status. So the volume may be empty, and a
    variable that no program reads names the key: then the kubelet says what is missing, and starts the container
    once it is there. The key's identifier is no secret.
    """
    secret = settings.credentials
    if secret is None:
        return StorageParts()
    key = {"name": secret, "key": "AWS_ACCESS_KEY_ID"}
    return StorageParts(
        volumes=({"name": "credentials", "secret": {"secretName": secret, "optional": True}},),
        mounts=({"name": "credentials", "mountPath": _CREDENTIALS, "readOnly": True},),
        env=({"name": "W2S_ACCESS_KEY_ID", "valueFrom": {"secretKeyRef": key}},),
        arguments=("--credentials-dir", _CREDENTIALS),
    )


def _certificates(settings: ChildSettings) -> StorageParts:
    """A bundle may be too large for a variable: where it is missing, the stage itself says so."""
    reference = settings.storage.ca_bundle_ref
    if reference is None:
        return StorageParts()
    source = {
        "name": reference.name,
        "items": [{"key": reference.key, "path": _BUNDLE}],
        "optional": True,
    }
    return StorageParts(
        volumes=({"name": "certificates", "configMap": source},),
        mounts=({"name": "certificates", "mountPath": _CERTIFICATES, "readOnly": True},),
        env=({"name": "W2S_CA_BUNDLE", "value": f"{_CERTIFICATES}/{_BUNDLE}"},),
    )
