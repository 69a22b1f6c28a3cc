"""What tiny models of many kinds write, against `generate` and full passes, one text at a time."""

import numpy as np
import pytest
from writing_kit import CONTEXT, KINDS, LABELS, SHARED, VOCABULARY, WORDS, ids_of, tiny_layout, tiny_model

from w2s_trainer.errors import BadSpec
from w2s_trainer.models.causal import CausalModel
from w2s_trainer.models.decoding import Decoding
from w2s_trainer.models.generating import Written, write, write_of

BATCH_TOKENS = 120


def some_texts(n: int = 12, seed: int = 0, longest: int = 16) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, size=rng.integers(1, longest + 1))) for _ in range(n)]


def generated(model: CausalModel, text: str, new: int) -> list[int]:
    """The tokens that transformers writes after the prompt alone."""
    import torch

    ids = torch.tensor([ids_of(model, tiny_layout(model), text)])
    with torch.inference_mode():
        out = model.model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, do_sample=False, pad_token_id=0
        )
    return out[0, ids.shape[1] :].tolist()


def log_likelihood(model: CausalModel, text: str, tokens: list[int]) -> float:
    """By one pass over the prompt and all tokens."""
    import torch

    prompt = ids_of(model, tiny_layout(model), text)
    with torch.inference_mode():
        logs = model.model(torch.tensor([[*prompt, *tokens]])).logits[0].double().log_softmax(dim=-1)
    return sum(float(logs[len(prompt) - 1 + at, token]) for at, token in enumerate(tokens))


def words_of(tokens: list[int]) -> str:
    """What the tokenizer of the kit makes of tokens."""
    return " ".join([*WORDS, *LABELS][token - 3] for token in tokens if token >= 3)


def ending_often(model: CausalModel) -> CausalModel:
    """Has a token end a text that is in about half of those that the model writes."""
    found = write(model, tiny_layout(model), some_texts(), Decoding(8), 10_000)
    names = [*WORDS, *LABELS]
    shares = np.mean([[name in text.split() for name in names] for (text,) in found.texts], axis=0)
    model.model.generation_config.eos_token_id = [2, 3 + int(np.abs(shares - 0.5).argmin())]
    return model


def same(a: Written, b: Written) -> None:
    assert a.texts.tolist() == b.texts.tolist()
    assert a.endings.tolist() == b.endings.tolist()
    assert a.tokens.tolist() == b.tokens.tolist()
    assert np.abs(a.log_likelihood - b.log_likelihood).max() < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_what_generate_writes_after_each_prompt_alone(kind):
    model, texts = ending_often(tiny_model(kind)), some_texts()
    found = write(model, tiny_layout(model), texts, Decoding(10), BATCH_TOKENS)
    expected = [generated(model, text, 10) for text in texts]
    assert found.tokens[:, 0].tolist() == [len(tokens) for tokens in expected]
    ends = model.model.generation_config.eos_token_id
    assert found.texts[:, 0].tolist() == [
        words_of(tokens[:-1] if tokens[-1] in ends else tokens) for tokens in expected
    ]
    assert found.endings[:, 0].tolist() == ["end" if tokens[-1] in ends else "length" for tokens in expected]
    assert set(found.endings[:, 0]) == {"end", "length"}  # or half of this would be untried
    likely = [log_likelihood(model, text, tokens) for text, tokens in zip(texts, expected, strict=True)]
    assert np.abs(found.log_likelihood[:, 0] - likely).max() < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_a_stop_string_ends_a_text_and_is_not_in_it(kind):
    model, texts = tiny_model(kind), some_texts()
    whole = write(model, tiny_layout(model), texts, Decoding(10), BATCH_TOKENS)
    seconds = [" ".join(text.split()[1:3]) for (text,) in whole.texts]
    row = next(row for row, words in enumerate(seconds) if not whole.texts[row, 0].startswith(words))
    stop = (seconds[row], "no such words")
    found = write(model, tiny_layout(model), texts, Decoding(10, stop), BATCH_TOKENS)
    assert (found.texts[row, 0], found.endings[row, 0]) == (whole.texts[row, 0].split()[0], "stop")
    assert found.tokens[row, 0] < whole.tokens[row, 0]
    assert found.log_likelihood[row, 0] > whole.log_likelihood[row, 0]
    for before, after, ending in zip(whole.texts[:, 0], found.texts[:, 0], found.endings[:, 0], strict=True):
        assert after == before.partition(stop[0])[0].strip()
        assert (ending == "stop") is (stop[0] in before)


