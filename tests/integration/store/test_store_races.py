"""Many writers, one artifact, a real S3 server: whoever is killed, late or second does no harm."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from w2s_trainer.errors import InputGone
from w2s_trainer.store.artifacts import Artifact, ArtifactStore
from w2s_trainer.store.objects import Objects
from w2s_trainer.store.settings import Patience

BOUND = 60.0

# A writer of its own process: `python -c WRITER endpoint keys uri how`, ready when it prints, goes on at a line.
WRITER = """
import json, os, signal, sys
from pathlib import Path
from w2s_trainer.store.artifacts import ArtifactStore
from w2s_trainer.store.objects import MiB, Objects
from w2s_trainer.store.settings import StorageSettings

endpoint, keys, uri, how = sys.argv[1:]
objects = Objects(StorageSettings(uri, endpoint, credentials_dir=Path(keys)), part_size=5 * MiB, width=1)
store = ArtifactStore(objects, uri)
if how == "killed before the manifest":
    ArtifactStore._publish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
with store.begin("train", "key1") as attempt:
    megabytes = 400 if how == "large" else 6
    (attempt.directory / "a-note.txt").write_text(attempt.attempt)
    with (attempt.directory / "weights").open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(MiB))
    print(attempt.attempt, flush=True)
    sys.stdin.readline()
    won = attempt.commit({"by": attempt.attempt}, {})
    print(json.dumps({"mine": attempt.attempt, "won": won.attempt, "by": won.summary.get("by")}))
