"""Tiny students that write: what they are trained to, on what it does not depend, and what no interruption changes."""

import inspect
import math

import numpy as np
import pytest
import torch
from text_kit import examples_of, load_text, some_completions, some_weights
from tiny_kit import LORA, SPECIAL, Kept, keeper_of

from w2s_api.methods.tunings import Full, LoRA
from w2s_trainer.errors import BadSpec, Stopped
from w2s_trainer.tuning.completion_objective import CompletionObjective, CompletionValidation
from w2s_trainer.tuning.keeper import NoCheckpoints
from w2s_trainer.tuning.loop import Schedule, tune
from w2s_trainer.tuning.order import Order
from w2s_trainer.tuning.schedule import learning_rate_factor
from w2s_trainer.tuning.stop import StopRequest
from w2s_trainer.tuning.text_student import load_text_student

TUNINGS = {"LoRA": LORA, "Full": Full()}
CAUSAL = ("llama", "opt")
"""One is told which logits to compute, positions are computed; the other has neither."""
N = 18


@pytest.fixture(params=CAUSAL)
def kind(request):
    return request.param


@pytest.fixture(params=TUNINGS)
def tuning(request):
    return TUNINGS[request.param]


def by_hand(student, examples, row):
    """Mean over a completion's tokens of −log p, by the whole model on the example alone."""
    ids = [*examples.sequences.shared, *examples.sequences.rests[row]]
    logits = student.model(input_ids=torch.tensor([ids])).logits[0]
    places = range(len(ids) - examples.tokens[row], len(ids))
    return torch.stack([-logits[place - 1].log_softmax(-1)[ids[place]] for place in places]).mean()


def trained(student, *, keeper=None, validation=False, n=N, **settings):
    share = student.shares(some_completions(n))
    call = {name: settings.pop(name) for name in ("stop", "progress") if name in settings}
    schedule = Schedule(
        **{"epochs": 2, "batch_size": 4, "learning_rate": 3e-3, "batch_tokens": 40} | settings
    )
    return tune(
        student,
        CompletionObjective(some_completions(n, share=share), some_weights(n)),
        schedule,
        keeper=keeper or NoCheckpoints(),
        validation=CompletionValidation(some_completions(9, 5, share=share), some_weights(9, 5))
        if validation
        else None,
        **call,
    )


def copied(student):
    return {name: one.clone() for name, one in student.state().items()}


def apart(state, other, start):
    """How far two ends of a training are apart, as a share of the way there.

    Biases of keys do not count: they move all keys alike, which attention does not see, so their gradient is noise.
    """
    names = [name for name in state if not name.endswith("k_proj.bias")]

    def distance(of, to):
        return math.sqrt(sum(float(((of[name] - to[name]) ** 2).sum()) for name in names))

    return distance(state, other) / distance(state, start.state())


class TestLoss:
    @pytest.mark.parametrize(("kind", "share"), [("llama", True), ("llama", False), ("opt", False)])
    def test_it_is_that_of_the_completion_s_tokens_alone(self, tiny, kind, share, tuning):
        student, examples = load_text(tiny[kind], tuning), some_completions(N, share=share)
        losses = student.completion_losses(examples, np.arange(N))
        expected = torch.stack([by_hand(student, examples, row) for row in range(N)])
        torch.testing.assert_close(losses, expected, atol=1e-5, rtol=0)
        found = torch.autograd.grad(losses.sum(), list(student.parameters().values()))
        wanted = torch.autograd.grad(expected.sum(), list(student.parameters().values()))
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)

    def test_it_is_that_of_transformers_where_prompts_have_the_label_that_it_ignores(self, tiny):
        student, examples = load_text(tiny["llama"]), some_completions(4)
        for row, loss in enumerate(student.completion_losses(examples, np.arange(4)).tolist()):
            ids = torch.tensor([[*examples.sequences.shared, *examples.sequences.rests[row]]])
            labels = ids.clone()
            labels[:, : -examples.tokens[row]] = -100
            assert loss == pytest.approx(student.model(input_ids=ids, labels=labels).loss.item(), abs=1e-5)

    def test_rows_are_what_was_asked_for_in_that_order(self, tiny):
        student, examples = load_text(tiny["llama"]), some_completions(N)
        every = student.completion_losses(examples, np.arange(N))
        rows = np.array([7, 2, 11])
        torch.testing.assert_close(student.completion_losses(examples, rows), every[rows], atol=1e-5, rtol=0)

    def test_logits_are_computed_for_completions_only(self, tiny, kind):
        student, examples = load_text(tiny[kind]), some_completions(N, share=False)
        shapes = []
        head = student.model.get_output_embeddings()
        head.register_forward_hook(lambda _module, _inputs, output: shapes.append(tuple(output.shape)))
        student.completion_losses(examples, np.arange(N))
        assert shapes == [(examples.tokens.sum(), head.out_features)]
        with torch.no_grad():  # afterwards it is the model that it was
            assert student.model(input_ids=torch.tensor([[5, 6, 7]])).logits.shape[:2] == (1, 3)


