"""Soft targets: the divergence against closed forms and torch, whose tokens they are of, and what no interruption changes."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from text_kit import examples_of, load_text, some_completions, some_weights
from tiny_kit import LORA, Kept, keeper_of

from w2s_api.methods.losses import CrossEntropy, SoftTargets
from w2s_trainer.errors import BadData, BadSpec, Stopped
from w2s_trainer.models.top_tokens import IMPOSSIBLE, TopTokens, vocabulary_digest
from w2s_trainer.tuning.completion_objective import CompletionObjective
from w2s_trainer.tuning.keeper import NoCheckpoints
from w2s_trainer.tuning.loop import Schedule, tune
from w2s_trainer.tuning.losses import TokenTargets, make_token_targets
from w2s_trainer.tuning.losses.soft_targets import divergence
from w2s_trainer.tuning.soft_completion_objective import SoftCompletionObjective, soft_tokens_of
from w2s_trainer.tuning.stop import StopRequest
from w2s_trainer.tuning.training_set import SoftTarget

N, VOCABULARY, K = 18, 54, 5


def logits_of(*probabilities: float) -> torch.Tensor:
    return torch.tensor([probabilities], dtype=torch.float64).log() + 3.0  # logits are known up to a constant


def rest_of(log_q: torch.Tensor) -> torch.Tensor:
    """What the kept tokens leave."""
    return (1 - log_q.exp().sum(-1)).clamp(min=0).log().clamp(min=IMPOSSIBLE)


class TestDivergence:
    """p = (.5, .3, .2) of the student; the teacher says .7 of the first token, or .7 and .2 of the first two."""

    @pytest.mark.parametrize(
        ("ids", "q", "temperature", "expected"),
        [
            ([0], [0.7], 1.0, 0.7 * math.log(0.7 / 0.5) + 0.3 * math.log(0.3 / 0.5)),
            ([0, 1], [0.7, 0.2], 1.0, 0.7 * math.log(0.7 / 0.5) + 0.2 * math.log(0.2 / 0.3) + 0.1 * math.log(0.1 / 0.2)),
            ([1, 0], [0.2, 0.7], 1.0, 0.7 * math.log(0.7 / 0.5) + 0.2 * math.log(0.2 / 0.3) + 0.1 * math.log(0.1 / 0.2)),
            ([2], [1.0], 1.0, -math.log(0.2)),
            ([0], [0.5], 1.0, 0.0),
            # at T = .5 both are squared: q (.49, .09) / .58, p (.25, .25) / .5
            ([0], [0.7], 0.5, 0.49 / 0.58 * math.log(0.49 / 0.58 / 0.5) + 0.09 / 0.58 * math.log(0.09 / 0.58 / 0.5)),
        ],
    )  # fmt: skip
    def test_by_hand(self, ids, q, temperature, expected):
        log_q = torch.tensor([q]).double().log()
        found = divergence(logits_of(0.5, 0.3, 0.2), torch.tensor([ids]), log_q, rest_of(log_q), temperature)
        assert found.tolist() == pytest.approx([expected], abs=1e-7)

    @pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 7.0])
    def test_of_the_whole_vocabulary_it_is_torch_s(self, temperature):
        torch.manual_seed(0)
        student, teacher = torch.randn(2, 40, 11, dtype=torch.float64) * 3
        log_q, ids = teacher.log_softmax(-1).topk(11)
        expected = torch.nn.functional.kl_div(
            (student / temperature).log_softmax(-1),
            (teacher / temperature).log_softmax(-1),
            reduction="none",
            log_target=True,
        ).sum(-1)
        nothing = torch.full((40,), IMPOSSIBLE, dtype=torch.float64)
        found = divergence(student, ids, log_q, nothing, temperature)
        torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9)

    @pytest.mark.parametrize("k", [1, 4, 11])
    @pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
    def test_gradients_are_those_of_finite_differences(self, k, temperature):
        torch.manual_seed(1)
        student = torch.randn(3, 11, dtype=torch.float64, requires_grad=True)
        log_q, ids = torch.randn(3, 11, dtype=torch.float64).log_softmax(-1).topk(k)
        rest = rest_of(log_q) if k < 11 else torch.full((3,), IMPOSSIBLE, dtype=torch.float64)
        assert torch.autograd.gradcheck(lambda x: divergence(x, ids, log_q, rest, temperature), (student,))

    def test_the_gradient_is_p_less_q_and_what_is_not_kept_is_pulled_to_the_rest_mass(self):
        torch.manual_seed(2)
        student = torch.randn(6, 9, dtype=torch.float64, requires_grad=True)
        log_q, ids = torch.randn(6, 9, dtype=torch.float64).log_softmax(-1).topk(3)
        (gradient,) = torch.autograd.grad(divergence(student, ids, log_q, rest_of(log_q), 1.0).sum(), student)
        p = student.detach().softmax(-1)
        others = torch.ones_like(p).scatter(1, ids, 0.0)
        rest = 1 - log_q.exp().sum(-1, keepdim=True)
        q = (others * p / (others * p).sum(-1, keepdim=True) * rest).scatter(1, ids, log_q.exp())
        torch.testing.assert_close(gradient, p - q, atol=1e-9, rtol=0)

    def test_in_float32_a_teacher_that_is_sure_and_a_student_that_is_sure_of_another_are_finite(self):
        logits = torch.tensor([[60.0, -60.0, 0.0]], requires_grad=True)
        log_q = torch.tensor([[0.0, -120.0]])
        found = divergence(logits, torch.tensor([[1, 0]]), log_q, torch.tensor([-200.0]), 1.0)
        (gradient,) = torch.autograd.grad(found.sum(), logits)
        assert found.item() == pytest.approx(120.0, abs=1e-3)
        assert torch.isfinite(gradient).all()


def some_soft(examples, seed=0, k=K) -> list[TopTokens]:
    """A teacher's random opinion of each token."""
    rng = np.random.default_rng([seed, 4])
    soft = []
    for row, count in enumerate(examples.tokens.tolist()):
        log_q = np.sort(np.log(rng.dirichlet(np.ones(k + 1), size=count))[:, :k])[:, ::-1]
        ids = np.stack([rng.permutation(VOCABULARY)[:k] for _ in range(count)])
        soft.append(
            TopTokens(
                np.array(examples.sequences.rests[row][-count:], dtype=np.int32),
                ids.astype(np.int32),
                log_q.astype(np.float32),
                np.log1p(-np.exp(log_q).sum(axis=1)).astype(np.float32),
            )
        )
    return soft


