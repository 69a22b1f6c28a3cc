"""Objects against a real S3 server."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from w2s_trainer.errors import BadSpec, OwnFault, StoreDenied, StoreUnavailable
from w2s_trainer.store.access import check_access
from w2s_trainer.store.objects import AlreadyExists, MiB, NoSuchObject, Objects, PreconditionFailed
from w2s_trainer.store.settings import Patience, StorageSettings

NO_PATIENCE = Patience(denied=0, unavailable=0)


@pytest.fixture
def bucket(embedded_s3: Any) -> str:
    return str(embedded_s3.new_bucket())


@pytest.fixture
def objects(embedded_s3: Any, bucket: str) -> Objects:
    return Objects(embedded_s3.settings(bucket), Patience(0, 20), part_size=5 * MiB)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("size", [0, 1, 5 * MiB, 5 * MiB + 1, 23 * MiB + 7])
def test_files_come_back_as_they_were(objects: Objects, bucket: str, tmp_path: Path, size: int) -> None:
    source, uri = tmp_path / "source", f"{bucket}/folder/ä b+c.bin"
    source.write_bytes(os.urandom(size))
    objects.upload(source, uri)
    info = objects.stat(uri)
    assert info is not None
    assert (info.size, info.etag.endswith('-5"')) == (size, size > 20 * MiB), "large ones go in parts"
    objects.download(uri, tmp_path / "deep/er/target")
    assert sha256(tmp_path / "deep/er/target") == sha256(source)
    assert [path.name for path in (tmp_path / "deep/er").iterdir()] == ["target"]
    with objects.open_stream(uri) as stream:
        assert hashlib.file_digest(stream, "sha256").hexdigest() == sha256(source)  # type: ignore[arg-type]
    assert [listed.uri for listed in objects.list(bucket + "/")] == [uri]


@pytest.mark.parametrize(
    "trouble",
    ["the server forgot the upload", "the answer was lost", "the answer was lost, and is not repeated"],
)
def test_joining_the_parts_survives_trouble(
    objects: Objects, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    call, uploads, joins = objects._connection.call, [], []

    def troubled(method: str, **parameters: Any) -> dict[str, Any]:
        if method == "create_multipart_upload":
            uploads.append(parameters)
        if method != "complete_multipart_upload":
            return call(method, **parameters)
        if joins:
            if trouble == "the answer was lost, and is not repeated":
                raise ClientError({"Error": {"Code": "NoSuchUpload"}}, "CompleteMultipartUpload")
            return call(method, **parameters)
        joins.append(parameters)
        if trouble == "the server forgot the upload":
            call(
                "abort_multipart_upload", **{name: parameters[name] for name in ("Bucket", "Key", "UploadId")}
            )
            return call(method, **parameters)
        call(method, **parameters)
        raise ConnectionClosedError(endpoint_url=objects.settings.endpoint)

    monkeypatch.setattr(objects._connection, "call", troubled)
    source = tmp_path / "source"
    source.write_bytes(os.urandom(12 * MiB))
    objects.upload(source, f"{bucket}/x")
    assert hashlib.sha256(objects.read(f"{bucket}/x")).hexdigest() == sha256(source)
    assert len(uploads) == (2 if trouble == "the server forgot the upload" else 1)


@pytest.mark.parametrize("copy_limit", [5 * MiB, 100 * MiB])
def test_copies_are_made_by_the_server(
    embedded_s3: Any, bucket: str, tmp_path: Path, copy_limit: int
) -> None:
    objects = Objects(embedded_s3.settings(bucket), NO_PATIENCE, copy_limit=copy_limit)
    data = os.urandom(12 * MiB)
    objects.write(f"{bucket}/source", data)
    objects.copy(f"{bucket}/source", f"{bucket}/target")
    assert objects.read(f"{bucket}/target") == data
    with pytest.raises(NoSuchObject):
        objects.copy(f"{bucket}/nothing", f"{bucket}/target")


def test_conditions_hold(objects: Objects, bucket: str) -> None:
    uri = f"{bucket}/counter"
    first = objects.write(uri, b"1", if_absent=True)
    with pytest.raises(AlreadyExists):
        objects.write(uri, b"2", if_absent=True)
    second = objects.write(uri, b"2", if_match=first)
    assert objects.read_tagged(uri) == (b"2", second)
    with pytest.raises(PreconditionFailed):
        objects.write(uri, b"3", if_match=first)
    with pytest.raises(PreconditionFailed):
        objects.write(f"{bucket}/nothing", b"3", if_match=first)
    assert objects.read(uri) == b"2"


def test_what_is_not_there(objects: Objects, bucket: str, tmp_path: Path) -> None:
    uri = f"{bucket}/nothing"
    assert objects.stat(uri) is None
    assert list(objects.list(uri)) == []
    objects.delete([uri])
    for read in (objects.read, objects.open_stream, lambda u: objects.download(u, tmp_path / "x")):
        with pytest.raises(NoSuchObject, match="nothing"):
            read(uri)
    assert list(tmp_path.iterdir()) == []


def test_listing_and_deleting_go_past_one_page(objects: Objects, bucket: str) -> None:
    uris = [f"{bucket}/many/{number:04}" for number in range(1_005)]
    objects._side_by_side(lambda uri, _: objects.write(uri, b"x"), uris)
    assert [info.uri for info in objects.list(f"{bucket}/many/")] == uris
    objects.delete(uris)
    assert list(objects.list(bucket + "/")) == []


class TestAccess:
    def test_granted_leaves_nothing_behind(self, objects: Objects, bucket: str) -> None:
        check_access(objects, f"{bucket}/w2s")
        assert list(objects.list(bucket + "/")) == []

    def test_no_such_bucket(self, objects: Objects) -> None:
        with pytest.raises(BadSpec, match="no such bucket") as caught:
            check_access(objects, "s3://not-there/w2s")
        assert (caught.value.reason, caught.value.exit_code) == ("NoSuchBucket", 64)

    @pytest.mark.parametrize(
        ("file", "value"), [("secret-access-key", "wrong"), ("access-key-id", "unknown")]
    )
    def test_wrong_keys(self, embedded_s3: Any, bucket: str, tmp_path: Path, file: str, value: str) -> None:
        settings = mounted(embedded_s3, bucket, tmp_path)
        (tmp_path / file).write_text(value)
        with pytest.raises(StoreDenied, match=r"does not accept .* key") as caught:
            check_access(Objects(settings, NO_PATIENCE), bucket)
        assert (caught.value.reason, caught.value.exit_code) == ("WrongCredentials", 77)
        assert value not in str(caught.value)

    def test_no_keys(self, embedded_s3: Any, bucket: str, tmp_path: Path) -> None:
        settings = mounted(embedded_s3, bucket, tmp_path)
        (tmp_path / "secret-access-key").unlink()
        with pytest.raises(StoreDenied, match="no file secret-access-key") as caught:
            check_access(Objects(settings, NO_PATIENCE), bucket)
        assert caught.value.reason == "NoCredentials"

    def test_a_bucket_that_may_only_be_read(self, embedded_s3: Any, bucket: str) -> None:
        with pytest.raises(StoreDenied, match="not written") as caught:
            check_access(Objects(embedded_s3.settings(bucket, role="reader"), NO_PATIENCE), bucket)
        assert caught.value.reason == "ReadOnlyBucket"

    def test_a_bucket_that_is_someone_elses(self, embedded_s3: Any, bucket: str) -> None:
        guest = Objects(embedded_s3.settings(bucket, role="guest"), NO_PATIENCE)
        with pytest.raises(StoreDenied, match=f"Cannot list {bucket}.* denies it") as caught:
            check_access(guest, bucket)
        assert (caught.value.reason, caught.value.exit_code) == ("AccessDenied", 77)
        assert "s3:ListBucket" in caught.value.hint
        check_access(guest, embedded_s3.server.create_bucket("guests"))

    def test_nobody_there(self, bucket: str, tmp_path: Path, embedded_s3: Any) -> None:
        settings = mounted(embedded_s3, bucket, tmp_path, endpoint="http://127.0.0.1:9")
        with pytest.raises(StoreUnavailable, match=r"http://127\.0\.0\.1:9 does not answer"):
            check_access(Objects(settings, NO_PATIENCE), bucket)


def mounted(s3: Any, bucket: str, directory: Path, endpoint: str | None = None) -> StorageSettings:
    """Right keys in a directory of the test's own, as a Secret is mounted."""
    (directory / "access-key-id").write_text(s3.access_key)
    (directory / "secret-access-key").write_text(s3.secret_key)
    return StorageSettings(bucket, endpoint or s3.endpoint, credentials_dir=directory)


