"""Checkpoints on a real S3 server: whoever is killed, late or second costs no more than the last interval."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import pytest

from w2s_trainer.errors import StoreDenied, StoreUnavailable
from w2s_trainer.store.checkpoints import BackgroundSaver, Checkpoints, Found, clear_checkpoints
from w2s_trainer.store.embedded import EmbeddedStore
from w2s_trainer.store.objects import MiB, Objects
from w2s_trainer.store.settings import Patience

BOUND = 60.0

# Saves steps 10, 20 and 30 in a process of its own, and stops for good at the marked point of step 30, which it
# says: `python -c WRITER endpoint keys home directory point`.
WRITER = """
import sys, time
from pathlib import Path
from w2s_trainer.store.checkpoints import Checkpoints
from w2s_trainer.store.objects import MiB, Objects
from w2s_trainer.store.settings import StorageSettings

endpoint, keys, home, directory, point = sys.argv[1:]
objects = Objects(StorageSettings(home, endpoint, credentials_dir=Path(keys)), part_size=5 * MiB, width=1)
checkpoints = Checkpoints(objects, home, "all", new_attempt=lambda: "killed")
call, parts, deletions = objects._connection.call, [], []

def here(*_):
    print("here", flush=True)
    while True:
        time.sleep(60)

def stop_at_the_point(method, **parameters):
    key = parameters.get("Key", "")
    if method == "upload_part":
        parts.append(key)
    if method == "delete_objects":
        deletions.append(key)
    stop = {
        "in a part": method == "upload_part" and len(parts) == 2,
        "before the parts are joined": method == "complete_multipart_upload",
        "before the manifest": method == "put_object" and key.endswith("/manifest.json"),
        "before the removal": method == "delete_objects",
        "within the removal": method == "delete_objects" and len(deletions) == 2,
    }[point]
    return here() if stop else call(method, **parameters)

for step in (10, 20, 30):
    (Path(directory) / "model").write_bytes(str(step).encode() * 3 * MiB)
    (Path(directory) / "rng").write_text(str(step))
    if step == 30:
        objects._connection.call = stop_at_the_point
    checkpoints.save(step, Path(directory), {"step": step})
