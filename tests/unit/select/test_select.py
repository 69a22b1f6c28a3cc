from types import SimpleNamespace

import numpy as np
import pytest

from w2s_api.spec.evaluation import Evaluation
from w2s_api.spec.selection import SelectionStep
from w2s_api.spec.task import Task
from w2s_trainer.errors import BadData
from w2s_trainer.stages.select import Selected, confidence, select
from w2s_trainer.stages.select.audit import warnings
from w2s_trainer.stages.select.confidence import surest_per_class
from w2s_trainer.stages.select.methods import Kept, Sights
from w2s_trainer.stages.tables import Examples, WeakLabels

TASK = Task.model_validate({"classes": [{"name": "a"}, {"name": "b"}]})


def labels_of(sure: list[float]) -> np.ndarray:
    """Positive: class 1 with that probability; negative: class 0."""
    return np.array([[1 - s, s] if s > 0 else [-s, 1 + s] for s in sure])


def test_the_surest_of_each_class_are_kept():
    kept = surest_per_class(list("abcdef"), labels_of([0.9, 0.6, 0.8, 0.7, -0.6, -0.99]), 0.5)
    assert kept.tolist() == [0, 2, 5]


def test_ties_do_not_depend_on_the_order_of_rows():
    ids = [f"row-{i}" for i in range(40)]
    same = np.full((40, 2), [0.2, 0.8])
    kept = {ids[i] for i in surest_per_class(ids, same, 0.3)}
    assert len(kept) == 12
    assert {ids[::-1][i] for i in surest_per_class(ids[::-1], same, 0.3)} == kept


def test_keeping_everything_keeps_everything():
    assert len(surest_per_class(list("abc"), labels_of([0.9, 0.6, -0.7]), 1.0)) == 3


@pytest.mark.parametrize(("n", "fraction", "kept"), [(10, 0.7, 7), (3, 0.5, 2), (1, 0.1, 1), (10, 0.3, 3)])
def test_a_share_is_rounded_up(n, fraction, kept):
    assert len(surest_per_class([str(i) for i in range(n)], labels_of([0.9] * n), fraction)) == kept


def step(fraction: str) -> SelectionStep:
    return SelectionStep.model_validate(
        {"type": "Confidence", "confidence": {"keepFractionPerClass": fraction}}
    )


def examples(n: int) -> Examples:
    return Examples(
        [str(i) for i in range(n)], [""] * n, np.array(["pool"] * (n - 1) + ["test"]), np.arange(n)
    )


def after(labels: WeakLabels, *steps: SelectionStep) -> tuple[list[int], list[dict]]:
    """The rows that the steps keep of a pool and a last text that is the test's, and the audit."""
    spec = SimpleNamespace(task=TASK, evaluation=Evaluation(), selection=SimpleNamespace(steps=list(steps)))
    selected = selected_of(spec, labels)
    return selected.left.rows.tolist(), list(selected.audit)


def selected_of(spec: SimpleNamespace, labels: WeakLabels) -> Selected:
    context, texts = SimpleNamespace(spec=spec), examples(len(labels.abstain))
    return select(context, texts, {0: labels}, Sights(context, texts))[0]


def test_abstentions_and_the_test_are_never_selected():
    weak = WeakLabels(labels_of([0.9, 0.8, -0.9, -0.8, 0.9]), np.array([False, True, False, False, False]))
    rows, audit = after(weak)
    assert rows == [0, 2, 3]
    assert audit == []


def test_steps_are_audited_one_by_one():
    weak = WeakLabels(labels_of([0.9, 0.8, 0.7, 0.6, -0.9, -0.8, 0.5]), np.zeros(7, dtype=bool))
    rows, audit = after(weak, step("0.5"), step("0.5"))
    assert rows == [0, 4]
    assert [(one["before"], one["after"]) for one in audit] == [(6, 3), (3, 2)]
    assert audit[0]["classesBefore"] == {"a": 2, "b": 4}
    assert audit[1]["classesAfter"] == {"a": 1, "b": 1}


@pytest.mark.parametrize(
    ("after", "warned"), [({"a": 50, "b": 50}, 0), ({"a": 54, "b": 46}, 0), ({"a": 60, "b": 40}, 2)]
)
def test_a_class_share_that_moves_by_a_tenth_of_itself_is_warned_of(after, warned):
    audit = [
        {
            "type": "Confidence",
            "before": 200,
            "after": 100,
            "classesBefore": {"a": 100, "b": 100},
            "classesAfter": after,
        }
    ]
    assert len(warnings(audit)) == warned


def test_a_class_that_is_selected_away_is_refused(monkeypatch):
    def the_first_alone(_settings, candidates):
        return Kept(np.array([0]), candidates.weights[:1])

    monkeypatch.setattr(confidence, "select", the_first_alone)
    weak = WeakLabels(labels_of([0.9, -0.9, 0.5]), np.zeros(3, dtype=bool))
    with pytest.raises(BadData, match="'a'"):
        after(weak, step("0.5"))


def test_weights_of_a_step_go_on_to_the_next(monkeypatch):
    """What a step made of them is what the next one sees, and what is left in the end."""
    seen = []

    def halves(_settings, candidates):
        seen.append(candidates.weights.tolist())
        return Kept(np.arange(len(candidates.rows)), candidates.weights / 2)

    monkeypatch.setattr(confidence, "select", halves)
    weak = WeakLabels(labels_of([0.9, -0.9, 0.5]), np.zeros(3, dtype=bool))
    spec = SimpleNamespace(
        task=TASK, evaluation=Evaluation(), selection=SimpleNamespace(steps=[step("1"), step("1")])
    )
    kept = selected_of(spec, weak).left
    assert seen == [[1.0, 1.0], [0.5, 0.5]]
    assert kept.weights.tolist() == [0.25, 0.25]
