"""What is said before a student is trained: each rule by the facts that call for it, its neighbours, and a map made up."""

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest

from w2s_trainer.contract.last_words import LIMIT, LastWords
from w2s_trainer.report.beforehand import FEWEST_ERRORS, foretold
from w2s_trainer.report.failure_map import PREDICTORS, FailureMap, forecast, predictors_of

REPORT = Path(__file__).parents[3] / "docs/report.md"
KNOWN: dict[str, Any] = {
    "of": {"goldBudget": 64, "seeds": 5, "metric": "MacroF1", "positiveThreshold": "0.5"},
    "budget": 64,
    "pool": 600,
    "covered": 300,
    "sawBudget": False,
    "silent": {},
    "testSize": 400.0,
    "smallestProvableGain": 0.07,
    "confidence": 0.8,
    "shares": 0.1,
    "classes": {"free": {"pool": 200, "budget": 40}, "bound": {"pool": 100, "budget": 24}},
    "teacher": {
        "texts": 32.0, "skill": 0.4, "doubt": 0.07, "guess": 0.5, "recall": 0.8, "recallLow": 0.66, "recallHigh": 0.9,
        "wrong": 0.2, "wrongLow": 0.12, "wrongHigh": 0.31,
    },
}  # fmt: skip
WRITTEN = {
    **{name: fact for name, fact in KNOWN.items() if name not in ("classes", "confidence", "shares")},
    "of": {**KNOWN["of"], "metric": "RougeL"},
    "teacher": {"texts": 32.0, "score": 0.4, "scoreLow": 0.3, "scoreHigh": 0.5},
}


def known(of: dict[str, Any] = KNOWN, **changes: Any) -> dict[str, Any]:
    """The facts of a job with nothing against it, but for some; a double underscore goes down."""
    made = copy.deepcopy(of)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = made
        for name in parents:
            place = place[name]
        place[last] = value
    return made


def codes(facts: dict[str, Any], by: FailureMap | None = None) -> list[str]:
    return [item["code"] for item in foretold(facts, by)["advice"]]


@pytest.mark.parametrize("facts", [KNOWN, WRITTEN], ids=["decides", "writes"])
def test_where_nothing_speaks_against_a_job_that_is_said(facts):
    said = foretold(facts)
    assert (said["status"], said["reason"]) == ("False", "NothingAgainst")
    assert [item["code"] for item in said["advice"]] == ["NothingAgainst"]


def test_where_nothing_is_known_nothing_is_said():
    assert foretold(None) == {"status": "Unknown", "reason": "NothingKnown", "advice": []}


EDGE = FEWEST_ERRORS / 400
RULES = [
    ("TeacherWorseThanGuessing", known(teacher__recallHigh=0.49, teacher__recallLow=0.2)),
    ("TeacherNotShownToKnow", known(teacher__recallLow=0.5)),
    ("FewWeakLabels", known(covered=63)),
    ("ClassNeverVotedFor", known(classes__bound__pool=0)),
    ("ClassHardlyLabelled", known(classes__bound__budget=1)),
    ("TestCannotTell", known(teacher__wrongHigh=EDGE - 1e-6, teacher__wrong=0.001)),
    ("GainMayGoUnseen", known(smallestProvableGain=0.11)),
    ("RulesNeverVote", known(silent={"rules": 2})),
    ("TeacherFarOff", known(WRITTEN, teacher__scoreHigh=0.049)),
    ("FewWeakLabels", known(WRITTEN, covered=0)),
]
NEIGHBOURS = [
    known(teacher__recallHigh=0.5, teacher__recallLow=0.2, teacher__texts=29.0),
    known(teacher__recallLow=0.51),
    known(teacher__recallLow=0.5, teacher__texts=29.0),
    known(covered=64),
    known(classes__bound__pool=1),
    known(classes__bound__budget=2),
    known(teacher__wrongHigh=EDGE + 1e-6),
    known(smallestProvableGain=0.10),
    known(WRITTEN, teacher__scoreHigh=0.05),
    known(WRITTEN, teacher={"texts": 0.0}),
    known(teacher={}),
]
SAW_THE_BUDGET = [
    known(teacher__recallHigh=0.49, teacher__recallLow=0.2, sawBudget=True),
    known(teacher__wrongHigh=0.0, sawBudget=True),
    known(WRITTEN, teacher__scoreHigh=0.0, sawBudget=True),
]


@pytest.mark.parametrize(("code", "facts"), RULES, ids=[code for code, _ in RULES])
def test_a_rule_speaks_where_its_facts_call_for_it(code, facts):
    said = foretold(facts)
    assert (said["status"], said["reason"]) == ("True", code)
    assert [item["code"] for item in said["advice"]] == [code]
    assert said["advice"][0]["text"].endswith(("labels?", "."))


