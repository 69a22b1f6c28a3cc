"""What a student that writes is trained on, as token ids."""

import numpy as np
import pytest
from tiny_kit import save_tokenizer

from w2s_trainer.errors import BadData
from w2s_trainer.tuning.completions import Completions, tokenize_completions


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """A tokenizer of words: w0 is 4, w1 is 5 and so on."""
    from transformers import AutoTokenizer

    place = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(place)
    return AutoTokenizer.from_pretrained(place)


class Joining:
    """A tokenizer of characters that reads "ab" as one."""

    def __call__(self, strings, add_special_tokens):
        assert not add_special_tokens
        return {"input_ids": [[ord(c) for c in string.replace("ab", "ß")] for string in strings]}


def test_prompts_and_what_their_completions_add(words):
    found = tokenize_completions(words, ["w0 w1", "w2"], [" w3", " w4 w5"], context=None)
    assert [list(ids) for ids in found.prompts] == [[4, 5], [6]]
    assert [list(ids) for ids in found.completions] == [[7], [8, 9]]
    assert found.lengths.tolist() == [2, 2]


def test_a_prompt_has_the_tokens_that_it_has_when_the_model_is_asked():
    found = tokenize_completions(Joining(), ["xa", "x"], ["bc", "ab"], context=None)
    assert [list(ids) for ids in found.prompts] == [[ord("x"), ord("a")], [ord("x")]]
    assert [list(ids) for ids in found.completions] == [[ord("b"), ord("c")], [ord("ß")]]


def test_an_empty_target_is_refused(words):
    with pytest.raises(BadData, match=r"2 of 4 texts .* the first of them number 2") as error:
        tokenize_completions(words, ["w0"] * 4, [" w1", "", "w2", " "], context=None)
    assert error.value.reason == "EmptyTarget"
    assert "abstains" in error.value.hint


def test_what_is_longer_than_the_model_reads_is_refused(words):
    prompts, targets = ["w0 w1", "w0 w1", "w0 w1 w2"], [" w3", " w3 w4 w5", " w3 w4 w5"]
    assert tokenize_completions(words, prompts, targets, context=6).lengths.tolist() == [2, 4, 5]
    with pytest.raises(
        BadData, match=r"2 of 3 texts .* the 4 tokens .* number 3, has 3 tokens .* 3\."
    ) as error:
        tokenize_completions(words, prompts, targets, context=4)
    assert error.value.reason == "TargetTooLong"
    assert "maxTokens" in error.value.hint


def test_many_are_tokenised_in_their_order(words):
    n = 600
    found = tokenize_completions(
        words, [f"w{i % 50}" for i in range(n)], [f" w{i % 7}" for i in range(n)], context=8
    )
    assert np.array([list(ids) for ids in found.prompts])[:, 0].tolist() == [4 + i % 50 for i in range(n)]
    assert np.array([list(ids) for ids in found.completions])[:, 0].tolist() == [4 + i % 7 for i in range(n)]


def test_lengths_are_those_of_what_is_read():
    assert Completions([[1], [1, 2]], [[3], [3, 4]]).lengths.tolist() == [1, 3]
