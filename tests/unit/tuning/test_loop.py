"""Tuning tiny students: what a step does, on what it does not depend, and what no interruption changes."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_kit import LORA, LOSSES, Kept, keeper_of, load, objective_of, some_labels, training_texts

from w2s_api.exit_codes import ExitCode
from w2s_api.methods.tunings import Full
from w2s_trainer.errors import BadSpec, Stopped
from w2s_trainer.tuning.class_objective import ClassObjective, ClassValidation
from w2s_trainer.tuning.keeper import NoCheckpoints
from w2s_trainer.tuning.loop import Schedule, _check_steps, make_optimizer, tune
from w2s_trainer.tuning.losses.cross_entropy import WeakLabels
from w2s_trainer.tuning.order import Order
from w2s_trainer.tuning.schedule import learning_rate_factor
from w2s_trainer.tuning.stop import StopRequest

TUNINGS = {"LoRA": LORA, "Full": Full()}


def trained(student, loss="CrossEntropy", *, n=18, keeper=None, held_out=False, **settings):
    """Tunes a student; its schedule has 2 epochs of 5 steps unless it is said otherwise."""
    call = {name: settings.pop(name) for name in ("stop", "progress", "spent", "clock") if name in settings}
    schedule = Schedule(
        **{"epochs": 2, "batch_size": 4, "learning_rate": 3e-3, "batch_tokens": 60} | settings
    )
    objective = objective_of(loss, schedule.batch_size, training_texts(student, n))
    state = tune(
        student,
        objective,
        schedule,
        keeper=keeper or NoCheckpoints(),
        validation=ClassValidation(*training_texts(student, 9, seed=5)) if held_out else None,
        **call,
    )
    return state, objective


def copied(student):
    return {name: one.clone() for name, one in student.state().items()}


class TestStep:
    @pytest.mark.parametrize("kind", ["bert", "llama"])
    @pytest.mark.parametrize("clipping", [0.0, 0.05])
    def test_the_plain_way_ends_in_the_same_weights(self, tiny, kind, clipping):
        """Whole batches, a hand-written weighted loss, hand-written clipping, torch's unfused AdamW."""
        settings = {"gradient_clipping": clipping, "weight_decay": 0.1, "warmup_fraction": 0.3}
        student = load(tiny[kind])
        state, _ = trained(student, **settings)

        plain = load(tiny[kind])
        texts = training_texts(plain, 18)
        order = Order(18, batch_size=4, epochs=2, seed=0)
        parameters = list(plain.parameters().values())
        optimizer = torch.optim.AdamW(
            [
                {"params": [one for one in parameters if one.ndim > 1], "weight_decay": 0.1},
                {"params": [one for one in parameters if one.ndim <= 1], "weight_decay": 0.0},
            ],
            fused=False,
        )
        losses = []
        for step in range(10):
            rows = order.batch(step)
            for group in optimizer.param_groups:
                group["lr"] = 3e-3 * learning_rate_factor(step, 10, 0.3, "Linear")
            p = plain.log_probs([texts.tokens[row] for row in rows])
            each = -(torch.tensor(texts.data.targets[rows]) * p).sum(1)
            weights = torch.tensor(texts.data.weights[rows])
            loss = (weights * each).sum() / weights.sum()
            loss.backward()
            if clipping:
                norm = math.sqrt(sum(float((one.grad.double() ** 2).sum()) for one in parameters))
                assert norm > clipping
                for one in parameters:
                    one.grad *= clipping / norm
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        assert state.losses == pytest.approx(losses, abs=1e-5)
        for name, one in plain.parameters().items():
            torch.testing.assert_close(student.parameters()[name], one, atol=2e-5, rtol=1e-4)

    @pytest.mark.parametrize("tuning", TUNINGS)
    def test_matrices_decay_and_biases_and_norms_do_not(self, tiny, tuning):
        student = load(tiny["bert"], TUNINGS[tuning])
        groups = make_optimizer(student, Schedule(1, 4, 0.1, weight_decay=0.7)).param_groups
        decay = {id(one): group["weight_decay"] for group in groups for one in group["params"]}
        assert len(decay) == sum(len(group["params"]) for group in groups) == len(student.parameters())
        assert {name: decay[id(one)] for name, one in student.parameters().items()} == {
            name: 0.7 if one.ndim > 1 else 0.0 for name, one in student.parameters().items()
        }

    def test_it_learns(self, tiny):
        student = load(tiny["bert"])
        state, objective = trained(student, epochs=8, learning_rate=0.02)
        assert np.mean(state.losses[-5:]) < np.mean(state.losses[:5]) - 0.1
        assert objective.alarms() == []
        assert len(objective.state()["decided/decided"]) == 18

    def test_it_says_how_far_it_is(self, tiny):
        said = []
        state, _ = trained(
            load(tiny["bert"]), progress=lambda *given, **figures: said.append((given, figures))
        )
        assert [given for given, _ in said] == [("tuning", step, 10) for step in range(11)]
        assert [figures["loss"] for _, figures in said[1:]] == [round(loss, 4) for loss in state.losses]

    def test_seconds_are_those_of_the_steps_and_what_came_before(self, tiny):
        ticks = iter(range(1000))
        state, _ = trained(load(tiny["bert"]), spent=7.0, clock=lambda: float(next(ticks)))
        assert state.seconds == 17


