"""The choice among texts: its weights against a plain optimiser's, and what it takes where."""

import numpy as np
import pytest

from w2s_trainer.families.generation.choice import Weights, Written, choose, fit, unfitted
from w2s_trainer.families.generation.scores import exact_match, token_f1


def texts(*given):
    array = np.empty(len(given), dtype=object)
    array[:] = given
    return array


def written(*given, p=None):
    return Written(texts(*given), None if p is None else np.array(p, dtype=np.float64))


def test_without_gold_the_teacher_is_taken_unless_the_student_is_sure():
    sources = {
        "teacher": written("mit", "mit", "", "MIT", ""),
        "strong": written("bsd", "bsd", "bsd", "mit", "", p=[0.6, 0.9, 0.2, 0.9, 0.5]),
    }
    taken = choose(sources, unfitted(sources))
    assert taken.texts.tolist() == ["mit", "bsd", "bsd", "MIT", ""]
    assert taken.probability[4] == 0
    assert taken.probability[3] > taken.probability[1] > taken.probability[2]


def test_two_that_agree_outvote_one():
    sources = {"teacher": written("a"), "strong": written("b", p=[0.6]), "gold": written("B", p=[0.7])}
    assert choose(sources, unfitted(sources)).texts.tolist() == ["b"]


def test_gold_texts_move_trust_to_the_source_that_is_right():
    rng = np.random.default_rng(0)
    gold = [f"t{number}" for number in rng.integers(0, 50, 200)]
    right = rng.random(200) < 0.9
    student = written(*(g if ok else "x" for g, ok in zip(gold, right, strict=True)), p=np.full(200, 0.5))
    sources = {"teacher": written(*["wrong"] * 200), "strong": student}
    weights = fit(sources, gold, exact_match)
    assert weights.trust["strong"] > 1.5 > 0 > weights.trust["teacher"]
    assert (choose(sources, weights).texts == student.texts).all()
    few = fit({name: said.at(np.arange(2)) for name, said in sources.items()}, gold[:2], exact_match)
    assert abs(few.trust["strong"]) < 0.3


def test_the_weights_are_where_the_penalised_loss_is_smallest():
    rng = np.random.default_rng(1)
    gold = ["a"] * 40
    sources = {
        "teacher": written(*rng.choice(["a", "b", ""], 40)),
        "strong": written(*rng.choice(["a", "c"], 40), p=rng.random(40)),
    }
    found = fit(sources, gold, exact_match)

    def loss(scale, trust):
        total = 15 * sum((a - 1) ** 2 for a in scale) + 5 * ((trust[0] - 1) ** 2 + trust[1] ** 2)
        for t, s, p in zip(
            sources["teacher"].texts, sources["strong"].texts, sources["strong"].probability, strict=True
        ):
            p = min(max(p, 0.01), 0.99)
            worth = {}
            if t:
                worth[t] = worth.get(t, 0) + trust[0]
            worth[s] = worth.get(s, 0) + trust[1] + scale[1] * np.log(p / (1 - p))
            normal = 1 + sum(np.exp(list(worth.values())))
            total -= np.log((np.exp(worth["a"]) if "a" in worth else 1) / normal)
        return total

    names = ("teacher", "strong")
    scale, trust = ([of[name] for name in names] for of in (found.scale, found.trust))
    least = loss(scale, trust)
    for place in range(4):
        for step in (-0.01, 0.01):
            moved = np.array([*scale, *trust])
            moved[place] += step
            assert loss(moved[:2], moved[2:]) >= least


def test_a_metric_of_degrees_puts_the_best_text_s_score_on_it():
    sources = {"teacher": written("the old dog"), "strong": written("a cat", p=[0.5])}
    weights = fit(sources, ["the dog"], token_f1)
    assert weights.trust["teacher"] > 1
    assert weights.trust["strong"] < 0


def test_nothing_written_is_nothing_to_fit():
    sources = {"teacher": written("", ""), "strong": written("", "", p=[0.1, 0.2])}
    assert fit(sources, ["a", "b"], exact_match) == unfitted(sources)
    assert choose(sources, unfitted(sources)).texts.tolist() == ["", ""]


def test_weights_of_other_sources_are_refused():
    with pytest.raises(ValueError, match="The weights are of teacher, the sources are strong"):
        choose({"strong": written("a", p=[0.5])}, Weights({"teacher": 1.0}, {"teacher": 1.0}))


def test_weights_survive_json():
    weights = Weights({"teacher": 1.0, "strong": 0.5}, {"teacher": 0.25, "strong": -1.0})
    assert Weights.of_json(weights.to_json()) == weights
