"""Corrected weak labels: what the heads and the nearest gold say, when a label is changed, and what the budget says of it."""

from itertools import product

import numpy as np
import pytest
from select_kit import clouds, selected

from w2s_trainer.errors import BadData
from w2s_trainer.models.head import fit
from w2s_trainer.stages.select import summary_of
from w2s_trainer.stages.select.corrected import write_corrected
from w2s_trainer.stages.select.correction import Evidence, changed, mixed, proposals
from w2s_trainer.stages.select.disjoint import Heard, dealt, hear
from w2s_trainer.stages.select.flips import flips
from w2s_trainer.stages.select.nearest_gold import nearest_gold
from w2s_trainer.stages.tables import read_corrected

KINDS = ("Students", "NearestGold", "Both", "Either")


def step(**settings):
    return {"type": "Correction", "correction": settings}


def wrong_by_lot(**settings):
    """400 texts of the pool and 100 of the budget; 30 % of the labels are wrong, whatever the text."""
    return clouds(n=500, noise=0.3, budget=100, **settings)


def right(pool, one):
    """Shares of right labels in the pool before and after, by the hidden gold."""
    rows = one.left.rows
    truth = pool.truth[rows]
    return (pool.weak[rows].argmax(axis=1) == truth).mean(), (one.left.targets.argmax(axis=1) == truth).mean()


def test_heads_of_disjoint_folds_by_brute_force():
    pool = clouds(n=60, noise=0.3, budget=12)
    learnt, fold = 48, np.arange(60) // 3 % 4
    weights = np.linspace(0.5, 2, learnt)
    heard = hear(pool.features, pool.weak[:learnt], weights, fold, 1.0)
    for row in range(60):
        votes, total = np.zeros(2), np.zeros(2)
        for number in set(range(4)) - {fold[row]}:
            inside = np.flatnonzero(fold[:learnt] == number)
            head = fit(pool.features[inside], pool.weak[inside], weights[inside], 1.0)
            asked = [other for other in range(learnt) if fold[other] != number]
            means = head.probabilities(pool.features[asked]).mean(axis=0)
            odds = head.probabilities(pool.features[row : row + 1])[0] / means
            votes[odds.argmax()] += 1
            total += odds / odds.sum()
        assert heard.votes[row].tolist() == votes.tolist()
        assert heard.mean[row] == pytest.approx(total / 3)
        assert heard.share(np.zeros(60, dtype=int))[row] == pytest.approx(votes[0] / 3)


def test_families_are_dealt_whole_and_what_comes_later_moves_nothing():
    families = np.array([0, 0, 1, 2, 2, 3, 4, 5, 1, 6, 6, 7])
    first, fold = dealt(families[:8], 8, 3), dealt(families, 8, 3)
    assert fold[:8].tolist() == first.tolist()
    assert set(fold) == {0, 1, 2}
    for family in set(families.tolist()):
        assert len(set(fold[families == family].tolist())) == 1


def test_the_nearest_gold_by_brute_force():
    rng = np.random.default_rng(0)
    unit = rng.normal(size=(40, 5))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    families, gold = np.arange(40) // 2, rng.integers(0, 3, 40)
    m = 30
    found = nearest_gold(unit, families, unit[:m], families[:m], gold[:m], 3, 4)
    for row in range(40):
        others = [j for j in range(m) if families[j] != families[row]]
        near = sorted(others, key=lambda j: np.linalg.norm(unit[row] - unit[j]))[:4]
        counted = np.zeros(3)
        for j in near:
            counted[gold[j]] += 1 / (1 + np.linalg.norm(unit[row] - unit[j]))
        assert found[row] == pytest.approx(counted / counted.sum())
    assert (
        nearest_gold(unit[:2], families[:2], unit[:2], families[:2], gold[:2], 3, 4).tolist()
        == [[0.0] * 3] * 2
    )
    assert (
        nearest_gold(unit[:2], families[:2], unit[:0], families[:0], gold[:0], 3, 4).tolist()
        == [[0.0] * 3] * 2
    )


def test_a_text_of_the_budget_is_not_judged_by_its_own_label_nor_by_its_family_s():
    rng = np.random.default_rng(1)
    unit = rng.normal(size=(20, 4))
    families, gold = np.arange(20) // 2, rng.integers(0, 2, 20)
    before = nearest_gold(unit, families, unit, families, gold, 2, 3)
    gold[6:8] = 1 - gold[6:8]  # a family
    after = nearest_gold(unit, families, unit, families, gold, 2, 3)
    assert after[6:8].tolist() == before[6:8].tolist()
    assert after.tolist() != before.tolist()


