"""Several gold texts: the best counts, the first is learnt and shown."""

import numpy as np
import pytest
from sacrebleu.metrics.chrf import CHRF

from w2s_api.spec.task import Task
from w2s_trainer.families.generation import Generation
from w2s_trainer.families.generation.choice import Written, fit
from w2s_trainer.families.generation.mean_score import scores_of
from w2s_trainer.families.generation.references import best, nearest
from w2s_trainer.families.generation.report import report_parts
from w2s_trainer.families.generation.scores import chrf, exact_match, rouge_l, token_f1
from w2s_trainer.families.generation.texts import texts_of
from w2s_trainer.families.gold_test import ArmAnswers, GoldTest

GOLD = ("the rent of May", "May's rent", "rent")
FAMILY = Generation(Task.model_validate({"type": "Generation", "generation": {}}))


def gold_test(*gold: str | tuple[str, ...], metric: str = "ExactMatch") -> GoldTest:
    return GoldTest(texts_of(gold), np.arange(len(gold)), metric, FAMILY)


@pytest.mark.parametrize("answer", ["rent", "rent of June", "the May rent", "nothing", "May's rents"])
def test_chrf_is_that_of_sacrebleu_over_all_references(answer):
    assert best(chrf, answer, GOLD) == pytest.approx(CHRF().sentence_score(answer, list(GOLD)).score / 100)


@pytest.mark.parametrize(("answer", "expected"), [("rent of June", 4 / 7), ("rent", 1), ("May rent", 2 / 3)])
def test_rouge_l_is_the_maximum_as_lin_has_it(answer, expected):
    assert best(rouge_l, answer, ("the rent of May", "rent")) == pytest.approx(expected)


def test_exact_match_and_f1_are_the_maximum_as_squad_has_it():
    assert best(exact_match, "RENT", GOLD) == 1
    assert best(token_f1, "rent of June", GOLD) == pytest.approx(4 / 7)
    assert nearest(token_f1, "rent of June", GOLD) == "the rent of May"
    answers = texts_of(["rent", "", "due"])
    assert scores_of(exact_match, answers, texts_of([GOLD, ("",), "due"])).tolist() == [1, 0, 1]


def test_whoever_writes_one_of_them_is_right():
    test = gold_test(GOLD, ("a", "b"), "c")
    weak = ArmAnswers(np.stack([texts_of(["rent", "c", "c"])]), np.zeros((1, 3), dtype=bool))
    candidate = ArmAnswers(np.stack([texts_of(["the rent of May", "c", "x"])]), np.zeros((1, 3), dtype=bool))
    assert FAMILY.is_wrong(test, weak.values[0]).tolist() == [False, True, False]
    figures = FAMILY.imitation(test, weak, candidate)
    assert (figures["weakRight"], figures["weakWrong"]) == (2, 1)
    assert figures["agreesWhereWeakIsRight"] == 0
    assert figures["agreesWhereWeakIsWrong"] == 1
    assert FAMILY.gold_targets(test.gold).tolist() == ["the rent of May", "a", "c"]


def test_the_choice_believes_who_writes_a_further_reference():
    texts = texts_of(["b"] * 40)
    sources = {"teacher": Written(texts_of(["x"] * 40)), "strong": Written(texts, np.full(40, 0.5))}
    by_first, by_any = (fit(sources, gold, exact_match) for gold in (["a"] * 40, [("a", "b")] * 40))
    assert by_any.trust["strong"] > 1 > by_first.trust["strong"]


def test_all_of_them_are_shown_and_marked_by_the_nearest():
    test = gold_test(("the rent of May", "<b>dues</b> of June"))
    shown = FAMILY.excerpts(test, texts_of(["dues"]), texts_of(["dues of July"]), lambda _: "text")
    assert shown["pairs"][0]["gold"] == "the rent of May"
    assert shown["pairs"][0]["alsoGold"] == ["<b>dues</b> of June"]
    shape = {"lengthRatio": 1, "repetition": 0, "loops": 0, "empty": 0, "cutOff": None}
    arms = [{"arm": "strong", **shape}]
    page = report_parts(
        {
            "evaluation": {
                "arms": arms,
                "candidate": "strong",
                "imitation": {"agreesWhereWeakIsRight": None, "agreesWhereWeakIsWrong": None},
            },
            "excerpts": shown,
            "aggregation": {"differentTexts": 1, "meanCharacters": 4},
            "selection": {"steps": []},
        }
    ).sections
    assert "&lt;b&gt;dues&lt;/b&gt; of June" in page
    assert "of <mark>July</mark>" in page
