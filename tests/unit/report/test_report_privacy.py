"""What a private training spent: in the answer, in how the student was made, and in the status."""

import re

from fixtures import render, results

from w2s_operator.status.results import results_of
from w2s_trainer.report.answers import answers
from w2s_trainer.report.privacy import spent_of
from w2s_trainer.report.tuned import how_it_was_made
from w2s_trainer.stages.evaluate import figures

SPENT = {
    "epsilon": 7.9987,
    "delta": "0.00001",
    "declaredEpsilon": "8",
    "clipNorm": "0.5",
    "noiseMultiplier": 0.8886,
    "sampleRate": 0.1,
    "steps": 60,
}


def private(**figures):
    found = results(tuning="LoRA", **figures)
    for place, one in enumerate(found["training"]["trained"]):
        if one["arm"] == "strong":
            one["privacy"] = {**SPENT, "epsilon": 7.9987 - place / 100}
    found["training"]["settings"]["privacy"] = {"epsilon": "8"}
    found["answer"] = answers(found)
    return found


def test_the_answer_says_what_was_spent_and_what_that_covers():
    sentence = private()["answer"][-1]
    assert sentence.startswith(
        "The student is differentially private: ε = 8.00 at δ = 0.00001 of the declared 8."
    )
    assert "It covers no weak label" in sentence
    assert not any("private" in one for one in results(tuning="LoRA")["answer"])


def test_how_it_was_made_has_noise_and_sampling():
    found = private()
    rows = dict(how_it_was_made(found))
    assert "gradient clipped at 0.5, noise of 0.8886 times that" in rows["privacy"]
    assert "probability 0.1, in 60 steps" in rows["privacy"]
    assert rows["tuned"].endswith("a head, starting from one that finds all classes as likely")
    assert "DP-SGD" in re.sub(r"<[^>]+>", "", render(found))
    assert "privacy" not in dict(how_it_was_made(results(tuning="LoRA")))


def test_of_several_seeds_the_one_that_spent_most_counts():
    assert spent_of(private()["training"])["epsilon"] == 7.9987
    assert spent_of(results()["training"]) is None


def test_the_status_has_it():
    said = figures({"metric": "MacroF1", "weak": 0.6, "candidate": 0.7, "epsilon": 7.9987, "delta": 1e-5})
    found = results_of(said)
    assert (found.epsilon, found.delta) == ("7.9987", "0.000010")
    assert results_of({"metric": "MacroF1", "epsilon": "8"}).epsilon is None