class TestTunable:
    def test_adapters_change_nothing_before_a_step(self, tiny, kind):
        student = load_text_student(tiny[kind], tuning=LORA)
        ids = torch.tensor([[5, 6, 7, 8]])
        with torch.no_grad():
            before = student.model.eval()(input_ids=ids).logits
            student.make_tunable(0)
            after = student.model.eval()(input_ids=ids).logits
        torch.testing.assert_close(after, before, atol=1e-6, rtol=0)

    @pytest.mark.parametrize("targets", ["AllLinear", "Attention"])
    def test_adapters_are_tuned_and_the_head_is_let_be(self, tiny, targets):
        student = load_text(tiny["llama"], LoRA(rank=4, alpha=8, targets=targets))
        head = student.model.get_output_embeddings().weight.clone()
        trained(student)
        assert {name.rpartition(".lora_")[2][0] for name in student.parameters()} == {"A", "B"}
        assert not [name for name in student.parameters() if "lm_head" in name]
        assert any("down_proj" in name for name in student.parameters()) == (targets == "AllLinear")
        assert torch.equal(student.model.get_output_embeddings().weight, head)

    def test_in_full_all_weights_are_tuned(self, tiny, kind):
        student = load_text(tiny[kind], Full())
        before = copied(student)
        assert before.keys() == dict(student.model.named_parameters()).keys()
        trained(student)
        assert not [
            name
            for name, one in student.state().items()
            if torch.equal(one, before[name]) and not name.endswith("k_proj.bias")
        ]

    def test_a_model_that_does_not_write_is_refused(self, tiny):
        with pytest.raises(BadSpec, match=r"mine: not a model that writes \(bert\)") as error:
            load_text_student(tiny["bert"], tuning=LORA, name="mine")
        assert error.value.reason == "NotACausalModel"

    def test_weights_of_another_tuning_are_refused(self, tiny):
        state = load_text(tiny["llama"], Full()).state()
        with pytest.raises(BadSpec, match="another tuning"):
            load_text(tiny["llama"]).load(state)

    def test_what_it_reads_is_the_model_s(self, tiny):
        assert load_text(tiny["llama"]).context == 64


