"""A job of a task that writes whose student is aligned with the experts' texts after its training. Random weights."""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "unit/models"))

from writing_kit import WORDS, tiny_model

from w2s_trainer.store.artifacts import ArtifactStore

ALIGN, KEPT = "finish-1-align-0", "finish-2-interpolate-0"


def notes(count: int, seed: int) -> list[dict]:
    """Lists of words; experts name the first, and the rule knows it of half of the lists."""
    rng = np.random.default_rng(seed)
    rows = []
    for place in range(count):
        words = [str(word) for word in rng.choice(WORDS, size=6)]
        text = " ".join(words) if place % 2 else " ".join(["w0", *words])
        rows.append({"id": f"{seed}-{place}", "text": text, "answer": words[0]})
    return rows


@pytest.fixture(scope="module")
def place(new_workplace, tmp_path_factory):
    place = new_workplace()
    model = tiny_model()
    directory = tmp_path_factory.mktemp("tiny")
    model.model.save_pretrained(directory)
    model.tokenizer.save_pretrained(directory)
    rule = {"pattern": r"^(?P<word>w[0-9]+)", "write": "{word}"}
    place.manifest["metadata"]["name"] = "words"
    place.manifest["spec"] |= {
        "task": {"type": "Generation", "instruction": "w1", "generation": {"maxNewTokens": 2}},
        "data": {
            "gold": {"uri": place.put_rows("gold.jsonl", notes(120, seed=1))},
            "unlabeled": {"uri": place.put_rows("pool.jsonl", notes(80, seed=2))},
            "fields": {"id": "id", "label": "answer"},
            "nearDuplicates": {"similarity": "1"},
        },
        "weak": {"labelers": [{"name": "rule", "type": "Functions", "functions": {"rules": [rule]}}]},
        "strong": {
            "model": {"uri": f"file://{directory}"},
            "tuning": {"type": "Full", "full": {"learningRate": "0.003"}},
            "training": {"epochs": 4, "batchSize": 8},
            "finish": {
                "steps": [
                    {"type": "Align", "align": {"learningRate": "0.001", "training": {"epochs": 6}}},
                    {"type": "Interpolate", "interpolate": {"shares": ["1"]}},
                ]
            },
        },
        "evaluation": {"seeds": 1, "controls": []},
        "promotion": {"metric": "ExactMatch", "mustBeat": [], "candidate": "Student"},
    }
    done = place.run()
    assert done.returncode == 0, done.stderr
    return place


def table_of(place, stage: str, name: str) -> list[dict]:
    store = ArtifactStore(place.objects, f"{place.bucket}/w2s")
    artifact = store.find(stage.partition("-")[0], place.results()["provenance"][stage]["key"])
    return pq.read_table(artifact.fetch(name, place.directory / stage)).to_pylist()


def said(place, stage: str, arm: str = "strong") -> dict[str, str]:
    return {
        row["id"]: row["answer"] for row in table_of(place, stage, "predictions.parquet") if row["arm"] == arm
    }


def test_pairs_are_the_texts_of_the_budget_of_which_the_teacher_wrote_something_else(place):
    teacher = {row["id"]: row["answer"] for row in table_of(place, "aggregate", "labels.parquet")}
    gold = {row["id"]: row["label"] for row in table_of(place, "prepare", "gold-budget/labels.parquet")}
    figures = place.results()["finish"][0]["figures"]
    apart = sum(teacher[name] != text for name, text in gold.items())
    assert figures["pairs"] + figures["heldOutPairs"] == apart > 0
    assert figures["heldOutPairs"] == pytest.approx(apart / 5, abs=1)
    assert figures["steps"] == 6 * -(-figures["pairs"] // 8)


def test_texts_of_the_experts_become_the_likelier_ones(place):
    figures = place.results()["finish"][0]["figures"]
    assert figures["lossBefore"] == pytest.approx(np.log(2), abs=1e-5), "the student before is the reference"
    assert figures["lastLoss"] < figures["firstLoss"]
    assert figures["rewardAccuracy"] > 0.5
    assert figures["lossAfter"] < figures["lossBefore"]


def test_the_aligned_student_is_measured_and_answers(place, capsys):
    results = place.results()
    arms = {arm["arm"]: arm["metrics"]["ExactMatch"]["estimate"] for arm in results["evaluation"]["arms"]}
    gold = {row["id"]: row["label"] for row in table_of(place, "prepare", "gold-test/labels.parquet")}
    for arm, stage in (("unfinished", "train-strong-0"), ("strong", KEPT)):
        answers = said(place, stage)
        right = np.mean([answers[name] == text for name, text in gold.items()])
        assert arms[arm] == pytest.approx(right, abs=1e-6)
    assert said(place, KEPT) == said(place, ALIGN) != said(place, "train-strong-0")
    texts = {row["id"]: row["text"] for row in table_of(place, "prepare", "examples.parquet")}
    file = place.directory / "texts.jsonl"
    file.write_text("".join(json.dumps({"id": name, "text": texts[name]}) + "\n" for name in gold))
    answered = place.predict(capsys, "--job", str(place.directory / "job.yaml"), str(file))
    shares = {
        stage: np.mean([row["text"] == said(place, stage)[row["id"]] for row in answered])
        for stage in (KEPT, "train-strong-0")
    }
    # In bfloat16 a random model's tokens are as good as equal now and then; what is published is float32.
    exact = results["finish"][0]["figures"]["precision"] == "float32"
    assert shares[KEPT] >= (1 if exact else 0.9)
    assert shares[KEPT] > shares["train-strong-0"]
    page = (place.directory / "output/report.html").read_text()
    assert "the preferred text was the likelier one in" in page
    assert "which saw none" not in page, "it has seen the gold budget"
