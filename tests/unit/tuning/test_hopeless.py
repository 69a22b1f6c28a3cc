"""A training that has learned nothing by its first steps is ended, and only where that was asked for."""

import pytest
from tiny_kit import Kept, keeper_of, load, objective_of, training_texts

from w2s_api.exit_codes import ExitCode
from w2s_trainer.errors import BadSpec, Stopped
from w2s_trainer.tuning.hopeless import NotFallen, looked_at, not_fallen
from w2s_trainer.tuning.keeper import NoCheckpoints
from w2s_trainer.tuning.loop import Schedule, tune
from w2s_trainer.tuning.stop import StopRequest


@pytest.mark.parametrize(
    ("steps", "fraction", "step"), [(100, 0.3, 30), (10, 0.25, 3), (10, 0.01, 2), (1, 0.5, 1), (7, 1.0, 7)]
)
def test_when_it_is_looked_at(steps, fraction, step):
    assert looked_at(steps, fraction) == step


@pytest.mark.parametrize(
    ("losses", "steps", "found"),
    [
        ([1.0, 0.9], 10, None),
        ([1.0, 1.0], 10, NotFallen(1, 1.0, 1.0)),
        ([1.0] * 5 + [9.0] * 20 + [0.9] * 5, 40, None),
        ([1.0] * 5 + [0.5] * 20 + [1.5] * 5, 40, NotFallen(5, 1.0, 1.5)),
        ([1.0, 3.0] + [2.0] * 28, 100, NotFallen(10, 2.0, 2.0)),
    ],
)
def test_means_over_as_many_steps_at_both_ends(losses, steps, found):
    assert not_fallen(losses, steps) == found


def tuned(student, rate, *, keeper=None, **more):
    schedule = Schedule(
        epochs=2, batch_size=4, learning_rate=rate, batch_tokens=60, shape="Constant", abandon_after=0.5
    )
    objective = objective_of("CrossEntropy", 4, training_texts(student, 18))
    return tune(student, objective, schedule, keeper=keeper or NoCheckpoints(), **more)


def test_a_training_that_learns_goes_on(tiny):
    assert tuned(load(tiny["bert"]), 3e-3).step == 10


def test_one_that_does_not_ends_with_a_clear_word_wherever_it_was_interrupted(tiny, tmp_path):
    with pytest.raises(BadSpec) as error:
        tuned(load(tiny["bert"]), 3.0)
    assert (error.value.reason, error.value.exit_code) == ("TrainingHopeless", ExitCode.BAD_SPEC)
    assert error.value.message.startswith("After 5 of 10 steps the loss has not fallen: ")
    kept, stop = Kept(tmp_path / "kept"), StopRequest()
    stop.requested = True
    for _ in range(4):
        with pytest.raises(Stopped):
            tuned(load(tiny["bert"]), 3.0, keeper=keeper_of(kept, tmp_path, found=kept.newest()), stop=stop)
    with pytest.raises(BadSpec) as again:
        tuned(load(tiny["bert"]), 3.0, keeper=keeper_of(kept, tmp_path, found=kept.newest()), stop=stop)
    assert again.value.message == error.value.message