@pytest.mark.parametrize("facts", [*NEIGHBOURS, *SAW_THE_BUDGET])
def test_and_nowhere_beside(facts):
    assert codes(facts) == ["NothingAgainst"]


def test_a_test_without_a_known_size_is_not_judged():
    facts = known(teacher__wrongHigh=0.0)
    del facts["testSize"], facts["smallestProvableGain"]
    assert codes(facts) == ["NothingAgainst"]


def test_several_rules_speak_in_their_order_and_the_first_is_the_reason():
    said = foretold(known(silent={"rules": 1}, covered=10, smallestProvableGain=0.19))
    assert [item["code"] for item in said["advice"]] == ["FewWeakLabels", "GainMayGoUnseen", "RulesNeverVote"]
    assert said["reason"] == "FewWeakLabels"


def test_of_many_classes_some_are_named_and_the_words_fit_into_last_words():
    classes = {f"{number:03d}{'x' * 60}": {"pool": 0, "budget": 0} for number in range(100)}
    said = foretold(
        known(
            covered=1, classes=classes, smallestProvableGain=0.2, silent={f"{n}{'y' * 60}": 9 for n in range(8)},
            teacher__recallLow=0.1, teacher__wrongHigh=0.0,
        )
    )  # fmt: skip
    assert "and 95 more classes" in said["advice"][2]["text"]
    encoded = LastWords("Done", artifact="a" * 32, figures={"foretold": said}).encode()
    assert len(encoded) <= LIMIT
    assert json.loads(encoded)["figures"]["foretold"] == said


@pytest.mark.parametrize(
    "code",
    sorted({code for code, _ in RULES} | {"NothingAgainst", "NothingKnown", "LikelyToPay", "UnlikelyToPay"}),
)
def test_every_code_is_documented(code):
    assert f"`{code}`" in REPORT.read_text()


# The map

MADE_UP = FailureMap(
    ("labels a class", "skill"), (4.0, 0.5), (1.0, 0.25), (0.3, -0.8, 0.6), 0.81, "docs/results/made-up.md"
)


def test_a_probability_is_that_of_the_logistic_regression():
    said = forecast(KNOWN, MADE_UP)
    log_odds = 0.3 - 0.8 * (5 - 4.0) / 1.0 + 0.6 * (0.4 - 0.5) / 0.25
    assert said.probability == pytest.approx(1 / (1 + math.exp(-log_odds)))
    assert said.against == "labels a class"


def test_what_is_not_known_counts_as_the_mean():
    said = forecast(known(sawBudget=True), MADE_UP)
    assert said.probability == pytest.approx(1 / (1 + math.exp(-(0.3 - 0.8))))


def test_an_unlikely_job_is_told_so_with_what_speaks_most_against_it():
    said = foretold(KNOWN, MADE_UP)
    assert (said["status"], said["reason"]) == ("True", "UnlikelyToPay")
    (item,) = said["advice"]
    assert "only 32%" in item["text"]
    assert "the number of gold labels a class: compare with the gold labels alone" in item["text"]
    assert "docs/results/made-up.md; right about 81%" in item["text"]


def test_a_likely_job_is_told_so_and_a_rule_speaks_before_the_map():
    likely = known(teacher__skill=0.99, budget=16)
    said = foretold(likely, MADE_UP)
    assert (said["status"], said["reason"]) == ("False", "LikelyToPay")
    said = foretold({**likely, "silent": {"rules": 1}}, MADE_UP)
    assert [item["code"] for item in said["advice"]] == ["RulesNeverVote", "LikelyToPay"]
    assert said["status"] == "True"


def test_texts_that_are_written_have_no_forecast():
    assert codes(WRITTEN, MADE_UP) == ["NothingAgainst"]


def test_a_constant_map_and_extreme_odds_are_fine():
    constant = FailureMap((), (), (), (-1.0,), 0.7, "page")
    assert "What speaks most" not in foretold(KNOWN, constant)["advice"][0]["text"]
    assert forecast(KNOWN, FailureMap((), (), (), (-1e6,), 1.0, "page")).probability == 0.0


def test_every_predictor_is_a_number_or_unknown():
    found = predictors_of(known(agreement=0.7))
    assert tuple(found) == tuple(PREDICTORS)
    assert found["agreement"] == 0.7
    assert math.isnan(predictors_of(KNOWN)["agreement"])
    bare = {name: fact for name, fact in KNOWN.items() if name != "confidence"}
    assert math.isnan(predictors_of({**bare, "teacher": {}})["skill"])