class TestMicroBatches:
    @pytest.mark.parametrize("loss", LOSSES)
    @pytest.mark.parametrize(("kind", "tuning"), [("bert", "LoRA"), ("llama", "LoRA"), ("bert", "Full")])
    def test_results_do_not_depend_on_them(self, tiny, kind, tuning, loss):
        """P9. Soft labels, weights, texts of 1 to 20 tokens. LogConf decides after its first four steps."""
        ends, losses = [], []
        for batch_tokens in (1, 60, 10_000):
            student = load(tiny[kind], TUNINGS[tuning])
            state, _ = trained(student, loss, batch_tokens=batch_tokens, learning_rate=1e-4)
            ends.append({name: one for name, one in copied(student).items() if has_gradient(name)})
            losses.append(state.losses)
        for other in (1, 2):
            assert losses[other] == pytest.approx(losses[0], abs=1e-6)
            for name, one in ends[other].items():
                torch.testing.assert_close(
                    one, ends[0][name], atol=1e-6, rtol=0, msg=lambda m, n=name: f"{n}: {m}"
                )

    def test_the_texts_are_cut_differently_there(self, tiny, monkeypatch):
        student = load(tiny["bert"])
        passes = []
        one_pass = student.log_probs
        monkeypatch.setattr(
            student, "log_probs", lambda tokens: passes.append(len(tokens)) or one_pass(tokens)
        )
        counts = []
        for batch_tokens in (1, 60, 10_000):
            passes.clear()
            trained(student, batch_tokens=batch_tokens, epochs=1)
            assert sum(passes) == 18
            counts.append(len(passes))
        assert counts[0] == 18 > counts[1] > counts[2] == 5


def has_gradient(name):
    """Keys may be moved all by the same: attention does not change, and what is left of the gradient is noise."""
    return not name.endswith("key.bias")


class TestDivergence:
    def test_a_loss_that_is_no_number_is_refused(self, tiny, tmp_path):
        kept = Kept(tmp_path)
        with pytest.raises(BadSpec, match="at step 2 of 10") as error:
            trained(
                load(tiny["bert"]),
                learning_rate=1e38,
                warmup_fraction=0,
                keeper=keeper_of(kept, tmp_path),
            )
        assert error.value.reason == "TrainingDiverged"
        assert "learningRate" in error.value.hint
        assert not kept.all

    @pytest.mark.parametrize("clipping", [0.0, 1.0])
    @pytest.mark.parametrize("bad", [math.nan, math.inf])
    def test_a_gradient_that_is_none_is_refused_before_it_does_harm(self, tiny, clipping, bad):
        student = load(tiny["bert"])
        before = copied(student)
        next(iter(student.parameters().values())).register_hook(lambda gradient: gradient + bad)
        with pytest.raises(BadSpec, match="at step 1 of 10"):
            trained(student, gradient_clipping=clipping)
        assert all(torch.equal(one, before[name]) for name, one in student.state().items())


