"""Scores of answers by tiny models of many kinds, against one full pass for each text and answer."""

import numpy as np
import pytest

from w2s_trainer.errors import BadSpec
from w2s_trainer.models.causal import Answers, CausalModel, Prompts
from w2s_trainer.models.states import shared_states

VOCABULARY = 97
SMALL = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}
GEMMA = {**SMALL, "num_key_value_heads": 2, "head_dim": 8}
GPT2 = {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
MODELS = {
    # Positions that are turned, read from a table, added to the attention; windows; no attention at all.
    "llama": ("LlamaConfig", {**SMALL, "num_key_value_heads": 2}, True),
    "gpt2": ("GPT2Config", {**GPT2, "bos_token_id": 1, "eos_token_id": 2}, True),
    "a window as long as the prompt": ("Gemma3TextConfig", {**GEMMA, "sliding_window": 60}, True),
    "a short window": ("Gemma3TextConfig", {**GEMMA, "sliding_window": 16}, False),
    "positions by bias": (
        "BloomConfig",
        {"vocab_size": VOCABULARY, "hidden_size": 32, "n_layer": 2, "n_head": 4},
        False,
    ),
    "recurrent": (
        "MambaConfig",
        {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 8},
        False,
    ),
}
ANSWERS = Answers([[5, 6, 7], [5, 8], [9], [5, 6, 10, 11, 12]], merged=0)


def tiny(name: str) -> CausalModel:
    import torch
    import transformers

    config, settings, _ = MODELS[name]
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(getattr(transformers, config)(**settings)).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    tokenizer = type("Tokenizer", (), {"name_or_path": "tiny"})()
    return CausalModel(model, tokenizer, "cpu")


def prompts(shared: int = 20, lengths: tuple[int, ...] = (1, 7, 30, 30, 12, 3)) -> Prompts:
    rng = np.random.default_rng(0)
    ids = [rng.integers(3, VOCABULARY, n).astype(np.int32) for n in (shared, *lengths)]
    return Prompts(ids[0], ids[1:])


def one_by_one(model: CausalModel, given: Prompts, answers: Answers) -> np.ndarray:
    import torch

    found = np.empty((len(given.rests), len(answers.ids)))
    for row, rest in enumerate(given.rests):
        for k, answer in enumerate(answers.ids):
            ids = torch.tensor([[*given.shared, *rest, *answer]], dtype=torch.long)
            with torch.inference_mode():
                logs = model.model(ids).logits[0].float().log_softmax(dim=-1)
            before = len(given.shared) + len(rest) - 1
            found[row, k] = sum(float(logs[before + at, token]) for at, token in enumerate(answer))
    return found


@pytest.mark.parametrize("name", MODELS)
def test_scores_are_those_of_a_full_pass_for_each_text_and_answer(name):
    import torch

    model, given = tiny(name), prompts()
    expected = one_by_one(model, given, ANSWERS)
    for batch_tokens in (64, 10_000):
        assert np.abs(model.scores(given, ANSWERS, batch_tokens) - expected).max() < 1e-4
    assert expected.std() > 1  # or any scores would do
    with torch.inference_mode():
        assert (shared_states(model.model, model.tensor([given.shared]), 55) is not None) is MODELS[name][2]


def test_what_all_prompts_begin_with_is_read_once():
    model, given = tiny("llama"), prompts(shared=20, lengths=(10,) * 8)
    tokens = []
    model.model.register_forward_pre_hook(
        lambda _module, _given, named: tokens.append(named["input_ids"].numel()), with_kwargs=True
    )
    model.scores(given, ANSWERS, 200)
    beyond_the_first = sum(len(answer) - 1 for answer in ANSWERS.ids)
    assert sum(tokens) == 20 + 8 * (10 + beyond_the_first)


def test_nothing_that_all_begin_with_is_no_hindrance():
    model, given = tiny("llama"), prompts(shared=0)
    assert np.abs(model.scores(given, ANSWERS, 100) - one_by_one(model, given, ANSWERS)).max() < 1e-4


def test_no_texts_have_no_scores():
    assert tiny("llama").scores(Prompts(np.empty(0, dtype=np.int32), []), ANSWERS, 100).shape == (0, 4)


def test_a_prompt_longer_than_the_model_reads_is_refused_before_anything_is_read():
    model, done = tiny("llama"), []
    with pytest.raises(BadSpec) as error:
        model.scores(prompts(20, (1, 40)), ANSWERS, 100, lambda *step: done.append(step))
    assert error.value.reason == "PromptTooLong"
    assert "65 tokens, the model reads 64: 20 are the question" in error.value.message
    assert not done
    model.scores(prompts(20, (1, 39)), ANSWERS, 100)


def test_progress_ends_at_the_number_of_prompts():
    for name in ("llama", "a short window"):
        done: list[tuple[int, int]] = []
        tiny(name).scores(prompts(), ANSWERS, 64, lambda now, total, done=done: done.append((now, total)))
        assert done[0] == (0, 6)
        assert done[-1] == (6, 6)
        assert done == sorted(done)


@pytest.mark.parametrize("name", ["llama", "a short window"])
def test_whoever_goes_on_after_any_batch_finds_the_same_scores_bit_for_bit(name):
    model, given = tiny(name), prompts(lengths=(9, 7, 9, 9, 12, 9, 9))
    batches = list(model.scores_of(given, ANSWERS, np.arange(7), 90))
    assert len(batches) > 3
    whole = {
        int(row): values.tobytes()
        for rows, scores in batches
        for row, values in zip(rows, scores, strict=True)
    }
    assert sorted(whole) == list(range(7))
    for done in range(1, len(batches)):
        left = np.setdiff1d(np.arange(7), np.concatenate([rows for rows, _ in batches[:done]]))
        rest = list(model.scores_of(given, ANSWERS, left, 90))
        assert [rows.tolist() for rows, _ in rest] == [rows.tolist() for rows, _ in batches[done:]]
        for rows, scores in rest:
            assert [values.tobytes() for values in scores] == [whole[int(row)] for row in rows]


@pytest.fixture(autouse=True)
def one_thread():
    """So small are these models that threads only wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
