"""Preferences in both orders: positions swapped, ties, and what is compared with the experts."""

from hashlib import sha256
from types import SimpleNamespace

import numpy as np
import pytest
from judging_kit import CHATS, TASK, judge_of, next_bytes
from label_kit import label_context
from memory_objects import MemoryObjects

from w2s_api.arms import ARMS
from w2s_api.spec.evaluation import PairwiseJudge
from w2s_trainer.families.generation import Generation
from w2s_trainer.families.generation.texts import texts_of
from w2s_trainer.families.gold_test import ArmAnswers, GoldTest
from w2s_trainer.json_text import strict_json
from w2s_trainer.models.causal import CausalModel
from w2s_trainer.stages.evaluate import pairwise as evaluating
from w2s_trainer.stages.evaluate.compare import Arms
from w2s_trainer.stages.evaluate.pairwise import figures_of
from w2s_trainer.stages.judging import pairs as module
from w2s_trainer.stages.judging.pairs import OPTIONS, Preferences, pair_layout, prefer, shown_pair
from w2s_trainer.stages.label.saved_answers import collect_unsaved

QUESTION = "Which is nearer to the truth?"


def said(first, second, mass=None):
    first, second = np.array(first, dtype=float), np.array(second, dtype=float)
    return Preferences(first, second, np.ones(len(first)) if mass is None else np.array(mass))


def stub(monkeypatch, likes):
    """A judge who prefers A as a function of (answer A, answer B) says: a probability."""

    def scores(_model, _layout, texts, _names, *_more):
        found = []
        for text in texts:
            _, _, both = text.partition("\n\nAnswer A:\n")
            one, _, other = both.partition("\n\nAnswer B:\n")
            a = likes(one, other)
            found.append([a, 1 - a])
        return np.log(np.array(found))

    monkeypatch.setattr(module, "option_scores", scores)


def preferred(ours, theirs, model=None, layout=None, **more):
    model = model or judge_of()
    layout = layout or pair_layout(model.tokenizer, TASK, QUESTION)
    settings = {"max_tokens": 200, "batch_tokens": 2000, "collect": collect_unsaved, "name": "test", **more}
    return prefer(model, layout, [f"text {n}" for n in range(len(ours))], ours, theirs, **settings)


def test_a_judge_who_likes_long_answers_says_so_in_both_orders(monkeypatch):
    stub(monkeypatch, lambda one, other: 0.9 if len(one) > len(other) else 0.1)
    found = preferred(["a long answer", "short"], ["short", "a long answer"])
    assert found.verdicts(0).tolist() == [1, -1]
    assert found.shown_first == pytest.approx([0.9, 0.1])
    assert found.shown_second == pytest.approx([0.9, 0.1])
    assert found.position() == (0, 0)


@pytest.mark.parametrize(("likes_a", "position"), [(0.8, (1, 0)), (0.2, (0, 1))])
def test_a_judge_who_likes_a_place_ties_and_is_found_out(monkeypatch, likes_a, position):
    stub(monkeypatch, lambda _one, _other: likes_a)
    found = preferred(["x"] * 5, ["y"] * 5)
    assert found.verdicts(0).tolist() == [0] * 5
    assert found.position() == position


@pytest.mark.parametrize(
    ("first", "second", "margin", "verdict"),
    [
        (0.7, 0.6, 0.0, 1),
        (0.7, 0.6, 0.15, 1),
        (0.7, 0.6, 0.16, 0),
        (0.9, 0.45, 0.0, 0),
        (0.3, 0.4, 0.1, -1),
        (0.3, 0.4, 0.2, 0),
        (0.5, 0.9, 0.0, 0),
    ],
)
def test_wins_ties_and_losses(first, second, margin, verdict):
    assert said([first], [second]).verdicts(margin + 1e-12 * (margin > 0.15) - 1e-12 * (margin == 0.15)) == [
        verdict
    ]
    assert said([1 - first], [1 - second]).verdicts(
        margin + 1e-12 * (margin > 0.15) - 1e-12 * (margin == 0.15)
    ) == [-verdict]


