"""Scores of written texts against rouge-score, hand-worked figures and slow definitions."""

from collections import Counter
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s_api.metrics import METRICS
from w2s_trainer.families.generation.mean_score import scores_of
from w2s_trainer.families.generation.scores import (
    chrf,
    exact_match,
    longest_common_subsequence,
    rouge_l,
    token_f1,
)
from w2s_trainer.families.gold_test import GoldTest
from w2s_trainer.stages.evaluate.metrics import replicates_of

SCORES = {"ExactMatch": exact_match, "TokenF1": token_f1, "RougeL": rouge_l, "Chrf": chrf}

# RougeScorer(["rougeL"], use_stemmer=False).score(reference, answer)["rougeL"].fmeasure of rouge-score 0.1.2
ROUGE_L = [
    ("the cat sat on the mat", "the cat is on the mat", 0.833333333),
    ("gpl-2.0-plus OR mit", "mit OR gpl-2.0", 0.545454545),
    ("Licensed under the Apache License, Version 2.0", "apache-2.0", 0.545454545),
    ("a b c d e f g", "g f e d c b a", 0.142857143),
    ("police killed the gunman", "police kill the gunman", 0.75),
    ("the gunman kill police", "police killed the gunman", 0.5),
    ("one one one two", "one two two one", 0.5),
    ("x", "x y z", 0.5),
    ("This, is; a.test!", "this is a test", 1.0),
    ("nothing in common", "entirely different words", 0.0),
]


def texts(*given_: str) -> np.ndarray:
    return np.array(given_, dtype=object)


@pytest.mark.parametrize(("answer", "reference", "score"), ROUGE_L)
def test_rouge_l_is_that_of_rouge_score(answer, reference, score):
    assert rouge_l(answer, reference) == pytest.approx(score, abs=1e-9)


def test_rouge_l_sees_letters_of_every_script():
    assert rouge_l("Свободная лицензия", "свободная программа") == pytest.approx(0.5)
    assert rouge_l("许可", "许可证") == pytest.approx(0.8)


@given(st.lists(st.sampled_from("abcd"), max_size=90), st.lists(st.sampled_from("abcd"), max_size=90))
def test_the_longest_common_subsequence_is_that_of_the_recursion(mine, other):
    @cache
    def length(i: int, j: int) -> int:
        if not i or not j:
            return 0
        if mine[i - 1] == other[j - 1]:
            return length(i - 1, j - 1) + 1
        return max(length(i - 1, j), length(i, j - 1))

    assert longest_common_subsequence(mine, other) == length(len(mine), len(other))


@pytest.mark.parametrize(
    ("answer", "reference", "equal"),
    [
        pytest.param("GPL-2.0-Plus", "gpl-2.0-plus", True, id="case"),
        pytest.param(" mit  OR\tgpl-2.0\n", "mit OR gpl-2.0", True, id="white space"),
        pytest.param("ﬁle № ２", "file No 2", True, id="compatibility forms"),
        pytest.param("STRASSE", "straße", True, id="case folding"),
        pytest.param("gpl-2.0", "gpl-20", False, id="punctuation tells answers apart"),
        pytest.param("the mit", "mit", False, id="articles stay"),
        pytest.param("mit gpl-2.0", "gpl-2.0 mit", False, id="order"),
    ],
)
def test_exact_match(answer, reference, equal):
    assert exact_match(answer, reference) == float(equal)


def test_token_f1_by_hand():
    # gpl 2 0 plus against gpl 2 0: precision 3/4, recall 1
    assert token_f1("gpl-2.0-plus", "GPL 2.0") == pytest.approx(6 / 7)
    # a word counts as often as it is there: one of two, one of three
    assert token_f1("a a", "b a c") == pytest.approx(2 * (1 / 2) * (1 / 3) / (1 / 2 + 1 / 3))
    assert token_f1("b a", "a b") == 1.0


@given(st.text(st.sampled_from("ab -é."), max_size=30), st.text(st.sampled_from("ab -é."), max_size=30))
def test_token_f1_is_the_harmonic_mean_of_precision_and_recall(answer, reference):
    mine, wanted = (Counter(text.replace("-", " ").replace(".", " ").split()) for text in (answer, reference))
    common = sum(min(mine[word], wanted[word]) for word in mine)
    if not mine or not wanted:
        expected = exact_match(answer, reference)
    elif not common:
        expected = 0.0
    else:
        precision, recall = common / sum(mine.values()), common / sum(wanted.values())
        expected = 2 * precision * recall / (precision + recall)
    assert token_f1(answer, reference) == pytest.approx(expected)


def test_chrf_by_hand():
    # "ab" by "abc": 1-grams P 1, R 2/3; 2-grams P 1, R 1/2; "ab" has no longer ones. F2 of the means 1 and 7/12.
    assert chrf("ab", "abc") == pytest.approx(5 * (7 / 12) / (4 + 7 / 12))
    assert chrf("abcdef ghi", "abcdef ghi") == 1.0
    assert chrf("A", "a") == 0.0, "case counts"


@pytest.mark.parametrize("score", SCORES.values(), ids=SCORES)
def test_a_score_is_from_0_to_1(score):
    rng = np.random.default_rng(0)
    for _ in range(300):
        answer, reference = ("".join(rng.choice(list("ab .é許"), rng.integers(1, 25))) for _ in range(2))
        assert 0.0 <= score(answer, reference) <= 1.0
        assert score(reference + "a", reference + "a") == 1.0


@pytest.mark.parametrize("score", SCORES.values(), ids=SCORES)
def test_an_abstention_gets_nothing(score):
    assert scores_of(score, texts("", "mit", ""), texts("mit", "mit", "")).tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("metric", SCORES)
def test_a_metric_is_the_mean_of_its_score_on_the_texts_and_on_samples_of_families(metric):
    rng = np.random.default_rng(1)
    names = ["mit", "gpl-2.0", "gpl-2.0-plus", "mit OR gpl-2.0", "apache-2.0", ""]
    gold, answers = texts(*rng.choice(names[:-1], 40)), texts(*rng.choice(names, 40))
    families = np.append(np.arange(12), rng.integers(0, 12, 28))
    weights = rng.multinomial(12, np.full(12, 1 / 12), size=5).astype(float)

    test = GoldTest(gold, families, metric, task=None)
    value, samples = replicates_of(metric)(test, answers, families, weights)

    each = scores_of(SCORES[metric], answers, gold)
    assert 0 < each.mean() < 1
    assert value == pytest.approx(each.mean())
    for drawn, sample in zip(weights, samples, strict=True):
        assert sample == pytest.approx(np.repeat(each, drawn[families].astype(int)).mean())


def test_the_metrics_of_texts_are_those():
    assert {name for name, metric in METRICS.items() if metric.families == ("Generation",)} == set(SCORES)