def test_keys_that_are_rotated_while_denied_are_read_again(
    embedded_s3: Any, bucket: str, tmp_path: Path
) -> None:
    settings = mounted(embedded_s3, bucket, tmp_path)
    naps: list[float] = []

    def rotate_at_the_third_nap(seconds: float) -> None:
        naps.append(seconds)
        assert len(naps) < 10, "the new keys are not read"
        if len(naps) == 3:
            (tmp_path / "secret-access-key").write_text(embedded_s3.secret_key)

    (tmp_path / "secret-access-key").write_text("of yesterday")
    objects = Objects(settings, Patience(denied=1e6), sleep=rotate_at_the_third_nap)
    objects.write(f"{bucket}/x", b"data")
    assert len(naps) == 3
    (tmp_path / "secret-access-key").write_text("of tomorrow")
    assert objects.read(f"{bucket}/x") == b"data", "keys in use are good until they are denied"


def test_a_disk_that_is_full_is_named(
    objects: Objects, bucket: str, tmp_path: Path, small_disk: Path
) -> None:
    objects.write(f"{bucket}/large", b"x" * 6 * MiB)
    with pytest.raises(OwnFault, match=f"{small_disk}.*6,291,456 bytes are needed") as caught:
        objects.download(f"{bucket}/large", small_disk / "large")
    assert (caught.value.reason, caught.value.exit_code) == ("DiskFull", 70)
    assert "TMPDIR" in str(caught.value)
    assert list(small_disk.iterdir()) == []