"""


@pytest.fixture
def objects(embedded_s3: Any) -> Objects:
    return Objects(embedded_s3.settings("s3://any"), Patience(0, 20), part_size=5 * MiB)


@pytest.fixture
def home(embedded_s3: Any) -> str:
    return f"{embedded_s3.new_bucket()}/w2s/artifacts/train/key1/"


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def checkpoints(objects: Objects, home: str, notes: list[str]) -> Checkpoints:
    return Checkpoints(objects, home, "all", note=notes.append)


def fill(directory: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(data)
    return directory


def contents(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def save(checkpoints: Checkpoints, step: int, directory: Path) -> None:
    checkpoints.save(step, fill(directory, {"model": b"%d" % step * 1000, "rng": b"r"}), {"step": step})


def newest(checkpoints: Checkpoints, directory: Path, step_at_most: int | None = None) -> Found:
    found = checkpoints.newest(directory, step_at_most)
    assert found is not None
    return found


def places(objects: Objects, home: str) -> set[str]:
    """`<step>-<attempt>` of whatever has left objects."""
    prefix = f"{home}checkpoints/all/"
    return {info.uri.removeprefix(prefix).partition("/")[0] for info in objects.list(prefix)}


def steps(objects: Objects, home: str) -> list[int]:
    """Steps of what has a manifest."""
    prefix = f"{home}checkpoints/all/"
    found = (info.uri.removeprefix(prefix) for info in objects.list(prefix))
    return sorted(int(name.partition("-")[0]) for name in found if name.endswith("/manifest.json"))


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + BOUND
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def test_files_come_back_as_they_were(checkpoints: Checkpoints, tmp_path: Path) -> None:
    files = {
        "adapter_model.safetensors": os.urandom(50 * MiB + 3),
        "empty": b"",
        "state/rank 0/rng-ä.bin": b"r" * 7,
        "state/sub/manifest.json": b"not ours",
    }
    meta = {"loss": 0.1 + 0.2, "best": float("inf"), "position": [3, 17], "name": "ä"}
    checkpoints.save(1_000, fill(tmp_path / "saved", files), meta)
    found = newest(checkpoints, tmp_path / "here")
    assert (found.step, found.meta) == (1_000, meta)
    assert {name: hashlib.sha256(data).digest() for name, data in contents(found.directory).items()} == {
        name: hashlib.sha256(data).digest() for name, data in files.items()
    }


def test_two_are_kept_and_none_after_the_end(
    checkpoints: Checkpoints, objects: Objects, home: str, tmp_path: Path
) -> None:
    other = Checkpoints(objects, home, "16")
    for step in (9, 10, 100, 1000):
        save(checkpoints, step, tmp_path / "saved")
    save(other, 5, tmp_path / "saved")
    assert steps(objects, home) == [100, 1000]
    assert len(places(objects, home)) == 2
    assert newest(checkpoints, tmp_path / "here", 999).step == 100
    assert newest(other, tmp_path / "there").step == 5
    objects.write(f"{home}manifest.json", b"{}")
    for _ in range(2):
        clear_checkpoints(objects, home)
        assert [info.uri for info in objects.list(home)] == [f"{home}manifest.json"]
    assert checkpoints.newest(tmp_path / "here") is None


@pytest.mark.parametrize(
    ("point", "survives"),
    [
        ("in a part", 20),
        ("before the parts are joined", 20),
        ("before the manifest", 20),
        ("before the removal", 30),
        ("within the removal", 30),
    ],
)
def test_killed_at_any_point_the_newest_complete_one_is_found_and_the_rest_goes(
    embedded_s3: Any,
    checkpoints: Checkpoints,
    objects: Objects,
    home: str,
    tmp_path: Path,
    point: str,
    survives: int,
) -> None:
    keys = str(embedded_s3.settings(home).credentials_dir)
    (tmp_path / "saved").mkdir()
    command = [sys.executable, "-c", WRITER, embedded_s3.endpoint, keys, home, str(tmp_path / "saved"), point]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.kill()
        assert process.wait(BOUND) == -signal.SIGKILL
    assert "30-killed" in places(objects, home) or "part" in point, "killed too early to prove anything"
    found = newest(checkpoints, tmp_path / "here")
    assert (found.step, found.meta) == (survives, {"step": survives})
    assert contents(found.directory) == {
        "model": b"%d" % survives * 3 * MiB,
        "rng": b"%d" % survives,
    }
    for step in (30, 40):  # the next run does the lost steps again
        save(checkpoints, step, tmp_path / "again")
        assert newest(checkpoints, tmp_path / "here").step == step
    save(checkpoints, 50, tmp_path / "again")
    assert steps(objects, home) == [40, 50]
    assert len(places(objects, home)) == 2


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        ("other bytes", "is not what was written"),
        ("truncated", "model has 100 bytes, not 2000"),
        ("missing", "model is missing"),
        ("garbage manifest", "its manifest is unreadable"),
        ("no manifest", "it has no manifest"),
    ],
)
def test_from_a_harmed_newest_one_walks_back(
    checkpoints: Checkpoints,
    objects: Objects,
    home: str,
    notes: list[str],
    tmp_path: Path,
    harm: str,
    reason: str,
) -> None:
    for step in (10, 20):
        save(checkpoints, step, tmp_path / "saved")
    place = newest(checkpoints, tmp_path / "here").directory.name
    model, manifest = (f"{home}checkpoints/all/{place}/{name}" for name in ("model", "manifest.json"))
    match harm:
        case "other bytes":
            objects.write(model, b"?" * 2000)
        case "truncated":
            objects.write(model, b"20" * 50)
        case "missing":
            objects.delete([model])
        case "garbage manifest":
            objects.write(manifest, os.urandom(100))
        case "no manifest":
            objects.delete([manifest])
    for _ in range(2):
        found = newest(checkpoints, tmp_path / "here")
        assert (found.step, contents(found.directory)["model"]) == (10, b"10" * 1000)
    assert reason in notes[0]
    assert place in notes[0]
    assert len(set(notes)) == len(notes)
    for step in (12, 14):  # what is trained from there is the newest, though the harmed one has a later step
        save(checkpoints, step, tmp_path / "saved")
        assert newest(checkpoints, tmp_path / "here").step == step


def test_both_kept_ones_harmed_leave_none(
    checkpoints: Checkpoints, objects: Objects, home: str, notes: list[str], tmp_path: Path
) -> None:
    for step in (10, 20):
        save(checkpoints, step, tmp_path / "saved")
    for info in [*objects.list(f"{home}checkpoints/")]:
        if info.uri.endswith("/model"):
            objects.write(info.uri, b"?" * info.size)
    assert checkpoints.newest(tmp_path / "here") is None
    assert len(notes) == 2
    assert [*(tmp_path / "here").iterdir()] == []


def test_racing_writers_share_no_prefix_and_readers_always_find_a_whole_one(
    objects: Objects, home: str, tmp_path: Path
) -> None:
    """Two writers of the same steps, and a reader beside them that must never find less than it has found."""
    barrier, done = Barrier(2), Event()
    last = 12

    def write(writer: int) -> None:
        mine = Checkpoints(objects, home, "all", new_attempt=lambda: f"{writer}-{os.urandom(4).hex()}")
        for step in range(1, last + 1):
            barrier.wait(BOUND)
            data = b"%d of %d" % (step, writer)
            files = fill(tmp_path / f"saved{writer}", {"model": data * 1000, "rng": data})
            mine.save(step, files, {"writer": writer, "step": step})

    def read() -> list[int]:
        reader, seen = Checkpoints(objects, home, "all"), [0]
        while not done.is_set():
            if found := reader.newest(tmp_path / "here"):
                data = b"%d of %d" % (found.step, found.meta["writer"])
                assert contents(found.directory) == {"model": data * 1000, "rng": data}
                seen.append(found.step)
                shutil.rmtree(found.directory)
        return seen

    with ThreadPoolExecutor(3) as pool:
        reading, writing = pool.submit(read), [pool.submit(write, writer) for writer in (1, 2)]
        try:
            for writer in writing:
                writer.result(BOUND)
        finally:
            done.set()
        seen = reading.result(BOUND)
    assert seen == sorted(seen)
    assert len(seen) > 2
    assert newest(Checkpoints(objects, home, "all"), tmp_path / "end").step == last
    assert set(steps(objects, home)) <= {last - 1, last}


def test_what_a_zombie_is_just_writing_is_left_to_it(
    checkpoints: Checkpoints, objects: Objects, home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zombie = Objects(objects.settings, Patience(0, 20))
    came, go = Event(), Event()
    write = zombie.write

    def wait_before_the_manifest(uri: str, data: bytes, **rest: Any) -> str:
        if uri.endswith("/manifest.json"):
            came.set()
            assert go.wait(BOUND)
        return write(uri, data, **rest)

    monkeypatch.setattr(zombie, "write", wait_before_the_manifest)
    with ThreadPoolExecutor(1) as pool:
        late = Checkpoints(zombie, home, "all", new_attempt=lambda: "zombie")
        saving = pool.submit(save, late, 500, tmp_path / "zombie")
        assert came.wait(BOUND)
        for step in (410, 420, 430):
            save(checkpoints, step, tmp_path / "saved")
        assert newest(checkpoints, tmp_path / "here").step == 430
        go.set()
        saving.result(BOUND)
    assert newest(checkpoints, tmp_path / "here").step == 500
    save(checkpoints, 440, tmp_path / "saved")
    assert steps(objects, home) == [440, 500]


def test_a_save_bears_an_outage_of_seconds(
    tmp_path: Path, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedStore(tmp_path / "server") as server:
        home = f"{server.create_bucket('outage')}/artifacts/train/key1/"
        naps: list[float] = []

        def nap(seconds: float) -> None:
            naps.append(seconds)
            time.sleep(seconds)

        objects = Objects(server.settings(home), Patience(0, BOUND), sleep=nap, part_size=5 * MiB)
        checkpoints = Checkpoints(objects, home, "all", note=notes.append)
        save(checkpoints, 10, tmp_path / "saved")
        call, gone = objects._connection.call, Event()

        def lose_the_server(method: str, **parameters: Any) -> dict[str, Any]:
            if method == "upload_part" and parameters["PartNumber"] == 3 and not gone.is_set():
                server.kill()
                gone.set()
            return call(method, **parameters)

        monkeypatch.setattr(objects._connection, "call", lose_the_server)
        data = os.urandom(40 * MiB)
        with BackgroundSaver(checkpoints, note=notes.append) as saver:
            saver.submit(20, fill(tmp_path / "staging", {"model": data, "rng": b"r"}), {})
            assert gone.wait(BOUND)
            away = time.monotonic()
            until(lambda: naps and time.monotonic() - away > 3)
            server.start()
            saver.finish()
            assert saver.saved_step == 20
        assert notes == []
        found = newest(checkpoints, tmp_path / "here")
        assert (found.step, hashlib.sha256((found.directory / "model").read_bytes()).digest()) == (
            20,
            hashlib.sha256(data).digest(),
        )


class TestBackgroundSaver:
    def test_one_at_a_time_and_the_newest_is_saved(
        self, checkpoints: Checkpoints, objects: Objects, home: str, tmp_path: Path
    ) -> None:
        last = 40
        with BackgroundSaver(checkpoints) as saver:
            for step in range(1, last + 1):
                saver.submit(step, fill(tmp_path / f"step{step}", {"model": os.urandom(MiB)}), {"step": step})
            saver.finish()
            assert saver.saved_step == last
        assert not [*tmp_path.glob("step*")], "staging directories are removed"
        assert newest(checkpoints, tmp_path / "here").meta == {"step": last}
        assert len(places(objects, home)) <= 2

    def test_a_denied_save_is_reported_at_the_end_and_harms_no_training(
        self, embedded_s3: Any, checkpoints: Checkpoints, home: str, notes: list[str], tmp_path: Path
    ) -> None:
        save(checkpoints, 10, tmp_path / "saved")
        reader = Objects(embedded_s3.settings(home, role="reader"), Patience(0, 0))
        with BackgroundSaver(Checkpoints(reader, home, "all"), note=notes.append) as saver:
            for step in (20, 30):
                saver.submit(step, fill(tmp_path / f"step{step}", {"model": b"m"}), {})
            with pytest.raises(StoreDenied) as caught:
                saver.finish()
            assert caught.value.exit_code == 77
            assert saver.saved_step is None
        assert notes
        assert all("was not saved" in note for note in notes)
        assert newest(checkpoints, tmp_path / "here").step == 10


def test_a_store_that_does_not_answer_is_not_an_empty_one(
    embedded_s3: Any, home: str, tmp_path: Path
) -> None:
    away = replace(embedded_s3.settings(home), endpoint="http://127.0.0.1:9")
    with pytest.raises(StoreUnavailable, match="does not answer"):
        Checkpoints(Objects(away, Patience(0, 0)), home, "all").newest(tmp_path)
