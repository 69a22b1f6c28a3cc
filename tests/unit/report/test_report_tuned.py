"""Deep and shallow beside each other: what tuning gained, what it cost, and what went wrong."""

import re

import pytest
from fixtures import render, results

from w2s_trainer.local.results import table
from w2s_trainer.report.render import tone
from w2s_trainer.report.tuned import alarms, cost_rows, energy, how_it_was_made, seconds, training_rows

GIVEN_UP = {"arm": "strong", "seed": 1, "class": "indemnity", "predicted": 0.01, "labels": 0.3}


def text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page.split("</style>")[1]))


@pytest.mark.parametrize(
    ("figures", "says"),
    [
        (
            {"strong": 0.85, "head": 0.7},
            r"^Tuning by LoRA gained \d+\.\d points over a head on the frozen model",
        ),
        ({"strong": 0.7, "head": 0.72}, r"^Tuning by LoRA is not proven to gain anything over a head"),
        (
            {"strong": 0.7, "head": 0.9},
            r"^Tuning by LoRA was not worth its cost: it lost \d+\.\d points to a head",
        ),
    ],
)
def test_what_tuning_gained_over_a_head_is_said_with_its_cost(figures, says):
    found = results(tuning="LoRA", **figures)
    (sentence,) = [one for one in found["answer"] if re.search(says, one)]
    assert "4.0 times the seconds to train (40.0 s against 10.0 s for a student)" in sentence
    assert "exploratory" in sentence
    assert sentence in text(render(found))
    assert sentence in table(found, "s3://m")


def test_the_figures_of_the_sentence_are_those_of_the_comparison():
    found = results(tuning="Full", strong=0.85, head=0.7)
    one = next(one for one in found["evaluation"]["exploratory"] if one["baseline"] == "head")
    (sentence,) = [said for said in found["answer"] if said.startswith("Tuning all weights")]
    assert f"gained {one['estimate'] * 100:.1f} points" in sentence
    assert f"between {one['low'] * 100:.1f} and {one['high'] * 100:.1f} points" in sentence


def test_a_head_that_costs_nothing_is_no_division():
    found = results(tuning="LoRA", head=0.7, seconds=(40.0, 0.0))
    assert any("the head took no time to speak of" in said for said in found["answer"])


def test_a_head_that_is_better_spoils_the_banner():
    found = results(tuning="LoRA", strong=0.8, head=0.95, gold_only=0.4, zero_shot=0.3)
    assert "a head on the frozen model would be better still, and simpler" in found["answer"][0]
    assert tone(found["evaluation"]) == "unsure"
    assert tone(results(tuning="LoRA", strong=0.8, head=0.5, gold_only=0.4)["evaluation"]) == "better"


@pytest.mark.parametrize(
    ("full_schedule", "says"),
    [(0.6, " gained "), (0.95, " lost "), (0.8, " made no clear difference to ")],
)
def test_stopping_is_held_against_the_end_of_the_schedule(full_schedule, says):
    found = results(tuning="LoRA", full_schedule=full_schedule)
    (sentence,) = [one for one in found["answer"] if one.startswith("Stopping where held-out weak labels")]
    assert says in sentence


def test_nothing_is_said_of_tuning_that_did_not_happen():
    said = " ".join(results()["answer"])
    assert "Tuning" not in said
    assert "Stopping" not in said


def test_classes_given_up_come_before_everything_else():
    found = results(tuning="LoRA", collapsed=(GIVEN_UP,))
    page = text(render(found))
    words = (
        "student strong all but gave up the class “indemnity” (seed 1): it predicts it for 1 % of the latest"
    )
    assert page.count(words) == 1
    assert page.index(words) < page.index("What is compared with what")
    assert "Caution: The student `strong` all but gave up" in table(found, "s3://m")
    assert "Caution" not in table(results(tuning="LoRA"), "s3://m")


def test_many_alarms_are_cut_short():
    given_up = tuple({**GIVEN_UP, "class": f"class {i}"} for i in range(30))
    said = alarms(results(tuning="LoRA", collapsed=given_up))
    assert len(said) == 7
    assert "24 more" in said[-1]


def test_every_trained_arm_has_its_costs():
    found = results(tuning="LoRA", head=0.7)
    rows = {row["arm"]: row for row in cost_rows(found)}
    assert set(rows) == {
        "strong",
        "gold-only",
        "ceiling",
        "head",
    }
    assert (rows["strong"]["tuning"], rows["strong"]["parameters"]) == ("LoRA", "664,322")
    assert (rows["strong"]["machine"], rows["head"]["machine"]) == ("cpu, float32", "–")
    page = text(render(found))
    assert "664,322" in page
    assert "40.0 s" in page
    assert "trained on 400 in 40.0 s" in table(found, "s3://m")


def test_energy_is_shown_where_the_machine_tells_it():
    silent, telling = (
        text(render(results(tuning="LoRA", head=0.7, joules=joules))) for joules in (None, 2500)
    )
    assert "Energy is not known: the machine does not say" in silent
    assert "2.5 kJ" in telling
    assert energy(None) == "not known"
    assert energy(12) == "12 J"


@pytest.mark.parametrize(("value", "said"), [(0.042, "0.04 s"), (7.61, "7.6 s"), (1234.5, "1,234 s")])
def test_seconds_have_the_digits_they_are_worth(value, said):
    assert seconds(value) == said


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        (
            {"tuning": "LoRA"},
            [
                "LoRA adapters of rank 16 (alpha 32) on every linear layer",
                "LogConf",
                "at the end of the schedule",
            ],
        ),
        (
            {"tuning": "LoRA", "full_schedule": 0.7},
            ["where held-out weak labels were predicted best (10% of the texts"],
        ),
        ({"tuning": "Full"}, ["all weights and a head, starting from the head of the frozen model (L2 0.3)"]),
        (
            {},
            [
                "a linear head on the frozen model, L2 0.3",
                "cross-entropy to the weak labels (their probabilities)",
            ],
        ),
    ],
)
def test_how_it_was_made(figures, words):
    found = results(**figures)
    page = text(render(found))
    for said in words:
        assert said in page
    assert ("schedule" in dict(how_it_was_made(found))) is ("tuning" in figures)


def test_trainings_are_listed_with_losses_and_the_step_that_was_kept():
    rows = training_rows(results(tuning="LoRA", full_schedule=0.7))
    strong = next(row for row in rows if row["arm"] == "strong")
    assert (strong["seeds"], strong["steps"], strong["first"], strong["last"]) == (
        "3",
        "26",
        "0.610",
        "0.420",
    )
    assert strong["stopped"] == "13, 13, 13"
    assert training_rows(results()) == []


def test_what_was_not_computed_stands_under_the_arms_with_its_reason():
    assert "Not computed: unfiltered (not asked for in evaluation.controls)." in text(render(results()))
