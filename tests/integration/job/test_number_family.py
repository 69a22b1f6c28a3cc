"""A kind of task that is no classification, declared in a folder of its own, goes through every stage of a job."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent / "number_task"
GOOD = ("excellent", "wonderful", "superb", "delightful", "great", "charming", "spotless", "friendly")
BAD = ("dreadful", "awful", "terrible", "filthy", "rude", "horrible", "noisy", "disgusting")
THINGS = ("breakfast", "bed", "view", "staff", "garden", "bath", "bar", "lobby", "pool", "carpet", "soup")
RULES = [
    *({"className": "5", "keywords": [w]} for w in GOOD[:4]),
    *({"className": "1", "keywords": [w]} for w in BAD[:4]),
]


def reviews(count: int, seed: int) -> list[dict]:
    """Reviews of five remarks; the rating is 1 for five bad ones, 5 for five good ones."""
    rng = np.random.default_rng(seed)
    rows = []
    for place in range(count):
        good = int(rng.integers(0, 6))
        words = [*rng.choice(GOOD, good), *rng.choice(BAD, 5 - good)]
        remarks = [f"the {rng.choice(THINGS)} was {word}" for word in rng.permutation(words)]
        text = f"Room {rng.integers(1000, 9999)}: {', '.join(remarks)}."
        rows.append({"id": f"{seed}-{place}", "text": text, "rating": 1 + 4 * good / 5})
    return rows


@pytest.fixture(scope="module")
def numbers(module_workplace):
    place = module_workplace
    path = os.pathsep.join(filter(None, (str(FOLDER), os.environ.get("PYTHONPATH"))))
    place.environment["PYTHONPATH"] = path
    place.manifest["metadata"]["name"] = "ratings"
    place.manifest["spec"] |= {
        "task": {"type": "Number"},
        "data": {
            "gold": {"uri": place.put_rows("ratings.jsonl", reviews(240, seed=1))},
            "unlabeled": {"uri": place.put_rows("reviews.jsonl", reviews(200, seed=2))},
            "fields": {"id": "id", "label": "rating"},
            "testFraction": "0.6",
            "goldBudget": 40,
        },
        "weak": {"labelers": [{"name": "rules", "type": "Functions", "functions": {"rules": RULES}}]},
        "promotion": {"candidate": "Student", "metric": "AbsoluteError", "mustBeat": ["Weak"]},
    }
    done = place.run_alone()
    assert done.returncode == 0, done.stderr
    return place


def values_of(place, stage: str, name: str, column: str) -> np.ndarray:
    """A column of an artifact of the only job."""
    return np.array([row[column] for row in place.table(stage, name)])


def test_every_stage_runs(numbers):
    assert numbers.worked == ["prepare", "label-rules", "aggregate", "select", "train", "evaluate", "promote"]


def test_labels_and_answers_are_numbers(numbers):
    gold = values_of(numbers, "prepare", "gold-test/labels.parquet", "label")
    assert set(gold.round(6)) <= {1.0, 1.8, 2.6, 3.4, 4.2, 5.0}
    silent = values_of(numbers, "aggregate", "labels.parquet", "abstain").astype(bool)
    weak = values_of(numbers, "aggregate", "labels.parquet", "value")[~silent]
    assert 1 <= weak.min() < weak.max() <= 5
    assert values_of(numbers, "train", "predictions.parquet", "value").std() > 0.1


def test_less_error_is_a_gain(numbers):
    evaluation = numbers.results()["evaluation"]
    errors = {arm["arm"]: arm["metrics"]["AbsoluteError"]["estimate"] for arm in evaluation["arms"]}
    assert set(errors) == {"weak", "strong", "gold-only", "cascade", "ceiling"}
    assert 0 < errors["strong"] < errors["weak"] < 4
    (gain, *_) = evaluation["comparisons"]
    assert gain["estimate"] == pytest.approx(errors["weak"] - errors["strong"], abs=1e-5)
    assert gain["verdict"] == "better"
    assert [point["labels"] for point in evaluation["goldOnlyCurve"]] == [16, 32, 40]
    assert numbers.results()["decision"]["promoted"]


def test_the_report_tells_differences_in_the_metric_s_own_unit(numbers):
    page = (numbers.directory / "output/report.html").read_text()
    assert "mean absolute error (how far the numbers are off; 0 is perfect)" in page
    assert numbers.results()["answer"][0].startswith("Yes: the new model is better than its teacher")
    text = re.sub(r"<svg.*?</svg>|<[^>]*>", " ", page.split("</style>")[1], flags=re.DOTALL)
    for words in (" points", "class", "probability", "copy its teacher"):
        assert words not in text
    assert "zero-shot (a model that was not tuned has no answer for a task of type Number)" in page


def test_what_is_published_predicts(numbers):
    reviews_ = reviews(40, seed=3)
    file = numbers.directory / "more.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in reviews_))
    model = f"{numbers.bucket}/w2s/jobs/tests/ratings/model.json"
    words = ["predict", str(file), "--model", model, "--endpoint", numbers.objects.settings.endpoint]
    keys = ["--credentials-dir", str(numbers.objects.settings.credentials_dir)]
    done = subprocess.run(
        [sys.executable, "-m", "w2s_cli.main", *words, *keys, "--cache", str(numbers.directory / "cache")],
        env=numbers.environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in said] == [row["id"] for row in reviews_]
    errors = [abs(answer["value"] - row["rating"]) for answer, row in zip(said, reviews_, strict=True)]
    measured = numbers.results()["evaluation"]["arms"]
    strong = next(arm for arm in measured if arm["arm"] == "strong")["metrics"]["AbsoluteError"]
    assert np.mean(errors) < 2 * strong["high"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"promotion": {"candidate": "Student", "metric": "Accuracy"}},
            "a task of type Number is measured by AbsoluteError",
        ),
        ({"task": {"type": "Number", "classes": [{"name": "a"}, {"name": "b"}]}}, "is for no other"),
        ({"task": {"type": "Number", "instruction": "How many?"}}, "`instruction` is to be given only when"),
        ({"task": {}}, "`classes` is required when `type` is Classification"),
        (
            {"selection": {"steps": [{"type": "Confidence", "confidence": {"keepFractionPerClass": "0.5"}}]}},
            "knows only none here",
        ),
    ],
)
def test_what_belongs_to_another_kind_of_task_is_refused(numbers, change, message):
    kept = dict(numbers.manifest["spec"])
    numbers.manifest["spec"] |= change
    command = numbers.command()
    numbers.manifest["spec"] = kept
    done = subprocess.run(
        [*command[:3], "validate", command[4]],
        env=numbers.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