class TestBest:
    @pytest.mark.parametrize(
        ("steps", "checks", "after"),
        [(10, 2, {5, 10}), (10, 0, set()), (3, 8, {1, 2, 3}), (100, 4, {25, 50, 75, 100}), (1, 2, {1})],
    )
    def test_when_it_is_looked(self, steps, checks, after):
        assert _check_steps(steps, checks) == after

    def test_it_is_the_student_that_predicted_the_held_out_labels_best(self, tiny):
        seen = {}
        student = load(tiny["bert"])
        held = training_texts(student, 9, seed=5)

        def held_out_loss():
            p = student.probabilities(held.tokens, 4096)
            each = -(held.data.targets * np.log(p)).sum(1)
            return (held.data.weights * each).sum() / held.data.weights.sum()

        def look(_phase, step, _steps, **_figures):
            if step in (2, 5, 8, 10):
                seen[step] = held_out_loss()

        state, _ = trained(student, checks=4, held_out=True, learning_rate=0.02, progress=look)
        best = min(seen, key=seen.__getitem__)
        assert best != 10, "a test of stopping needs a student that gets worse"
        assert (state.best.step, state.best.loss) == (best, pytest.approx(seen[best], abs=1e-5))
        student.load(state.best.state)
        assert held_out_loss() == pytest.approx(seen[best], abs=1e-6)

    def test_looking_changes_nothing(self, tiny):
        looked, plain = load(tiny["bert"], dropout=0.2), load(tiny["bert"], dropout=0.2)
        trained(looked, checks=10, held_out=True)
        state, _ = trained(plain, held_out=True)
        assert state.best is None
        assert all(torch.equal(one, plain.state()[name]) for name, one in looked.state().items())


RUNS = {
    "adapters, dropout, LogConf, weak validation": ("bert", LORA, "LogConf", {"dropout": 0.2}, {"checks": 4}),
    "a causal model in full": ("llama", Full(), "CrossEntropy", {"dropout": 0.1}, {}),
    "an encoder in full, gradients checkpointed": (
        "bert",
        Full(),
        "Product",
        {"dropout": 0.2, "gradient_checkpointing": True},
        {"shape": "Cosine", "checks": 3},
    ),
    "ordered by confidence": ("bert", LORA, "CrossEntropy", {"dropout": 0.1}, {"ranks": np.arange(18) % 4.0}),
}


