"""A job whose student is changed after its training: what was finished is measured, combined, published and answers."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load

sys.path.insert(0, str(Path(__file__).parent))

from published_kit import check_predictions, tables

pytestmark = pytest.mark.slow

TUNING = {"type": "LoRA", "lora": {"rank": 4, "learningRate": "0.003"}}
FIRST, SECOND, THIRD = (f"finish-{place}-interpolate-0" for place in (1, 2, 3))


def steps(*shares: list[str]) -> dict[str, Any]:
    return {"steps": [{"type": "Interpolate", "interpolate": {"shares": share}} for share in shares]}


@pytest.fixture(scope="module")
def place(new_workplace):
    """The student of one seed: the first step leaves it as it is, the second takes half of the tuning back, the third chooses."""
    place = new_workplace()
    place.edit(
        lambda spec: spec["strong"].update(
            tuning=TUNING, training={"epochs": 1}, finish=steps(["1"], ["0.5"], ["0.5", "1"])
        )
    )
    place.edit(lambda spec: spec.update(evaluation={"seeds": 1, "controls": []}))
    place.edit(lambda spec: spec["promotion"].update(metric="Accuracy"))
    place.edit(lambda spec: spec["data"].pop("goldBudget"))
    done = place.run()
    assert done.returncode == 0, done.stderr
    return place


def home(place, stage: str) -> str:
    """Where the artifact of a stage is, below that of all."""
    kind = stage.partition("-")[0]
    return f"{kind}/{place.results()['provenance'][stage]['key']}"


def said(place, stage: str) -> dict[str, list[float]]:
    """What the student of a stage says of each text."""
    rows = tables(place, home(place, stage), "predictions.parquet")
    return {row["id"]: row["probabilities"] for row in rows if row["arm"] == "strong"}


def weights(place, stage: str) -> dict[str, np.ndarray]:
    below = f"{place.bucket}/w2s/artifacts/{home(place, stage)}/"
    (uri,) = (info.uri for info in place.objects.list(below) if info.uri.endswith("student.safetensors"))
    return load(place.objects.read(uri))


def accuracy(place, stage: str, part: str) -> float:
    """Of a student on a part of gold, by hand."""
    gold = {row["id"]: row["label"] for row in tables(place, "prepare", f"gold-{part}/labels.parquet")}
    answers = said(place, stage)
    return float(np.mean([np.argmax(answers[name]) == label for name, label in gold.items()]))


def test_the_finished_student_is_what_is_measured_and_the_one_before_is_the_ablation(place):
    results = place.results()
    assert [step["stage"] for step in results["finish"]] == [FIRST, SECOND, THIRD]
    arms = {arm["arm"]: arm for arm in results["evaluation"]["arms"]}
    for arm, stage in (("unfinished", "train-strong-0"), ("strong", THIRD)):
        assert arms[arm]["metrics"]["Accuracy"]["estimate"] == pytest.approx(
            accuracy(place, stage, "test"), abs=1e-6
        )
    assert arms["unfinished"]["trainedOn"] == arms["strong"]["trainedOn"] > 0
    (ablation,) = (one for one in results["evaluation"]["exploratory"] if one["baseline"] == "unfinished")
    assert ablation["arm"] == "strong"
    assert any(sentence.startswith("Finishing the student") for sentence in results["answer"])
    assert "How the student was changed" in (place.directory / "output/report.html").read_text()


def test_a_share_of_one_leaves_the_student_and_one_half_halves_what_the_adapters_add(place):
    assert said(place, FIRST) == said(place, "train-strong-0"), "to the bit"
    assert said(place, SECOND) != said(place, FIRST)
    tuned, half = weights(place, FIRST), weights(place, SECOND)
    assert tuned.keys() == half.keys()
    halved = [name for name in tuned if ".lora_B." in name]
    assert halved
    for name in tuned:
        wanted = tuned[name] / 2 if name in halved else tuned[name]
        assert np.array_equal(half[name], wanted), name


def test_what_is_published_and_combined_is_the_finished_one(place, capsys):
    check_predictions(place, capsys, student=home(place, THIRD))
    below = f"{place.bucket}/w2s/artifacts/promote/"
    (card,) = (info.uri for info in place.objects.list(below) if info.uri.endswith("README.md"))
    assert "- After its training its weights were interpolated" in place.objects.read(card).decode()


def test_of_several_shares_the_budget_chooses(place):
    figures = place.results()["finish"][2]["figures"]
    values = {one["share"]: one["value"] for one in figures["shares"]}
    assert list(values) == [0.5, 1]
    assert values[1] == pytest.approx(accuracy(place, SECOND, "budget"), abs=1e-6)
    best = max(values.values())
    assert figures["share"] == max(share for share, value in values.items() if value == best)
    assert accuracy(place, THIRD, "budget") == pytest.approx(best, abs=1e-6)
