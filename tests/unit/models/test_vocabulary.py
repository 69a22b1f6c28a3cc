"""Strings that become tokens, against a byte-pair training by hand and the tokenizers library."""

import json
import random
from collections import Counter

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from w2s_trainer.errors import BadSpec
from w2s_trainer.models.tokenizer_file import check_extensible, extended, find_tokens
from w2s_trainer.models.vocabulary import NewToken, merged_pairs, whole_words


def by_hand(words, known, most, min_count):
    """Each pair is counted anew each time."""
    words, made = {tuple(pieces): count for pieces, count in words.items()}, []
    while len(made) < most:
        pairs: Counter = Counter()
        for pieces, count in words.items():
            for place in range(len(pieces) - 1):
                pairs[pieces[place : place + 2]] += count
        allowed = [p for p in pairs if pairs[p] >= min_count and "".join(p) not in {*known, *made}]
        if not allowed:
            break
        best = min(allowed, key=lambda pair: (-pairs[pair], pair))
        made.append("".join(best))
        merged: Counter = Counter()
        for pieces, count in words.items():
            text, place = [], 0
            while place < len(pieces):
                step = 2 if pieces[place : place + 2] == best else 1
                text.append("".join(pieces[place : place + step]))
                place += step
            merged[tuple(text)] += count
        words = dict(merged)
    return made


def some_words(seed: int) -> Counter:
    drawn = random.Random(seed)
    return Counter("".join(drawn.choices("abc", k=drawn.randint(1, 7))) for _ in range(300))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("min_count", [2, 30])
def test_pairs_are_merged_as_by_hand(seed, min_count):
    words = {tuple(word): count for word, count in some_words(seed).items()}
    found = merged_pairs(words, {"a", "b", "c", "ab"}, 12, min_count)
    assert [new.token for new in found] == by_hand(words, {"a", "b", "c", "ab"}, 12, min_count)
    for new in found:
        assert "".join(new.pieces) == "".join(new.pair or ()) == new.token
        assert {*new.pieces} <= {"a", "b", "c"}, "pieces are those of the vocabulary before"


def test_of_nothing_frequent_there_is_nothing():
    assert merged_pairs({("a", "b"): 3}, {"a", "b"}, 5, 4) == []
    assert merged_pairs({("a",): 300}, {"a"}, 5, 4) == []
    assert merged_pairs({("##a", "##b"): 4}, {"##a", "##b"}, 5, 4, "##")[0].token == "##ab"


def test_whole_words_are_those_that_save_most():
    words = {
        "indemnity": (("ind", "##em", "##nity"), 3),
        "licence": (("lic", "##ence"), 5),
        "warranty": (("warr", "##anty"), 6),
        "the": (("the",), 90),
        "rare": (("ra", "##re"), 1),
    }
    found = whole_words(words, {"the"}, 3, 2)
    assert [new.token for new in found] == ["indemnity", "warranty", "licence"], "equal ones by their name"
    assert found[0] == NewToken("indemnity", ("ind", "##em", "##nity"))


def bytes_tokenizer(texts: list[str], size: int) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=["<end>"],
    )
    tokenizer.train_from_iterator(texts, trainer)
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")
    made.add_tokens(["<turn>"])  # its number is behind the vocabulary
    return made


GENERAL = ["the cat sat on the mat", "a dog ran in the park and the sun shone"] * 20
DOMAIN = ["the indemnity clause of the indemnitor", "indemnities under clause 7 are void"] * 20


def test_a_vocabulary_of_byte_pairs_goes_on_as_the_library_trains_it():
    tokenizer = bytes_tokenizer(GENERAL, 270)
    new = find_tokens(tokenizer, DOMAIN, 15, 5)
    larger = Tokenizer.from_str(extended(tokenizer, new))
    assert len(new) == 15
    old, numbers = tokenizer.get_vocab(), larger.get_vocab()
    assert {name: numbers[name] for name in old} == old, "also of a token that is not in the vocabulary"
    assert [numbers[one.token] for one in new] == [*range(len(old), len(old) + 15)]
    for text in GENERAL:
        assert larger.encode(text).ids == tokenizer(text)["input_ids"], "no new string is in it"
    for text in DOMAIN:
        ids = larger.encode(text + "<turn>").ids
        assert len(ids) < len(tokenizer(text + "<turn>")["input_ids"])
        assert ids[-1] == old["<turn>"]
        assert larger.decode(ids[:-1]) == text
    assert all({*one.pieces} <= {*old} for one in new)


def test_a_new_token_is_what_its_pieces_were():
    """The pieces of a token are how the tokenizer before read that string."""
    tokenizer = bytes_tokenizer(GENERAL, 270)
    for new in find_tokens(tokenizer, DOMAIN, 15, 5):
        read = tokenizer.backend_tokenizer.model.tokenize(new.token)
        assert [token.value for token in read] == list(new.pieces)


def word_pieces() -> PreTrainedTokenizerFast:
    pieces = ["[PAD]", "[UNK]", "the", "cl", "##ause", "ind", "##em", "##nity", "##s", "cat"]
    tokenizer = Tokenizer(models.WordPiece({name: i for i, name in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]")


def test_of_word_pieces_whole_words_become_tokens():
    tokenizer = word_pieces()
    new = find_tokens(tokenizer, ["the indemnity clause", "indemnity xyz xyz"] * 3, 5, 3)
    assert [one.token for one in new] == ["indemnity", "clause"], "what is not known is no token of it"
    larger = Tokenizer.from_str(extended(tokenizer, new))
    assert larger.encode("the indemnity clauses cat").tokens == ["the", "indemnity", "clause", "##s", "cat"]
    assert larger.encode("the cat").ids == tokenizer("the cat")["input_ids"]


def test_other_kinds_of_vocabulary_are_refused():
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]")),
        unk_token="[UNK]",
    )
    with pytest.raises(BadSpec, match="of the kind WordLevel, to which no tokens can be added") as refused:
        check_extensible(tokenizer, "m")
    assert refused.value.reason == "CannotBeExtended"
    check_extensible(word_pieces(), "m")
    assert json.loads(extended(word_pieces(), []))["model"]["type"] == "WordPiece"