@pytest.fixture(scope="module", params=RUNS)
def run(request, tiny, tmp_path_factory):
    """Tunes from what is kept, or from the start, until it is asked to stop during a step."""
    kind, tuning, loss, of_student, of_schedule = RUNS[request.param]

    def run(kept, staging, stop_in=None):
        stop = StopRequest()

        def watch(_phase, step, _steps, **_figures):
            stop.requested = stop_in is not None and step == stop_in - 1

        found = kept.newest()
        student = load(tiny[kind], tuning, seed=0 if found is None else 99, **of_student)
        keeper = keeper_of(kept, staging, found=found)
        trained(
            student,
            loss,
            held_out=bool(of_schedule.get("checks")),
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
    @pytest.mark.parametrize("step", range(1, 11))
    def test_stopped_in_any_step_it_ends_bitwise_equal(self, run, tmp_path, step):
        go, undisturbed, end = run
        kept = Kept(tmp_path)
        with pytest.raises(Stopped, match=f"step {step} of 10") as stopped:
            go(kept, tmp_path, stop_in=step)
        assert stopped.value.exit_code == ExitCode.STOPPED
        assert sorted(kept.all) == [step]
        resumed = go(kept, tmp_path)
        assert all(torch.equal(one, end.state()[name]) for name, one in resumed.state().items())
        assert_equal_checkpoints(kept, undisturbed, 10)

    def test_stopped_in_every_step_it_ends_bitwise_equal(self, run, tmp_path):
        go, undisturbed, _ = run
        kept = Kept(tmp_path)
        for step in range(1, 10):
            with pytest.raises(Stopped):
                go(kept, tmp_path, stop_in=step)
        go(kept, tmp_path)
        assert sorted(kept.all) == list(range(1, 11))
        assert_equal_checkpoints(kept, undisturbed, 10)


def assert_equal_checkpoints(kept, other, step):
    """Weights, optimiser, what the loss remembers, decided classes, the best so far, all losses."""
    mine, theirs = kept.tensors(step), other.tensors(step)
    assert mine.keys() == theirs.keys()
    assert {name.partition("/")[0] for name in mine} >= {"student", "optimizer", "decided"}
    assert [name for name, one in mine.items() if not torch.equal(one, theirs[name])] == []
    seconds = {"seconds": 0}
    assert {**kept.all[step].meta, **seconds} == {**other.all[step].meta, **seconds}


def test_saving_disturbs_nothing(tiny, tmp_path):
    saved, plain = load(tiny["bert"], dropout=0.2), load(tiny["bert"], dropout=0.2)
    kept = Kept(tmp_path)
    trained(saved, "LogConf", keeper=keeper_of(kept, tmp_path, interval=0))
    trained(plain, "LogConf", keeper=NoCheckpoints())
    assert 10 in kept.all
    assert all(torch.equal(one, plain.state()[name]) for name, one in saved.state().items())


def test_one_text_is_enough(tiny):
    state, _ = trained(load(tiny["bert"]), n=1, epochs=3, batch_size=32)
    assert len(state.losses) == 3


def test_weights_are_relative(tiny):
    ends = []
    for scale in (1, 64):
        student = load(tiny["bert"])
        texts = training_texts(student, 12)
        scaled = replace(texts.data, weights=texts.data.weights * scale)
        objective = ClassObjective(texts.tokens, scaled, WeakLabels(), 4)
        tune(student, objective, Schedule(1, 4, 1e-3), keeper=NoCheckpoints())
        ends.append(copied(student))
    for name, one in ends[0].items():
        assert torch.equal(one, ends[1][name])


def test_labels_and_weights_matter(tiny):
    labels, others = some_labels(12), some_labels(12, seed=1)
    ends = []
    for targets, weights in (
        (labels.targets, labels.weights),
        (others.targets, labels.weights),
        (labels.targets, others.weights),
    ):
        student = load(tiny["bert"])
        tokens, data = training_texts(student, 12)
        data = replace(data, targets=targets, weights=weights)
        objective = ClassObjective(tokens, data, WeakLabels(), 4)
        tune(student, objective, Schedule(1, 4, 1e-3), keeper=NoCheckpoints())
        ends.append(torch.cat([one.flatten() for one in copied(student).values()]))
    assert not torch.allclose(ends[0], ends[1], atol=1e-5)
    assert not torch.allclose(ends[0], ends[2], atol=1e-5)


class Watching(WeakLabels):
    """Weak labels that remember what they are told."""

    def __init__(self):
        self.begun, self.observed = [], []

    def begin(self, progress):
        self.begun.append(progress)

    def observe(self, log_probs):
        self.observed.append(log_probs.clone())


def test_targets_learn_of_each_step_and_see_its_whole_batch_in_order(tiny):
    targets, student = Watching(), load(tiny["bert"])
    texts = training_texts(student, 18)
    rows = Order(18, batch_size=4, epochs=1, seed=0)
    with torch.no_grad():
        first = student.log_probs([texts.tokens[row] for row in rows.batch(0)])
    objective = ClassObjective(*texts, targets, 4)
    tune(student, objective, Schedule(1, 4, 1e-3, batch_tokens=30), keeper=NoCheckpoints())
    assert targets.begun == [0, 0.2, 0.4, 0.6, 0.8]
    assert [len(one) for one in targets.observed] == [4, 4, 4, 4, 2]
    torch.testing.assert_close(targets.observed[0], first, atol=1e-5, rtol=0)
