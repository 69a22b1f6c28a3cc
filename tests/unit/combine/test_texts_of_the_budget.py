"""What a teacher writes about the texts that it was taught by is no evidence for the choice among texts."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from w2s_api.spec.task import Task
from w2s_api.spec.weak import Labeler
from w2s_trainer.stages.combine.texts import STRONG, TEACHER, _Known
from w2s_trainer.stages.label.opinion import teaching_budget
from w2s_trainer.stages.tables import EVERY_SEED, Examples, WeakLabels

N = 8
WRITTEN = np.array([f"text {row}" for row in range(N)], dtype=object)
RULES = {"type": "Functions", "functions": {"rules": [{"pattern": "a", "write": "a"}]}}
ASKED = {"type": "Prompted", "prompted": {"model": {"uri": "py://llm"}, "shots": 3}}
TUNED = {"type": "Finetuned", "finetuned": {"model": {"uri": "py://llm"}, "tuning": {"type": "LoRA"}}}


def known_of(*labelers: dict[str, Any]) -> tuple[_Known, np.ndarray]:
    """What is known of a job with these labelers, and the rows of its budget as they were drawn."""
    examples = Examples(
        [f"id-{row}" for row in range(N)], WRITTEN.tolist(), np.array(["budget"] * N), np.arange(N)
    )
    spec = SimpleNamespace(
        task=Task.model_validate({"type": "Generation", "generation": {}}),
        weak=SimpleNamespace(
            labelers=[
                Labeler.model_validate({"name": f"l{n}", **labeler}) for n, labeler in enumerate(labelers)
            ]
        ),
        data=SimpleNamespace(gold_budget=6),
    )
    artifact = SimpleNamespace(files={})
    job = SimpleNamespace(stage=SimpleNamespace(roles={}))
    context = SimpleNamespace(job=job, spec=spec, artifact=lambda _role: artifact, scratch=None)
    known = _Known(context, examples)
    vars(known).update(
        gold=WRITTEN,
        _labels={EVERY_SEED: WeakLabels(WRITTEN, np.zeros(N, dtype=bool))},
        _answers={("strong", 4): {0: WRITTEN}},
        _probabilities={("strong", 4): {0: np.full(N, 0.5)}},
        _cut_off={("strong", 4): {0: np.arange(N) == 1}},
    )
    return known, teaching_budget(context, examples, WRITTEN, 0)


@pytest.mark.parametrize(
    ("labelers", "silent"),
    [((RULES,), []), ((RULES, ASKED), [0, 1, 2]), ((RULES, TUNED), range(6)), ((ASKED, TUNED), range(6))],
)
def test_the_teacher_is_silent_where_one_of_its_labelers_was_taught(labelers, silent):
    known, drawn = known_of(*labelers)
    written = known.on_budget(0, drawn)
    assert [place for place, text in enumerate(written[TEACHER].texts) if text == ""] == list(silent)
    assert written[STRONG].texts.tolist() == WRITTEN[drawn].tolist()
    assert written[STRONG].cut_off.tolist() == [row == 1 for row in drawn.tolist()]
    assert known.on(drawn, 0)[TEACHER].texts.tolist() == WRITTEN[drawn].tolist(), "elsewhere it is heard"


def test_for_a_student_that_learnt_from_the_budget_the_one_before_speaks_there_and_nowhere_else():
    known, drawn = known_of(RULES)
    roles = {"students": ("finish-1-align-0",), "unfinished": ("train-strong-0",)}
    known._context.job.stage.roles = roles
    before = np.array([f"before {row}" for row in range(N)], dtype=object)
    half = {("strong", 4): {0: np.full(N, 0.25)}}
    vars(known).update(_before=[{("strong", 4): {0: before}}, half, {}])
    written = known.on_budget(0, drawn)
    assert written[STRONG].texts.tolist() == before[drawn].tolist()
    assert set(written[STRONG].probability.tolist()) == {0.25}
    assert known.on(drawn, 0)[STRONG].texts.tolist() == WRITTEN[drawn].tolist(), (
        "elsewhere it is asked itself"
    )
