"""Which texts are asked about: unsure ones, far apart, one of a family, whatever the order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2s_trainer.asking.choice import choose, disagreement, uncertainty

N, D = 60, 5


def made(seed: int):
    rng = np.random.default_rng(seed)
    score = rng.integers(0, 6, N) / 5  # with ties
    features = rng.standard_normal((N, D)).astype(np.float32)
    features[10:20] = features[0]  # and with equal distances
    families = rng.integers(0, 40, N)
    return score, features, families, [f"row-{place}" for place in range(N)], features[:3] + 0.1


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 99), count=st.integers(1, 50), candidates=st.sampled_from([1, 3, 10]))
def test_an_order_of_the_rows_changes_nothing(seed, count, candidates):
    score, features, families, ids, labelled = made(seed)
    order = np.random.default_rng(seed + 1).permutation(N)
    one = choose(score, features, families, ids, count, labelled, candidates)
    other = choose(
        score[order],
        features[order],
        families[order],
        [ids[place] for place in order],
        count,
        labelled[::-1],
        candidates,
    )
    assert [ids[place] for place in one] == [ids[order[place]] for place in other]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 99), count=st.integers(1, 80), candidates=st.sampled_from([1, 3, 10]))
def test_one_of_a_family_its_most_uncertain_and_as_many_as_there_are(seed, count, candidates):
    score, features, families, ids, labelled = made(seed)
    chosen = choose(score, features, families, ids, count, labelled, candidates)
    assert len(chosen) == min(count, len(np.unique(families)))
    assert len(set(families[chosen])) == len(chosen)
    best = {family: score[families == family].max() for family in families}
    assert all(score[place] == best[families[place]] for place in chosen)


def test_only_the_most_uncertain_are_candidates():
    score = np.arange(N, dtype=np.float64)
    features = np.random.default_rng(0).standard_normal((N, D))
    ids = [str(place) for place in range(N)]
    chosen = choose(score, features, np.arange(N), ids, 5, features[:1], candidates=3)
    assert chosen.min() >= N - 15
    assert choose(score, features, np.arange(N), ids, 5, features[:1], candidates=1).tolist() == [
        *range(N - 1, N - 6, -1)
    ]


def test_among_candidates_those_far_from_one_another_and_from_what_is_labelled():
    """Three directions of ten texts each; one is labelled: of the others one each comes first."""
    features = np.repeat(np.eye(3), 10, axis=0) + 0.001 * np.arange(30)[:, None]
    chosen = choose(
        np.ones(30), features, np.arange(30), [str(n) for n in range(30)], 2, np.eye(3)[:1], candidates=15
    )
    assert {place // 10 for place in chosen.tolist()} == {1, 2}


def test_without_a_labelled_text_the_most_uncertain_is_first():
    score = np.zeros(N)
    score[17] = 1.0
    features = np.random.default_rng(3).standard_normal((N, D))
    chosen = choose(score, features, np.arange(N), [str(n) for n in range(N)], 4, np.empty((0, D)))
    assert chosen[0] == 17


def test_of_a_pool_without_texts_none_is_chosen():
    empty = np.empty((0, D))
    assert choose(np.empty(0), empty, np.empty(0, dtype=np.int64), [], 3, empty).tolist() == []


def test_seeds_that_disagree_are_unsure_though_each_is_sure():
    sure = np.array([[[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]])
    assert uncertainty(sure) == pytest.approx([0.0, np.log(2)])


def test_disagreement_is_between_teacher_and_answers_and_none_where_it_abstains():
    teacher = np.array([[1.0, 0.0], [1.0, 0.0], [0.5, 0.5], [1.0, 0.0]])
    answers = np.array([[[0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]])
    found = disagreement(teacher, np.array([False, False, False, True]), answers)
    assert found == pytest.approx([np.log(2), 0.0, 0.0, 0.0], abs=1e-9)
