from pathlib import Path

import pytest
from botocore.exceptions import CredentialRetrievalError

from w2s_trainer.errors import BadSpec
from w2s_trainer.store.connection import new_client, read_credentials
from w2s_trainer.store.settings import StorageSettings, split_uri


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("s3://bucket/a/b.txt", ("bucket", "a/b.txt")),
        ("s3://bucket/", ("bucket", "")),
        ("s3://bucket", ("bucket", "")),
    ],
)
def test_a_uri_is_bucket_and_key(uri: str, parts: tuple[str, str]) -> None:
    assert split_uri(uri) == parts


@pytest.mark.parametrize("uri", ["", "bucket/key", "file:///tmp", "s3:///key", "S3://b/k"])
def test_other_uris_are_refused(uri: str) -> None:
    with pytest.raises(BadSpec, match="not an S3 location"):
        split_uri(uri)


@pytest.mark.parametrize(
    "names", [("access-key-id", "secret-access-key"), ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")]
)
def test_keys_come_from_files_of_a_secret(tmp_path: Path, names: tuple[str, str]) -> None:
    for name, value in zip(names, ("key\n", "secret\n"), strict=True):
        (tmp_path / name).write_text(value)
    assert read_credentials(tmp_path) == {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    (tmp_path / "session-token").write_text("token")
    assert read_credentials(tmp_path)["aws_session_token"] == "token"


@pytest.mark.parametrize(
    ("present", "missing"), [((), "access-key-id"), (("access-key-id",), "secret-access-key")]
)
def test_an_incomplete_secret_names_the_file(tmp_path: Path, present: tuple[str, ...], missing: str) -> None:
    for name in present:
        (tmp_path / name).write_text("x")
    with pytest.raises(CredentialRetrievalError, match=missing):
        read_credentials(tmp_path)


def test_a_bad_endpoint_and_a_missing_ca_bundle_are_the_manifests_fault(tmp_path: Path) -> None:
    with pytest.raises(BadSpec, match="endpoint"):
        new_client(StorageSettings("s3://bkt", endpoint="not a url"), 1)
    with pytest.raises(BadSpec, match=r"no CA bundle at .*ca\.pem"):
        new_client(StorageSettings("s3://bkt", ca_bundle=tmp_path / "ca.pem"), 1)


def test_a_server_of_ones_own_is_asked_by_path_and_needs_no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    client = new_client(StorageSettings("s3://bkt", endpoint="https://s3.example.org"), 1)
    assert client.meta.config.s3["addressing_style"] == "path"
    assert client.meta.region_name == "us-east-1"
    assert client.meta.config.retries["total_max_attempts"] == 1