def sure_of(examples) -> list[TopTokens]:
    """A teacher that is sure of each token that it wrote."""
    return [
        TopTokens.of(one.tokens, one.tokens, [0.0] * len(one.tokens), [IMPOSSIBLE] * len(one.tokens))
        for one in some_soft(examples)
    ]


def targets(weight=0.5, temperature=1.0, decays=False, progress=0.0) -> TokenTargets:
    made = TokenTargets(weight, temperature, decays)
    made.begin(progress)
    return made


def by_hand(student, examples, soft, row, weight, temperature):
    """(1 − λ) CE + λ T² KL, means over the tokens, by the whole model on the example alone, token by token."""
    ids = [*examples.sequences.shared, *examples.sequences.rests[row]]
    log_p = student.model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    count, total = int(examples.tokens[row]), 0.0
    for place in range(count):
        at = len(ids) - count + place
        p, q = log_p[at - 1].exp().double(), np.exp(soft[row].log_probabilities[place].astype(np.float64))
        kept = soft[row].ids[place].tolist()
        p = np.array([*(p[one].item() for one in kept), 1 - sum(p[one].item() for one in kept)])
        q = np.array([*q, 1 - q.sum()])
        p, q = (one ** (1 / temperature) / (one ** (1 / temperature)).sum() for one in (p, q))
        kl = (q * np.log(q / p)).sum()
        total += (1 - weight) * -log_p[at - 1][ids[at]].item() + weight * temperature**2 * kl
    return total / count