def test_a_judge_that_would_rather_say_something_else_decides_nothing():
    found = said([0.9, 0.9], [0.9, 0.9], mass=[0.49, 0.51])
    assert found.verdicts(0).tolist() == [0, 1]
    assert found.elsewhere.tolist() == [True, False]


@pytest.mark.parametrize("template", CHATS.values(), ids=list(CHATS))
def test_probabilities_are_those_of_a_full_pass_in_each_order(template):
    model = judge_of(template)
    layout = pair_layout(model.tokenizer, TASK, QUESTION)
    ours, theirs = ["Paris", ""], ["a banana", "Oslo"]
    found = preferred(ours, theirs, model, layout, batch_tokens=300)
    for row, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        masses = []
        for order, expected in (
            ((mine, other), found.shown_first[row]),
            ((other, mine), 1 - found.shown_second[row]),
        ):
            prompt = layout.prompt(shown_pair(f"text {row}", *order)) + layout.lead
            assert QUESTION in prompt
            assert "(no answer)" in prompt or row == 0
            chance = next_bytes(model, prompt, OPTIONS)
            assert expected == pytest.approx(chance[0] / chance.sum(), rel=1e-4)
            blank = next_bytes(model, prompt.removesuffix(" "), (" ",))[0] if layout.lead else 1.0
            masses.append(chance.sum() * blank)
        assert found.mass[row] == pytest.approx(min(masses), rel=1e-4)


def of_test(gold, families=None, metric="ExactMatch"):
    count = len(gold)
    return GoldTest(
        texts_of(gold), np.arange(count) if families is None else families, metric, Generation(TASK)
    )


def test_figures_of_a_judge_who_knows():
    """Ten items: on two both say the same, on six ours is the expert's, on one theirs, and on one neither."""
    gold = [f"city {n}" for n in range(10)]
    ours = texts_of([*gold[:8], "wrong", "odd"])
    theirs = texts_of([*gold[:2], *["wrong"] * 6, gold[8], "other"])
    asked = np.array([False] * 2 + [True] * 8)
    # five of the six are seen, one is a tie; theirs is seen; what nobody knows is a win
    wins = said([0.9] * 5 + [0.9, 0.2, 0.9], [0.9] * 5 + [0.2, 0.2, 0.9])
    found = figures_of(of_test(gold), ours, theirs, asked, wins, 0.0, np.random.default_rng(0))
    assert (found["items"], found["equal"], found["otherAnswers"]) == (10, 2, 0)
    assert (found["wins"], found["ties"], found["losses"]) == (0.6, 0.3, 0.1)
    assert found["difference"]["estimate"] == 0.5
    assert found["difference"]["low"] < 0.5 < found["difference"]["high"]
    assert found["position"] == {"first": 0.125, "second": 0.0}
    assert (found["gold"]["differ"], found["gold"]["decided"]) == (7, 6)
    assert found["gold"]["agreement"]["estimate"] == 1.0
    assert not found["gold"]["isEvidence"], "six are too few to know it by"


def test_a_judge_who_knows_twenty_times_is_evidence():
    n = 20
    gold = [f"city {row}" for row in range(n)]
    ours, theirs = texts_of(gold), texts_of(["no"] * n)
    found = figures_of(
        of_test(gold),
        ours,
        theirs,
        np.ones(n, bool),
        said([0.9] * n, [0.9] * n),
        0.0,
        np.random.default_rng(0),
    )
    assert found["gold"]["isEvidence"]