def test_what_comes_after_the_first_stop_string_in_one_token_is_cut():
    model = tiny_model()
    first = write(model, tiny_layout(model), ["w9"], Decoding(1), 100).texts[0, 0]
    found = write(model, tiny_layout(model), ["w9"], Decoding(5, (first[1:], first[0])), 100)
    assert (found.texts[0, 0], found.endings[0, 0], found.tokens[0, 0]) == ("", "stop", 1)


@pytest.mark.parametrize("kind", ["llama", "a short window"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_neither_batches_nor_order_nor_shards_matter(kind, temperature):
    model, texts = ending_often(tiny_model(kind)), some_texts(10)
    decoding = Decoding(6, temperature=temperature, samples=2 if temperature else 1, seed=3)
    layout, n = tiny_layout(model), len(texts)
    whole = write(model, layout, texts, decoding, 10_000)
    same(write(model, layout, texts, decoding, 1), whole)
    same(write(model, layout, texts, decoding, BATCH_TOKENS), whole)

    back = np.arange(n)[::-1]
    mirrored = Written.empty(n, decoding.samples)
    mirrored.put(back, write(model, layout, texts[::-1], decoding, BATCH_TOKENS, numbers=back))
    same(mirrored, whole)

    shards = Written.empty(n, decoding.samples)
    for first in range(3):
        rows = np.arange(first, n, 3)
        shards.put(rows, write(model, layout, texts[first::3], decoding, BATCH_TOKENS, numbers=rows))
    same(shards, whole)


@pytest.mark.parametrize("kind", ["llama", "a short window"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_whoever_goes_on_after_any_batch_finds_the_same_texts_bit_for_bit(kind, temperature):
    model, texts = ending_often(tiny_model(kind)), some_texts(10)
    decoding = Decoding(6, temperature=temperature, samples=1 + (temperature > 0))

    def going_on(rows: np.ndarray) -> list:
        return list(write_of(model, tiny_layout(model), texts, decoding, BATCH_TOKENS, rows))

    batches = going_on(np.arange(10))
    assert len(batches) > 2
    assert sorted(np.concatenate([rows for rows, _ in batches])) == list(range(10))
    for done in range(1, len(batches)):
        left = np.setdiff1d(np.arange(10), np.concatenate([rows for rows, _ in batches[:done]]))
        rest = going_on(left)
        assert [rows.tolist() for rows, _ in rest] == [rows.tolist() for rows, _ in batches[done:]]
        for (_, found), (_, expected) in zip(rest, batches[done:], strict=True):
            assert found.texts.tolist() == expected.texts.tolist()
            assert found.log_likelihood.tobytes() == expected.log_likelihood.tobytes()
    assert going_on(np.arange(0)) == []


@pytest.mark.parametrize("kind", ["llama", "recurrent"])
def test_samples_have_the_models_distribution(kind):
    """First tokens of 4,000 samples against the probabilities of one pass, by chi-square."""
    import torch
    from scipy.stats import chi2

    model, samples, temperature = tiny_model(kind, std=0.15), 4000, 1.5
    layout = tiny_layout(model)
    decoding = Decoding(1, temperature=temperature, samples=samples, seed=1)
    found = write(model, layout, ["w3 w4"], decoding, 1)
    with torch.inference_mode():
        logits = model.model(torch.tensor([ids_of(model, layout, "w3 w4")])).logits[0, -1].double()
    of_words = (logits / temperature).softmax(dim=-1).numpy()
    expected = samples * np.array([*of_words[3:], of_words[:3].sum()])  # special tokens leave no text
    names = [*WORDS, *LABELS]
    seen = np.array([(found.texts[0] == name).sum() for name in [*names, ""]])
    assert ((seen - expected) ** 2 / expected).sum() < chi2.ppf(0.999, VOCABULARY - 3)
    words = np.array([names.index(word) if word else -1 for word in found.texts[0]])
    at_1 = logits.log_softmax(dim=-1).numpy()[3:][words]
    assert np.abs(found.log_likelihood[0] - at_1)[words >= 0].max() < 1e-4  # at temperature 1


def test_samples_differ_by_seed_number_and_sample_and_by_nothing_else():
    model = tiny_model(std=0.1)
    layout = tiny_layout(model)

    def drawn(seed: int = 0, numbers: tuple[int, int] = (0, 1)) -> list[list[str]]:
        decoding = Decoding(6, temperature=1.0, samples=2, seed=seed)
        texts: list[list[str]] = write(
            model, layout, ["w3 w4", "w3 w4"], decoding, 500, numbers=np.array(numbers)
        ).texts.tolist()
        return texts

    first = drawn()
    assert drawn() == first
    assert len({text for texts in first for text in texts}) == 4
    assert drawn(numbers=(1, 0)) == first[::-1]
    assert not {text for texts in drawn(seed=1) for text in texts} & {
        text for texts in first for text in texts
    }


def test_endless_repetition_ends():
    import torch

    model = tiny_model()
    with torch.no_grad():  # every token is followed by w0
        model.model.lm_head.weight.zero_()
        head = torch.nn.Linear(32, VOCABULARY)
        head.weight.zero_()
        head.bias.zero_()
        head.bias[3] = 9.0
        model.model.lm_head = head
    found = write(model, tiny_layout(model), ["w3", "w4 w5"], Decoding(7), 100)
    assert found.texts.tolist() == [[" ".join(["w0"] * 7)]] * 2
    assert found.endings.tolist() == [["length"]] * 2
    assert found.tokens.tolist() == [[7]] * 2


@pytest.mark.parametrize("kind", ["llama", "a short window"])
def test_a_prompt_that_leaves_no_room_for_its_answer_is_refused_before_anything_is_written(kind):
    model = tiny_model(kind)
    layout, text = tiny_layout(model), " ".join(["w9"] * 40)
    room = CONTEXT - len(ids_of(model, layout, text))
    assert write(model, layout, ["w1", text], Decoding(room), 500).tokens.max() == room
    done: list[tuple[int, int]] = []
    with pytest.raises(BadSpec) as error:
        write(model, layout, ["w1", text], Decoding(room + 1), 500, lambda *step: done.append(step))
    assert error.value.reason == "PromptTooLong"
    assert (
        f"{CONTEXT - room} tokens and its answer up to {room + 1}, the model reads {CONTEXT}"
        in error.value.message
    )
    assert done == [(0, 2)]


@pytest.mark.parametrize("kind", ["llama", "a short window"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_no_numbers_end_the_stage(kind, temperature):
    import torch

    model = tiny_model(kind)
    with torch.no_grad():
        model.model.lm_head.weight[7] = float("nan")
    with pytest.raises(BadSpec) as error:
        write(model, tiny_layout(model), ["w3", "w4 w5"], Decoding(3, temperature=temperature), 500)
    assert error.value.reason == "NonFiniteOutputs"


def test_what_the_models_files_say_of_penalties_is_not_asked():
    model, texts = tiny_model("a short window"), some_texts(4)
    before = write(model, tiny_layout(model), texts, Decoding(6), 500)
    model.model.generation_config.repetition_penalty = 5.0
    same(write(model, tiny_layout(model), texts, Decoding(6), 500), before)
    assert model.model.generation_config.repetition_penalty == 5.0


@pytest.mark.parametrize("kind", SHARED)
def test_what_all_prompts_begin_with_is_read_once_and_finished_texts_leave(kind):
    model, texts = ending_often(tiny_model(kind)), ["w9 w8 w7", "w1 w3 w4", "w4 w5 w6"]
    layout = tiny_layout(model)
    prompts = model.prompts(layout, texts)
    passes = []
    model.model.register_forward_pre_hook(
        lambda _module, _given, named: passes.append(named["input_ids"].numel()), with_kwargs=True
    )
    found = write(model, layout, texts, Decoding(6), 10_000)
    assert (
        sum(passes)
        == len(prompts.shared) + sum(len(rest) for rest in prompts.rests) + (found.tokens - 1).sum()
    )


def test_no_texts_have_no_answers():
    model = tiny_model()
    assert write(model, tiny_layout(model), [], Decoding(3, samples=2), 100).texts.shape == (0, 2)


def test_progress_ends_at_the_number_of_texts():
    model, done = tiny_model(), []
    write(model, tiny_layout(model), some_texts(6), Decoding(3), 60, lambda *step: done.append(step))
    assert done[0] == (0, 6)
    assert done[-1] == (6, 6)
    assert done == sorted(done)


@pytest.fixture(autouse=True)
def one_thread():
    """So small are these models that threads only wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
