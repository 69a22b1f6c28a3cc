"""What to do now: each rule by the figures that call for it, and one source for all who say it."""

import copy
from pathlib import Path

import pytest
import yaml
from fixtures import render, results

from w2s_api.pipeline import FIRST_SEED
from w2s_api.spec.job import Spec
from w2s_trainer.families.task_family import ModelCard
from w2s_trainer.local.results import table
from w2s_trainer.report.advice import advice
from w2s_trainer.report.differences import with_minus
from w2s_trainer.stages.promote.card import model_card

FOUND = results()
LORA = Path(__file__).parents[3] / "examples/lora.yaml"


def found(**evaluation):
    """Results of which parts of the evaluation are others."""
    made = copy.deepcopy(FOUND)
    made["evaluation"] |= evaluation
    return made


def compared(baseline: str, estimate: float, low: float, high: float, arm: str = "strong") -> dict:
    verdict = "better" if low > 0 else "worse" if high < 0 else "no clear difference"
    figures = {"estimate": estimate, "low": low, "high": high, "verdict": verdict}
    return {"arm": arm, "baseline": baseline, "exploratory": arm == "cascade", **figures}


def codes(made: dict) -> list[str]:
    return [item["code"] for item in advice(made)]


def text_of(made: dict, code: str) -> str:
    (text,) = (item["text"] for item in advice(made) if item["code"] == code)
    return text


BETTER, WORSE, UNCLEAR = (0.1, 0.05, 0.15), (-0.1, -0.15, -0.05), (0.05, -0.02, 0.12)


def test_a_published_model_is_to_be_used_with_the_command_that_does_it() -> None:
    assert text_of(FOUND, "UseModel") == (
        "Use the new model: `w2s predict --job legal/indemnity --storage s3://legal/w2s texts.jsonl`."
    )


def test_what_got_worse_is_said_beside_the_command() -> None:
    made = found(tradeoff={"text": "…", "loss": "it finds fewer"})
    assert "unless what got worse weighs more (it finds fewer): `w2s predict" in text_of(made, "UseModel")


def test_a_better_model_that_was_not_published_is_for_trying_only() -> None:
    made = copy.deepcopy(FOUND)
    made["decision"] = {"promoted": False, "reasons": ["…"]}
    assert "UseModel" not in codes(made)
    assert "missed its conditions of publication" in text_of(made, "ConditionsNotMet")
    assert "w2s predict --job legal/indemnity" in text_of(made, "ConditionsNotMet")


@pytest.mark.parametrize(("gain", "says"), [(WORSE, "is worse"), (UNCLEAR, "is not shown to be better")])
def test_the_teacher_stays_where_nothing_is_better(gain, says) -> None:
    made = found(comparisons=[compared("weak", *gain)])
    assert text_of(made, "KeepTeacher") == f"Keep the teacher: the new model {says}."
    assert not {"UseModel", "UseSimplerArm"} & set(codes(made))


def test_a_simpler_arm_that_is_better_comes_first() -> None:
    made = results(gold_only=0.95)
    assert codes(made)[:2] == ["UseSimplerArm", "WeakLabelsAddNothing"]
    assert "arm `gold-only` is simpler than the new model and clearly better" in text_of(
        made, "UseSimplerArm"
    )
    assert "UseModel" not in codes(made)


def test_a_simpler_arm_that_a_job_can_publish_is_named_with_its_setting() -> None:
    made = results(combined=0.7, strong=0.9)
    assert "`promotion.candidate: Student` publishes it" in text_of(made, "UseSimplerArm")


def test_a_simpler_arm_below_the_teacher_is_not_advised() -> None:
    made = results(strong=0.4, weak=0.9, coverage=1.0, gold_only=0.6, zero_shot=0.3)
    assert codes(made)[0] == "KeepTeacher"


@pytest.mark.parametrize(
    ("candidate", "comparison", "said"),
    [
        ("strong", compared("strong", *BETTER, arm="cascade"), True),
        ("strong", compared("strong", *UNCLEAR, arm="cascade"), False),
        ("strong", compared("strong", *WORSE, arm="cascade"), False),
        ("combined", compared("cascade", *WORSE, arm="combined"), True),
        ("combined", compared("cascade", *BETTER, arm="combined"), False),
        ("combined", compared("strong", *BETTER, arm="cascade"), False),
    ],
)
def test_the_teacher_has_the_word_where_the_cascade_is_clearly_better(candidate, comparison, said) -> None:
    made = found(candidate=candidate, exploratory=[comparison])
    if candidate == "combined":
        made["evaluation"]["arms"].append({**made["evaluation"]["arms"][1], "arm": "combined"})
    assert ("TeacherWhereItVotes" in codes(made)) is said
    if said:
        assert "by 10.0 points (between 5.0 and 15.0 points" in text_of(made, "TeacherWhereItVotes")


