"""Votes of three annotators that come with the rows, and functions beside the manifest, make a job with DawidSkene."""

import io
import json
import random
from typing import Any

import pyarrow.parquet as pq
import pytest

from w2s_trainer.stages.label.summary import whole_summary

CLASSES = ("permissive", "copyleft")
RIGHT = {"ann_1": 0.95, "ann_2": 0.75, "ann_3": 0.6}
MODULE = """
def says_copyleft(text):
    return "copyleft" if "copyleft" in text.lower() else None

def breaks_sometimes(text):
    if "license" not in text.lower():
        raise LookupError(text)
    return "permissive" if "permission is hereby granted" in text.lower() else None
"""


def annotated(rows: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """Rows with the votes of annotators who are right at their rates, and are not asked about every fifth."""
    chance = random.Random(seed)
    found = []
    for row in rows:
        votes = {
            name: row["label"] if chance.random() < right else next(c for c in CLASSES if c != row["label"])
            for name, right in RIGHT.items()
            if chance.random() < 0.8
        }
        found.append({**row, **votes})
    return found


@pytest.fixture(scope="module")
def job(new_workplace, licences):
    place = new_workplace()
    gold, pool = licences
    (place.directory / "own_rules.py").write_text(MODULE)

    def edit(spec):
        spec["data"]["gold"] = {"uri": place.put_rows("gold-votes.jsonl", annotated(gold, 1))}
        spec["data"]["unlabeled"] = {"uri": place.put_rows("pool-votes.jsonl", annotated(pool, 2))}
        own = {
            "module": "own_rules",
            "functions": ["says_copyleft", "breaks_sometimes"],
            "revision": "1",
            "maxErrorShare": "0.9",
        }
        spec["weak"]["labelers"] = [
            *(
                {"name": name.replace("_", "-"), "type": "Imported", "imported": {"field": name}}
                for name in RIGHT
            ),
            {"name": "own", "type": "Python", "python": own, "shards": 2},
        ]
        spec["aggregation"] = {"type": "DawidSkene"}
        spec["evaluation"] = {"seeds": 1, "controls": ["Cascade"]}

    place.edit(edit)
    done = place.run()
    assert done.returncode == 0, done.stderr
    return place


def artifact_of(job, stage: str) -> dict[str, bytes]:
    found = job.objects.list(f"{job.bucket}/w2s/artifacts/{stage}/")
    return {info.uri.rpartition("/")[2]: job.objects.read(info.uri) for info in found}


def test_the_annotators_are_told_from_one_another_without_gold(job):
    sources = {source["labeler"]: source for source in job.results()["sources"]}
    assert set(sources) == {"ann-1", "ann-2", "ann-3", "own"}
    estimated = [sources[name]["estimated"] for name in ("ann-1", "ann-2", "ann-3")]
    assert estimated == sorted(estimated, reverse=True)
    for name, right in RIGHT.items():
        source = sources[name.replace("_", "-")]
        assert source["accuracy"] == pytest.approx(right, abs=0.1)
        assert abs(source["error"]) < 0.2


def accuracies(job) -> dict[str, float]:
    return {arm["arm"]: arm["metrics"]["Accuracy"]["estimate"] for arm in job.results()["evaluation"]["arms"]}


def test_the_weak_labels_are_better_than_a_typical_annotator(job):
    assert accuracies(job)["weak"] > 0.8


def test_votes_are_beside_the_texts_and_no_gold_is(job):
    table = pq.read_table(io.BytesIO(artifact_of(job, "prepare")["imported.parquet"]))
    assert table.column_names == ["id", "vote:ann_1", "vote:ann_2", "vote:ann_3"]


def test_summaries_have_the_keys_that_are_documented(job, summary_is_documented):
    for info in job.objects.list(f"{job.bucket}/w2s/artifacts/"):
        if not info.uri.endswith("manifest.json"):
            continue
        summary = whole_summary(json.loads(job.objects.read(info.uri))["summary"])
        stage = info.uri.split("/artifacts/")[1].split("/")[0]
        if stage == "label" and summary["type"] == "Python":
            summary_is_documented(summary, "label", "label of type Python")
        elif stage in ("prepare", "label", "aggregate"):
            summary_is_documented(summary, stage)


def test_what_functions_do_wrong_is_said_and_quotes_no_text(job):
    said = job.runs[0].stdout
    assert "`breaks_sometimes` raised an error on" in said
    assert "LookupError at own_rules.py:7" in said
    page = (job.directory / "output/report.html").read_text()
    assert "LookupError at own_rules.py:7" in page
    assert "The labelers, one by one" in page


def test_running_it_again_does_nothing_and_another_revision_asks_the_functions_again(job):
    assert job.run().returncode == 0
    assert job.worked == []
    job.edit(lambda spec: spec["weak"]["labelers"][3]["python"].update(revision="2"))
    assert job.run().returncode == 0
    assert {name for name in job.worked if name.startswith("label")} == {"label-own-0", "label-own-1"}


def test_votes_are_joined_with_a_head_that_reads_the_features_of_the_student(job):
    before = accuracies(job)
    job.edit(lambda spec: spec.update(aggregation={"type": "CrowdLab"}))
    done = job.run()
    assert done.returncode == 0, done.stderr
    assert "aggregate" in job.worked
    assert not any(name.startswith(("prepare", "label")) for name in job.worked)
    features = {
        info.uri.split("/features/")[1].split("/")[0]
        for info in job.objects.list(f"{job.bucket}/w2s/artifacts/features/")
    }
    assert len(features) == 1  # those that the student's head was fitted on
    assert accuracies(job)["weak"] > before["weak"] - 0.02
    told = {source["labeler"]: source["estimated"] for source in job.results()["sources"]}
    assert max((name for name in told if name.startswith("ann-")), key=told.get) == "ann-1"


def test_a_module_that_is_not_there_ends_the_job_before_anything_is_read(job):
    job.edit(lambda spec: spec["weak"]["labelers"][3]["python"].update(module="no_rules", revision="3"))
    done = job.run()
    assert done.returncode == 64
    assert "Traceback" not in done.stderr
    assert "spec.weak.labelers[3].python.module: there is no module `no_rules`" in done.stderr
    assert "label-own" not in job.events("started")
