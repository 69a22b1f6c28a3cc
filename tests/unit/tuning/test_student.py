"""A tiny encoder and tiny causal models as students."""

import numpy as np
import pytest
import torch
from tiny_kit import CLASSES, KINDS, LORA, load, save_tokenizer, some_labels, some_texts

from w2s_api.methods.tunings import Full, LoRA
from w2s_trainer.errors import BadSpec
from w2s_trainer.models.head import fit
from w2s_trainer.models.tokens import tokenize
from w2s_trainer.tuning.losses import cross_entropy
from w2s_trainer.tuning.student import head_name, load_student
from w2s_trainer.tuning.tunable import seeded
from w2s_trainer.tuning.tunings.lora import adapter_targets

TEXTS = some_texts(40)
LABELS = some_labels(40)
TUNINGS = {"LoRA": LORA, "Full": Full()}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(params=TUNINGS)
def tuning(request):
    return TUNINGS[request.param]


def tokens_of(student, texts=TEXTS):
    return tokenize(student.tokenizer, texts, 64).ids


def probabilities(student, batch_tokens=4096):
    return student.probabilities(tokens_of(student), batch_tokens)


def fitted(student):
    features, _ = student.encoder.features(TEXTS, 64, 4096)
    return fit(features, LABELS.targets, LABELS.weights, 0.1), features


def gradients(student, seed=0):
    torch.manual_seed(seed)
    weak = torch.from_numpy(LABELS.targets).float()
    cross_entropy(student.log_probs(tokens_of(student)), weak).mean().backward()
    return {name: one.grad for name, one in student.parameters().items()}


class TestStart:
    def test_an_encoder_starts_as_the_fitted_head(self, tiny):
        student = load_student(tiny["bert"], CLASSES, tuning=Full())
        head, features = fitted(student)
        student.start_from(head, features)
        assert probabilities(student) == pytest.approx(head.probabilities(features), abs=1e-5)

    @pytest.mark.parametrize("kind", ["llama", "opt"])
    def test_a_causal_model_starts_with_the_head_s_decisions_though_it_has_no_bias(self, tiny, kind):
        student = load_student(tiny[kind], CLASSES, tuning=Full())
        assert student.model.score.bias is None
        texts = TEXTS[:24]  # fewer than dimensions: a line through all of them exists
        features, _ = student.encoder.features(texts, 64, 4096)
        head = fit(features, LABELS.targets[:24], LABELS.weights[:24], 0.1)
        student.start_from(head, features)
        wanted = head.probabilities(features)
        found = student.probabilities(tokens_of(student, texts), 4096)
        assert (found.argmax(1) == wanted.argmax(1)).all()
        assert found == pytest.approx(wanted, abs=0.03)

    def test_where_no_head_fits_exactly_it_is_the_least_squares_one(self, tiny):
        student = load_student(tiny["opt"], CLASSES, tuning=Full())
        texts = some_texts(200)
        labels = some_labels(200)
        features, _ = student.encoder.features(texts, 64, 4096)
        head = fit(features, labels.targets, labels.weights, 0.1)
        student.start_from(head, features)
        wanted = head.logits(features)
        wanted -= wanted.mean(1, keepdims=True)

        def miss(weight):
            return ((features @ weight.T - wanted) ** 2).sum()

        found = student.model.score.weight.detach().numpy()
        assert found.shape == (3, 32)
        best = np.linalg.lstsq(features.astype(np.float64), wanted, rcond=None)[0].T
        assert miss(found) < 1.1 * miss(best)

    def test_causal_models_become_their_stock_class_which_every_server_loads(self, tiny):
        names = {
            kind: type(load_student(tiny[kind], CLASSES, tuning=Full()).model).__name__ for kind in KINDS
        }
        assert names == {
            "bert": "W2SForSequenceClassification",
            "llama": "LlamaForSequenceClassification",
            "opt": "OPTForSequenceClassification",
        }

    def test_a_text_that_ends_in_padding_is_read_at_its_end_all_the_same(self, tiny, tmp_path):
        """Stock classes look for the last token that does not pad: here, that is not the last one."""
        from shutil import copytree

        directory = copytree(tiny["llama"], tmp_path / "model")
        save_tokenizer(directory, ends_in_padding=True)
        student = load_student(directory, CLASSES, tuning=Full())
        head, features = fitted(student)
        student.start_from(head, features)
        assert probabilities(student) == pytest.approx(head.probabilities(features), abs=1e-4)

    def test_classes_are_named(self, tiny, kind):
        config = load_student(tiny[kind], CLASSES, tuning=Full()).model.config
        assert config.id2label == dict(enumerate(CLASSES))
        assert config.label2id == {name: index for index, name in enumerate(CLASSES)}


