import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from w2s_trainer.errors import StoreDenied, StoreUnavailable
from w2s_trainer.store.checkpoints import BackgroundSaver, Checkpoints, clear_checkpoints

HOME = "s3://bkt/w2s/artifacts/train/key1/"
BOUND = 30.0


@pytest.fixture
def objects(memory: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    def delete(uris: Iterable[str]) -> None:
        for uri in [*uris]:
            memory.at.pop(uri, None)

    monkeypatch.setattr(memory, "delete", delete)
    return memory


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def checkpoints(objects: Any, notes: list[str]) -> Checkpoints:
    numbers = count(1)
    return Checkpoints(objects, HOME, "all", new_attempt=lambda: f"try{next(numbers)}", note=notes.append)


@pytest.fixture
def new_directory(tmp_path: Path) -> Callable[..., Path]:
    numbers = count(1)

    def new(files: Mapping[str, bytes] | None = None) -> Path:
        directory = tmp_path / f"staging{next(numbers)}"
        directory.mkdir()
        for name, data in ({"model": b"weights"} if files is None else files).items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_bytes(data)
        return directory

    return new


def steps(objects: Any, name: str = "all") -> list[int]:
    """Steps of what has a manifest."""
    prefix = f"{HOME}checkpoints/{name}/"
    return sorted(
        int(uri.removeprefix(prefix).partition("-")[0])
        for uri in objects.at
        if uri.startswith(prefix) and uri.endswith("/manifest.json")
    )


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def test_the_layout_is_the_documented_one(checkpoints: Checkpoints, objects: Any, new_directory: Any) -> None:
    checkpoints.save(7, new_directory({"model.safetensors": b"w", "state/rng": b"r"}), {"loss": 0.5})
    place = HOME + "checkpoints/all/7-try1/"
    assert sorted(objects.at) == [place + "manifest.json", place + "model.safetensors", place + "state/rng"]
    manifest = json.loads(objects.at[place + "manifest.json"])
    assert manifest["step"] == 7
    assert manifest["meta"] == {"loss": 0.5}
    assert manifest["files"]["state/rng"]["size"] == 1


def test_what_was_saved_is_found(checkpoints: Checkpoints, new_directory: Any, tmp_path: Path) -> None:
    files = {"model": b"w" * 1000, "empty": b"", "a/b/c": b"deep"}
    meta = {"best": -math.inf, "loss": 0.1 + 0.2, "order": [3, 1], "alarm": None}
    checkpoints.save(3, new_directory(files), meta)
    found = checkpoints.newest(tmp_path / "here")
    assert found is not None
    assert (found.step, found.meta) == (3, meta)
    assert found.directory.is_relative_to(tmp_path / "here")
    assert {
        path.relative_to(found.directory).as_posix(): path.read_bytes()
        for path in found.directory.rglob("*")
        if path.is_file()
    } == files


def test_what_lies_there_from_a_killed_process_is_not_taken_for_part_of_it(
    checkpoints: Checkpoints, new_directory: Any, tmp_path: Path
) -> None:
    checkpoints.save(3, new_directory(), {})
    remains = tmp_path / "here/3-try1"
    remains.mkdir(parents=True)
    (remains / "optimizer").write_text("of another time")
    found = checkpoints.newest(tmp_path / "here")
    assert found is not None
    assert [path.name for path in found.directory.iterdir()] == ["model"]


def test_nothing_is_found_where_nothing_is(checkpoints: Checkpoints, tmp_path: Path) -> None:
    assert checkpoints.newest(tmp_path / "here") is None


def test_steps_are_numbers_and_the_newest_are_kept(
    checkpoints: Checkpoints, objects: Any, new_directory: Any, tmp_path: Path
) -> None:
    for step in (0, 9, 10, 100):
        checkpoints.save(step, new_directory(), {})
    assert steps(objects) == [10, 100]
    found = checkpoints.newest(tmp_path / "here")
    assert found is not None
    assert found.step == 100
    for step_at_most in (99, 10):
        earlier = checkpoints.newest(tmp_path / "here", step_at_most)
        assert earlier is not None
        assert earlier.step == 10
    assert checkpoints.newest(tmp_path / "here", step_at_most=9) is None
    assert len(objects.at) == 4, "nothing of the removed ones stays"


def test_a_step_saved_twice_is_written_beside_the_first(
    checkpoints: Checkpoints, objects: Any, new_directory: Any
) -> None:
    checkpoints.save(5, new_directory(), {})
    before = dict(objects.at)
    checkpoints.save(5, new_directory(), {})
    assert before.items() <= objects.at.items()
    assert steps(objects) == [5, 5]


def test_names_do_not_mix_and_all_are_cleared(objects: Any, new_directory: Any, tmp_path: Path) -> None:
    for name, step in (("1", 1), ("16", 16), ("all", 3)):
        Checkpoints(objects, HOME, name).save(step, new_directory(), {})
    found = Checkpoints(objects, HOME, "1").newest(tmp_path / "here")
    assert found is not None
    assert found.step == 1
    objects.at[HOME + "manifest.json"] = b"{}"
    other = HOME.replace("key1", "key10") + "checkpoints/all/1-a/model"
    objects.at[other] = b"w"
    for _ in range(2):
        clear_checkpoints(objects, HOME)
        assert sorted(objects.at) == [HOME + "manifest.json", other]


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        ("gone", "model is missing"),
        ("shorter", "model has 3 bytes, not 7"),
        ("other bytes", "is not what was written"),
        ("no manifest", "has no manifest"),
        ("manifest cut", "unreadable"),
        ("manifest of another step", "unreadable"),
        ("manifest of nothing", "unreadable"),
        ("manifest that leads out", "unreadable"),
        ("manifest of endless size", "unreadable"),
    ],
)
def test_a_harmed_one_is_passed_over_and_said_once(
    checkpoints: Checkpoints,
    objects: Any,
    new_directory: Any,
    tmp_path: Path,
    notes: list[str],
    harm: str,
    reason: str,
) -> None:
    checkpoints.save(10, new_directory(), {"loss": 1})
    checkpoints.save(20, new_directory(), {"loss": 2})
    place = HOME + "checkpoints/all/20-try2/"
    file, manifest = place + "model", place + "manifest.json"
    match harm:
        case "gone":
            del objects.at[file]
        case "shorter":
            objects.at[file] = b"wei"
        case "other bytes":
            objects.at[file] = b"WEIGHTS"
        case "no manifest":
            del objects.at[manifest]
        case "manifest cut":
            objects.at[manifest] = objects.at[manifest][:40]
        case "manifest of another step":
            objects.at[manifest] = objects.at[manifest.replace("20-try2", "10-try1")]
        case "manifest of nothing":
            objects.at[manifest] = b"[]"
        case "manifest that leads out":
            objects.at[manifest] = objects.at[manifest].replace(b'"model"', b'"../model"')
        case "manifest of endless size":
            objects.at[manifest] = objects.at[manifest].replace(b'"size": 7', b'"size": Infinity')
    for _ in range(2):
        found = checkpoints.newest(tmp_path / "here")
        assert found is not None
        assert (found.step, found.meta) == (10, {"loss": 1})
        assert [path.name for path in (tmp_path / "here").iterdir()] == ["10-try1"]
    assert reason in notes[0]
    assert "20-try2" in notes[0]
    assert len(set(notes)) == len(notes)


