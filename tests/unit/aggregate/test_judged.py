"""Aggregation of texts by a judge: who meets whom, who stands, what is counted, and what is asked of the model."""

from types import SimpleNamespace

import numpy as np
import pytest
from judging_kit import TASK, judge_of, next_bytes
from label_kit import label_context

from w2s_api.methods.aggregations import Judged
from w2s_trainer.data.inputs import Inputs
from w2s_trainer.families.generation import Generation
from w2s_trainer.families.generation.texts import texts_of
from w2s_trainer.stages.aggregate.judged import knockout
from w2s_trainer.stages.aggregate.methods import Asked, Sources, aggregation_of
from w2s_trainer.stages.aggregate.summary import sources_summary
from w2s_trainer.stages.judging.pairs import OPTIONS, Preferences, pair_layout, shown_pair
from w2s_trainer.stages.tables import WeakLabels

FAMILY = Generation(TASK)
SETTINGS = Judged.model_validate({"model": {"uri": "py://judge"}, "rubric": "It is short."})


def table(*rows: list[str]) -> np.ndarray:
    return np.stack([texts_of(list(row)) for row in rows])


class Likes:
    """A judge by a function of (the challenger, who stands): the probabilities of the challenger shown first and second."""

    def __init__(self, likes, mass: float = 1.0) -> None:
        self.likes, self.mass = likes, mass
        self.asked: list[tuple[int, list[int]]] = []

    def __call__(self, round_, rows, ours, theirs) -> Preferences:
        self.asked.append((round_, rows.tolist()))
        both = np.array([self.likes(*pair) for pair in zip(ours, theirs, strict=True)], dtype=float)
        return Preferences(both[:, 0], both[:, 1], np.full(len(rows), self.mass))


def shorter(one: str, other: str) -> tuple[float, float]:
    return (0.9, 0.9) if len(one) < len(other) else (0.1, 0.1)


def test_who_stands_meets_the_next_and_gives_way_to_the_better():
    judge = Likes(shorter)
    written = table(
        ["ccc", "bb", "a"],
        ["a", "bb", "ccc"],
        ["", "bb", "a"],
        ["Same  text", "same text", ""],
        ["", "", ""],
        ["", "", "only"],
    )
    texts, figures = knockout(written, judge, 0.0)
    assert texts.tolist() == ["a", "a", "a", "Same  text", "", "only"]
    assert judge.asked == [(1, [0, 1]), (2, [0, 1, 2])], (
        "equal texts and those without a rival are not asked about"
    )
    assert figures == {
        "questions": 5,
        "later": 3,
        "earlier": 2,
        "ties": 0,
        "otherAnswers": 0,
        "position": {"first": 0.0, "second": 0.0},
    }


def test_a_tie_is_the_first_labelers():
    written = table(["x", "y", "z"])
    for likes, position in (
        (lambda *_: (0.9, 0.1), {"first": 1.0, "second": 0.0}),
        (lambda *_: (0.1, 0.9), {"first": 0.0, "second": 1.0}),
        (lambda *_: (0.5, 0.5), {"first": 0.0, "second": 0.0}),
    ):
        texts, figures = knockout(written, Likes(likes), 0.0)
        assert texts.tolist() == ["x"]
        assert (figures["ties"], figures["position"]) == (2, position)
    near = Likes(lambda *_: (0.6, 0.6))
    assert knockout(written, near, 0.2)[0].tolist() == ["x"]
    assert knockout(written, near, 0.05)[0].tolist() == ["z"]


def test_who_would_rather_say_something_else_decides_nothing_and_is_counted():
    texts, figures = knockout(table(["x", "y"], ["x", ""]), Likes(lambda *_: (0.9, 0.9), mass=0.4), 0.0)
    assert texts.tolist() == ["x", "x"]
    assert (figures["questions"], figures["ties"], figures["otherAnswers"]) == (1, 1, 1)


@pytest.fixture
def judge():
    return judge_of()


def aggregated(judge, tmp_path, texts, written, seed: int = -1):
    model = SimpleNamespace(directory=tmp_path, name="judge")
    spec = SimpleNamespace(task=TASK)
    context = label_context(tmp_path, spec=spec, model_at=lambda _uri: model)
    labels = {
        name: WeakLabels(texts_of(list(said)), np.array([not text for text in said]))
        for name, said in written.items()
    }
    asked = Asked(context, texts, seed, {"py://judge": judge})
    sources = Sources(labels, np.arange(len(texts)), FAMILY, asked=asked)
    return sources, aggregation_of(SETTINGS)(SETTINGS, sources)


def test_the_model_reads_the_rubric_the_text_with_its_fields_and_both_texts_in_both_orders(judge, tmp_path):
    """By one full pass of each prompt."""
    texts = Inputs(["first text", "second"], {"party": ["Ada", "Bo"]})
    written = {"one": ["w", "vv"], "other": ["xyz", ""]}
    sources, outcome = aggregated(judge, tmp_path, texts, written)
    layout = pair_layout(judge.tokenizer, TASK, SETTINGS.rubric)
    assert SETTINGS.rubric in layout.head
    of = [
        next_bytes(judge, layout.prompt(shown_pair("first text\nAda", *pair)) + layout.lead, OPTIONS)
        for pair in (("xyz", "w"), ("w", "xyz"))
    ]
    shares = [a / (a + b) for a, b in of]
    wins = shares[0] > 0.5 and 1 - shares[1] > 0.5 and min(a + b for a, b in of) >= 0.5
    assert outcome.labels.targets.tolist() == ["xyz" if wins else "w", "vv"]
    assert outcome.labels.abstain.tolist() == [False, False]
    figures = outcome.figures["judged"]
    assert (figures["questions"], figures["otherAnswers"]) == (1, int(min(a + b for a, b in of) < 0.5))
    assert figures["otherAnswers"] == 1, "random weights say anything"
    summary = sources_summary(sources, outcome)
    assert "py://judge would rather have said something else than A or B" in summary["warnings"][0]
