"""Free text in a job: two sets of rules write titles, their consensus is edited, a small student learns titles. Real weights."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from w2s_trainer.families.generation.scores import chrf, rouge_l

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
GOLD, POOL = 110, 48
CHARACTERS = 150


def short(line: str) -> dict:
    row = json.loads(line)
    return {**row, "text": row["text"][:CHARACTERS]}


@pytest.fixture(scope="module")
def titled(module_workplace, smollm2, tmp_path_factory):
    """The example `titles`, cut: fewer and shorter texts, and no arm but those of the answer."""
    out = tmp_path_factory.mktemp("titles")
    script = [sys.executable, str(ROOT / "examples/data/titles.py"), "--out", str(out)]
    subprocess.run(script, check=True, stdout=subprocess.DEVNULL)
    gold = [short(line) for line in (out / "gold.jsonl").read_text(encoding="utf-8").splitlines()[:GOLD]]
    packed = gzip.decompress((out / "unlabeled.jsonl.gz").read_bytes()).decode()
    pool = [short(line) for line in packed.splitlines()[:POOL]]
    place = module_workplace
    spec = yaml.safe_load((ROOT / "examples/titles.yaml").read_text(encoding="utf-8"))["spec"]
    spec["task"]["generation"]["maxNewTokens"] = 14
    spec["data"] |= {
        "gold": {"uri": place.put_rows("gold.jsonl", gold)},
        "unlabeled": {"uri": place.put_rows("pool.jsonl", pool)},
        "testFraction": "0.7",
        "goldBudget": 16,
    }
    spec["storage"] = place.manifest["spec"]["storage"]
    spec["strong"] |= {
        "maxTokens": 40,
        "tuning": {"type": "LoRA", "lora": {"rank": 8, "learningRate": "0.002"}},
        "training": {"epochs": 2, "batchSize": 8},
    }
    spec["evaluation"] = {"seeds": 1, "controls": ["ZeroShot"]}
    spec["promotion"] |= {"mustBeat": [], "candidate": "Student"}
    place.manifest["metadata"]["name"] = "titles"
    place.manifest["spec"] = spec
    (place.directory / "cache").symlink_to(smollm2)
    done = place.run()
    assert done.returncode == 0, done.stderr
    return place


def test_the_consensus_of_two_sources_is_edited_and_every_edit_is_recorded(titled):
    by_id = {row["id"]: row["answer"] for row in titled.table("aggregate", "labels.parquet")}
    sources = [
        {row["id"]: row["answer"] for row in titled.table(f"label-{name}", "labels.parquet")}
        for name in ("heading", "mention")
    ]
    both = [row for row in by_id if all(source[row] for source in sources)]
    assert both, "or there would be no consensus"
    assert all(text in (source.get(row, "") for source in sources) for row, text in by_id.items())
    record = titled.table("select", "refined.parquet")
    assert {one["operation"] for one in record} <= {"Cut", "Remove", "Replace"}
    now = dict(by_id)
    for one in record:
        assert now[one["id"]] == one["before"]
        now[one["id"]] = one["after"]
    assert not any(now[row["id"]].startswith("the ") for row in titled.table("select", "selection.parquet"))


def test_titles_are_measured_by_rouge_and_chrf_as_they_are(titled):
    """The figures of results.json are the means of the scores on the tables that the stages left."""
    arms = {arm["arm"]: arm["metrics"] for arm in titled.results()["evaluation"]["arms"]}
    assert arms.keys() == {"weak", "strong", "combined", "zero-shot"}
    examples = {row["id"] for row in titled.table("prepare", "examples.parquet") if row["part"] == "test"}
    gold = {row["id"]: row["label"] for row in titled.table("prepare", "gold-test/labels.parquet")}
    assert gold.keys() == examples
    said = {
        "weak": {row["id"]: row["answer"] for row in titled.table("aggregate", "labels.parquet")},
        "strong": {
            row["id"]: row["answer"]
            for row in titled.table("train-strong-0", "predictions.parquet")
            if row["arm"] == "strong"
        },
    }
    for arm, answers in said.items():
        for metric, score in (("RougeL", rouge_l), ("Chrf", chrf)):
            expected = sum(score(answers[row], gold[row]) for row in gold) / len(gold)
            assert arms[arm][metric]["estimate"] == pytest.approx(expected, abs=1e-6), (arm, metric)


def test_the_student_learns_to_write_titles_and_the_report_shows_the_edits(titled):
    arms = {
        arm["arm"]: arm["metrics"]["RougeL"]["estimate"] for arm in titled.results()["evaluation"]["arms"]
    }
    print(arms)
    assert 0.3 < arms["weak"] < 0.7
    assert arms["strong"] > arms["zero-shot"]
    page = (titled.directory / "output/report.html").read_text(encoding="utf-8")
    assert "texts were edited: " in page
    assert 'id="refined"' in page
