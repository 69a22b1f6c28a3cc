"""Training on preferences: the losses against numpy by the papers' equations, their gradients, and what no interruption changes."""

import numpy as np
import pytest
import torch
from text_kit import examples_of, load_text, some_completions
from tiny_kit import Kept, keeper_of

from w2s_trainer.errors import Stopped
from w2s_trainer.models.likelihood import Answered
from w2s_trainer.tuning.keeper import NoCheckpoints
from w2s_trainer.tuning.loop import Schedule, tune
from w2s_trainer.tuning.preference_objective import Pairs, PreferenceLoss, PreferenceObjective
from w2s_trainer.tuning.stop import StopRequest

DPO, SIMPO = PreferenceLoss("DPO", 0.1), PreferenceLoss("SimPO", 2.0, 1.0)
SCHEDULE = Schedule(epochs=2, batch_size=4, learning_rate=0.01, batch_tokens=128)


def some_pairs(n: int = 8) -> Pairs:
    """Prompts that all begin with the same three tokens, each with two completions."""
    first, second = some_completions(n, seed=1), some_completions(n, seed=2)
    begin = [5, 6, 7]
    prompts = [list(first.sequences.rests[row])[: -int(first.tokens[row])] for row in range(n)]
    answers = [
        list(one.sequences.rests[row])[-int(one.tokens[row]) :] for one in (first, second) for row in range(n)
    ]
    examples: Answered = examples_of(prompts * 2, answers, begin)
    return Pairs(examples)


def drawn(n: int = 6) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    log_p, reference = -20 * torch.rand(2, n, 2, dtype=torch.float64)
    return log_p, torch.randint(1, 9, (n, 2)), reference


class TestLoss:
    def test_of_dpo_by_equation_7(self):
        log_p, tokens, reference = drawn()
        p, r = log_p.numpy(), reference.numpy()
        inner = 0.1 * (p[:, 0] - r[:, 0]) - 0.1 * (p[:, 1] - r[:, 1])
        assert DPO(log_p, tokens, reference).numpy() == pytest.approx(-np.log(1 / (1 + np.exp(-inner))))

    def test_of_simpo_by_equation_6(self):
        log_p, tokens, reference = drawn()
        p, n = log_p.numpy(), tokens.numpy()
        inner = 2 / n[:, 0] * p[:, 0] - 2 / n[:, 1] * p[:, 1] - 1
        assert SIMPO(log_p, tokens, reference).numpy() == pytest.approx(-np.log(1 / (1 + np.exp(-inner))))

    def test_both_are_those_of_trl(self):
        """Golden figures of `DPOTrainer.dpo_loss` and `CPOTrainer.cpo_loss` (simpo) of TRL 0.9.6, on the same figures."""
        log_p = torch.tensor([[-12.5, -9.25], [-3, -17.5], [-8.125, -8], [-40, -2.5]], dtype=torch.float64)
        reference = torch.tensor([[-11, -9.75], [-4.5, -16], [-8.125, -8.5], [-30, -2]], dtype=torch.float64)
        tokens = torch.tensor([[5, 4], [2, 7], [3, 3], [8, 1]])
        dpo = [0.7981388694, 0.5543552445, 0.718459648, 1.2769564069]
        simpo = [1.6004126516, 0.3132616875, 1.3748570859, 6.0024756851]
        assert DPO(log_p, tokens, reference).tolist() == pytest.approx(dpo, abs=1e-9)
        assert SIMPO(log_p, tokens, reference).tolist() == pytest.approx(simpo, abs=1e-9)

    def test_by_hand(self):
        # log-ratios log 2 and −log 2 at β = 1: σ(log 4) = 4/5
        log_p = torch.tensor([[np.log(0.4), np.log(0.1)]])
        reference = torch.tensor([[np.log(0.2), np.log(0.2)]])
        assert float(PreferenceLoss("DPO", 1.0)(log_p, torch.ones(1, 2), reference)) == pytest.approx(
            np.log(5 / 4)
        )

    @pytest.mark.parametrize("loss", [DPO, SIMPO])
    def test_its_gradient_is_that_of_finite_differences(self, loss):
        log_p, tokens, reference = drawn()
        assert torch.autograd.gradcheck(lambda p: loss(p, tokens, reference), log_p.requires_grad_())

    def test_the_gradient_of_dpo_is_the_paper_s(self):
        """Section 4: −β σ(r̂_l − r̂_w) (∇ log π(y_w) − ∇ log π(y_l))."""
        log_p, tokens, reference = drawn()
        log_p.requires_grad_()
        DPO(log_p, tokens, reference).sum().backward()
        reward = 0.1 * (log_p - reference).detach()
        by_hand = -0.1 * torch.sigmoid(reward[:, 1] - reward[:, 0])
        assert torch.allclose(log_p.grad, torch.stack([by_hand, -by_hand], dim=1))

    def test_far_apart_it_is_finite(self):
        far = torch.tensor([[-1e5, 0.0]], requires_grad=True)
        loss = DPO(far, torch.ones(1, 2), torch.zeros(1, 2))
        loss.sum().backward()
        assert loss.item() == pytest.approx(1e4)
        assert torch.isfinite(far.grad).all()


