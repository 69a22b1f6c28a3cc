"""What reaches a model of a text: cut by tokens, where it has positions, and counted where nothing is left."""

import shutil

import numpy as np
import pytest
from folder_kit import ROLES, SIZE, edit_json, save, save_tokenizer

from w2s_trainer.errors import BadSpec
from w2s_trainer.models.causal import load_causal
from w2s_trainer.models.encoder import load_encoder
from w2s_trainer.models.published import load_classifier
from w2s_trainer.models.tokens import encode, positions, tokenize


@pytest.fixture(scope="module")
def encoder(saved):
    return load_encoder(saved("bert"))


@pytest.mark.parametrize(
    "before",
    [" " * 5000, "\n" * 5000, "\t \r\n" * 2000, "\u3000" * 5000, "A" * 5000 + " ", "=" * 3000 + " "],
    ids=["spaces", "line ends", "mixed", "ideographic spaces", "a long word", "a long rule"],
)
def test_what_comes_before_the_words_does_not_eat_them(encoder, before):
    read = tokenize(encoder.tokenizer, [before + "w1 w2 w3"], 8)
    assert read.ids[0][-4:-1] == tokenize(encoder.tokenizer, ["w1 w2 w3"], 8).ids[0][1:-1]
    assert (read.truncated, read.unreadable) == (0, [])


@pytest.mark.parametrize("most", [8, 16, 33])
@pytest.mark.parametrize("gap", [" ", " " * 40, " " * 700])
def test_a_text_is_cut_by_tokens_wherever_they_stand(encoder, most, gap):
    texts = [gap.join(f"w{i % 40}" for i in range(n)) for n in (0, 1, most - 2, most - 1, 500)]
    read = tokenize(encoder.tokenizer, texts, most)
    whole = encoder.tokenizer(texts, truncation=True, max_length=most)["input_ids"]
    assert read.ids == whole
    assert read.truncated == 2


def test_a_text_for_a_prompt_is_cut_where_its_last_token_ends(saved):
    model = load_causal(saved("llama"), "the-model")
    texts = [" " * 4000 + "w1 w2 w3 w4", "w1 w2", " \n" * 3000]
    cut, was_cut = model.cut(texts, 3)
    assert list(cut) == [" " * 4000 + "w1 w2 w3", "w1 w2", " \n" * 3000]
    assert was_cut.tolist() == [True, False, False]


def test_texts_of_which_nothing_is_left_are_counted_and_told(encoder):
    read = tokenize(encoder.tokenizer, ["w1", "", "  ", "никто", "w2 никто", "\u200b"], 16)
    assert read.unreadable == [1, 2, 3, 5]
    assert read.unknown == pytest.approx(3 / 5)
    said = read.caution("the-model")
    assert "4 of 6 texts reach the-model empty or without one known token" in said
    assert "60%" in said
    assert tokenize(encoder.tokenizer, ["w1", "w2"], 16).caution("the-model") is None


def test_a_model_that_can_read_none_of_many_texts_is_refused(encoder):
    with pytest.raises(BadSpec, match="knows no token of any of 20 texts") as refused:
        encoder.features([f"слово {i}" for i in range(20)], 16, 4096)
    assert refused.value.reason == "UnreadableTexts"
    encoder.features([*(f"слово {i}" for i in range(20)), "w1"], 16, 4096)
    encoder.features(["слово"], 16, 4096)  # of one text nothing is concluded


def test_an_empty_text_is_read_the_same_in_any_batch(saved, tmp_path):
    """A tokenizer that adds nothing leaves it without a token to be read at."""
    from tokenizers import Tokenizer

    directory = shutil.copytree(saved("llama"), tmp_path / "model")
    plain = Tokenizer.from_file(str(directory / "tokenizer.json"))
    from tokenizers import processors

    plain.post_processor = processors.Sequence([])
    plain.save(str(directory / "tokenizer.json"))
    encoder = load_encoder(directory)
    assert tokenize(encoder.tokenizer, [""], 16).ids == [[0]]
    texts = ["", "w1 w2 w3 w4 w5", "w7"]
    together, read = encoder.features(texts, 16, 4096)
    alone, _ = encoder.features(texts[:1], 16, 4096)
    assert read.unreadable == [0]
    assert np.abs(together[0] - alone[0]).max() < 1e-6