@pytest.mark.parametrize(("gain", "said"), [(BETTER, False), (UNCLEAR, True), (WORSE, True)])
def test_weak_labels_that_add_nothing_to_gold_are_said(gain, said) -> None:
    made = found(comparisons=[compared("weak", *BETTER), compared("gold-only", *gain)])
    assert ("WeakLabelsAddNothing" in codes(made)) is said
    if said:
        text = text_of(made, "WeakLabelsAddNothing")
        assert (
            f"against your 64 gold labels alone they {'do harm' if gain == WORSE else 'are not shown to help'}, "
            in text
        )
    assert "WeakLabelsAddNothing" not in codes(found(comparisons=[compared("weak", *gain)]))


@pytest.mark.parametrize(
    ("low", "at_hand", "code", "says"),
    [
        (0.01, 90, "LabelMore", "Label 38 more texts outside of the test, for a budget of 128"),
        (0.01, 64, "LabelMore", "Label 64 more texts"),
        (0.01, 300, "RaiseBudget", "Raise `data.goldBudget` to 128, since 300 gold labels are at hand"),
        (-0.01, 90, "MoreLabelsUnproven", "Do not count on more labels: that they help is not shown"),
        (-0.01, 300, "MoreLabelsUnproven", "`data.goldBudget: 128` would tell: 300 are at hand"),
    ],
)
def test_labels_are_asked_for_by_what_the_last_doubling_brought(low, at_hand, code, says) -> None:
    made = found(lastDoubling={"from": 32, "to": 64, "estimate": 0.03, "low": low, "high": 0.05})
    made["data"]["rows"]["budget"] = at_hand
    assert [one for one in codes(made) if one in {"LabelMore", "RaiseBudget", "MoreLabelsUnproven"}] == [code]
    text = text_of(made, code)
    assert says in text
    assert "going from 32 to 64 brought the model that is tuned on them alone +3.0 points (from " in text


def test_nothing_is_said_of_labels_without_a_curve() -> None:
    made = copy.deepcopy(FOUND)
    del made["evaluation"]["lastDoubling"]
    assert not {"LabelMore", "RaiseBudget", "MoreLabelsUnproven"} & set(codes(made))


def test_a_test_that_is_too_small_is_told_how_much_it_lacks() -> None:
    """To prove half of what can be proved takes four times the test: 2,400 texts more than 800."""
    made = found(comparisons=[compared("weak", 0.035, -0.01, 0.08)])
    test = made["evaluation"]["test"]
    text = text_of(made, "EnlargeTest")
    assert f"Add about {3 * test['families']:,} families (2,400 texts)" in text
    assert "a gain of 3.5 points" in text


@pytest.mark.parametrize(
    ("gain", "provable", "code"),
    [
        ((0.01, -0.03, 0.05), 0.07, "GainTooSmall"),
        ((0.08, -0.01, 0.17), 0.07, None),
        ((-0.01, -0.05, 0.03), 0.07, None),
        ((0.035, 0.01, 0.06), 0.07, None),
        ((0.035, -0.01, 0.06), None, None),
    ],
)
def test_a_larger_test_is_asked_for_only_where_it_would_decide(gain, provable, code) -> None:
    made = found(comparisons=[compared("weak", *gain)])
    made["data"]["smallestProvableGain"] = provable
    assert [one for one in codes(made) if one in {"EnlargeTest", "GainTooSmall"}] == ([code] if code else [])


def test_report_terminal_and_card_say_the_same() -> None:
    assert FOUND["advice"] == advice(FOUND)
    page, said = render(FOUND), table(FOUND, "s3://m")
    spec = Spec.model_validate(yaml.safe_load(LORA.read_text())["spec"])
    tuned = {
        "arm": "strong",
        "seed": FIRST_SEED,
        "texts": 4,
        "steps": 2,
        "precision": "float32",
        "best": None,
    }
    card = model_card(
        {**FOUND, "training": {**FOUND["training"], "trained": [tuned]}}, spec, ModelCard("t"), apart=False
    )
    assert FOUND["advice"]
    for item in FOUND["advice"]:
        assert item["text"] in said
        assert item["text"] in card
        assert item["text"].replace("`", "") in page.replace("<code>", "").replace("</code>", "")
    assert page.index("What to do now") < page.index("What is compared with what")


def test_figures_have_a_minus_and_options_a_hyphen() -> None:
    assert with_minus("`a --b` from -0.1 (-3 points, -.5)") == "`a --b` from −0.1 (−3 points, −.5)"