class TestFigures:
    def test_ahead_is_by_tokens_of_simpo_and_gains_are_over_the_student_before(self):
        pairs = some_pairs(2)
        pairs.tokens = np.array([[1, 4], [2, 2]])
        pairs.reference = np.array([[-2.0, -2.0], [-1.0, -5.0]])
        log_p = np.array([[-3.0, -4.0], [-4.0, -3.0]])
        assert pairs.figures(log_p, DPO)["accuracy"] == 0.5  # −3 > −4, −4 < −3
        assert pairs.figures(log_p, SIMPO)["accuracy"] == 0  # −3 < −1, −2 < −1.5
        assert pairs.figures(log_p, DPO)["rewardAccuracy"] == 0.5  # −1 > −2, −3 < 2
        assert pairs.figures(pairs.reference, DPO)["rewardAccuracy"] == 0.5, "ties count one half"
        assert pairs.figures(pairs.reference, DPO)["loss"] == pytest.approx(np.log(2), abs=1e-5)


def test_how_likely_both_texts_are_is_what_the_model_says_of_them_one_by_one(tiny):
    student, pairs = load_text(tiny["llama"]), some_pairs(5)
    found = pairs.measured(student, batch_tokens=64)
    shared = [int(token) for token in pairs.examples.sequences.shared]
    for row in range(5):
        for side in (0, 1):
            place = row + 5 * side
            ids = torch.tensor([shared + [int(token) for token in pairs.examples.sequences.rests[place]]])
            with torch.no_grad():
                log_p = student.model.eval()(input_ids=ids).logits.float().log_softmax(-1)[0]
            count = int(pairs.examples.tokens[place])
            by_hand = sum(
                float(log_p[at - 1, ids[0, at]]) for at in range(ids.shape[1] - count, ids.shape[1])
            )
            assert found[row, side] == pytest.approx(by_hand, rel=1e-4)
            assert pairs.tokens[row, side] == count


@pytest.mark.parametrize("loss", [DPO, SIMPO])
def test_training_moves_the_preferred_texts_ahead(tiny, loss):
    student, pairs = load_text(tiny["llama"]), some_pairs(8)
    pairs.reference = pairs.measured(student, 256)
    before = pairs.figures(pairs.reference, loss)
    schedule = Schedule(epochs=20, batch_size=4, learning_rate=0.02, batch_tokens=128)
    tune(student, PreferenceObjective(pairs, loss), schedule, keeper=NoCheckpoints())
    after = pairs.figures(pairs.measured(student, 256), loss)
    assert after["rewardAccuracy"] > 0.9
    assert after["loss"] < before["loss"]


def test_the_cut_into_micro_batches_changes_nothing(tiny):
    states = []
    for batch_tokens in (64, 4096):
        student, pairs = load_text(tiny["llama"]), some_pairs(8)
        pairs.reference = pairs.measured(student, 256)
        schedule = Schedule(epochs=1, batch_size=8, learning_rate=0.01, batch_tokens=batch_tokens)
        tune(student, PreferenceObjective(pairs, DPO), schedule, keeper=NoCheckpoints())
        states.append(student.state())
    for name in states[0]:
        assert torch.allclose(states[0][name], states[1][name], atol=1e-5), name


def test_stopped_and_gone_on_with_it_ends_at_the_same_bits(tiny, tmp_path):
    def go(kept: Kept, stop_in: int | None = None):
        stop, found = StopRequest(), kept.newest()

        def watch(_phase, now, _steps, **_figures):
            stop.requested = stop_in is not None and now == stop_in - 1

        student, pairs = load_text(tiny["llama"]), some_pairs(8)
        # Of another machine, whose last digits differ: those of the checkpoint are gone on with.
        pairs.reference = pairs.measured(student, 256) + (1e-3 if found else 0)
        tune(
            student,
            PreferenceObjective(pairs, DPO),
            SCHEDULE,
            keeper=keeper_of(kept, tmp_path, found=found),
            stop=stop,
            progress=watch,
        )
        return student.state()

    whole, kept = Kept(tmp_path / "whole"), Kept(tmp_path / "parts")
    end = go(whole)
    with pytest.raises(Stopped, match="step 2 of 4"):
        go(kept, stop_in=2)
    resumed = go(kept)
    assert all(torch.equal(end[name], resumed[name]) for name in end)
