import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from w2s_trainer.models.head import Head, cross_validated_l2, fit, folds_of
from w2s_trainer.stages.combine.log_odds import centred, from_logits
from w2s_trainer.stages.combine.stacking import Weights, combine, unfitted
from w2s_trainer.stages.combine.students import description_head, gold_student, merged_head


def gold(n: int, k: int, d: int = 12, seed: int = 0):
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(n, d)) + 2).astype(np.float32)
    y = (x[:, :k] + 0.5 * rng.normal(size=(n, k))).argmax(1)
    y[:k] = np.arange(k)
    return x, y, rng.integers(n // 2, size=n)


def test_a_text_is_answered_by_a_head_that_saw_nothing_of_its_family():
    x, y, family = gold(60, 3)
    mean = x.astype(np.float64).mean(axis=0)
    student = gold_student(x, y, family, classes=3, mean=mean, seed=4)
    fold = folds_of(family, 4)
    assert all(len(set(fold[family == one])) == 1 for one in set(family))
    for number in range(5):
        held = fold == number
        # The row at the centre by scikit-learn: a row of zeros, once as each class, weighted by its share.
        rows = x[~held].astype(np.float64) - mean
        rows = np.concatenate([rows / np.linalg.norm(rows, axis=1, keepdims=True), np.zeros((3, x.shape[1]))])
        theirs = LogisticRegression(C=1 / student.l2, tol=1e-10, max_iter=20_000).fit(
            rows, np.append(y[~held], [0, 1, 2]), np.append(np.ones((~held).sum()), np.full(3, 1 / 3))
        )
        asked = x[held].astype(np.float64) - mean
        asked /= np.linalg.norm(asked, axis=1, keepdims=True)
        assert student.held_out.log_odds[held] == pytest.approx(
            centred(theirs.predict_log_proba(asked)), abs=2e-3
        )


def test_a_changed_label_does_not_change_what_is_said_of_its_text_out_of_fold():
    x, y, family = gold(60, 2)
    changed = y.copy()
    changed[10] = 1 - y[10]
    of = {"classes": 2, "mean": x.mean(axis=0), "seed": 0}
    first, second = gold_student(x, y, family, **of), gold_student(x, changed, family, **of)
    mine = family == family[10]
    assert first.l2 == second.l2  # else other heads are compared
    assert second.held_out.log_odds[mine] == pytest.approx(first.held_out.log_odds[mine])
    assert second.head.logits(x[10:11]) != pytest.approx(first.head.logits(x[10:11]), abs=1e-3)


def test_a_class_without_labels_is_unlikely_and_not_impossible():
    x, y, family = gold(40, 2)
    student = gold_student(x, y, family, classes=4, mean=x.mean(axis=0), seed=0)
    p = student.head.probabilities(x)
    assert (p[:, 2:] < 0.1).all()
    assert (p[:, 2:] > 1e-4).all()
    assert (np.abs(student.held_out.log_odds) < 12).all()


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], []])
def test_one_class_teaches_nothing(labels):
    x = np.ones((len(labels), 3), dtype=np.float32)
    y = np.array(labels, dtype=np.int64)
    assert gold_student(x, y, np.arange(len(labels)), classes=2, mean=np.zeros(3), seed=0) is None


def test_of_one_family_nothing_can_be_held_out():
    x, y, _ = gold(10, 2)
    assert gold_student(x, y, np.zeros(10, dtype=np.int64), classes=2, mean=x.mean(0), seed=0) is None


