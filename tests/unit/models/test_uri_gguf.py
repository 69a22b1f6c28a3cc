"""Which files a URI means, where GGUF files are among them; conversion itself is in test_gguf.py."""

import hashlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from w2s_trainer.errors import BadSpec, StoreUnavailable
from w2s_trainer.models import uri as models
from w2s_trainer.models.uri import fetch_model, model_digest
from w2s_trainer.store.objects import ObjectInfo

WHOLE = {"config.json": b"{}", "model.safetensors": b"w"}
ONE = {"m.gguf": b"one", "README.md": b"#"}
SEVERAL = {"a.gguf": b"a", "b.gguf": b"b"}


@pytest.fixture
def conversions(monkeypatch) -> list[str]:
    """Names of the files that were converted; the conversion holds the file's bytes."""
    made: list[str] = []

    def convert(gguf: Path, directory: Path) -> None:
        made.append(gguf.name)
        (directory / "config.json").write_text("{}")
        (directory / "model.safetensors").write_bytes(gguf.read_bytes())

    monkeypatch.setattr(models, "convert", convert)
    return made


def put(directory: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(data)
    return directory


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


class Bucket:
    """Objects by URI, as the store shows them."""

    def __init__(self, **files: bytes) -> None:
        self.files = {f"s3://b/{name}": data for name, data in files.items()}
        self.downloads: list[str] = []

    def stat(self, uri: str) -> ObjectInfo | None:
        data = self.files.get(uri)
        return None if data is None else ObjectInfo(uri, len(data), hashlib.md5(data).hexdigest())

    def list(self, prefix: str):
        return [self.stat(uri) for uri in self.files if uri.startswith(prefix)]

    def download(self, uri: str, path: Path) -> None:
        self.downloads.append(uri)
        put(path.parent, {path.name: self.files[uri]})


@pytest.mark.parametrize(
    ("files", "name", "converted"),
    [
        (ONE, "", ["m.gguf"]),
        (ONE, "/m.gguf", ["m.gguf"]),
        (SEVERAL, "/b.gguf", ["b.gguf"]),
        (WHOLE, "", []),
        (WHOLE | SEVERAL, "", []),
        ({"config.json": b"{}", **ONE}, "", ["m.gguf"]),
    ],
)
def test_a_directory(tmp_path, conversions, files, name, converted):
    put(tmp_path / "m", files)
    uri = f"file://{tmp_path}/m{name}"
    first = fetch_model(uri, None, tmp_path / "cache")
    assert conversions == converted
    assert "model.safetensors" in contents(first)
    if converted:
        assert first.parent == tmp_path / "cache/models"
        assert first.name == f"gguf-1-{model_digest(uri, None)}"
        assert contents(first)["model.safetensors"] == files[converted[0]]
        assert fetch_model(uri, None, tmp_path / "cache") == first
        assert conversions == converted


@pytest.mark.parametrize(
    ("files", "name", "reason", "says"),
    [
        (SEVERAL, "", "SeveralModels", r"2 GGUF files: a\.gguf, b\.gguf"),
        (ONE, "/other.gguf", "NoSuchModel", "no such file"),
        ({"README.md": b"#"}, "", "MissingWeights", r"there is README\.md"),
    ],
)
def test_a_directory_that_holds_no_one_model(tmp_path, conversions, files, name, reason, says):
    put(tmp_path / "m", files)
    for read in (model_digest, lambda uri, objects: fetch_model(uri, objects, tmp_path / "cache")):
        with pytest.raises(BadSpec, match=says) as found:
            read(f"file://{tmp_path}/m{name}", None)
        assert found.value.reason == reason
    assert not conversions


def test_the_digest_of_a_gguf_file_is_of_its_bytes_only(tmp_path, conversions):
    put(tmp_path / "m", ONE)
    put(tmp_path / "renamed", {"x.gguf": b"one"})
    put(tmp_path / "changed", {"m.gguf": b"two"})
    uris = [f"file://{tmp_path}/{name}" for name in ("m", "m/m.gguf", "renamed", "changed")]
    whole, named, renamed, changed = (model_digest(uri, None) for uri in uris)
    assert whole == named == renamed != changed
    assert not conversions


@pytest.mark.parametrize("files", [ONE, {"deep/down/m.gguf": b"one"}])
def test_a_package(tmp_path, monkeypatch, conversions, files):
    put(tmp_path / "site/w2s_test_model", {"__init__.py": b"raise ImportError('never imported')", **files})
    monkeypatch.syspath_prepend(tmp_path / "site")
    directory = fetch_model("py://w2s-test-model", None, tmp_path / "cache")
    assert conversions == ["m.gguf"]
    assert directory.name == f"gguf-1-{model_digest('py://w2s-test-model', None)}"


def test_a_package_whose_module_has_another_name(tmp_path, monkeypatch, conversions):
    put(
        tmp_path / "site",
        {
            "inner_module/m.gguf": b"one",
            "w2s_outer-1.dist-info/METADATA": b"Metadata-Version: 2.1\nName: w2s-outer\nVersion: 1\n",
            "w2s_outer-1.dist-info/RECORD": b"inner_module/m.gguf,,\n",
        },
    )
    monkeypatch.syspath_prepend(tmp_path / "site")
    fetch_model("py://w2s-outer", None, tmp_path / "cache")
    assert conversions == ["m.gguf"]


@pytest.mark.parametrize(
    ("files", "says"),
    [(SEVERAL, "2 GGUF files"), ({"x.txt": b""}, "holds no model"), (None, "not installed")],
)
def test_a_package_that_holds_no_one_model(tmp_path, monkeypatch, files, says):
    if files is not None:
        put(tmp_path / "w2s_test_empty", {"__init__.py": b"", **files})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BadSpec, match=says):
        fetch_model("py://w2s-test-empty", None, tmp_path / "cache")


