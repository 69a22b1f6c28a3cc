"""What arms cost, side by side; which were not computed; how students were to be trained."""

from typing import Any

import pytest

from w2s_api.arms import ARMS
from w2s_api.spec.job import Spec
from w2s_api.spec.strong import Strong
from w2s_trainer.stages.evaluate.costs import detailed_costs
from w2s_trainer.stages.evaluate.training import student_settings


def cost(arm: str, tuning: str, each: float) -> dict[str, Any]:
    return {
        "arm": arm,
        "tuning": tuning,
        "students": 2,
        "secondsEach": each,
        "secondsInAll": 2 * each,
        "joulesEach": None,
    }


def trained(arm: str, seed: int, device: str = "cpu") -> dict[str, Any]:
    return {"arm": arm, "seed": seed, "parameters": 1000, "device": device, "precision": "bfloat16"}


TRAINING: dict[str, Any] = {
    "features": {"dimension": 9},
    "seconds": {"reading": 100.0, "fitting": {"head": [1.0, 3.0]}},
    "examples": {"head": 50, "strong": 50},
    "costs": [cost("head", "Head", 102.0), cost("strong", "LoRA", 28.0)],
    "trained": [trained("strong", 0), trained("strong", 1, "cuda")],
}


def test_a_head_pays_for_the_texts_it_is_trained_on_not_for_those_of_the_test() -> None:
    head, strong = detailed_costs(TRAINING, texts=1000, outputs=3)
    assert head["secondsToTrain"] == pytest.approx(100 * 50 / 1000 + 2)
    assert strong["secondsToTrain"] == 28.0
    assert (head["secondsEach"], strong["secondsInAll"]) == (102.0, 56.0)  # as given


def test_what_was_tuned_and_where() -> None:
    head, strong = detailed_costs(TRAINING, texts=1000, outputs=3)
    assert (head["parameters"], head["device"], head["precision"]) == (30, None, None)
    assert (strong["parameters"], strong["device"], strong["precision"]) == (1000, "cpu, cuda", "bfloat16")


def spec(strong: dict[str, Any] | None = None, **more: Any) -> Spec:
    classes = [{"name": "a"}, {"name": "b"}]
    return Spec.model_validate(
        {
            "task": {"type": "Classification", "classes": classes},
            "data": {"unlabeled": {"uri": "s3://bucket/u.jsonl"}, "gold": {"uri": "s3://b/g.jsonl"}},
            "storage": {"uri": "s3://bucket/w2s"},
            "weak": {
                "labelers": [
                    {
                        "name": "rules",
                        "type": "Functions",
                        "functions": {"rules": [{"className": "a", "pattern": "x"}]},
                    }
                ]
            },
            "strong": {"model": {"uri": "py://encoder"}, **(strong or {})},
            **more,
        }
    )


LORA = {"tuning": {"type": "LoRA"}}
BY_WEAK_LABELS = {**LORA, "training": {"stopping": {"type": "WeakValidation"}}}
NOT_ASKED = "not asked for in `evaluation.controls`"


@pytest.mark.parametrize(
    ("given", "arm", "why"),
    [
        pytest.param(spec(), "ceiling", "not asked for in `evaluation.ceiling`", id="no ceiling wanted"),
        pytest.param(spec(), "unfiltered", "nothing was selected: it would be `strong`", id="no steps"),
        pytest.param(spec(), "head", "`strong` is itself a head on the frozen model", id="a head already"),
        pytest.param(
            spec(), "full-schedule", "`strong` was trained to the end: it would be the same", id="no stopping"
        ),
        pytest.param(
            spec(LORA),
            "full-schedule",
            "`strong` was trained to the end: it would be the same",
            id="to the end",
        ),
        *(
            pytest.param(spec(LORA, evaluation={"controls": []}), arm, NOT_ASKED, id=f"{arm}, not asked for")
            for arm in ("head", "gold-only", "zero-shot", "cascade")
        ),
    ],
)
def test_why_an_arm_was_not_computed(given: Spec, arm: str, why: str) -> None:
    assert ARMS[arm].absent(given) == why


def test_with_all_controls_and_a_stopping_rule_only_what_was_not_asked_for_is_absent() -> None:
    absent = {name for name, arm in ARMS.items() if arm.absent(spec(BY_WEAK_LABELS)) is not None}
    rounds = {"self-trained", "round-2", "round-3", "round-4"}
    assert absent == {"unfiltered", "unadapted", "unfinished", "ceiling", "students", *rounds}


def test_settings_have_their_defaults_written_out() -> None:
    found = student_settings(Strong.model_validate({"model": {"uri": "py://m"}, **BY_WEAK_LABELS}))
    assert found["settings"]["rank"] == 16
    assert found["loss"] == {"type": "CrossEntropy", "targets": "Soft"}
    assert found["stopping"] == {"type": "WeakValidation", "fraction": "0.1", "checks": 8}
    assert (found["schedule"]["epochs"], found["schedule"]["batchSize"]) == (2, 32)


def test_settings_that_change_no_result_are_left_out() -> None:
    """The artifact is shared by jobs that differ in them."""
    plain = student_settings(Strong.model_validate({"model": {"uri": "py://m"}, **LORA}))
    saving = {"training": {"checkpointIntervalSeconds": 7, "gradientCheckpointing": True}, "batchTokens": 128}
    assert student_settings(Strong.model_validate({"model": {"uri": "py://m"}, **LORA, **saving})) == plain


def test_a_head_has_no_schedule() -> None:
    found = student_settings(Strong.model_validate({"model": {"uri": "py://m"}}))
    assert (found["tuning"], found["l2"]) == ("Head", "0.3")
    assert found["schedule"] is found["stopping"] is found["settings"] is None