class TestObjective:
    @pytest.mark.parametrize("kind", ["llama", "opt"])
    @pytest.mark.parametrize("share", [True, False])
    @pytest.mark.parametrize("temperature", [1.0, 2.0])
    def test_each_loss_is_the_mixture_by_hand(self, tiny, kind, share, temperature):
        student, examples = load_text(tiny[kind]), some_completions(N, share=share)
        soft = some_soft(examples)
        objective = SoftCompletionObjective(examples, some_weights(N), soft, targets(0.3, temperature))
        losses, outputs = objective.losses(student, np.arange(N))
        expected = [by_hand(student, examples, soft, row, 0.3, temperature) for row in range(N)]
        assert losses.tolist() == pytest.approx(expected, abs=1e-4)
        assert outputs.shape == (N, 0)
        assert objective.figures == {"softTargets": N}

    @pytest.mark.parametrize("share", [True, False])
    @pytest.mark.parametrize("rows", [np.arange(N), np.array([7, 2, 11]), np.array([17]), np.arange(N)[::-1]])
    def test_no_packing_shifts_a_target(self, tiny, share, rows):
        """Of a teacher that is sure of what it wrote the divergence is the cross-entropy, at just these tokens."""
        student, examples = load_text(tiny["llama"]), some_completions(N, share=share)
        assert len(set(examples.tokens.tolist())) > 2, (
            "completions of several lengths stand beside one another"
        )
        for weight in (0.5, 1.0):
            objective = SoftCompletionObjective(examples, np.ones(N), sure_of(examples), targets(weight))
            found, _ = objective.losses(student, rows)
            plain, _ = CompletionObjective(examples, np.ones(N)).losses(student, rows)
            torch.testing.assert_close(found, plain, atol=2e-5, rtol=0)

    def test_texts_without_soft_targets_and_of_other_tokens_are_learnt_as_they_are(self, tiny):
        student, examples = load_text(tiny["llama"]), some_completions(N)
        soft = some_soft(examples)
        first = soft[1]
        others = replace(first, tokens=first.tokens + 1)
        longer = replace(soft[2], tokens=np.concatenate([soft[2].tokens, soft[2].tokens]))
        mixed = [None, others, longer, *soft[3:]]
        objective = SoftCompletionObjective(examples, np.ones(N), mixed, targets(0.7))
        found, _ = objective.losses(student, np.arange(N))
        plain, _ = CompletionObjective(examples, np.ones(N)).losses(student, np.arange(N))
        assert torch.equal(found[:3], plain[:3])
        assert (found[3:] != plain[3:]).all()
        assert objective.figures == {"softTargets": N - 3}

    def test_where_nothing_has_soft_targets_it_says_so(self):
        with pytest.raises(BadData, match="None of 18 texts") as refused:
            SoftCompletionObjective(some_completions(N), np.ones(N), [None] * N, targets())
        assert refused.value.reason == "NoSoftTargets"

    @pytest.mark.parametrize(
        ("decay", "progress", "weight"),
        [("Constant", 0.75, 0.4), ("Linear", 0.0, 0.4), ("Linear", 0.75, 0.1)],
    )
    def test_the_settings_reach_it_and_the_weight_falls(self, decay, progress, weight):
        settings = SoftTargets.model_validate({"softWeight": "0.4", "temperature": "3", "decay": decay})
        made = make_token_targets(settings)
        made.begin(progress)
        found = made.mixed(torch.tensor([2.0]), torch.tensor([5.0]))
        assert found.item() == pytest.approx((1 - weight) * 2 + weight * 9 * 5)
        assert make_token_targets(CrossEntropy()) is None

    def test_a_teacher_that_is_the_student_itself_asks_for_nothing(self, tiny):
        """Its divergence and the gradient of it are 0, so that the whole weight on soft targets moves nothing."""
        student, examples = load_text(tiny["llama"]), some_completions(N)
        with torch.no_grad():
            logits, tokens, counts = student.completion_logits(examples, np.arange(N))
            of_all = logits.log_softmax(-1)
            log_q, ids = of_all.topk(K)
            rest = of_all.scatter(1, ids, IMPOSSIBLE).logsumexp(-1)
        parts = [one.split(counts) for one in (tokens, ids, log_q, rest)]
        soft = [
            TopTokens.of(*(part.flatten().tolist() for part in of_row)) for of_row in zip(*parts, strict=True)
        ]
        objective = SoftCompletionObjective(examples, np.ones(N), soft, targets(1.0))
        losses, _ = objective.losses(student, np.arange(N))
        gradients = torch.autograd.grad(losses.sum(), list(student.parameters().values()))
        assert losses.abs().max() < 1e-5
        assert max(one.abs().max().item() for one in gradients) < 1e-4


