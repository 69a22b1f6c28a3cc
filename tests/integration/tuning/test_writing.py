"""A pretrained student that learns to write, on real licence notices."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "perf"))

from writing import INSTRUCTION, MODEL, notices

from w2s_api.methods.tunings import LoRA
from w2s_trainer.models.decoding import Decoding
from w2s_trainer.models.generating import write
from w2s_trainer.models.layout import FREE_TEXT, layout_of
from w2s_trainer.models.uri import fetch_model
from w2s_trainer.tuning.completion_objective import CompletionObjective, CompletionValidation
from w2s_trainer.tuning.completions import completions_of
from w2s_trainer.tuning.keeper import NoCheckpoints
from w2s_trainer.tuning.loop import Schedule, tune
from w2s_trainer.tuning.text_student import load_text_student

NOTICES, HELD_OUT, ASKED = 20, 6, 3
SHORT = 120
"""Characters of a notice: the test is to take seconds."""


@pytest.fixture(scope="module")
def pairs() -> tuple[list[str], list[str]]:
    found = [(text, answer) for text, answer in zip(*notices(600), strict=True) if len(text) <= SHORT]
    texts, answers = zip(*found[: NOTICES + HELD_OUT], strict=True)
    return list(texts), list(answers)


def test_it_learns_to_write_licence_expressions(smollm2, pairs):
    texts, answers = pairs
    student = load_text_student(fetch_model(MODEL, None, smollm2), tuning=LoRA(), name=MODEL)
    student.make_tunable(0)
    layout = layout_of(student.tokenizer, INSTRUCTION, (), FREE_TEXT)

    def examples(part: slice):
        return completions_of(student, layout, texts[part], answers[part])

    def written() -> list[str]:
        with student.answering() as asked:
            return write(asked, layout, texts[:ASKED], Decoding(max_new_tokens=12), 4096).texts[:, 0].tolist()

    held_out = CompletionValidation(examples(slice(NOTICES, None)), np.ones(HELD_OUT))
    before, first = held_out.loss(student, 4096), written()
    trained_on = examples(slice(NOTICES))
    assert len(trained_on.sequences.shared) > 20
    objective = CompletionObjective(trained_on, np.ones(NOTICES))
    state = tune(student, objective, Schedule(2, 4, 1e-3), keeper=NoCheckpoints())
    assert np.mean(state.losses[-4:]) < 0.5 * np.mean(state.losses[:4])
    assert held_out.loss(student, 4096) < 0.8 * before
    after = written()
    assert after != first
    assert all(len(text) < 60 for text in after)