@pytest.mark.parametrize(
    ("kind", "settings", "limit"),
    [
        ("bert", {"max_position_embeddings": 16}, 16),
        ("roberta", {"max_position_embeddings": 18, "pad_token_id": 1}, 16),
        ("roberta", {"max_position_embeddings": 18, "pad_token_id": 0}, 17),
        ("opt", {"max_position_embeddings": 16}, 16),
        ("gpt2", {}, 64),
        ("llama", {"max_position_embeddings": 16}, None),
    ],
)
@pytest.mark.parametrize("declared", [None, 10, 1000])
def test_a_text_is_cut_where_the_model_has_no_further_positions(tmp_path, kind, settings, limit, declared):
    save(kind, tmp_path, **settings)
    save_tokenizer(tmp_path, limit=declared)
    encoder = load_encoder(tmp_path)
    assert positions(encoder.model) == limit
    known = [one for one in (declared, limit) if one is not None]
    texts = [" ".join(f"w{i % 40}" for i in range(200)), "w1"]
    matrix, read = encoder.features(texts, 80, 4096)
    assert np.isfinite(matrix).all()
    assert len(read.ids[0]) == min([*known, 80])
    assert read.truncated == 1


@pytest.mark.parametrize("declared", [None, 10])
def test_a_classifier_reads_as_far_as_it_can(saved, tmp_path, declared):
    directory = shutil.copytree(saved("bert-classifier"), tmp_path / "model")
    save_tokenizer(directory, limit=declared)
    classifier = load_classifier(directory)
    probabilities, read = classifier.probabilities(["w1 " * 500], 4096)
    assert np.isfinite(probabilities).all()
    assert (len(read.ids[0]), read.truncated) == (declared or 64, 1)


def test_a_rotary_classifier_without_any_limit_reads_what_it_was_made_for(tmp_path):
    import transformers as t

    config = t.LlamaConfig(
        vocab_size=SIZE,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=48,
    )
    t.LlamaForSequenceClassification(config).save_pretrained(tmp_path)
    save_tokenizer(tmp_path, limit=None)
    _, read = load_classifier(tmp_path).probabilities(["w1 " * 500], 4096)
    assert len(read.ids[0]) == 48


@pytest.mark.parametrize("role", ROLES)
def test_a_text_with_a_token_that_the_model_has_no_embedding_of_ends_the_stage(
    saved, tmp_path, monkeypatch, role
):
    kind, load = ROLES[role]
    directory = shutil.copytree(saved(kind), tmp_path / "model")
    edit_json(
        directory / "tokenizer_config.json",
        added_tokens_decoder={str(SIZE): {"content": "qq", "special": False, "normalized": True}},
    )
    load(directory)
    monkeypatch.setattr("folder_kit.TEXTS", ["w1", "w2 qq w3"])
    with pytest.raises(BadSpec, match=rf"the token 'qq', number {SIZE},") as refused:
        load(directory)
    assert refused.value.reason == "VocabularyTooLarge"


def test_a_text_is_cut_at_its_end_whatever_the_tokenizer_says(saved, tmp_path):
    directory = shutil.copytree(saved("bert"), tmp_path / "model")
    edit_json(directory / "tokenizer_config.json", truncation_side="left")
    tokenizer = load_encoder(directory).tokenizer
    first = tokenizer.convert_tokens_to_ids("w1")
    assert tokenize(tokenizer, ["w1 " + "w2 " * 1000], 8).ids[0][1] == first


def test_tokens_that_somebody_added_and_no_text_has_are_let_be(saved, tmp_path):
    directory = shutil.copytree(saved("bert"), tmp_path / "model")
    edit_json(directory / "tokenizer_config.json", mask_token="[MASK]", additional_special_tokens=["<x>"])
    encoder = load_encoder(directory)
    assert len(encoder.tokenizer) > SIZE
    assert len(encode(encoder.tokenizer, ["w1"], 8)[0].ids) == 3