"""


@pytest.fixture
def store(embedded_s3: Any) -> ArtifactStore:
    bucket = embedded_s3.new_bucket()
    return ArtifactStore(Objects(embedded_s3.settings(bucket), Patience(0, 20)), f"{bucket}/w2s")


def writer(s3: Any, store: ArtifactStore, how: str = "small") -> "subprocess.Popen[str]":
    keys = str(s3.settings(store.uri).credentials_dir)
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, s3.endpoint, keys, store.uri, how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def make(
    store: ArtifactStore, text: str, key: str = "key1", start: Callable[[], object] = lambda: None
) -> Artifact:
    with store.begin("train", key) as attempt:
        (attempt.directory / "weights").write_text(text)
        start()
        return attempt.commit({"text": text}, {})


def race(writers: int, store: ArtifactStore, key: str) -> list[Artifact]:
    """What each writer was told, all having committed different things at the same moment."""
    barrier = Barrier(writers)
    with ThreadPoolExecutor(writers) as pool:
        racers = [
            pool.submit(make, store, f"text {number}", key, lambda: barrier.wait(BOUND))
            for number in range(writers)
        ]
        return [racer.result(BOUND) for racer in racers]


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + BOUND
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_of_racing_threads_one_wins_and_all_see_it(store: ArtifactStore) -> None:
    for key in ("key1", "key2", "key3"):
        results = race(8, store, key)
        found = store.find("train", key)
        assert found is not None
        assert {result.attempt for result in results} == {found.attempt}
        assert found.verify(deep=True) == []
        assert found.read("weights").decode() == found.summary["text"]


def test_of_racing_processes_one_wins_and_all_see_it(embedded_s3: Any, store: ArtifactStore) -> None:
    writers = [writer(embedded_s3, store) for _ in range(4)]
    for process in writers:
        assert process.stdout is not None
        process.stdout.readline()
    said = [json.loads(process.communicate("go\n", BOUND)[0]) for process in writers]
    found = store.find("train", "key1")
    assert found is not None
    assert {words["won"] for words in said} == {words["by"] for words in said} == {found.attempt}
    assert found.read("a-note.txt").decode() == found.attempt
    assert len({words["mine"] for words in said}) == 4
    assert found.verify(deep=True) == []


def test_a_zombie_that_goes_on_writing_spoils_nothing(embedded_s3: Any, store: ArtifactStore) -> None:
    zombie = writer(embedded_s3, store)
    assert zombie.stdout is not None
    lost = zombie.stdout.readline().strip()
    winner = make(store, "by the retry")
    said = json.loads(zombie.communicate("go\n", BOUND)[0])
    assert (said["mine"], said["won"]) == (lost, winner.attempt)
    assert any(lost in info.uri for info in store.objects.list(store.uri)), "it did write"
    assert store.find("train", "key1") == winner
    assert winner.verify(deep=True) == []


def test_killed_in_the_middle_of_an_upload_nothing_exists(embedded_s3: Any, store: ArtifactStore) -> None:
    process = writer(embedded_s3, store, "large")
    assert process.stdout is not None
    assert process.stdin is not None
    attempt = process.stdout.readline().strip()
    prefix = store.home_uri("train", "key1").removeprefix("s3://")
    bucket, _, key = f"{prefix}{attempt}/weights".partition("/")

    def parts_arrived() -> bool:
        uploads = store.objects._connection.call("list_multipart_uploads", Bucket=bucket).get("Uploads", [])
        return any(
            len(
                store.objects._connection.call(
                    "list_parts", Bucket=bucket, Key=key, UploadId=upload["UploadId"]
                ).get("Parts", [])
            )
            >= 2
            for upload in uploads
        )

    process.stdin.write("go\n")
    process.stdin.flush()
    until(parts_arrived)
    process.kill()
    assert process.wait(BOUND) == -signal.SIGKILL
    assert store.objects.stat(f"s3://{bucket}/{key}") is None, "killed too late to prove anything"
    assert store.find("train", "key1") is None
    again = make(store, "second try")
    assert store.find("train", "key1") == again
    assert again.attempt != attempt


def test_killed_between_objects_and_manifest_nothing_exists(embedded_s3: Any, store: ArtifactStore) -> None:
    process = writer(embedded_s3, store, "killed before the manifest")
    process.communicate("go\n", BOUND)
    assert process.returncode == -signal.SIGKILL
    names = [info.uri.rsplit("/", 1)[1] for info in store.objects.list(store.home_uri("train", "key1"))]
    assert sorted(names) == ["a-note.txt", "weights"]
    assert store.find("train", "key1") is None
    again = make(store, "second try")
    assert store.find("train", "key1") == again


def test_racing_shards_join_once(store: ArtifactStore) -> None:
    count, copies = 4, 2
    barrier = Barrier(count * copies)

    def shard(index: int) -> Artifact:
        with store.begin("label", "key1", shard=(index, count)) as attempt:
            (attempt.directory / f"labels-{index}").write_text(f"labels of {index}")
            barrier.wait(BOUND)
            return attempt.commit({"shard": index}, {})

    with ThreadPoolExecutor(count * copies) as pool:
        results = [*pool.map(shard, [*range(count)] * copies)]
    whole = store.find("label", "key1")
    assert whole is not None
    assert {result.attempt for result in results if result.shard is None} == {whole.attempt}
    assert [whole.read(f"labels-{index}").decode() for index in range(count)] == [
        f"labels of {index}" for index in range(count)
    ]
    assert whole.summary == {"shards": [{"shard": index} for index in range(count)]}


class TestCorruption:
    def test_other_bytes_are_refused_and_made_anew(self, store: ArtifactStore, tmp_path: Path) -> None:
        artifact = make(store, "good weights")
        store.objects.write(artifact.files["weights"].uri, b"evil weights")
        assert artifact.verify(deep=True) == ["weights has other contents than were written"]
        for read in (lambda: artifact.read("weights"), lambda: artifact.fetch("weights", tmp_path)):
            with pytest.raises(InputGone, match="not what was written") as caught:
                read()
            assert (caught.value.reason, caught.value.exit_code) == ("ArtifactCorrupt", 66)
        assert store.find("train", "key1") is None
        anew = make(store, "good weights")
        assert anew.attempt != artifact.attempt
        assert anew.digest == artifact.digest
        assert store.find("train", "key1") == anew

    @pytest.mark.parametrize("harm", ["shorter", "gone"])
    def test_a_harmed_object_counts_as_none_and_is_made_anew(self, store: ArtifactStore, harm: str) -> None:
        artifact = make(store, "good weights")
        uri = artifact.files["weights"].uri
        store.objects.delete([uri])
        if harm == "shorter":
            store.objects.write(uri, b"good")
        assert store.find("train", "key1") is None
        anew = make(store, "good weights")
        assert store.find("train", "key1") == anew
        assert anew.attempt != artifact.attempt

    def test_racing_repairs_have_one_winner(self, store: ArtifactStore) -> None:
        artifact = make(store, "good weights")
        store.objects.delete([artifact.files["weights"].uri])
        results = race(6, store, "key1")
        found = store.find("train", "key1")
        assert found is not None
        assert {result.attempt for result in results} == {found.attempt}
        assert found.read("weights").decode() == found.summary["text"]
