"""The judge of a selection is asked as labelers are: what it said is saved, and not asked for again."""

from types import SimpleNamespace

import numpy as np
import pytest
from judging_kit import TASK, judge_of
from label_kit import Told, label_context
from memory_objects import MemoryObjects

from w2s_api.methods.selection_steps import Judge
from w2s_trainer.errors import OwnFault
from w2s_trainer.families.generation.texts import texts_of
from w2s_trainer.models.causal import CausalModel
from w2s_trainer.stages.select import judge as module
from w2s_trainer.stages.select.methods import Candidates, Sights
from w2s_trainer.stages.select.ordered import Ordered
from w2s_trainer.stages.tables import Examples, WeakLabels

ROWS = 12
SETTINGS = Judge.model_validate(
    {
        "model": {"uri": "py://judge"},
        "rubric": "It is short.",
        "sample": 32,
        "minimum": "3",
        "batchTokens": 400,
    }
)


def candidates(scratch, memory) -> Candidates:
    context = label_context(scratch, memory)
    context.spec = SimpleNamespace(task=TASK)
    context.model_at = lambda uri: SimpleNamespace(directory=scratch, name=uri)
    examples = Examples(
        [f"row-{n}" for n in range(ROWS)],
        [f"Text number {n}" * (1 + n % 3) for n in range(ROWS)],
        np.array(["pool"] * ROWS),
        np.arange(ROWS),
    )
    weak = WeakLabels(texts_of([f"answer {n}" for n in range(ROWS)]), np.zeros(ROWS, dtype=bool))
    return Candidates(context, examples, Sights(context, examples), weak, -1, np.arange(ROWS), np.ones(ROWS))


def test_a_run_after_an_interruption_asks_for_the_rest_alone_and_says_the_same(monkeypatch, tmp_path):
    judge = judge_of()
    monkeypatch.setattr(module, "load_causal", lambda _directory, _uri: judge)
    whole = candidates(tmp_path, MemoryObjects())
    expected = module.ask(SETTINGS, whole, Ordered.of(whole), ROWS)

    memory, real = MemoryObjects(), CausalModel.scores_of

    def breaking(self, prompts, answers, rows, batch_tokens):
        for number, batch in enumerate(real(self, prompts, answers, rows, batch_tokens)):
            if number == 1:
                raise OwnFault("OutOfMemory", "No room.")
            yield batch

    monkeypatch.setattr(CausalModel, "scores_of", breaking)
    one = candidates(tmp_path, memory)
    with pytest.raises(OwnFault):
        module.ask(SETTINGS, one, Ordered.of(one), ROWS)

    asked = []

    def counting(self, prompts, answers, rows, batch_tokens):
        asked.append(len(rows))
        yield from real(self, prompts, answers, rows, batch_tokens)

    monkeypatch.setattr(CausalModel, "scores_of", counting)
    again = candidates(tmp_path, memory)
    found = module.ask(SETTINGS, again, Ordered.of(again), ROWS)
    assert 0 < asked[0] < ROWS
    told = again.context.progress
    assert isinstance(told, Told)
    assert any(f"going on from {ROWS - asked[0]} of {ROWS} answers" in line for line in told)
    assert found.ratings.tolist() == expected.ratings.tolist()
    assert found.mass.tolist() == expected.mass.tolist()


def test_another_rubric_is_another_collection_and_so_is_another_seed():
    names = {
        module._name(SETTINGS, -1),
        module._name(SETTINGS, 0),
        module._name(SETTINGS.model_copy(update={"rubric": "It is long."}), -1),
    }
    assert len(names) == 3
    assert module._name(SETTINGS.model_copy(update={"batch_tokens": 64}), -1) in names