class TestTokenizers:
    def test_a_teacher_of_other_tokens_is_refused_with_the_reason(self, tiny):
        student = load_text(tiny["llama"])
        top = some_soft(some_completions(2))
        own = vocabulary_digest(student.tokenizer)
        fine = [SoftTarget(top[0], "asked", own), None, SoftTarget(top[1], "asked", own)]
        assert soft_tokens_of(fine, student, "mine") == [top[0], None, top[1]]
        with pytest.raises(
            BadSpec, match="labeler small and mine token by token, but their tokenizers"
        ) as refused:
            soft_tokens_of([*fine, SoftTarget(top[0], "small", "f" * 64)], student, "mine")
        assert refused.value.reason == "TokenizersDiffer"

    def test_the_digest_is_of_which_token_has_which_number(self, tiny):
        tokenizer = load_text(tiny["llama"]).tokenizer
        before = vocabulary_digest(tokenizer)
        tokenizer.truncation_side, tokenizer.padding_side = "left", "left"
        assert vocabulary_digest(tokenizer) == before
        tokenizer.add_tokens(["w-new"])
        assert vocabulary_digest(tokenizer) != before


def objective_of(decays=True):
    examples = some_completions(N)
    soft = some_soft(examples)
    soft[::3] = [None] * len(soft[::3])
    return SoftCompletionObjective(examples, some_weights(N), soft, TokenTargets(0.8, 2.0, decays))


def trained(student, keeper=None, **more):
    settings = {"epochs": 2, "batch_size": 4, "learning_rate": 3e-3, "batch_tokens": 40}
    call = {name: more.pop(name) for name in ("stop", "progress") if name in more}
    return tune(
        student, objective_of(), Schedule(**settings | more), keeper=keeper or NoCheckpoints(), **call
    )


class TestTraining:
    def test_micro_batches_change_nothing_that_counts(self, tiny):
        losses = [
            trained(load_text(tiny["llama"]), batch_tokens=size, learning_rate=1e-4).losses
            for size in (1, 40, 10_000)
        ]
        assert losses[1] == pytest.approx(losses[0], abs=1e-5)
        assert losses[2] == pytest.approx(losses[0], abs=1e-5)

    def test_a_student_comes_to_think_as_its_teacher_does(self, tiny):
        """With the whole weight on it the divergence falls, of what is half way between two tokens most of all."""
        examples = examples_of([[8], [9], [10]] * 6, [[11], [12], [13]] * 6)
        half = [np.log(0.5)] * 2
        soft = [TopTokens.of([11 + n % 3], [11 + n % 3, 20], half, [IMPOSSIBLE]) for n in range(18)]
        student = load_text(tiny["llama"])
        objective = SoftCompletionObjective(examples, np.ones(18), soft, TokenTargets(1.0, 1.0, decays=False))
        tune(student, objective, Schedule(30, 6, 2e-2), keeper=NoCheckpoints())
        with torch.no_grad():
            p = student.completion_logits(examples, np.arange(3))[0].softmax(-1)
        for row in range(3):
            assert p[row, 11 + row].item() == pytest.approx(0.5, abs=0.1)
            assert p[row, 20].item() == pytest.approx(0.5, abs=0.1)

    @pytest.mark.parametrize("step", [1, 5, 10])
    def test_stopped_in_any_step_it_ends_bitwise_equal(self, tiny, tmp_path, step):
        """The weight of the soft targets falls with the step, so a run that went on from a wrong one would differ."""

        def go(kept, seed=0, stop_in=None):
            stop = StopRequest()

            def watch(_phase, now, _steps, **_figures):
                stop.requested = stop_in is not None and now == stop_in - 1

            found = kept.newest()
            student = load_text(tiny["llama"], LORA, seed=seed if found is None else 99, dropout=0.2)
            trained(student, keeper_of(kept, tmp_path, found=found), stop=stop, progress=watch)
            return student.state()

        whole, kept = Kept(tmp_path / "whole"), Kept(tmp_path / "parts")
        end = go(whole)
        with pytest.raises(Stopped, match=f"step {step} of 10"):
            go(kept, stop_in=step)
        resumed = go(kept)
        assert all(torch.equal(one, end[name]) for name, one in resumed.items())
        assert kept.all[10].meta["losses"] == whole.all[10].meta["losses"]