class TestAdapters:
    def test_they_start_as_nothing(self, tiny, kind):
        student = load_student(tiny[kind], CLASSES, tuning=LORA)
        student.start_from(*fitted(student))
        before = probabilities(student)
        student.make_tunable(seed=0)
        assert probabilities(student) == pytest.approx(before, abs=1e-6)

    def test_a_seed_draws_them(self, tiny):
        first, again, other = (load(tiny["bert"], seed=seed).state() for seed in (1, 1, 2))
        assert all(torch.equal(first[name], again[name]) for name in first)
        assert any(not torch.equal(first[name], other[name]) for name in first)

    @pytest.mark.parametrize(
        ("kind", "attention", "others"),
        [
            ("bert", {"query", "value"}, {"key", "dense"}),
            ("llama", {"q_proj", "v_proj"}, {"k_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}),
            ("opt", {"q_proj", "v_proj"}, {"k_proj", "out_proj", "fc1", "fc2"}),
        ],
    )
    def test_which_layers_get_them(self, tiny, kind, attention, others):
        def targets(name):
            student = load(tiny[kind], LoRA(rank=2, targets=name))
            return {
                one.split(".lora_A")[0].split(".")[-1] for one in student.parameters() if ".lora_A" in one
            }

        assert targets("Attention") == attention
        assert targets("AllLinear") == attention | others

    def test_none_to_be_found_is_said(self):
        class Model(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.mixer = torch.nn.Linear(2, 2)
                self.score = torch.nn.Linear(2, 2)

        assert adapter_targets(Model(), "AllLinear", "score") == ["mixer"]
        with pytest.raises(BadSpec, match="Write `targets: AllLinear`") as error:
            adapter_targets(Model(), "Attention", "score")
        assert error.value.reason == "NoAdapterTargets"
        with pytest.raises(BadSpec) as error:
            head_name(torch.nn.Linear(2, 2))
        assert error.value.reason == "UnknownHead"

    def test_their_scale_and_rank(self, tiny):
        student = load(tiny["llama"], LoRA(rank=4, alpha=12))
        layer = student.model.base_model.model.model.layers[0].self_attn.q_proj
        assert layer.scaling["default"] == 3
        assert layer.lora_A["default"].weight.shape == (4, 64)


class TestTuned:
    def test_everything_that_is_tuned_gets_a_gradient(self, tiny, kind, tuning):
        student = load(tiny[kind], tuning)
        found = gradients(student)
        if kind == "opt":  # positions are embedded two further on
            found = {name: one for name, one in found.items() if "embed_positions" not in name}
        assert all(one is not None for one in found.values())

    def test_the_pooler_that_nothing_reads_is_not_tuned(self, tiny, tuning):
        student = load(tiny["bert"], tuning)
        assert any(".pooler." in name for name, _ in student.model.named_parameters())
        assert not any(".pooler." in name for name in student.parameters())

    def test_the_state_of_adapters_is_small(self, tiny, kind):
        student = load(tiny[kind], LORA)
        state = student.state()
        assert all(any(part in name for part in ("lora_", "classifier", "score", "mean")) for name in state)
        everything = sum(one.numel() for one in student.model.parameters())
        assert sum(one.numel() for one in state.values()) < everything / 4

    def test_the_state_of_full_tuning_is_everything_that_is_read(self, tiny, kind):
        student = load(tiny[kind], Full())
        assert set(student.state()) >= {
            name for name, _ in student.model.named_parameters() if "pooler" not in name
        }


class TestState:
    def test_it_is_all_it_takes_to_have_a_student_again(self, tiny, kind, tuning):
        student = load(tiny[kind], tuning)
        with torch.no_grad():
            for one in student.parameters().values():
                one.add_(0.05 * torch.randn(one.shape, generator=torch.Generator().manual_seed(one.numel())))
        state = {name: one.clone() for name, one in student.state().items()}
        again = load_student(tiny[kind], CLASSES, tuning=tuning)
        again.make_tunable(seed=5)
        assert not np.array_equal(probabilities(again), probabilities(student))
        again.load(state)
        assert np.array_equal(probabilities(again), probabilities(student))

    @pytest.mark.parametrize("other", [LoRA(rank=8), LoRA(rank=4, targets="Attention"), Full()])
    def test_that_of_another_tuning_is_refused_and_changes_nothing(self, tiny, other):
        student = load(tiny["bert"], LORA)
        before = {name: one.clone() for name, one in student.state().items()}
        with pytest.raises(BadSpec) as error:
            student.load(load(tiny["bert"], other).state())
        assert error.value.reason == "AnotherStudent"
        assert all(torch.equal(one, before[name]) for name, one in student.state().items())


class TestDropout:
    def answers(self, student):
        torch.manual_seed(0)
        with torch.no_grad():
            return [student.log_probs(tokens_of(student)).numpy() for _ in range(2)]

    def test_without_it_training_sees_what_the_model_says(self, tiny, kind, tuning):
        """Not the model's own dropout either, which is 0.1 in two of these."""
        student = load(tiny[kind], tuning)
        assert student.model.training
        first, second = self.answers(student)
        assert np.array_equal(first, second)
        assert np.exp(first) == pytest.approx(probabilities(student), abs=1e-5)

    def test_with_it_training_sees_something_else_each_time(self, tiny, kind, tuning):
        student = load(tiny[kind], tuning, dropout=0.3)
        first, second = self.answers(student)
        assert not np.allclose(first, second, atol=1e-3)

    def test_answers_are_given_without(self, tiny, kind, tuning):
        student = load(tiny[kind], tuning, dropout=0.3)
        assert np.array_equal(probabilities(student), probabilities(student))
        assert student.model.training

    def test_it_reaches_attention_layers_and_adapters(self, tiny):
        student = load(tiny["llama"], LORA, dropout=0.25)
        attention = student.model.base_model.model.model.layers[0].self_attn
        assert attention.attention_dropout == 0.25
        assert attention.q_proj.lora_dropout["default"].p == 0.25


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_gradient_checkpointing_changes_no_gradient(tiny, kind, tuning, dropout):
    plain = gradients(load(tiny[kind], tuning, dropout=dropout))
    student = load(tiny[kind], tuning, dropout=dropout, gradient_checkpointing=True)
    passes = count_passes(student)
    found = gradients(student)
    assert passes() == 2
    assert found.keys() == plain.keys()
    for name, one in found.items():
        if one is not None:
            torch.testing.assert_close(one, plain[name], atol=1e-6, rtol=1e-5)


def count_passes(student):
    """How often the last layer is computed in training."""
    layers = next(module for module in student.model.modules() if isinstance(module, torch.nn.ModuleList))
    inner = next(module for module in layers[-1].modules() if isinstance(module, torch.nn.Linear))
    seen = []
    inner.register_forward_pre_hook(lambda *_: seen.append(1))
    return lambda: len(seen)


class TestPrecision:
    def test_what_is_tuned_is_float32_and_what_is_frozen_is_not(self, tiny, kind):
        student = load(tiny[kind], LORA, precision="bfloat16")
        assert {one.dtype for one in student.state().values()} == {torch.float32}
        frozen = [one for one in student.model.parameters() if not one.requires_grad]
        assert torch.bfloat16 in {one.dtype for one in frozen}

    def test_full_tuning_keeps_all_of_it_in_float32(self, tiny, kind):
        student = load(tiny[kind], Full(), precision="bfloat16")
        assert {one.dtype for one in student.model.parameters()} == {torch.float32}

    def test_it_says_about_the_same(self, tiny, kind, tuning):
        student = load(tiny[kind], tuning, precision="bfloat16")
        log_probs = student.log_probs(tokens_of(student))
        assert log_probs.dtype == torch.float32
        exact = probabilities(load(tiny[kind], tuning))
        assert np.abs(log_probs.exp().detach().numpy() - exact).mean() < 0.05
        assert all(one is None or one.dtype == torch.float32 for one in gradients(student).values())


def test_answers_do_not_depend_on_the_batch_and_keep_their_order(tiny, kind):
    student = load(tiny[kind])
    together = probabilities(student)
    assert probabilities(student, batch_tokens=1) == pytest.approx(together, abs=1e-6)
    assert student.probabilities(tokens_of(student)[::-1], 50)[::-1] == pytest.approx(together, abs=1e-6)


def test_no_text_no_answer(tiny):
    assert load(tiny["bert"]).probabilities([], 100).shape == (0, 3)


def test_seeds_of_several_numbers():
    assert seeded(1, 2) == seeded(1, 2)
    assert len({seeded(a, b) for a in range(20) for b in range(20)}) == 400