def test_a_coin_is_no_evidence_and_its_interval_holds_nothing():
    rng = np.random.default_rng(1)
    n = 200
    gold = [f"city {row}" for row in range(n)]
    right = rng.random(n) < 0.5
    ours = texts_of([text if is_right else "no" for text, is_right in zip(gold, right, strict=True)])
    theirs = texts_of(["no" if is_right else text for text, is_right in zip(gold, right, strict=True)])
    p = np.where(rng.random(n) < 0.5, 0.9, 0.1)
    found = figures_of(of_test(gold), ours, theirs, np.ones(n, bool), said(p, p), 0.0, rng)
    assert not found["gold"]["isEvidence"]
    assert found["gold"]["agreement"]["low"] < 0.5 < found["gold"]["agreement"]["high"]


def test_items_of_a_family_count_as_what_they_are():
    """Forty items that are five families say less than forty: the interval is wider."""
    gold = ["x"] * 40
    ours, theirs = texts_of(["x"] * 40), texts_of(["y"] * 40)
    by_family = np.repeat([0.9, 0.9, 0.9, 0.1, 0.1], 8)
    width = {}
    for name, families in (("alone", np.arange(40)), ("five", np.repeat(np.arange(5), 8))):
        found = figures_of(
            of_test(gold, families),
            ours,
            theirs,
            np.ones(40, bool),
            said(by_family, by_family),
            0.0,
            np.random.default_rng(0),
        )["difference"]
        width[name] = found["high"] - found["low"]
    assert width["five"] > 2 * width["alone"]


def test_where_all_texts_are_equal_nobody_is_asked_and_nothing_is_known():
    gold = ["x"] * 20
    texts = texts_of(gold)
    found = figures_of(
        of_test(gold), texts, texts, np.zeros(20, bool), said([], []), 0.0, np.random.default_rng(0)
    )
    assert (found["wins"], found["ties"], found["losses"]) == (0.0, 1.0, 0.0)
    assert found["gold"] == {"differ": 0, "decided": 0, "agreement": None, "isEvidence": False}


def test_what_results_say_of_a_judge(monkeypatch, tmp_path):
    """Of 30 items the 20 with the lowest hashes; what both wrote alike nobody is asked about; nothing is asked twice."""
    n, judge = 30, judge_of()
    gold = [f"city {row}" for row in range(n)]
    weak = texts_of([text if row % 3 else "no" for row, text in enumerate(gold)])
    strong = texts_of([text if row % 2 else "" for row, text in enumerate(gold)])
    ids, rows = [f"id-{row}" for row in range(n)], np.arange(100, 100 + n)
    asked = []
    real = CausalModel.scores_of

    def counting(self, prompts, answers, wanted, batch_tokens):
        asked.append(len(wanted))
        yield from real(self, prompts, answers, wanted, batch_tokens)

    monkeypatch.setattr(CausalModel, "scores_of", counting)
    monkeypatch.setattr(evaluating, "load_causal", lambda _directory, _uri: judge)
    context = label_context(tmp_path, MemoryObjects())
    context.spec = SimpleNamespace(task=TASK)
    context.model_at = lambda uri: SimpleNamespace(directory=tmp_path, name=uri)
    given = {
        name: ArmAnswers(values[None], (values == "")[None])
        for name, values in {"weak": weak, "strong": strong, "combined": weak}.items()
    }
    settings = PairwiseJudge.model_validate({"model": {"uri": "py://judge"}, "sample": 20})
    texts = [f"text {row}" for row in range(n)]
    found = evaluating.judged(
        context,
        settings,
        of_test(gold),
        Arms(given),
        ARMS["combined"],
        rows,
        ids,
        texts,
        np.random.default_rng(0),
    )
    same, other = found["pairs"]
    assert [pair["arm"] for pair in found["pairs"]] == ["combined", "strong"]
    assert (same["items"], same["equal"], same["ties"]) == (20, 20, 1.0)
    sampled = sorted(range(n), key=lambda row: sha256(ids[row].encode()).digest())[:20]
    assert other["equal"] == sum(weak[row] == strong[row] for row in sampled)
    assert sum(asked) == 2 * (20 - other["equal"])
    assert strict_json(found)
