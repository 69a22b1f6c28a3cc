"""Killed, harmed or asked to stop at chosen places: what was saved counts, and the end has the same bytes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from w2s_kill_kit import STAGE, TUNING, Running, Workshop
from w2s_local_kit import eventually, is_alive
from w2s_proxy import Door

pytestmark = pytest.mark.slow

OBJECT = r"^PUT \S*/checkpoints/\S*/state\.safetensors"
MANIFEST = r"^PUT \S*/checkpoints/\S*/manifest\.json"


@pytest.fixture(scope="module")
def workshop(embedded_s3, tmp_path_factory) -> Workshop:
    settings = embedded_s3.settings(embedded_s3.new_bucket())
    return Workshop.furnish(tmp_path_factory.mktemp("places"), settings, epochs=3)


@dataclass(frozen=True)
class Calm:
    """A run to which nothing happened."""

    digests: dict[str, str]
    """What the student is byte for byte."""
    seen: list[list[int]]
    """Checkpoints that were there, looked at again and again while it ran."""
    left: list[str]
    """Of its checkpoints, when it had ended."""


@pytest.fixture(scope="module")
def calm(workshop) -> Calm:
    workshop.clear()
    seen: list[list[int]] = []
    run = workshop.begin()
    while run.process.poll() is None:
        seen.append(workshop.checkpoints())
        time.sleep(0.02)
    ended = run.wait()
    assert ended.code == 0, ended.stderr
    left = [info.uri for info in workshop.store.objects.list(f"{workshop.home}checkpoints/")]
    return Calm(workshop.digests(), seen, left)


@pytest.fixture(scope="module")
def undisturbed(calm) -> dict[str, str]:
    return calm.digests


@pytest.fixture
def fresh(workshop, undisturbed) -> Workshop:
    workshop.clear()
    return workshop


def two_saved(place: Workshop):
    return lambda run: len(place.checkpoints()) >= 2


def test_two_checkpoints_are_kept_and_none_after_the_end(calm):
    """A third is there while the oldest is being removed."""
    assert max(map(len, calm.seen)) in (2, 3)
    assert sum(len(one) > 2 for one in calm.seen) < len(calm.seen) / 2
    assert calm.left == []


def test_killed_while_a_checkpoint_is_saved(fresh, undisturbed, embedded_s3):
    """During an upload, and when it has gone on, before the manifest: what was under way does not count."""
    with Door(embedded_s3.endpoint) as door:
        behind = fresh.behind(door.endpoint)
        for request_line in (OBJECT, MANIFEST):
            run = behind.begin()
            run.until(lambda _: fresh.checkpoints())
            held = door.hold(request_line)
            run.until(lambda _, held=held: held.there.is_set())
            before = fresh.checkpoints()
            assert run.kill().code == -signal.SIGKILL
            assert before
            assert fresh.checkpoints() == before
    again = fresh.finish()
    assert again.went_on_from == before[0]
    assert fresh.digests() == undisturbed


def test_asked_to_stop_during_an_upload_to_a_slow_store_it_saves_its_step_and_is_gone_within_15_seconds(
    fresh, undisturbed, embedded_s3
):
    with Door(embedded_s3.endpoint, bytes_per_second=10e6) as door:
        held = door.hold(OBJECT)
        run = fresh.behind(door.endpoint).begin()
        run.until(lambda _: held.there.is_set())
        asked = time.monotonic()
        run.process.send_signal(signal.SIGTERM)
        held.go_on.set()
        ended = run.wait()
        took = time.monotonic() - asked
    print(f"SIGTERM to exit at 10 MB/s: {took:.1f} s")
    assert took < 15
    assert ended.code == 75
    assert (ended.words.outcome, ended.words.reason) == ("Stopped", "Stopped")
    (step,) = map(int, re.findall(r"at step (\d+) of", ended.words.message))
    assert fresh.checkpoints()[0] == step
    assert len(fresh.checkpoints()) <= 2
    again = fresh.finish()
    assert again.went_on_from == step
    assert fresh.digests() == undisturbed


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_before_anything_was_saved_is_charged(fresh, how):
    run = fresh.begin()
    run.until(lambda one: one.lines)
    run.process.send_signal(how)
    ended = run.wait()
    if ended.words.message.startswith("Asked to stop at step"):
        pytest.fail("too late to be asked before the first step")
    assert ended.code == 70
    assert ended.words.outcome == "Stopped"
    assert ended.stderr.splitlines()[-1].startswith("Stopped: Asked to stop before the stage was done.")
    assert fresh.checkpoints() == []


def test_on_a_new_machine_with_fewer_cores_it_passes_over_a_harmed_checkpoint_and_ends_the_same(
    fresh, undisturbed
):
    run = fresh.begin()
    run.until(two_saved(fresh))
    run.kill()
    newest, before = fresh.checkpoints()[:2]
    assert fresh.harm_newest() == newest
    prefix: tuple[str, ...] = ()
    if hasattr(os, "sched_getaffinity"):  # elsewhere cores cannot be taken away
        prefix = ("taskset", "-c", str(min(os.sched_getaffinity(0))))
    again = fresh.elsewhere("new-machine").begin(STAGE, prefix=prefix, OMP_NUM_THREADS="1").wait()
    assert again.code == 0, again.stderr
    assert [note for note in again.notes if note.startswith(f"Passed over the checkpoint {newest}-")]
    assert again.went_on_from == before
    assert fresh.digests() == undisturbed


def ranks(place: Workshop) -> dict[int, int]:
    """Process ids by rank."""
    found: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, StopIteration):
            environment = (path / "environ").read_bytes().split(b"\0")
            if any(one.startswith(f"W2S_MEETING={place.directory}/".encode()) for one in environment):
                number = next(one for one in environment if one.startswith(b"RANK="))
                found[int(number.removeprefix(b"RANK="))] = int(path.name)
    return found


def below(pid: int) -> set[int]:
    """Process ids of its children, and theirs."""
    found: set[int] = set()
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in map(int, task.read_text().split()):
                found |= {child} | below(child)
    return found


TWO = ("--processes", "2")


@pytest.fixture(scope="module")
def of_two(workshop) -> dict[str, str]:
    """What two processes make of the student when nothing happens to them."""
    workshop.clear()
    ended = workshop.begin(STAGE, *TWO).wait()
    assert ended.code == 0, ended.stderr
    assert (ended.words.outcome, ended.words.artifact) == ("Done", workshop.key)
    steps = [line.said["step"] for line in ended.lines if line.said.get("message") == TUNING]
    assert steps == sorted(set(steps))  # one of them speaks
    return workshop.digests()


def test_two_processes_lose_one_then_are_asked_to_stop_and_end_the_same(workshop, of_two):
    """Each ending leaves a newer checkpoint, from which the next run goes on."""
    workshop.clear()
    run = workshop.begin(STAGE, *TWO)
    run.until(lambda _: workshop.checkpoints())
    os.kill(ranks(workshop)[0], signal.SIGKILL)
    ended = run.wait()
    assert ended.code == 75, ended.stderr
    assert ended.words.reason == "LostPeer"
    assert "rank 0 was killed" in ended.words.message
    assert "newest checkpoint" in ended.words.message
    newest = workshop.checkpoints()[0]

    run = workshop.begin(STAGE, *TWO)
    run.until(lambda one: one.step > newest)
    asked = time.monotonic()
    run.process.send_signal(signal.SIGTERM)
    ended = run.wait()
    assert time.monotonic() - asked < 15
    assert ended.went_on_from == newest
    assert ended.code == 75, ended.stderr
    assert ended.words.message.startswith("Asked to stop at step")
    assert ended.stderr.splitlines()[-1].startswith("Stopped: Asked to stop at step")

    again = workshop.finish(*TWO)
    assert again.went_on_from == int(re.search(r"at step (\d+)", ended.words.message)[1]) > newest
    assert workshop.digests() == of_two


def test_the_other_of_two_processes_is_killed_before_anything_was_saved_which_is_charged(workshop):
    workshop.clear()
    run = workshop.begin(STAGE, *TWO)
    run.until(lambda one: 1 in ranks(workshop) and one.lines)
    os.kill(ranks(workshop)[1], signal.SIGKILL)
    ended = run.wait()
    assert (ended.code, ended.words.reason) == (70, "LostPeer")
    assert "rank 1 was killed" in ended.words.message
    assert "nothing newer was saved" in ended.words.message


def test_nothing_is_left_of_two_processes_when_the_one_that_answers_is_killed(workshop):
    workshop.clear()
    run = workshop.begin(STAGE, *TWO)
    run.until(lambda _: ranks(workshop).keys() == {0, 1})
    pids = below(run.process.pid)
    assert len(pids) >= 3  # torchrun and two ranks
    run.process.kill()
    eventually(lambda: not any(map(is_alive, pids)))
    run.wait()


def driven(place: Workshop) -> Running:
    """`w2s run` of the whole job."""
    manifest = {
        "apiVersion": "w2s.dev/v1alpha1",
        "kind": "WeakToStrongJob",
        "metadata": {"name": "kills", "namespace": "tests"},
        "spec": place.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True),
    }
    (place.directory / "job.json").write_text(json.dumps(manifest))
    places = ["--output", str(place.directory / "out"), "--cache", str(place.directory / "cache")]
    keys = ["--credentials-dir", str(place.settings.credentials_dir), "--parallel", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "w2s_cli.main", "run", str(place.directory / "job.json"), *places, *keys],
        env=place.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    return Running(process, place.directory / "no-words")


def events(lines, event: str) -> list[str]:
    return [line.said["stage"] for line in lines if line.said["event"] == event]


def test_ctrl_c_on_a_run_saves_and_the_next_run_goes_on(fresh):
    run = driven(fresh)
    run.until(
        lambda one: [
            x
            for x in one.lines
            if (x.said["stage"], x.said.get("message")) == (STAGE, TUNING) and x.said["step"] > 2
        ]
    )
    run.process.send_signal(signal.SIGINT)
    ended = run.wait()
    assert ended.code == 130
    assert ended.stderr == "Stopped. Run it again to continue.\n"
    assert STAGE in events(ended.lines, "stopped")
    (step, *_) = fresh.checkpoints()
    finished = set(events(ended.lines, "done"))

    again = driven(fresh)
    again.until(lambda one: [x for x in one.lines if x.said.get("message") == f"going on from step {step}"])
    again.until(lambda one: STAGE in events(one.lines, "done"))
    assert finished & set(events(again.lines, "started")) <= {"prepare"}

    pids = below(again.process.pid)
    for how in (signal.SIGINT, signal.SIGTERM):  # asked twice, it does not wait
        again.process.send_signal(how)
    assert again.wait().code in (130, 143)
    eventually(lambda: not any(map(is_alive, pids)))
