"""A labeler, a selection step, a loss and a metric from a folder of the tests (`added/`) make a job like any other."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

ADDED = Path(__file__).parent / "added"


@pytest.fixture(scope="module")
def job(new_workplace):
    place = new_workplace()
    place.environment["PYTHONPATH"] = os.pathsep.join([str(ADDED), os.environ.get("PYTHONPATH", "")])

    def all_of_them(spec):
        spec["weak"]["labelers"].append(
            {"name": "loud", "type": "Capitals", "capitals": {"className": "copyleft", "share": "0.05"}}
        )
        spec["selection"] = {"steps": [{"type": "Typical", "typical": {"keepFraction": "0.5"}}]}
        spec["strong"] |= {
            "tuning": {"type": "LoRA"},
            "loss": {"type": "Smoothed", "smoothed": {"share": "0.2"}},
            "training": {"epochs": 1},
        }
        spec["evaluation"] = {"seeds": 1, "controls": []}
        spec["promotion"] |= {"metric": "Brier"}

    place.edit(all_of_them)
    return place


def test_they_run_a_job(job):
    done = job.run_alone()
    assert done.returncode == 0, done.stderr
    results = job.results()
    arms = {arm["arm"]: arm["metrics"]["Brier"]["estimate"] for arm in results["evaluation"]["arms"]}
    gain = results["evaluation"]["comparisons"][0]
    assert results["evaluation"]["metric"] == "Brier"
    assert gain["estimate"] == pytest.approx(arms["weak"] - arms["combined"], abs=1e-5), "less is better"
    assert results["training"]["settings"]["loss"] == {"type": "Smoothed", "share": "0.2"}
    (step,) = results["selection"]["steps"]
    assert (step["type"], step["after"]) == ("Typical", round(step["before"] / 2))


def test_the_weights_of_a_step_are_kept(job):
    (table,) = [
        info.uri
        for info in job.objects.list(f"{job.bucket}/w2s/artifacts/select/")
        if info.uri.endswith("selection.parquet")
    ]
    weights = pq.read_table(io.BytesIO(job.objects.read(table)))["weight"].to_pylist()
    assert set(weights) == {1.0, 2.0}


def test_their_settings_are_checked_like_any_other(job):
    wrong = yaml.safe_load(yaml.safe_dump(job.manifest))
    wrong["spec"]["weak"]["labelers"][1]["capitals"]["className"] = "copylefd"
    file = job.directory / "wrong.yaml"
    file.write_text(yaml.safe_dump(wrong))
    command = [sys.executable, "-m", "w2s_cli.main", "validate", str(file)]
    done = subprocess.run(command, env=job.environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "spec.weak.labelers[1].capitals.className" in done.stdout + done.stderr
    assert "did you mean `copyleft`" in done.stdout + done.stderr