def test_training_that_walked_back_keeps_what_it_saves_next(
    checkpoints: Checkpoints, objects: Any, new_directory: Any, tmp_path: Path
) -> None:
    """Corrupt ones of later steps must not count as the newest, or each new one would be removed at once."""
    for step in (300, 400, 500):
        checkpoints.save(step, new_directory(), {})
    objects.at[HOME + "checkpoints/all/500-try3/model"] = b"WEIGHTS"
    for step, newest in ((None, 400), (410, 410), (420, 420), (430, 430)):
        if step is not None:
            checkpoints.save(step, new_directory(), {})
        found = checkpoints.newest(tmp_path / "here")
        assert found is not None
        assert found.step == newest
    assert steps(objects) == [420, 430, 500]
    for step in (510, 520):
        checkpoints.save(step, new_directory(), {})
    assert steps(objects) == [510, 520]
    assert len(objects.at) == 4


def test_those_that_nobody_here_can_go_on_from_are_passed_over_and_take_no_place(
    objects: Any, new_directory: Any, tmp_path: Path, notes: list[str]
) -> None:
    def unfit(meta: Mapping[str, Any]) -> str | None:
        return None if meta["format"] == 1 else f"it has format {meta['format']}, and this version reads 1"

    mine = Checkpoints(objects, HOME, "all", unfit=unfit, note=notes.append)
    theirs = Checkpoints(objects, HOME, "all")
    for step in (100, 110):
        theirs.save(step, new_directory(), {"format": 2})
    assert mine.newest(tmp_path / "here") is None
    assert len(notes) == 2
    assert all(note.endswith(": it has format 2, and this version reads 1.") for note in notes)
    for step in (10, 20, 30):
        mine.save(step, new_directory(), {"format": 1})
        found = mine.newest(tmp_path / "here")
        assert found is not None
        assert found.step == step
    assert steps(objects) == [20, 30, 100, 110], "two of its own, and those that are ahead"