class TestTraining:
    @pytest.mark.parametrize("clipping", [0.0, 0.05])
    def test_the_plain_way_ends_in_the_same_weights(self, tiny, kind, clipping):
        student = load_text(tiny[kind])
        state = trained(student, gradient_clipping=clipping, warmup_fraction=0.3)
        plain, weights = load_text(tiny[kind]), torch.tensor(some_weights(N))
        examples = some_completions(N, share=False)
        parameters = list(plain.parameters().values())
        optimizer = torch.optim.AdamW(parameters, weight_decay=0.01, fused=False)
        losses = []
        for step in range(10):
            rows = Order(N, batch_size=4, epochs=2, seed=0).batch(step)
            for group in optimizer.param_groups:
                group["lr"] = 3e-3 * learning_rate_factor(step, 10, 0.3, "Linear")
            each = torch.stack([by_hand(plain, examples, row) for row in rows])
            loss = (weights[rows] * each).sum() / weights[rows].sum()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, clipping or math.inf)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        assert state.losses == pytest.approx(losses, abs=1e-4)
        for name, one in plain.parameters().items():
            torch.testing.assert_close(student.parameters()[name], one, atol=2e-4, rtol=1e-3)

    def test_results_do_not_depend_on_micro_batches(self, tiny, kind, tuning):
        ends, losses, passes = [], [], []
        for batch_tokens in (1, 40, 10_000):
            student = load_text(tiny[kind], tuning)
            count = []
            head = student.model.get_output_embeddings()
            head.register_forward_hook(lambda *given, count=count: count.append(given[2].ndim))
            losses.append(trained(student, batch_tokens=batch_tokens, learning_rate=1e-4).losses)
            ends.append(copied(student))
            passes.append(count.count(2))
        assert passes[0] == 2 * N > passes[1] > passes[2] == 10
        for other in (1, 2):
            assert losses[other] == pytest.approx(losses[0], abs=1e-5)
            assert apart(ends[other], ends[0], load_text(tiny[kind], tuning)) < 1e-3

    def test_it_learns_to_write(self, tiny):
        """What follows a prompt is its last word, twice; then words of new prompts are repeated too."""
        rng = np.random.default_rng(0)
        prompts = [(len(SPECIAL) + rng.integers(8, size=4)).tolist() for _ in range(48)]
        answers = [[prompt[-1], prompt[-1]] for prompt in prompts]
        student = load_text(tiny["llama"], Full())
        held = CompletionValidation(examples_of(prompts[:8], answers[:8]), np.ones(8))
        before = held.loss(student, 4096)
        objective = CompletionObjective(examples_of(prompts[8:], answers[8:]), np.ones(40))
        state = tune(student, objective, Schedule(20, 8, 3e-3), keeper=NoCheckpoints())
        assert np.mean(state.losses[-5:]) < 0.3 * np.mean(state.losses[:5])
        assert held.loss(student, 4096) < 0.3 * before
        assert objective.alarms() == []

    def test_weights_matter_and_are_relative(self, tiny):
        ends = []
        for weights in (some_weights(N), 64 * some_weights(N), some_weights(N, 1)):
            student = load_text(tiny["llama"])
            objective = CompletionObjective(some_completions(N), weights)
            tune(student, objective, Schedule(1, 4, 1e-3), keeper=NoCheckpoints())
            ends.append(torch.cat([one.flatten() for one in copied(student).values()]))
        assert torch.equal(ends[0], ends[1])
        assert not torch.allclose(ends[0], ends[2], atol=1e-5)

    def test_checkpointed_gradients_are_the_same(self, tiny, tuning):
        found = []
        for checkpointing in (False, True):
            student = load_text(tiny["llama"], tuning, gradient_checkpointing=checkpointing)
            losses = student.completion_losses(some_completions(N, share=False), np.arange(N))
            found.append(torch.autograd.grad(losses.sum(), list(student.parameters().values())))
        for one, other in zip(*found, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)

    def test_in_bfloat16_what_is_tuned_stays_in_float32(self, tiny, tuning):
        exact = load_text(tiny["llama"], tuning)
        student = load_text(tiny["llama"], tuning, precision="bfloat16")
        assert {one.dtype for one in student.parameters().values()} == {torch.float32}
        examples, rows = some_completions(N), np.arange(N)
        torch.testing.assert_close(
            student.completion_losses(examples, rows),
            exact.completion_losses(examples, rows),
            atol=0.1,
            rtol=0,
        )
        assert np.isfinite(trained(student, validation=True, checks=1).best.loss)


class TestSharing:
    """What all examples begin with is read once, where a model can go on from it."""

    def test_models_that_keep_what_they_read_can(self, tiny, kind):
        assert load_text(tiny[kind]).shares(some_completions(N))
        assert not load_text(tiny[kind], gradient_checkpointing=True).shares(some_completions(N))

    def test_not_where_a_layer_has_forgotten_it(self, tmp_path):
        from tiny_kit import save_tokenizer
        from transformers import MistralConfig, MistralForCausalLM

        size = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "vocab_size": 54}
        config = MistralConfig(
            num_attention_heads=2, num_key_value_heads=2, sliding_window=16, pad_token_id=0, **size
        )
        MistralForCausalLM(config).save_pretrained(tmp_path)
        save_tokenizer(tmp_path)
        student = load_text(tmp_path)
        assert student.shares(examples_of([[8]], [[9]], [5, 6, 7]))
        assert not student.shares(examples_of([[8] * 20], [[9]], [5, 6, 7]))

    def test_not_where_a_completion_comes_right_after_it(self, tiny):
        assert not load_text(tiny["llama"]).shares(examples_of([[8], []], [[9], [9]], [5, 6]))

    def test_not_where_there_is_nothing(self, tiny):
        assert not load_text(tiny["llama"]).shares(some_completions(N, share=False))

    def test_it_changes_no_result_and_its_tokens_count_in_every_pass(self, tiny, tuning):
        ends, read = [], []
        for share in (True, False):
            student = load_text(tiny["llama"], tuning)
            objective = CompletionObjective(some_completions(N, share=share), some_weights(N))
            assert objective.tokens_a_pass == (3 if share else 0)
            read.append(objective.tokens_a_pass + objective.lengths)
            schedule = Schedule(2, 4, 1e-4, batch_tokens=40)
            losses = tune(student, objective, schedule, keeper=NoCheckpoints()).losses
            ends.append((losses, copied(student)))
        assert read[0].tolist() == read[1].tolist()
        assert ends[0][0] == pytest.approx(ends[1][0], abs=1e-5)
        assert apart(ends[0][1], ends[1][1], load_text(tiny["llama"], tuning)) < 1e-3


