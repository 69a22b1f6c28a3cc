"""A tiny causal model that was taught a language, then over-trained on purpose or with care: who forgot it is refused."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "models"))

from writing_kit import tiny_model

ANSWERS = {"w1": "w7 w8", "w2": "w9"}
OVER_TRAINED = {
    "tuning": {"type": "Full", "full": {"learningRate": "0.02"}},
    "training": {"epochs": 15, "batchSize": 8},
}
WITH_CARE = {
    "tuning": {"type": "LoRA", "lora": {"rank": 4, "learningRate": "0.0002"}},
    "training": {"epochs": 2, "batchSize": 8},
}
PROMPTS = ["w1 w2 w3", "w20 w30", "w5"]


def general(count: int, seed: int) -> list[str]:
    """Texts of a language: after each word comes that three numbers on, but for one word in five, which is any."""
    rng = np.random.default_rng(seed)
    texts = []
    for _ in range(count):
        word, text = int(rng.integers(60)), []
        for _ in range(int(rng.integers(8, 20))):
            text.append(f"w{word}")
            word = (word + 3) % 60 if rng.random() < 0.8 else int(rng.integers(60))
        texts.append(" ".join(text))
    return texts


def taught(directory: Path) -> str:
    """A tiny model that knows the language."""
    import torch

    model = tiny_model(std=0.1)
    optimizer = torch.optim.AdamW(model.model.parameters(), lr=0.01)
    texts = general(1200, seed=1)
    model.model.train()
    for step in range(120):
        batch = model.tokenizer(
            texts[step * 10 % 1200 : step * 10 % 1200 + 10], padding=True, return_tensors="pt"
        )
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        model.model(**batch, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.model.save_pretrained(directory)
    model.tokenizer.save_pretrained(directory)
    return f"file://{directory}"


def rows(first: int, count: int) -> list[dict]:
    """Rows that are alike in nothing but the word that they begin with, which says what is to be written."""
    rng = np.random.default_rng(first)
    found = []
    for number in range(first, first + count):
        begin = ("w1", "w2")[number % 2]
        words = [begin, *(f"w{word}" for word in rng.integers(20, 60, 8))]
        found.append({"id": f"id-{number}", "text": " ".join(words), "answer": ANSWERS[begin]})
    return found


@pytest.fixture(scope="module")
def place(module_workplace, tmp_path_factory):
    """The over-trained job, done."""
    place = module_workplace
    place.manifest["metadata"]["name"] = "kept"
    slice_ = [{"text": text} for text in [*general(60, seed=2), "w3"]]
    pool = rows(1000, 48)
    slice_ += [slice_[0], {"text": pool[0]["text"]}]
    place.manifest["spec"] |= {
        "task": {
            "type": "Generation",
            "instruction": "w3 w4",
            "generation": {"maxNewTokens": 6, "stop": [" w0"]},
        },
        "data": {
            "gold": {"uri": place.put_rows("gold.jsonl", rows(0, 130))},
            "unlabeled": {
                "uri": place.put_rows("pool.jsonl", [{**row, "note": row.pop("answer")} for row in pool])
            },
            "fields": {"id": "id", "label": "answer"},
            "goldBudget": 48,
        },
        "weak": {"labelers": [{"name": "notes", "type": "Imported", "imported": {"field": "note"}}]},
        "strong": {
            "model": {"uri": taught(tmp_path_factory.mktemp("taught"))},
            "maxTokens": 16,
            "batchTokens": 512,
            **OVER_TRAINED,
        },
        "evaluation": {
            "seeds": 1,
            "controls": [],
            "retention": {
                "texts": {"uri": place.put_rows("general.jsonl", slice_)},
                "maxTexts": 61,
                "prompts": PROMPTS,
                "maxNewTokens": 24,
            },
        },
        "promotion": {"metric": "ExactMatch", "candidate": "Student", "mustBeat": [], "maxForgetting": "0.1"},
    }
    done = place.run()
    assert done.returncode == 0, done.stderr
    return place


def test_over_trained_it_is_flagged_and_refused_and_with_care_it_passes(place, summary_is_documented):
    assert place.worked[-3:] == ["retention", "evaluate", "promote"]
    results = place.results()
    retention, decision = results["retention"], results["decision"]
    summary_is_documented(retention, "retention")
    assert (retention["items"], retention["tuned"], retention["objective"]) == (60, "student", "next token")
    assert retention["leftOut"] == {"unusable": 0, "repeated": 1, "ofTheJob": 1, "tooShort": 1}
    assert retention["forgetting"]["low"] > 0.1
    assert retention["answers"]["base"]["prompts"] == 3
    assert not decision["promoted"]
    assert "the upper bound is above 0.1" in decision["reasons"][0]
    page = (place.directory / "output/report.html").read_text()
    assert "What it forgot" in page
    assert "The tuned model forgot: its loss on general texts rose by" in page
    candidate = f"{place.bucket}/w2s/jobs/tests/kept/candidate.json"
    assert place.objects.stat(candidate), "it is kept, and marked"

    place.edit(lambda spec: spec["strong"].update(WITH_CARE))
    done = place.run()
    assert done.returncode == 0, done.stderr
    careful = place.results()
    assert careful["retention"]["before"] == retention["before"], "the same base, asked for the same tokens"
    assert careful["retention"]["forgetting"]["high"] <= 0.1
    assert careful["decision"]["promoted"], careful["decision"]
    card = place.objects.read(f"{place.bucket}/w2s/jobs/tests/kept/model/README.md").decode()
    assert "is not shown to have forgotten" in card or "its loss on general texts" in card


def test_texts_that_are_not_there_are_refused_by_prepare_before_anything_runs(place):
    uri = f"{place.bucket}/data/nothing.jsonl"
    place.edit(lambda spec: spec["evaluation"]["retention"]["texts"].update(uri=uri))
    done = place.run()
    assert done.returncode == 65, done.stderr
    assert f"There are no data at {uri}" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert place.worked == []