@pytest.mark.parametrize("uri", ["s3://b/m.gguf", "s3://b/p/", "s3://b/p"])
def test_a_bucket(tmp_path, conversions, uri):
    bucket = Bucket(**{"m.gguf": b"one", "p/m.gguf": b"one", "p/README.md": b"#", "p/sub/x.gguf": b"x"})
    first = fetch_model(uri, bucket, tmp_path)
    assert contents(first) == {"config.json": b"{}", "model.safetensors": b"one"}
    assert first.name == f"gguf-1-{model_digest(uri, bucket)}"
    assert fetch_model(uri, bucket, tmp_path) == first
    assert len(bucket.downloads) == len(conversions) == 1
    digest = model_digest(uri, bucket)
    for name in bucket.files:
        bucket.files[name] = b"two"
    assert model_digest(uri, bucket) != digest


def test_a_prefix_with_safetensors_is_taken_whole(tmp_path, conversions):
    bucket = Bucket(**{f"p/{name}": data for name, data in (WHOLE | ONE).items()})
    assert contents(fetch_model("s3://b/p/", bucket, tmp_path)) == WHOLE | ONE
    assert not conversions


@pytest.mark.parametrize("uri", ["s3://b/p/", "s3://b/p"])
@pytest.mark.parametrize("files", [WHOLE, ONE], ids=["safetensors", "GGUF"])
def test_markers_of_folders_and_what_editors_leave_are_no_part_of_a_model(tmp_path, conversions, files, uri):
    markers = {"p/": b"", "p/sub/": b"", "p/sub_$folder$": b""}
    left = {"p/._m.gguf": b"x", "p/.ipynb_checkpoints/config-checkpoint.json": b"{}", "p/sub/.cache/a": b""}
    plain = Bucket(**{f"p/{name}": data for name, data in files.items()})
    bucket = Bucket(**{f"p/{name}": data for name, data in files.items()}, **markers, **left)
    found = fetch_model(uri, bucket, tmp_path / "a")
    assert contents(found) == contents(fetch_model(uri, plain, tmp_path / "b"))
    assert sorted(bucket.downloads) == sorted(plain.downloads)
    marked = Bucket(**{f"p/{name}": data for name, data in files.items()}, **markers)
    assert model_digest(uri, marked) == model_digest(uri, plain)


def test_a_prefix_with_nothing_but_a_marker_holds_no_model(tmp_path):
    with pytest.raises(BadSpec, match="there is nothing below this prefix"):
        fetch_model("s3://b/p/", Bucket(**{"p/": b""}), tmp_path)


def test_what_editors_leave_in_a_directory_is_no_second_model(tmp_path, conversions):
    put(tmp_path / "m", ONE | {"._m.gguf": b"x"})
    assert (
        contents(fetch_model(f"file://{tmp_path}/m", None, tmp_path / "cache"))["model.safetensors"] == b"one"
    )


def test_an_incomplete_prefix_is_not_kept(tmp_path):
    bucket = Bucket(**{"p/model.safetensors": b"w"})
    with pytest.raises(BadSpec, match=r"config\.json not found"):
        fetch_model("s3://b/p/", bucket, tmp_path)
    assert not [path for path in (tmp_path / "models").iterdir() if not path.name.endswith(".lock")]


