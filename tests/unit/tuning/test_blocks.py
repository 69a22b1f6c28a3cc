"""Blocks: nothing is lost or padded, and what is hidden follows the shares of BERT."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s_trainer.tuning.blocks import Frame, Masking, NextToken, pack

CLS, SEP, MASK, FIRST = 1, 2, 3, 10
FRAME = Frame((CLS,), (SEP,), (SEP,))
TEXTS = st.lists(st.lists(st.integers(FIRST, 99), max_size=30), max_size=12)


@given(TEXTS, st.integers(4, 20))
def test_texts_end_to_end_are_the_blocks_end_to_end(texts, size):
    """The oracle: the texts joined by hand."""
    blocks = list(pack(texts, FRAME, size))
    assert all(len(block) == size for block in blocks[:-1])
    assert all(block[0] == CLS and block[-1] == SEP for block in blocks)
    inner = [token for block in blocks for token in block[1:-1]]
    assert [token for token in inner if token != SEP] == [token for text in texts for token in text]
    filled = [text for text in texts if text]
    # A separator is left out where a text begins a block.
    assert inner.count(SEP) <= max(0, len(filled) - 1)
    assert sum(len(block) for block in blocks[:-1]) + (len(blocks[-1]) if blocks else 0) >= len(inner)


def test_two_texts_in_one_block_are_told_apart():
    assert list(pack([[11, 12], [], [13], [14, 15, 16]], FRAME, 8)) == [
        [CLS, 11, 12, SEP, 13, SEP, 14, SEP],
        [CLS, 15, 16, SEP],
    ]
    assert list(pack([[11, 12, 13], [14]], Frame(between=(0,)), 3)) == [[11, 12, 13]], (
        "one token tells nothing"
    )
    assert list(pack([[11, 12, 13], [14]], Frame(before=(9,), between=(0,)), 4)) == [[9, 11, 12, 13], [9, 14]]


def test_a_frame_that_leaves_no_room_is_refused():
    with pytest.raises(ValueError, match="no room"):
        pack([[11]], FRAME, 2)


def test_each_next_token_is_asked_for():
    asked = NextToken().ask(np.array([5, 6, 7, 8]), np.random.default_rng(0))
    assert asked.ids.tolist() == [5, 6, 7]
    assert asked.places.tolist() == [0, 1, 2]
    assert asked.targets.tolist() == [6, 7, 8]


MASKING = Masking(0.15, MASK, np.arange(FIRST, 1000), frozenset({CLS, SEP, MASK}))


def test_what_is_hidden_has_the_shares_of_bert():
    """Devlin et al. 2019, 3.1: 15 %; of these 80 % masked, 10 % any token, 10 % as they are."""
    rng = np.random.default_rng(7)
    ids = np.concatenate([[CLS], rng.integers(FIRST, 1000, size=398), [SEP]])
    masked = replaced = total = 0
    for _ in range(200):
        asked = MASKING.ask(ids, rng)
        assert len(asked.places) == round(0.15 * 398)
        assert not set(asked.places) & {0, 399}, "special tokens are never hidden"
        assert (asked.targets == ids[asked.places]).all()
        others = np.setdiff1d(np.arange(400), asked.places)
        assert (asked.ids[others] == ids[others]).all()
        shown = asked.ids[asked.places]
        masked += int((shown == MASK).sum())
        replaced += int(((shown != MASK) & (shown != asked.targets)).sum())
        total += len(shown)
    assert masked / total == pytest.approx(0.8, abs=0.02)
    assert replaced / total == pytest.approx(0.1, abs=0.015)


@given(st.lists(st.integers(FIRST, 99), min_size=1, max_size=4))
def test_one_token_at_least_is_asked_for(inner):
    asked = MASKING.ask(np.array([CLS, *inner, SEP]), np.random.default_rng(0))
    assert len(asked.places) == 1
    assert len(MASKING.ask(np.array([CLS, SEP]), np.random.default_rng(0)).places) == 1
