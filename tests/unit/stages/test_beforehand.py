"""Facts of a job: those that were left where they are of this job, else anew; of classes and of written texts."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from w2s_api.pipeline import pipeline
from w2s_api.spec.job import Spec
from w2s_trainer.contract.main import _foretold
from w2s_trainer.families import family_of
from w2s_trainer.families.generation.texts import texts_of
from w2s_trainer.stages import beforehand
from w2s_trainer.stages.beforehand import KNOWN, Labelled, asked_for, facts, facts_of
from w2s_trainer.stages.tables import EVERY_SEED, Examples, WeakLabels

RULES = {"rules": [{"className": "a", "keywords": ["a"]}, {"className": "b", "keywords": ["b"]}]}


def spec(**data: Any) -> Spec:
    return Spec.model_validate(
        {
            "task": {"classes": [{"name": name, "description": name} for name in "ab"]},
            "data": {"unlabeled": {"uri": "s3://bucket/p"}, "gold": {"uri": "s3://bucket/g"}, **data},
            "storage": {"uri": "s3://bucket/w"},
            "weak": {"labelers": [{"name": "rules", "type": "Functions", "functions": RULES}]},
            "strong": {"model": {"uri": "hf://o/m"}},
        }
    )


def labelled(label: WeakLabels, gold: np.ndarray, asked: int = 0, **summary: Any) -> Labelled:
    """Six texts of the pool and six of the budget, of which the last were asked for."""
    ids = [f"text-{number}" for number in range(12)]
    parts = np.array(["pool"] * 6 + ["budget"] * 6)
    examples = Examples(ids, ids, parts, np.arange(12))
    rows = np.arange(12 - asked, 12)
    return Labelled(examples, gold, rows, {EVERY_SEED: label}, [label], [{"labeler": "rules", **summary}], {})


GOLD = np.array([0, 1] * 6)
RIGHT = WeakLabels(np.eye(2)[GOLD], np.zeros(12, dtype=bool))


def test_a_budget_without_draws_is_looked_at_once_and_one_that_is_drawn_by_seed(monkeypatch):
    seen: list[int] = []
    teacher = beforehand._teacher
    monkeypatch.setattr(beforehand, "_teacher", lambda *words: seen.append(words[3]) or teacher(*words))
    of = spec()
    assert facts(of, family_of(of), labelled(RIGHT, GOLD))["budget"] == 6
    assert seen == [0]
    of = spec(goldBudget=4)
    assert facts(of, family_of(of), labelled(RIGHT, GOLD))["budget"] == 4
    assert seen[1:] == list(range(of.evaluation.seeds))


def test_what_experts_were_asked_is_of_the_budget_and_no_sample_of_it():
    wrong_where_asked = WeakLabels(
        np.eye(2)[np.where(np.arange(12) < 10, GOLD, 1 - GOLD)], np.zeros(12, dtype=bool)
    )
    of = spec()
    found = facts(of, family_of(of), labelled(wrong_where_asked, GOLD, asked=2))
    assert found["budget"] == 6
    assert found["classes"]["a"]["budget"] == 3
    assert found["teacher"]["texts"] == 4
    assert found["teacher"]["wrong"] == 0


def test_where_it_abstains_its_commonest_answer_counts():
    silent = np.arange(12) >= 8
    mostly_b = WeakLabels(np.where(silent[:, None], 0.0, np.array([0.1, 0.9])), silent)
    of = spec()
    found = facts(of, family_of(of), labelled(mostly_b, GOLD))
    assert found["teacher"]["texts"] == 2
    assert found["teacher"]["wrong"] == 0.5


def test_rules_and_functions_that_never_vote_are_counted():
    votes = {"votes": {"-1": {"texts": 6, "rules": [3, 0, 0], "classes": {"a": 3, "b": 0}}}}
    of = spec()
    assert facts(of, family_of(of), labelled(RIGHT, GOLD, **votes))["silent"] == {"rules": 2}
    functions = {"functions": {"-1": {"votes": {"one": 0, "two": 5}, "errors": {}}}}
    assert facts(of, family_of(of), labelled(RIGHT, GOLD, **functions))["silent"] == {"rules": 1}


def test_written_texts_have_the_facts_that_have_a_meaning():
    of = Spec.model_validate(
        {
            "task": {"type": "Generation", "instruction": "Name it.", "generation": {"maxNewTokens": 8}},
            "data": {"unlabeled": {"uri": "s3://bucket/p"}, "gold": {"uri": "s3://bucket/g"}},
            "storage": {"uri": "s3://bucket/w"},
            "weak": {"labelers": [{"name": "given", "type": "Imported", "imported": {"field": "draft"}}]},
            "strong": {"model": {"uri": "hf://o/m"}, "tuning": {"type": "LoRA", "lora": {}}},
            "evaluation": {"controls": ["GoldOnly"]},
            "promotion": {"metric": "ExactMatch", "candidate": "Student", "mustBeat": ["Weak"]},
        }
    )
    gold = texts_of(["mit", "bsd"] * 6)
    label = WeakLabels(texts_of(["mit"] * 12), np.arange(12) % 4 == 1)
    found = facts(of, family_of(of), labelled(label, gold))
    assert (found["pool"], found["covered"]) == (6, 4)
    assert "classes" not in found
    assert found["teacher"]["score"] == pytest.approx(0.6)
    assert found["teacher"]["wrong"] == 0.5


def artifacts_with(known: dict[str, Any]):
    """Artifacts of which the labels alone can be read."""

    def artifacts(role: str) -> list[Any]:
        assert role == "labels", f"{role} was read"
        return [SimpleNamespace(summary={KNOWN: known})]

    return artifacts


def test_facts_that_were_left_for_this_job_are_taken_and_others_are_not():
    of = spec(goldBudget=4)
    left = {"of": asked_for(of), "budget": 4}
    assert facts_of(of, artifacts_with(left), Path()) == left
    with pytest.raises(AssertionError, match="examples was read"):
        facts_of(spec(goldBudget=6), artifacts_with(left), Path())


def test_labels_whose_sources_are_gone_are_not_judged():
    """`prepare` must not fail over it: whoever needs the sources says so."""
    of = spec(goldBudget=4)
    stages = pipeline(of)
    job = SimpleNamespace(spec=of, stages=stages)
    labels = SimpleNamespace(summary={})
    store = SimpleNamespace(find=lambda _kind, key: labels if key == "there" else None)
    assert _foretold(job, {"aggregate": "there"}, store, Path()) == {}  # type: ignore[arg-type]
    assert _foretold(job, {}, store, Path()) == {}  # type: ignore[arg-type]
