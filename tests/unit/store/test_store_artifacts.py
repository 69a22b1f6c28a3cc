from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from w2s_trainer.errors import InputGone, StoreUnavailable
from w2s_trainer.store.artifacts import Artifact, ArtifactStore, Shard

HOME = "s3://bkt/w2s/artifacts/label/key1/"


@pytest.fixture
def store(memory: Any) -> ArtifactStore:
    numbers = count(1)
    return ArtifactStore(memory, "s3://bkt/w2s/", new_attempt=lambda: f"attempt{next(numbers)}")


def make(
    store: ArtifactStore,
    files: Mapping[str, bytes] | None = None,
    shard: Shard | None = None,
    key: str = "key1",
) -> Artifact:
    with store.begin("label", key, shard=shard) as attempt:
        for name, data in ({"a.txt": b"alpha"} if files is None else files).items():
            path = attempt.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return attempt.commit({"rows": len(files or "x")}, {"seed": 1})


def test_the_layout_is_the_documented_one(store: ArtifactStore, memory: Any) -> None:
    artifact = make(store, {"a.txt": b"alpha", "gold-test/labels.parquet": b"beta"})
    assert sorted(memory.at) == [
        HOME + "attempt1/a.txt",
        HOME + "attempt1/gold-test/labels.parquet",
        HOME + "manifest.json",
    ]
    assert artifact.uri == HOME + "attempt1/"
    assert artifact.files["gold-test/labels.parquet"].uri == HOME + "attempt1/gold-test/labels.parquet"
    assert store.job_uri("team", "job", "results.json") == "s3://bkt/w2s/jobs/team/job/results.json"


def test_what_was_committed_is_found(store: ArtifactStore, tmp_path: Path) -> None:
    committed = make(store, {"a.txt": b"alpha", "model/w.bin": b"w" * 1000})
    found = store.find("label", "key1")
    assert found == committed
    assert found.summary == {"rows": 2}
    assert found.provenance == {"seed": 1}
    assert found.read("a.txt") == b"alpha"
    assert found.fetch("model/w.bin", tmp_path).read_bytes() == b"w" * 1000
    assert sorted(p.name for p in found.fetch_all(tmp_path / "all", "model/").rglob("*")) == [
        "model",
        "w.bin",
    ]
    assert store.find("label", "key2") is None
    assert store.find("train", "key1") is None


def test_the_staging_directory_goes_away(store: ArtifactStore) -> None:
    with store.begin("label", "key1") as attempt:
        (attempt.directory / "a").write_text("x")
    assert not attempt.directory.exists()
    assert store.find("label", "key1") is None


def test_the_digest_is_of_contents_only(store: ArtifactStore) -> None:
    first, same = make(store), make(store, key="key2")
    assert first.attempt != same.attempt
    assert first.digest == same.digest
    others = [{"a.txt": b"Alpha"}, {"b.txt": b"alpha"}, {"a.txt": b"alpha", "b": b""}, {}]
    digests = {make(store, files, key=f"k{n}").digest for n, files in enumerate(others)}
    assert len(digests | {first.digest}) == 5


def test_the_second_to_commit_sees_the_first(store: ArtifactStore) -> None:
    first, second = make(store, {"a.txt": b"first"}), make(store, {"a.txt": b"second"})
    assert second == first
    assert second.read("a.txt") == b"first"


@pytest.mark.parametrize("harm", ["gone", "shorter", "manifest cut", "manifest of nothing"])
def test_a_harmed_artifact_does_not_exist_and_is_replaced(
    store: ArtifactStore, memory: Any, harm: str
) -> None:
    make(store)
    file, manifest = HOME + "attempt1/a.txt", HOME + "manifest.json"
    match harm:
        case "gone":
            del memory.at[file]
        case "shorter":
            memory.at[file] = b"al"
        case "manifest cut":
            memory.at[manifest] = memory.at[manifest][:50]
        case "manifest of nothing":
            memory.at[manifest] = b"[]"
    assert store.find("label", "key1") is None
    anew = make(store, {"a.txt": b"anew"})
    assert anew.attempt == "attempt2"
    assert store.find("label", "key1") == anew


def test_corrupt_bytes_are_refused_and_the_work_is_done_again(
    store: ArtifactStore, memory: Any, tmp_path: Path
) -> None:
    artifact = make(store, {"a.txt": b"alpha", "b.txt": b"beta"})
    memory.at[HOME + "attempt1/a.txt"] = b"ALPHA"
    assert artifact.verify() == []
    with pytest.raises(InputGone, match=r"a\.txt is not what was written") as caught:
        artifact.fetch("a.txt", tmp_path)
    assert caught.value.reason == "ArtifactCorrupt"
    assert list(tmp_path.iterdir()) == []
    assert store.find("label", "key1") is None, "what a reader found corrupt must not be found again"
    anew = make(store)
    assert anew.attempt == "attempt2"
    assert store.find("label", "key1") == anew