def test_net_flips_and_their_interval_by_the_exact_bootstrap_distribution():
    """Three families of two, one and three labels: all 27 draws of three families, equally likely."""
    families = np.array([7, 7, 2, 5, 5, 5])
    gold = np.array([0, 1, 2, 0, 1, 2])
    before = np.array([1, 0, 0, 0, 1, 0])
    after = np.array([0, 1, 1, 1, 1, 0])  # two right, one from wrong to wrong, one wrong
    found = flips(before, after, gold, families)
    assert (found.wrong_to_right, found.right_to_wrong, found.wrong_to_wrong, found.labels) == (2, 1, 1, 6)
    assert found.net.estimate == pytest.approx(1 / 6)
    net, size = np.array([0, 2, -1]), np.array([1, 2, 3])
    exact = [net[list(draw)].sum() / size[list(draw)].sum() for draw in product(range(3), repeat=3)]
    # 1 of 27 draws is the lowest, more than 2.5 %
    assert found.net.low == pytest.approx(min(exact))
    assert found.net.high == pytest.approx(max(exact))
    assert found.to_json()["netFlips"] == 1


def test_where_nothing_changes_net_flips_are_nothing():
    labels = np.zeros(4, dtype=np.int64)
    found = flips(labels, labels, np.array([0, 1, 0, 1]), np.arange(4))
    assert (found.net.estimate, found.net.low, found.net.high) == (0, 0, 0)


HEARD = Heard(
    np.array([[0, 4], [0, 4], [1, 3], [4, 0], [0, 4]]),
    np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7], [0.9, 0.1], [0.45, 0.55]]),
)
GOLD = np.array([[0.0, 1.0], [0.9, 0.1], [0.0, 1.0], [0.0, 1.0], [0.5, 0.5]])
LABELS = np.array([0, 0, 0, 1, 0])
"""Thresholds over the first four: (.1 + .2 + .3) / 3 = .2 of class 0, .1 of class 1: all are sure of the likelier class."""


@pytest.mark.parametrize(
    ("kind", "least", "proposed"),
    [
        ("Students", 1.0, [1, 1, -1, 0, 1]),
        ("Students", 0.75, [1, 1, 1, 0, 1]),
        ("NearestGold", 1.0, [1, 0, 1, 1, -1]),
        ("Both", 1.0, [1, -1, -1, -1, -1]),
        ("Either", 1.0, [1, -1, 1, -1, 1]),
    ],
)
def test_what_the_evidence_is_for_by_hand(kind, least, proposed):
    found, support = proposals(Evidence(LABELS, 4, HEARD, GOLD), kind, least)
    assert found.tolist() == proposed
    wanted = {"Students": HEARD.mean, "NearestGold": GOLD}.get(kind, HEARD.mean + GOLD)
    assert support.tolist() == wanted.tolist()


def test_heads_that_are_not_sure_are_for_nothing():
    """Class 1 is labelled where its mean is .9, and nobody is as sure of it elsewhere."""
    heard = Heard(np.array([[0, 4], [0, 4], [4, 0]]), np.array([[0.1, 0.9], [0.2, 0.8], [0.95, 0.05]]))
    evidence = Evidence(np.array([1, 0, 0]), 3, heard, np.zeros((3, 2)))
    assert proposals(evidence, "Students", 1.0)[0].tolist() == [1, -1, 0]


def test_at_most_a_share_of_each_label_is_changed_and_the_budget_follows_the_pool():
    """Four texts of the pool are labelled 0 and proposed 1, with margins .2, .8, .4, .6; two of them may be changed."""
    support = np.array([[0.4, 0.6], [0.1, 0.9], [0.3, 0.7], [0.2, 0.8], [0.2, 0.8], [0.26, 0.74], [0.1, 0.9]])
    labels = np.array([0, 0, 0, 0, 0, 0, 1])
    evidence = Evidence(labels, 4, Heard(np.zeros((7, 2), dtype=np.int64), support), support)
    proposed = np.ones(7, dtype=np.int64)
    assert changed(evidence, proposed, support, 0.5).tolist() == [0, 1, 0, 1, 1, 1, 1]
    # .48 of the second text of the budget is more than .4, the first margin that was left
    assert changed(evidence, proposed, support, 0.25).tolist() == [0, 1, 0, 0, 0, 0, 1]
    assert changed(evidence, proposed, support, 0.9).tolist() == [0, 1, 1, 1, 1, 1, 1]
    assert changed(evidence, proposed - 2, support, 0.9).tolist() == labels.tolist()


def test_a_mixture_is_between_the_two_labels():
    assert mixed(np.array([0.75, 0.25, 0.0]), 2, 1.0).tolist() == [0, 0, 1]
    assert mixed(np.array([0.75, 0.25, 0.0]), 2, 0.5).tolist() == [0.375, 0.125, 0.5]


