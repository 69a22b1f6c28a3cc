"""`Likelihood`: which end is cut, by what, and what the audit says; the numbers are those of `models.likelihood`."""

from types import SimpleNamespace

import numpy as np
import pytest
from judging_kit import judge_of
from label_kit import Told
from memory_objects import MemoryObjects
from written_kit import TASK, selected_texts

from w2s_trainer.families.generation.writing import layout_for
from w2s_trainer.models.likelihood import likelihoods
from w2s_trainer.stages.select import likelihood as module
from w2s_trainer.stages.select.likelihood import ends

PAIRS = [("ab" * (1 + n % 5), f"source {n}") for n in range(20)]


def step(**more):
    return {"type": "Likelihood", "likelihood": more}


def by(monkeypatch, scores, tokens):
    """Texts of such log-likelihoods, by the texts' own row."""

    def found(_settings, candidates, texts, _written):
        rows = candidates.rows[texts.places]
        return np.array(scores, dtype=float)[rows], np.array(tokens)[rows]

    monkeypatch.setattr(module, "likelihoods", found)


def test_shares_are_cut_at_both_ends(monkeypatch):
    scores = -np.arange(20.0)
    by(monkeypatch, scores, np.ones(20, dtype=int))
    one = selected_texts(PAIRS, step(dropLeastLikely="0.2", dropMostLikely="0.1"))
    assert one.left.rows.tolist() == list(range(2, 16))
    figures = one.audit[0]["figures"]
    assert figures["dropped"] == {"unlikely": 4, "likely": 2}
    assert figures["cuts"] == {"lowest": -15.0, "highest": -2.0}
    assert figures["logLikelihood"]["median"] == -9.5


def test_a_long_text_is_unlikely_by_its_sum_and_not_by_its_tokens(monkeypatch):
    tokens = np.array([1] * 19 + [100])
    scores = np.array([-2.0 - n / 100 for n in range(19)] + [-100.0])
    by(monkeypatch, scores, tokens)
    whole = selected_texts(PAIRS, step(dropLeastLikely="0.05", per="Text"))
    assert 19 not in whole.left.rows
    mean = selected_texts(PAIRS, step(dropLeastLikely="0.05"))
    assert 19 in mean.left.rows
    assert 18 not in mean.left.rows


def test_of_equals_no_more_are_dropped_than_the_share():
    low, high = ends(np.zeros(10), 0.3, 0.2)
    assert (low.sum(), high.sum(), (low & high).sum()) == (3, 2, 0)


def test_the_likelihoods_are_those_of_the_texts_after_the_tasks_prompt(monkeypatch, tmp_path):
    model, seen = judge_of(), {}
    monkeypatch.setattr(module, "load_causal", lambda _directory, _uri: model)
    real = module.likelihoods
    monkeypatch.setattr(
        module, "likelihoods", lambda *given: seen.setdefault("found", (given[2], real(*given)))[1]
    )
    more = {
        "objects": MemoryObjects(),
        "store": SimpleNamespace(home_uri=lambda _kind, _key: "s3://bkt/w2s/artifacts/select/key/"),
        "job": SimpleNamespace(stage=SimpleNamespace(kind="select")),
        "key": "key",
        "shard": (0, 1),
        "scratch": tmp_path,
        "headway": lambda _step: None,
        "progress": Told(),
        "model": SimpleNamespace(directory=None, name="strong"),
    }
    selected_texts(PAIRS, step(dropLeastLikely="0.2", batchTokens=600), **more)
    texts, (totals, tokens) = seen["found"]
    expected = likelihoods(
        model,
        layout_for(model.tokenizer, TASK),
        [source for _, source in PAIRS],
        [text for text, _ in PAIRS],
        600,
    )
    assert totals == pytest.approx(expected.log_likelihood[texts.places], rel=1e-5)
    assert tokens.tolist() == expected.tokens[texts.places].tolist()