def test_a_writer_that_is_behind_keeps_its_own(
    checkpoints: Checkpoints, objects: Any, new_directory: Any
) -> None:
    for step in (500, 550, 410):
        checkpoints.save(step, new_directory(), {})
    assert steps(objects) == [410, 500, 550]
    checkpoints.save(420, new_directory(), {})
    assert steps(objects) == [420, 500, 550]


def test_halves_of_others_stay_until_two_later_ones_are_complete(
    checkpoints: Checkpoints, objects: Any, new_directory: Any
) -> None:
    half = HOME + "checkpoints/all/15-zombie/model"
    objects.at[half] = b"begun"
    for step, stays in ((10, True), (20, True), (30, False)):
        checkpoints.save(step, new_directory(), {})
        assert (half in objects.at) is stays
    unknown = HOME + "checkpoints/all/notes.txt"
    objects.at[unknown] = b"somebody's"
    checkpoints.save(40, new_directory(), {})
    assert unknown in objects.at


def test_a_writer_that_was_overtaken_is_content(
    checkpoints: Checkpoints,
    objects: Any,
    new_directory: Any,
    notes: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upload = objects.upload

    def upload_and_be_overtaken(path: Path, uri: str) -> None:
        upload(path, uri)
        monkeypatch.setattr(objects, "upload", upload)
        for step in (200, 300):
            checkpoints.save(step, new_directory(), {})

    monkeypatch.setattr(objects, "upload", upload_and_be_overtaken)
    checkpoints.save(100, new_directory(), {})
    assert steps(objects) == [200, 300]
    assert len(notes) == 1
    assert "that of step 300 is there" in notes[0]
    found = checkpoints.newest(tmp_path / "here")
    assert found is not None
    assert found.step == 300


def test_a_lost_upload_is_no_checkpoint(
    checkpoints: Checkpoints, objects: Any, new_directory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.save(10, new_directory(), {})
    monkeypatch.setattr(objects, "upload", lambda *_: None)
    with pytest.raises(StoreUnavailable, match="model is missing"):
        checkpoints.save(20, new_directory(), {})
    assert steps(objects) == [10]


def test_one_that_is_removed_while_it_is_read_gives_way_to_a_later_one(
    checkpoints: Checkpoints, objects: Any, new_directory: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    checkpoints.save(10, new_directory(), {})
    download = objects.download

    def be_overtaken(uri: str, path: Path) -> None:
        monkeypatch.setattr(objects, "download", download)
        for step in (20, 30):
            checkpoints.save(step, new_directory(), {})
        download(uri, path)

    monkeypatch.setattr(objects, "download", be_overtaken)
    found = checkpoints.newest(tmp_path / "here")
    assert found is not None
    assert found.step == 30


def test_one_that_was_completed_since_it_was_passed_over_is_taken_when_the_rest_is_gone(
    checkpoints: Checkpoints, objects: Any, new_directory: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    for step in (10, 20, 30):
        checkpoints.save(step, new_directory(), {})
    halves = {uri: data for uri, data in objects.at.items() if uri.endswith("/manifest.json")}
    checkpoints.save(5, new_directory(), {})
    for uri in halves:
        del objects.at[uri]
    download = objects.download

    def others_go_on(uri: str, path: Path) -> None:
        objects.at.update(halves)
        objects.delete([uri for uri in objects.at if "/5-" in uri])
        download(uri, path)

    monkeypatch.setattr(objects, "download", others_go_on)
    found = checkpoints.newest(tmp_path / "here")
    assert found is not None
    assert found.step == 30


def test_an_outage_is_not_taken_for_a_corrupt_checkpoint(
    checkpoints: Checkpoints, objects: Any, new_directory: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    for step in (10, 20):
        checkpoints.save(step, new_directory(), {})

    def away(*_: Any) -> None:
        raise StoreUnavailable("StoreUnavailable", "Nobody there.")

    monkeypatch.setattr(objects, "download", away)
    with pytest.raises(StoreUnavailable, match="Nobody there"):
        checkpoints.newest(tmp_path / "here")


@pytest.mark.parametrize("operation", ["delete", "list"])
def test_failure_to_remove_fails_no_save(
    checkpoints: Checkpoints,
    objects: Any,
    new_directory: Any,
    notes: list[str],
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
) -> None:
    refused = StoreDenied("AccessDenied", "You may not.")
    real_list = objects.list

    def list_until_the_manifest_is_there(uri: str) -> Iterator[Any]:
        if 20 in steps(objects):
            raise refused
        return iter(real_list(uri))

    def refuse(*_: Any) -> None:
        raise refused

    checkpoints.save(10, new_directory(), {})
    fake = refuse if operation == "delete" else list_until_the_manifest_is_there
    monkeypatch.setattr(objects, operation, fake)
    for step in (20, 30) if operation == "delete" else (20,):
        checkpoints.save(step, new_directory(), {})
    monkeypatch.undo()
    assert steps(objects)[-2:] == ([20, 30] if operation == "delete" else [10, 20])
    assert notes == ["Old checkpoints were not removed: You may not."]


def test_manifests_are_removed_before_the_files(
    checkpoints: Checkpoints, objects: Any, new_directory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = objects.delete

    def killed_after_the_first(uris: Iterable[str]) -> None:
        delete(uris)
        raise KeyboardInterrupt

    for step in (10, 20):
        checkpoints.save(step, new_directory(), {})
    monkeypatch.setattr(objects, "delete", killed_after_the_first)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save(30, new_directory(), {})
    assert steps(objects) == [20, 30]
    assert HOME + "checkpoints/all/10-try1/model" in objects.at
    monkeypatch.setattr(objects, "delete", delete)
    checkpoints.save(40, new_directory(), {})
    assert not [uri for uri in objects.at if "/10-" in uri or "/20-" in uri]


class TestMisuse:
    @pytest.mark.parametrize("files", [{"manifest.json": b"{}"}, {"CORRUPT": b""}])
    def test_names_that_are_taken(self, checkpoints: Checkpoints, new_directory: Any, files: Any) -> None:
        with pytest.raises(ValueError, match="not a file name"):
            checkpoints.save(1, new_directory(files), {})

    @pytest.mark.parametrize("step", [-1, 1.5, True])
    def test_what_is_no_step(self, checkpoints: Checkpoints, new_directory: Any, step: Any) -> None:
        with pytest.raises(ValueError, match="not a step"):
            checkpoints.save(step, new_directory(), {})

    def test_a_directory_that_is_not_there_is_no_empty_checkpoint(
        self, checkpoints: Checkpoints, objects: Any, tmp_path: Path
    ) -> None:
        with pytest.raises(NotADirectoryError):
            checkpoints.save(1, tmp_path / "nothing", {})
        assert objects.at == {}

    def test_meta_that_is_no_json_is_found_before_the_upload(
        self, checkpoints: Checkpoints, objects: Any, new_directory: Any
    ) -> None:
        with pytest.raises(TypeError):
            checkpoints.save(1, new_directory(), {"loss": object()})
        assert objects.at == {}

    def test_names_and_numbers_of_a_training(self, objects: Any) -> None:
        with pytest.raises(ValueError, match="at least 1"):
            Checkpoints(objects, HOME, "all", keep=0)
        with pytest.raises(ValueError, match="not a name"):
            Checkpoints(objects, HOME, "../other")


class Gate:
    """Uploads stop here until they are let through; each says that it has come, and what it met."""

    def __init__(self, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
        self.came, self.go, self.fail = Event(), Event(), {}
        self.order: list[int] = []
        self.at_once = self.most_at_once = 0
        save = checkpoints.save

        def wait_and_save(step: int, directory: Path, meta: Mapping[str, Any]) -> None:
            self.order.append(step)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.came.set()
            assert self.go.wait(BOUND)
            self.at_once -= 1
            if step in self.fail:
                raise self.fail[step]
            save(step, directory, meta)

        monkeypatch.setattr(checkpoints, "save", wait_and_save)


@pytest.fixture
def gate(checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(checkpoints, monkeypatch)


class TestBackgroundSaver:
    def test_the_training_goes_on_while_one_is_saved_and_the_newest_waits(
        self, checkpoints: Checkpoints, gate: Gate, objects: Any, new_directory: Any
    ) -> None:
        directories = {step: new_directory() for step in (1, 2, 3, 4)}
        with BackgroundSaver(checkpoints) as saver:
            saver.submit(1, directories[1], {})
            assert gate.came.wait(BOUND)
            for step in (2, 3, 4):
                saver.submit(step, directories[step], {})
            assert [directories[step].exists() for step in (1, 2, 3, 4)] == [True, False, False, True]
            assert saver.saved_step is None
            gate.go.set()
            saver.finish()
            assert saver.saved_step == 4
            assert steps(objects) == [1, 4]
        assert (gate.order, gate.most_at_once) == ([1, 4], 1)
        assert not any(directory.exists() for directory in directories.values())

    def test_meta_is_that_of_the_moment(
        self, checkpoints: Checkpoints, gate: Gate, new_directory: Any, tmp_path: Path
    ) -> None:
        meta = {"seen": [1]}
        with BackgroundSaver(checkpoints) as saver:
            saver.submit(1, new_directory(), meta)
            meta["seen"].append(2)
            gate.go.set()
            saver.finish()
        found = checkpoints.newest(tmp_path / "here")
        assert found is not None
        assert found.meta == {"seen": [1]}

    def test_finish_waits_for_what_is_under_way(
        self, checkpoints: Checkpoints, gate: Gate, objects: Any, new_directory: Any
    ) -> None:
        with BackgroundSaver(checkpoints) as saver, ThreadPoolExecutor(1) as pool:
            saver.submit(1, new_directory(), {})
            assert gate.came.wait(BOUND)
            finished = pool.submit(saver.finish)
            assert not finished.done()
            gate.go.set()
            finished.result(BOUND)
            assert steps(objects) == [1]

    @pytest.mark.parametrize(
        "trouble",
        [StoreDenied("AccessDenied", "You may not."), StoreUnavailable("X", "Nobody."), OSError("disk")],
    )
    def test_an_error_is_noted_and_the_next_one_is_saved(
        self,
        checkpoints: Checkpoints,
        gate: Gate,
        objects: Any,
        new_directory: Any,
        notes: list[str],
        trouble: Exception,
    ) -> None:
        gate.fail, failing = {1: trouble, 3: trouble}, new_directory()
        gate.go.set()
        with BackgroundSaver(checkpoints, note=notes.append) as saver:
            saver.submit(1, failing, {})
            with pytest.raises(type(trouble)):
                saver.finish()
            assert notes == [f"The checkpoint of step 1 was not saved: {trouble}"]
            assert not failing.exists()
            saver.submit(2, new_directory(), {})
            saver.finish()
            assert (saver.saved_step, steps(objects)) == (2, [2])
            saver.submit(3, new_directory(), {})
            for _ in range(2):
                with pytest.raises(type(trouble)):
                    saver.finish()
            assert saver.saved_step == 2

    def test_nobody_who_listens_is_no_reason_to_stop(
        self, checkpoints: Checkpoints, gate: Gate, new_directory: Any
    ) -> None:
        def deaf(_: str) -> None:
            raise BrokenPipeError

        gate.fail = {1: StoreUnavailable("X", "Nobody.")}
        gate.go.set()
        with BackgroundSaver(checkpoints, note=deaf) as saver:
            saver.submit(1, new_directory(), {})
            with pytest.raises(StoreUnavailable):
                saver.finish()
            saver.submit(2, new_directory(), {})
            saver.finish()

    def test_close_drops_what_waits_and_raises_nothing(
        self, checkpoints: Checkpoints, gate: Gate, objects: Any, new_directory: Any
    ) -> None:
        waiting, gate.fail = new_directory(), {1: StoreUnavailable("X", "Nobody.")}
        saver = BackgroundSaver(checkpoints)
        saver.submit(1, new_directory(), {})
        assert gate.came.wait(BOUND)
        saver.submit(2, waiting, {})
        with ThreadPoolExecutor(1) as pool:
            closed = pool.submit(saver.close)
            assert within(BOUND, lambda: not waiting.exists())
            assert not closed.done()
            gate.go.set()
            closed.result(BOUND)
        saver.close()
        assert (gate.order, objects.at) == ([1], {})
        with pytest.raises(RuntimeError, match="closed"):
            saver.submit(3, new_directory(), {})

    def test_after_an_exception_what_waits_is_saved(
        self, checkpoints: Checkpoints, gate: Gate, objects: Any, new_directory: Any
    ) -> None:
        waiting = new_directory()

        def train() -> None:
            with BackgroundSaver(checkpoints) as saver:
                saver.submit(1, new_directory(), {})
                assert gate.came.wait(BOUND)
                saver.submit(2, waiting, {})
                raise MemoryError

        with ThreadPoolExecutor(1) as pool:
            training = pool.submit(train)
            assert gate.came.wait(BOUND)
            dropped = within(0.3, lambda: training.done() or not waiting.exists())
            gate.go.set()
            assert isinstance(training.exception(BOUND), MemoryError)
        assert not dropped
        assert steps(objects) == [1, 2]