@pytest.mark.parametrize("k", [2, 5])
def test_two_students_are_one_linear_head(k):
    x, y, family = gold(80, k)
    noisy = np.where(np.random.default_rng(1).random(80) < 0.3, 0, y)
    strong = fit(x, np.eye(k)[noisy], np.ones(80), 1.0)
    mine = gold_student(x[:40], y[:40], family[:40], classes=k, mean=strong.mean, seed=0)
    means = {
        name: centred(np.arange(k) / 7 * place) for place, name in enumerate(("teacher", "strong", "gold"))
    }
    prior, bias = centred(np.arange(k) / 3), centred(np.arange(k)[::-1] / 10)
    scale = {"teacher": 0.7, "strong": 0.6, "gold": 1.8}
    head = merged_head({"strong": strong, "gold": mine.head}, Weights(scale, means, prior, bias))
    new = np.random.default_rng(2).normal(size=(30, x.shape[1])).astype(np.float32) + 2
    said = {"strong": from_logits(strong.logits(new)), "gold": from_logits(mine.head.logits(new))}
    students = Weights({name: scale[name] for name in said}, means, prior, bias)
    assert head.probabilities(new) == pytest.approx(combine(said, students), abs=1e-12)
    # With the teacher beside it, it is the whole combination.
    teacher = from_logits(np.random.default_rng(3).normal(size=(30, k)))
    teacher.abstain[:10] = True
    nothing = np.zeros(k)
    beside = Weights({"students": 1.0, "teacher": 0.7}, means | {"students": nothing}, nothing, nothing)
    whole = combine(said | {"teacher": teacher}, Weights(scale, means, prior, bias))
    assert combine({"students": from_logits(head.logits(new)), "teacher": teacher}, beside) == pytest.approx(
        whole, abs=1e-12
    )


def test_the_head_of_descriptions_is_their_cosine_similarity_about_the_mean():
    x, _, _ = gold(20, 2)
    descriptions, mean = x[:3] + 1, x.mean(axis=0)
    head = description_head(descriptions, mean)
    text, words = x[7].astype(np.float64) - mean, descriptions[1].astype(np.float64) - mean
    cosine = text @ words / np.linalg.norm(text) / np.linalg.norm(words)
    assert head.logits(x)[7, 1] == pytest.approx(20 * cosine)


def test_it_can_be_merged_with_a_student():
    x, y, _ = gold(40, 2)
    strong = fit(x, np.eye(2)[y], np.ones(40), 1.0)
    heads = {"strong": strong, "zero-shot": description_head(x[:2], strong.mean)}
    weights = unfitted(dict.fromkeys(heads, np.zeros(2)), np.zeros(2))
    said = {name: from_logits(head.logits(x)) for name, head in heads.items()}
    assert merged_head(heads, weights).probabilities(x) == pytest.approx(combine(said, weights), abs=1e-12)


def test_heads_of_different_centres_have_no_sum():
    heads = {
        name: Head(np.ones((2, 3)), np.zeros(2), np.full(3, at)) for name, at in (("a", 0.0), ("b", 1.0))
    }
    with pytest.raises(ValueError, match="different means"):
        merged_head(heads, unfitted({"a": np.zeros(2), "b": np.zeros(2)}, np.zeros(2)))
    with pytest.raises(ValueError, match="no head"):
        merged_head({}, unfitted({}, np.zeros(2)))


def test_folds_are_those_that_choose_the_l2_of_gold_only():
    x, y, family = gold(60, 2)
    fold = folds_of(family, 3)
    losses = {}
    for l2 in (0.1, 1.0, 10.0):
        losses[l2] = 0.0
        for number in range(5):
            held = fold == number
            p = fit(x[~held], np.eye(2)[y[~held]], np.ones((~held).sum()), l2).probabilities(x[held])
            losses[l2] -= np.log(p[np.arange(held.sum()), y[held]]).sum()
    assert cross_validated_l2(x, y, family, seed=3, grid=(0.1, 1.0, 10.0)) == min(losses, key=losses.get)


def test_families_are_dealt_in_the_order_that_the_seed_draws():
    family = np.array([30, 10, 10, 20, 40, 50, 60, 70])
    order = list(np.random.default_rng(9).permutation(np.unique(family)))
    assert folds_of(family, 9, 3).tolist() == [order.index(one) % 3 for one in family]


def test_fewer_families_than_folds():
    first, second, third = folds_of(np.array([7, 7, 3]), 0)
    assert first == second
    assert {first, third} == {0, 1}
    assert len(folds_of(np.empty(0, dtype=np.int64), 0)) == 0