class TestValidation:
    def test_it_is_the_weighted_mean_of_held_out_losses(self, tiny):
        student = load_text(tiny["llama"], dropout=0.3)
        examples, weights = some_completions(9, 5), some_weights(9, 5)
        found = CompletionValidation(examples, weights).loss(student, 30)
        assert student.model.training
        student.model.eval()
        with torch.no_grad():
            each = np.array([by_hand(student, examples, row).item() for row in range(9)])
        assert found == pytest.approx((weights * each).sum() / weights.sum(), abs=1e-5)

    def test_a_student_beyond_numbers_is_refused(self, tiny):
        student = load_text(tiny["llama"])
        with torch.no_grad():
            next(iter(student.parameters().values())).fill_(math.nan)
        with pytest.raises(BadSpec, match="no longer a number") as error:
            CompletionValidation(some_completions(9), some_weights(9)).loss(student, 4096)
        assert error.value.reason == "TrainingDiverged"

    def test_the_best_student_is_kept(self, tiny):
        student = load_text(tiny["llama"])
        state = trained(student, checks=5, validation=True, learning_rate=0.05)
        validation = CompletionValidation(some_completions(9, 5), some_weights(9, 5))
        assert state.best.step < 10, "a test of stopping needs a student that gets worse"
        assert validation.loss(student, 4096) > state.best.loss
        student.load(state.best.state)
        assert validation.loss(student, 4096) == pytest.approx(state.best.loss, abs=1e-5)


class TestAnswering:
    def test_it_is_a_causal_model_that_can_be_asked(self, tiny, kind, tuning):
        student = load_text(tiny[kind], tuning, dropout=0.3)
        trained(student)
        ids = torch.tensor([[5, 6, 7, 8]])
        with student.answering() as asked, torch.no_grad():
            whole = asked.model(input_ids=ids).logits[0, -1]
            cached = asked.model(input_ids=ids[:, :3], use_cache=True).past_key_values
            step = asked.model(input_ids=ids[:, 3:], past_key_values=cached, use_cache=True).logits[0, -1]
            assert asked.context == 64
            assert "past_key_values" in inspect.signature(asked.model.forward).parameters
            assert not asked.model.training
            student_s = student.model(input_ids=ids).logits[0, -1]
        torch.testing.assert_close(step, whole, atol=1e-5, rtol=0)
        torch.testing.assert_close(whole, student_s, atol=1e-5, rtol=0)
        assert student.model.training

    def test_asking_changes_nothing(self, tiny):
        asked, plain = load_text(tiny["llama"], dropout=0.2), load_text(tiny["llama"], dropout=0.2)
        with asked.answering() as model, torch.no_grad():
            model.model.generate(torch.tensor([[5, 6, 7]]), max_new_tokens=3, do_sample=False)
        trained(asked)
        trained(plain)
        assert all(torch.equal(one, plain.state()[name]) for name, one in asked.state().items())


RUNS = {
    "adapters, dropout, weak validation": (LORA, {"dropout": 0.2}, {"checks": 4}),
    "in full, gradients checkpointed": (
        Full(),
        {"dropout": 0.1, "gradient_checkpointing": True},
        {"shape": "Cosine"},
    ),
}


@pytest.fixture(scope="module", params=RUNS)
def run(request, tiny, tmp_path_factory):
    """Tunes from what is kept, or from the start, until it is asked to stop during a step."""
    tuning, of_student, of_schedule = RUNS[request.param]

    def run(kept, staging, stop_in=None):
        stop = StopRequest()

        def watch(_phase, step, _steps, **_figures):
            stop.requested = stop_in is not None and step == stop_in - 1

        found = kept.newest()
        student = load_text(tiny["llama"], tuning, seed=0 if found is None else 99, **of_student)
        keeper = keeper_of(kept, staging, found=found)
        trained(
            student,
            validation=bool(of_schedule.get("checks")),
            keeper=keeper,
            stop=stop,
            progress=watch,
            **of_schedule,
        )
        return student

    root = tmp_path_factory.mktemp("undisturbed")
    kept = Kept(root)
    return run, kept, run(kept, root)


class TestResume:
    @pytest.mark.parametrize("step", [1, 4, 5, 10])
    def test_stopped_in_any_step_it_ends_bitwise_equal(self, run, tmp_path, step):
        go, undisturbed, end = run
        kept = Kept(tmp_path)
        with pytest.raises(Stopped, match=f"step {step} of 10"):
            go(kept, tmp_path, stop_in=step)
        resumed = go(kept, tmp_path)
        assert all(torch.equal(one, end.state()[name]) for name, one in resumed.state().items())
        mine, theirs = kept.tensors(10), undisturbed.tensors(10)
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(one, theirs[name]) for name, one in mine.items())
        assert kept.all[10].meta["losses"] == undisturbed.all[10].meta["losses"]
        assert kept.all[10].meta["best"] == undisturbed.all[10].meta["best"]