@pytest.mark.parametrize(
    ("uri", "reason"),
    [("s3://b/q/", "SeveralModels"), ("s3://b/none.gguf", "NoSuchModel"), ("s3://b/x/", "MissingWeights")],
)
def test_a_bucket_that_holds_no_one_model(tmp_path, uri, reason):
    bucket = Bucket(**{"q/a.gguf": b"a", "q/b.gguf": b"b"})
    for read in (model_digest, lambda uri, objects: fetch_model(uri, objects, tmp_path)):
        with pytest.raises(BadSpec) as found:
            read(uri, bucket)
        assert found.value.reason == reason
    assert not bucket.downloads


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """The hub's client, over a directory a repository; a revision is a directory, too."""
    asked: list[tuple[str, ...]] = []

    def failing(name: str, revision: str | None) -> Path:
        place = tmp_path / "hub" / name / (revision or "main")
        for part, kind in (("down", "ConnectError"), ("gated", "GatedRepoError")):
            if part in name:
                raise type(kind, (Exception,), {})
        if not place.is_dir():
            raise type("RepositoryNotFoundError" if not place.parent.is_dir() else "RevisionNotFoundError", (Exception,), {})  # fmt: skip
        return place

    def snapshot_download(name, revision, cache_dir, ignore_patterns):
        place = failing(name, revision)
        asked.append(("snapshot", name))
        wanted = {
            str(path.relative_to(place)): path.read_bytes()
            for path in place.rglob("*")
            if path.is_file() and not any(path.match(pattern) for pattern in ignore_patterns)
        }
        (cache_dir / name).mkdir(parents=True)
        return str(put(cache_dir / name, wanted))

    def hf_hub_download(name, file, revision, cache_dir):
        path = failing(name, revision) / file
        asked.append(("file", name, file))
        if not path.is_file():
            raise type("RemoteEntryNotFoundError", (Exception,), {})
        return str(put(cache_dir / name, {file: path.read_bytes()}) / file)

    class HfApi:
        def list_repo_files(self, name, revision):
            place = failing(name, revision)
            return [str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()]

        def model_info(self, name, revision):
            return SimpleNamespace(sha=f"commit-of-{failing(name, revision).name}", siblings=None)

    fake = ModuleType("huggingface_hub")
    vars(fake).update(snapshot_download=snapshot_download, hf_hub_download=hf_hub_download, HfApi=HfApi)
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    for name, files in {
        "org/whole/main": WHOLE | SEVERAL,
        "org/whole/v1": WHOLE | {"model.safetensors": b"v1"},
        "org/one/main": ONE,
        "org/deep/main": {"q4/m.gguf": b"one"},
        "org/several/main": SEVERAL,
        "org/none/main": {"README.md": b"#"},
    }.items():
        put(tmp_path / "hub" / name, files)
    return asked


@pytest.mark.parametrize(
    ("uri", "weights", "asked"),
    [
        ("hf://org/whole", b"w", [("snapshot", "org/whole")]),
        ("hf://org/whole@v1", b"v1", [("snapshot", "org/whole")]),
        ("hf://org/one", b"one", [("snapshot", "org/one"), ("file", "org/one", "m.gguf")]),
        ("hf://org/deep", b"one", [("snapshot", "org/deep"), ("file", "org/deep", "q4/m.gguf")]),
        ("hf://org/several/b.gguf", b"b", [("file", "org/several", "b.gguf")]),
        ("hf://org/several/b.gguf@main", b"b", [("file", "org/several", "b.gguf")]),
        ("hf://org/deep/q4/m.gguf", b"one", [("file", "org/deep", "q4/m.gguf")]),
    ],
)
def test_the_hub(tmp_path, conversions, hub, uri, weights, asked):
    directory = fetch_model(uri, None, tmp_path / "cache")
    assert contents(directory)["model.safetensors"] == weights
    assert not any(name.endswith(".gguf") for name in contents(directory))
    assert hub == asked


@pytest.mark.parametrize(
    ("uri", "error", "says"),
    [
        ("hf://org/several", BadSpec, r"2 GGUF files: a\.gguf, b\.gguf"),
        ("hf://org/several/c.gguf", BadSpec, "no such model, revision or file"),
        ("hf://org/nothing", BadSpec, "no such model"),
        ("hf://org/whole@v2", BadSpec, "no such model, revision"),
        ("hf://org/gated", BadSpec, "private"),
        ("hf://org/none", BadSpec, r"config\.json not found"),
        ("hf://org/down", StoreUnavailable, r"does not answer \(ConnectError\)"),
        ("hf://org/down/m.gguf", StoreUnavailable, "s3://"),
    ],
)
def test_a_hub_that_cannot_give_it(tmp_path, conversions, hub, uri, error, says):
    with pytest.raises(error, match=says):
        fetch_model(uri, None, tmp_path / "cache")
    assert not conversions


def test_the_digest_of_the_hub_is_its_commit_and_the_file_that_is_named(hub):
    named = ["hf://org/several", "hf://org/several/a.gguf", "hf://org/several/b.gguf", "hf://org/whole@v1"]
    digests = [model_digest(uri, None) for uri in named]
    assert len(set(digests)) == 4
    assert model_digest("hf://org/several@main", None) == digests[0]
    assert not hub  # nothing is downloaded for it
    with pytest.raises(StoreUnavailable):
        model_digest("hf://org/down", None)


def test_another_scheme_is_refused(tmp_path):
    with pytest.raises(BadSpec, match="hf://, s3://, file:// or py://"):
        fetch_model("http://x/y", None, tmp_path)
