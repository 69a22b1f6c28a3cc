"""Certificates of a storage: from the manifest, or from the file that the operator mounts."""

from pathlib import Path

import pytest

from w2s_api.spec.storage import Storage
from w2s_trainer.contract.credentials import storage_settings
from w2s_trainer.errors import BadSpec

PLAIN = {"uri": "s3://legal/w2s"}
REFERENCE = {"caBundleRef": {"name": "trust", "key": "ca.pem"}}


def bundle(storage: dict[str, object], environment: dict[str, str], directory: Path) -> Path | None:
    return storage_settings(Storage.model_validate(PLAIN | storage), None, directory, environment).ca_bundle


def test_the_mounted_bundle_is_used(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("-----BEGIN")
    assert bundle(REFERENCE, {"W2S_CA_BUNDLE": str(tmp_path / "ca.crt")}, tmp_path) == tmp_path / "ca.crt"


def test_a_missing_config_map_is_the_manifests_fault(tmp_path: Path) -> None:
    with pytest.raises(BadSpec, match=r"no ConfigMap trust with a key ca\.pem.*caBundleRef"):
        bundle(REFERENCE, {"W2S_CA_BUNDLE": str(tmp_path / "ca.crt")}, tmp_path)


def test_outside_of_a_cluster_nothing_is_mounted(tmp_path: Path) -> None:
    assert bundle(REFERENCE, {}, tmp_path) is None


def test_the_manifests_own_bundle_becomes_a_file(tmp_path: Path) -> None:
    found = bundle({"caBundle": "-----BEGIN"}, {"W2S_CA_BUNDLE": "/somebody/elses"}, tmp_path)
    assert found is not None
    assert found.read_text() == "-----BEGIN"
