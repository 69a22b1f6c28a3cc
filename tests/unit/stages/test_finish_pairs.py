"""Pairs of preferences from the gold budget: what is one, what is none, and what is refused."""

from types import SimpleNamespace

import numpy as np
import pytest

from w2s_api.spec.task import Task
from w2s_trainer.errors import BadData
from w2s_trainer.stages.finish import pairs
from w2s_trainer.stages.tables import EVERY_SEED, Examples, WeakLabels

N = 10


def made(monkeypatch, gold, teacher, abstain=(), families=range(N)):
    examples = Examples(
        [f"id-{row}" for row in range(N)],
        [f"text {row}" for row in range(N)],
        np.array(["budget"] * N),
        np.array(list(families)),
    )
    labels = np.empty(N, dtype=object)
    labels[:] = gold
    silent = np.isin(np.arange(N), abstain)
    weak = {EVERY_SEED: WeakLabels(np.array(teacher, dtype=object), silent)}
    monkeypatch.setattr(pairs, "read_gold", lambda *_given: labels)
    monkeypatch.setattr(pairs, "read_labels", lambda *_given: weak)
    monkeypatch.setattr(pairs, "teaching_budget", lambda *_given: np.arange(N)[::-1])
    spec = SimpleNamespace(task=Task.model_validate({"type": "Generation", "generation": {}}))
    context = SimpleNamespace(spec=spec, artifact=lambda _role: None, scratch=None)
    return pairs.preference_pairs(context, examples, 0.2, 0)


def test_a_pair_is_a_text_of_which_both_wrote_something_else(monkeypatch):
    gold = [f"g{row}" for row in range(N)]
    teacher = [*gold[:3], "", *(f"t{row}" for row in range(4, N))]
    teacher[4] = " G4 "  # equal in the form in which texts are compared
    found = made(monkeypatch, gold, teacher, abstain=[9])
    assert found.rows.tolist() == [8, 7, 6, 5]
    assert found.preferred == ["g8", "g7", "g6", "g5"]
    assert found.other == ["t8", "t7", "t6", "t5"]
    assert found.held_out.sum() == 1


def test_a_text_that_is_another_of_the_experts_is_not_worse(monkeypatch):
    gold = [("first", "second")] * N
    found = made(monkeypatch, gold, ["second"] * 5 + ["third"] * 5)
    assert sorted(found.rows.tolist()) == [5, 6, 7, 8, 9]
    assert set(found.preferred) == {"first"}


def test_of_a_family_nothing_is_learnt_and_held_out_at_once(monkeypatch):
    found = made(monkeypatch, ["g"] * N, ["t"] * N, families=[0] * 5 + [1] * 5)
    held = set(np.flatnonzero(found.held_out).tolist())
    assert held in ({0, 1, 2, 3, 4}, {5, 6, 7, 8, 9})


@pytest.mark.parametrize(
    ("teacher", "families", "said"),
    [
        (["g"] * N, range(N), "there are 0 of which the teacher wrote another text"),
        (["t"] * N, [0] * N, "10 of which .* in 1 families"),
    ],
)
def test_too_few_are_refused_with_what_to_do(monkeypatch, teacher, families, said):
    with pytest.raises(BadData, match=said) as refused:
        made(monkeypatch, ["g"] * N, teacher, families=families)
    assert refused.value.reason == "TooFewPairs"
    assert "leave the step out" in str(refused.value)
