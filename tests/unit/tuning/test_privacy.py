"""Differentially private steps: what is clipped, what is added, and that no interruption and no division changes it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_kit import LORA, Kept, keeper_of, load, objective_of, training_texts

from w2s_api.methods.tunings import Full
from w2s_trainer.errors import Stopped
from w2s_trainer.tuning.keeper import NoCheckpoints
from w2s_trainer.tuning.loop import Schedule, tune
from w2s_trainer.tuning.privacy import PrivateSteps
from w2s_trainer.tuning.stop import StopRequest
from w2s_trainer.tuning.world import World

N = 18
SCHEDULE = Schedule(epochs=2, batch_size=4, learning_rate=3e-3, batch_tokens=60)
STEPS = PrivateSteps(rows=N, batch_size=4, epochs=2, clip_norm=0.5, noise=0.7, secret=b"x" * 32)


def gradients(student, steps, step=0, loss="CrossEntropy"):
    objective = objective_of(loss, 4, training_texts(student, N))
    rows = steps.batch(step)
    _, mean = steps.gradients(student, objective, rows, step, World())
    return rows, mean, {name: one.grad.clone() for name, one in student.parameters().items()}


def plain(student, row):
    """The gradient of one text's weighted loss, all in one vector."""
    texts = training_texts(student, N)
    targets, weights = torch.tensor(texts.data.targets[row]), float(texts.data.weights[row])
    loss = -(targets * student.log_probs([texts.tokens[row]])[0]).sum()
    found = torch.autograd.grad(weights * loss, list(student.parameters().values()), allow_unused=True)
    parameters = student.parameters().values()
    return torch.cat(
        [
            (torch.zeros_like(one) if grad is None else grad).flatten()
            for one, grad in zip(parameters, found, strict=True)
        ]
    ), loss.item()


@pytest.mark.parametrize("kind", ["bert", "llama"])
@pytest.mark.parametrize("tuning", [LORA, Full()], ids=["LoRA", "Full"])
def test_a_step_is_the_sum_of_clipped_gradients(tiny, kind, tuning):
    student = load(tiny[kind], tuning)
    steps = replace(STEPS, noise=0.0)
    rows, mean, found = gradients(student, steps)
    assert len(rows) > 1
    expected, losses, clipped = 0, [], 0
    for row in rows:
        gradient, loss = plain(student, row)
        norm = gradient.norm()
        clipped += bool(norm > 0.5)
        expected = expected + gradient * min(1.0, 0.5 / float(norm))
        losses.append(loss)
    assert clipped
    flat = torch.cat([one.flatten() for one in found.values()])
    torch.testing.assert_close(flat, (expected / 4).float(), atol=1e-6, rtol=1e-4)
    assert mean == pytest.approx(np.mean(losses), abs=1e-5)


def test_one_text_changes_the_sum_by_its_norm_at_most(tiny):
    student = load(tiny["bert"])
    steps = replace(STEPS, noise=0.0)
    objective = objective_of("CrossEntropy", 4, training_texts(student, N))

    def total(rows):
        steps.gradients(student, objective, np.array(rows), 0, World())
        return 4 * torch.cat([one.grad.flatten() for one in student.parameters().values()])

    with_all = total(range(N))
    for left_out in range(N):
        assert (with_all - total([row for row in range(N) if row != left_out])).norm() <= 0.5 + 1e-4


def test_noise_has_the_declared_deviation_and_is_another_at_each_step(tiny):
    student = load(tiny["bert"], Full())
    without = torch.cat([g.flatten() for g in gradients(student, replace(STEPS, noise=0.0))[2].values()])
    with_noise = torch.cat([g.flatten() for g in gradients(student, STEPS)[2].values()])
    noise = 4 * (with_noise - without)
    assert float(noise.std()) == pytest.approx(0.7 * 0.5, rel=4 / np.sqrt(2 * len(noise)))
    assert float(noise.mean()) == pytest.approx(0, abs=4 * 0.35 / np.sqrt(len(noise)))
    again, other = (replace(STEPS, secret=secret) for secret in (STEPS.secret, b"y" * 32))
    same = torch.cat([g.flatten() for g in gradients(student, again)[2].values()])
    assert torch.equal(same, with_noise)
    assert not np.array_equal(other.batch(0), STEPS.batch(0))
    draws = [torch.tensor(STEPS._drawn(1, step).standard_normal(400)) for step in range(3)]
    assert abs(float(torch.corrcoef(torch.stack(draws))[0, 1])) < 0.2


def test_each_text_takes_part_by_chance_whatever_the_others():
    steps = PrivateSteps(rows=200, batch_size=10, epochs=100, clip_norm=1, noise=1, secret=b"z")
    taken = np.zeros((steps.steps, 200))
    for step in range(steps.steps):
        taken[step, steps.batch(step)] = 1
    assert steps.rate == 0.05
    assert steps.steps == 2000
    spread = np.sqrt(0.05 * 0.95)
    assert np.abs(taken.mean(0) - 0.05).max() < 4.5 * spread / np.sqrt(2000)
    assert taken.sum(1).std() == pytest.approx(spread * np.sqrt(200), rel=0.1), "batches differ in size"
    whole = PrivateSteps(rows=3, batch_size=10, epochs=1, clip_norm=1, noise=1, secret=b"z")
    assert (whole.rate, whole.batch(0).tolist()) == (1.0, [0, 1, 2])


def test_a_step_in_which_nobody_takes_part_is_noise(tiny):
    student = load(tiny["bert"])
    objective = objective_of("CrossEntropy", 4, training_texts(student, N))
    outputs, loss = STEPS.gradients(student, objective, np.zeros(0, dtype=np.int64), 3, World())
    assert (outputs.shape, loss) == ((0, 3), 0.0)
    assert all(float(one.grad.abs().sum()) > 0 for one in student.parameters().values())
    objective.observe(np.zeros(0, dtype=np.int64), outputs)


def tuned(student, steps=STEPS, keeper=None, **more):
    objective = objective_of("CrossEntropy", 4, training_texts(student, N))
    return tune(student, objective, SCHEDULE, keeper=keeper or NoCheckpoints(), privacy=steps, **more)


def test_an_interrupted_training_ends_bit_for_bit_where_the_other_does(tiny, tmp_path):
    undisturbed = load(tiny["bert"], dropout=0.1)
    state = tuned(undisturbed)
    assert state.step == STEPS.steps == 10

    kept, stop = Kept(tmp_path / "kept"), StopRequest()
    stop.requested = True
    for _ in range(3):
        with pytest.raises(Stopped):
            tuned(
                load(tiny["bert"], dropout=0.1),
                keeper=keeper_of(kept, tmp_path, found=kept.newest()),
                stop=stop,
            )
    student = load(tiny["bert"], dropout=0.1)
    resumed = tuned(student, keeper=keeper_of(kept, tmp_path, found=kept.newest()))
    assert resumed.losses == state.losses
    for name, one in undisturbed.state().items():
        assert torch.equal(student.state()[name], one), name


def test_what_is_spent_counts_the_steps_that_were_done():
    assert STEPS.spent(0, 1e-5) == 0
    assert STEPS.spent(5, 1e-5) < STEPS.spent(10, 1e-5)