def test_a_fault_on_the_way_is_not_held_against_the_artifact(
    store: ArtifactStore, memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = make(store)
    answers = iter([b"bad", b"alpha"])
    monkeypatch.setattr(memory, "read", lambda *_: next(answers))
    assert artifact.read("a.txt") == b"alpha"
    monkeypatch.undo()
    assert store.find("label", "key1") == artifact


def test_a_fetched_file_is_not_fetched_again_unless_it_was_changed(
    store: ArtifactStore, memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = make(store)
    path = artifact.fetch("a.txt", tmp_path)
    path.write_text("gamma")
    assert artifact.fetch("a.txt", tmp_path).read_text() == "alpha"
    monkeypatch.setattr(memory, "download", None)
    assert artifact.fetch("a.txt", tmp_path).read_text() == "alpha"


def test_a_lost_upload_is_no_artifact(
    store: ArtifactStore, memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "upload", lambda *_: None)
    with pytest.raises(StoreUnavailable, match=r"a\.txt is missing"):
        make(store)
    assert memory.at == {}


def test_a_commit_whose_answer_was_lost_is_still_ones_own(
    store: ArtifactStore, memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = memory.write

    def write_twice(uri: str, data: bytes, **condition: Any) -> str:
        write(uri, data, **condition)
        return str(write(uri, data, **condition))

    monkeypatch.setattr(memory, "write", write_twice)
    assert make(store).attempt == "attempt1"


def test_an_unknown_file_says_so(store: ArtifactStore) -> None:
    with pytest.raises(InputGone, match="no file b"):
        make(store).read("b")


class TestShards:
    def test_the_last_shard_makes_the_whole(self, store: ArtifactStore, memory: Any) -> None:
        first = make(store, {"part-0": b"zero"}, shard=(0, 2))
        assert first.shard == (0, 2)
        assert HOME + "shards/0-of-2.json" in memory.at
        assert store.find("label", "key1") is None
        whole = make(store, {"part-1": b"one"}, shard=(1, 2))
        assert whole.shard is None
        assert store.find("label", "key1") == whole
        assert whole.summary == {"shards": [{"rows": 1}, {"rows": 1}]}
        assert [whole.read(name) for name in ("part-0", "part-1")] == [b"zero", b"one"]
        assert whole.uri == HOME

    def test_a_shard_is_found_while_the_whole_is_missing(self, store: ArtifactStore) -> None:
        first = make(store, {"part-0": b"zero"}, shard=(0, 2))
        assert store.find("label", "key1", shard=(0, 2)) == first
        assert store.find("label", "key1", shard=(1, 2)) is None

    def test_a_shard_done_twice_counts_once(self, store: ArtifactStore) -> None:
        first = make(store, {"part-0": b"zero"}, shard=(0, 2))
        assert make(store, {"part-0": b"other"}, shard=(0, 2)) == first

    def test_other_counts_of_shards_do_not_mix(self, store: ArtifactStore) -> None:
        make(store, {"part-0": b"zero"}, shard=(0, 2))
        assert make(store, {"part-1": b"one"}, shard=(1, 3)).shard == (1, 3)
        assert store.find("label", "key1") is None

    def test_whoever_died_before_joining_is_no_loss(self, store: ArtifactStore, memory: Any) -> None:
        make(store, {"part-0": b"zero"}, shard=(0, 2))
        make(store, {"part-1": b"one"}, shard=(1, 2))
        del memory.at[HOME + "manifest.json"]
        whole = store.find("label", "key1", shard=(0, 2))
        assert whole is not None
        assert whole.shard is None
        assert sorted(whole.files) == ["part-0", "part-1"]

    def test_only_the_harmed_shard_is_done_again(self, store: ArtifactStore, memory: Any) -> None:
        make(store, {"part-0": b"zero"}, shard=(0, 2))
        make(store, {"part-1": b"one"}, shard=(1, 2))
        del memory.at[HOME + "attempt2/part-1"]
        assert store.find("label", "key1", shard=(1, 2)) is None
        healthy = store.find("label", "key1", shard=(0, 2))
        assert healthy is not None
        assert healthy.shard == (0, 2)
        whole = make(store, {"part-1": b"one"}, shard=(1, 2))
        assert store.find("label", "key1") == whole

    def test_no_such_shard(self, store: ArtifactStore) -> None:
        with pytest.raises(ValueError, match="2 of 2"):
            store.begin("label", "key1", shard=(2, 2))


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "a b"])
def test_names_cannot_lead_elsewhere(store: ArtifactStore, name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        store.find(name, "key1")
    with pytest.raises(ValueError, match="not a name"):
        store.job_uri(name, "job", "f")