@pytest.mark.parametrize("kind", KINDS)
def test_planted_errors_are_set_right(kind):
    pool = wrong_by_lot()
    one = selected(pool, step(evidence=kind), goldBudget=64)[0]
    before, after = right(pool, one)
    assert before < 0.75
    assert after > before + 0.15
    (audit,) = one.audit
    assert audit["after"] == audit["before"] == 400
    assert set(one.left.weights) == {1.0}
    figures = audit["figures"]
    assert (
        figures["changed"]
        == len(one.corrected)
        == sum(sum(to.values()) for to in figures["proposed"].values())
    )
    budget = figures["budget"]
    assert budget["labels"] == 64
    assert budget["netFlips"] == budget["wrongToRight"] - budget["rightToWrong"] > 0
    assert budget["netShare"]["low"] <= after - before <= budget["netShare"]["high"]
    assert audit["classesAfter"] == {
        name: int((one.left.targets.argmax(axis=1) == place).sum()) for place, name in enumerate("ab")
    }


def test_only_what_is_on_record_is_changed():
    pool = wrong_by_lot()
    one = selected(pool, step(evidence="Students", mixture="0.5"), goldBudget=64)[0]
    targets = pool.weak.copy()
    for made in one.corrected:
        old = pool.weak[made.row].argmax()
        assert made.made.before == "ab"[old] != made.made.after
        targets[made.row] = mixed(pool.weak[made.row], 1 - old, 0.5)
        assert made.made.agreement == 1.0
        assert made.made.probability > 0.5
    assert one.corrected
    assert one.left.labels.targets.tolist() == targets.tolist()


def test_texts_of_the_pool_have_no_gold_that_it_could_see():
    pool = wrong_by_lot()
    first = selected(pool, step(evidence="Either"), goldBudget=64)[0].left.targets.tolist()
    hidden = pool.parts == "pool"
    pool.truth[hidden] = 1 - pool.truth[hidden]
    assert selected(pool, step(evidence="Either"), goldBudget=64)[0].left.targets.tolist() == first


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("budget", [64, 0])
def test_what_does_the_budget_no_good_is_told_and_not_done_where_that_is_asked(budget, asked):
    """Experts who say the opposite; and none at all."""
    pool = wrong_by_lot()
    if budget:
        pool.truth[pool.parts == "budget"] = 1 - pool.truth[pool.parts == "budget"]
    else:
        pool.parts[pool.parts == "budget"] = "elsewhere"
    by_seed = selected(pool, step(evidence="Students", provenOnBudget=asked), goldBudget=64)
    same = by_seed[0].left.targets.tolist() == pool.weak[pool.parts == "pool"].tolist()
    assert same is asked
    (audit,) = by_seed[0].audit
    proposed = sum(sum(to.values()) for to in audit["figures"]["proposed"].values())
    assert proposed > 0
    assert audit["figures"]["changed"] == len(by_seed[0].corrected) == (0 if asked else proposed)
    why = "of 64 labels of the gold budget the same rule sets" if budget else "no text of the gold budget"
    done = "no label" if asked else "labels, and nothing shows that it helps"
    assert any(f"Correction changed {done}: {why}" in line for line in summary_of(by_seed)["warnings"])


def test_the_next_step_sees_the_corrected_labels_and_a_label_is_what_it_was_last_made(tmp_path):
    pool = wrong_by_lot()
    wanted = {"type": "Shares", "shares": {"like": "Declared", "by": "Dropping", "shares": [{"className": "a", "share": "0.5"}]}}  # fmt: skip
    one = selected(pool, step(evidence="Students", mixture="0.6"), step(), wanted, goldBudget=64)[0]
    assert [made.step for made in one.corrected] == sorted(made.step for made in one.corrected)
    assert {made.step for made in one.corrected} == {0, 1}
    labels = one.left.targets.argmax(axis=1)
    assert (labels == 0).sum() == (labels == 1).sum()
    write_corrected({0: one.corrected}, one.left.examples, tmp_path)
    artifact = Written(tmp_path)
    rows, after = read_corrected(artifact, one.left.examples, tmp_path)[0]
    learnt = pool.weak.copy()
    learnt[rows] = after
    assert learnt.tolist() == one.left.labels.targets.tolist()


class Written:
    """An artifact whose files lie in a directory."""

    stage, key = "select", "k"

    def __init__(self, directory) -> None:
        self._directory = directory
        self.files = {file.name: None for file in directory.iterdir()}

    def fetch(self, name, _directory):
        return self._directory / name


def test_nothing_is_written_where_nothing_was_changed(tmp_path):
    pool = wrong_by_lot()
    one = selected(pool)[-1]
    write_corrected({0: one.corrected}, one.left.examples, tmp_path)
    assert read_corrected(Written(tmp_path), one.left.examples, tmp_path) == {}


def test_it_takes_three_families():
    pool = wrong_by_lot()
    pool.families[:] = np.arange(len(pool.ids)) % 2
    with pytest.raises(BadData, match="are 2 families; to correct their labels takes 3"):
        selected(pool, step(), goldBudget=64)
