import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from w2s_api.methods import losses
from w2s_api.spec import strong
from w2s_trainer.tuning.losses import cross_entropy, make_targets
from w2s_trainer.tuning.losses.cross_entropy import WeakLabels
from w2s_trainer.tuning.losses.log_conf import ConfidentDecisions, prior_bias
from w2s_trainer.tuning.losses.product import ProductTargets

# Executed from the source of openai/weak-to-strong at 6b450f2, float32, CPU.
LOGITS = torch.tensor([[2, -1], [.3, .1], [-.5, .7], [-1.2, .4], [1.1, 1], [0, 0], [-2, 1.5], [.9, -.4]])  # fmt: skip
POSITIVE = torch.tensor([0.10, 0.35, 0.80, 0.60, 0.55, 0.90, 0.95, 0.20])
WEAK = torch.stack([1 - POSITIVE, POSITIVE], dim=1)
LOG_PROBS = LOGITS.log_softmax(-1)
SHARES = WEAK.mean(0)


def random(rows: int, classes: int, seed: int = 0, sharpness: float = 1.0) -> tuple[Tensor, Tensor]:
    """A student's log-probabilities and weak labels, both float32[rows, classes]."""
    rng = np.random.default_rng(seed)
    logits = torch.tensor(rng.normal(size=(rows, classes)) * sharpness, dtype=torch.float32)
    weak = torch.tensor(rng.dirichlet(np.ones(classes), rows), dtype=torch.float32)
    return logits.log_softmax(-1), weak


def skewed(classes: int, seed: int = 0) -> Tensor:
    return torch.tensor(np.random.default_rng(seed).dirichlet(np.full(classes, 2.0)))


def counts(log_probs: Tensor, bias: Tensor) -> list[int]:
    return torch.bincount((log_probs.double() + bias).argmax(-1), minlength=len(bias)).tolist()


def warm(seen: Tensor, prior: Tensor, weight: float) -> ConfidentDecisions:
    """Past its warm-up, with `seen` as its latest predictions."""
    targets = ConfidentDecisions(prior, max_weight=weight, warmup_fraction=0, batch_size=len(seen))
    targets.observe(seen)
    targets.begin(0.5)
    return targets


class TestGolden:
    @pytest.mark.parametrize(
        ("targets", "loss"), [(WeakLabels(), 0.55527651), (ProductTargets(1, 1), 0.39934260)]
    )
    def test_stateless(self, targets, loss):
        assert cross_entropy(LOG_PROBS, targets(LOG_PROBS, WEAK)).mean().item() == pytest.approx(
            loss, abs=1e-6
        )

    @pytest.mark.parametrize(
        ("progress", "loss"),
        [(0, 0.55527651), (0.05, 0.54983902), (0.1, 0.54440147), (0.1000001, 0.44652653), (1, 0.44652653)],
    )
    def test_log_conf(self, progress, loss):
        theirs = 0.5 * (1 if progress > 0.1 else progress)  # the repository's ramp; ours is the paper's
        q = warm(LOG_PROBS, SHARES, theirs)(LOG_PROBS, WEAK)
        assert cross_entropy(LOG_PROBS, q).mean().item() == pytest.approx(loss, abs=1e-6)

    def test_the_decisions(self):
        decided = warm(LOG_PROBS, SHARES, 1.0)(LOG_PROBS, WEAK)
        assert decided.argmax(-1).tolist() == [0, 0, 1, 1, 0, 1, 1, 0]
        assert decided.sum(-1).tolist() == [1] * 8


class TestEveryLoss:
    @pytest.fixture(params=["CrossEntropy", "Product", "LogConf"])
    def targets(self, request):
        targets = make_targets(strong.Loss(type=request.param).settings, skewed(5), batch_size=64)
        targets.observe(random(100, 5, seed=9)[0])
        targets.begin(0.5)
        return targets

    def test_its_gradient_is_prediction_minus_target(self, targets):
        log_probs, weak = random(16, 5)
        logits = log_probs.clone().requires_grad_()
        student = logits.log_softmax(-1)
        q = targets(student, weak)
        assert not q.requires_grad
        cross_entropy(student, q).sum().backward()
        assert torch.allclose(logits.grad, student.exp() - q, atol=1e-6)

    def test_targets_are_distributions(self, targets):
        q = targets(*random(64, 5, sharpness=20))
        assert q.dtype == torch.float32
        assert (q >= 0).all()
        assert torch.allclose(q.sum(-1), torch.ones(64), atol=1e-6)

    def test_weak_labels_stay_as_they_were(self, targets):
        log_probs, weak = random(16, 5)
        before = log_probs.clone(), weak.clone()
        targets(log_probs, weak)
        assert torch.equal(log_probs, before[0])
        assert torch.equal(weak, before[1])


@pytest.mark.parametrize("name", ["CrossEntropy", "Product", "LogConf"])
@pytest.mark.parametrize("classes", [2, 3, 7, 16, 37, 100])
def test_micro_batches_change_no_bit(name, classes):
    log_probs, weak = random(61, classes, sharpness=3)
    targets = make_targets(strong.Loss(type=name).settings, skewed(classes), batch_size=61)
    for seed in range(8):
        targets.observe(random(61, classes, seed=seed)[0])
    targets.begin(0.9)
    whole = targets(log_probs, weak)
    losses = cross_entropy(log_probs, whole)
    for sizes in ([1] * 61, [60, 1], [1, 60], [13, 48], [8] * 7 + [5], [31, 30]):
        parts = [targets(*pair) for pair in zip(log_probs.split(sizes), weak.split(sizes), strict=True)]
        assert torch.equal(torch.cat(parts), whole)
        split = zip(log_probs.split(sizes), parts, strict=True)
        assert torch.equal(torch.cat([cross_entropy(*pair) for pair in split]), losses)


@pytest.mark.parametrize(
    ("alpha", "beta", "expected"),
    [
        (1, 1, [0.12, 0.40, 0.48]),
        (1, 0, [0.2, 0.5, 0.3]),
        (0, 1, [0.3, 0.4, 0.8]),
        (2, 0.5, [0.04 * 0.3**0.5, 0.25 * 0.4**0.5, 0.09 * 0.8**0.5]),
    ],
)
def test_the_product_by_hand(alpha, beta, expected):
    weak = torch.tensor([[0.2, 0.5, 0.3]])
    student = torch.tensor([[0.3, 0.4, 0.8]]) if alpha != 1 or beta != 1 else torch.tensor([[0.6, 0.8, 1.6]])
    q = ProductTargets(alpha, beta)((student / student.sum()).log(), weak)[0]
    assert torch.allclose(q, torch.tensor(expected) / sum(expected), atol=1e-6)


def test_a_class_that_a_label_rules_out_gets_nothing_unless_labels_do_not_count():
    log_probs, one_hot = torch.tensor([[0.4, 0.6]]).log(), torch.tensor([[1.0, 0.0]])
    assert ProductTargets(1, 1)(log_probs, one_hot).tolist() == [[1, 0]]
    assert torch.allclose(ProductTargets(0, 1)(log_probs, one_hot), torch.tensor([[0.4, 0.6]]))


def test_the_product_survives_a_student_that_is_sure():
    log_probs = torch.tensor([[0.0, -2000.0]])
    assert ProductTargets(1, 1)(log_probs, torch.tensor([[0.0, 1.0]])).tolist() == [[0, 1]]


class TestPriorBias:
    @pytest.mark.parametrize("seed", range(40))
    def test_two_classes_are_the_quantile_of_openai(self, seed):
        rng = np.random.default_rng(seed)
        rows = int(rng.integers(4, 64))
        log_probs, weak = random(rows, 2, seed, sharpness=2)
        share = weak[:, 1].mean().item()
        first = log_probs[:, 0].exp().numpy()
        theirs = np.where(first >= np.quantile(first, share), 0, 1)
        ours = (
            (log_probs.double() + prior_bias(log_probs, torch.tensor([1 - share, share]))).argmax(-1).numpy()
        )
        assert ours.sum() == round(rows * share)
        # Their quantile lies between two rows; ours is rounded: at most the row next to the threshold differs.
        assert (ours != theirs).sum() == abs(int(ours.sum()) - int(theirs.sum())) <= 1

    @pytest.mark.parametrize("classes", [2, 3, 5, 20, 100])
    @pytest.mark.parametrize("student", ["vague", "sure", "collapsed"])
    @pytest.mark.parametrize("prior", ["uniform", "skewed"])
    def test_every_class_gets_its_share(self, classes, student, prior):
        log_probs, _ = random(
            20 * classes, classes, sharpness={"vague": 0.1, "sure": 10, "collapsed": 0.5}[student]
        )
        if student == "collapsed":
            log_probs = (log_probs + 15 * torch.eye(classes)[-1]).log_softmax(-1)
        shares = torch.full((classes,), 1 / classes) if prior == "uniform" else skewed(classes)
        bias = prior_bias(log_probs, shares)
        exact = (20 * classes * shares.double() / shares.double().sum()).tolist()
        found = counts(log_probs, bias)
        assert sum(found) == 20 * classes
        assert all(abs(n - e) < 1 for n, e in zip(found, exact, strict=True))
        assert bias.isfinite().all()

    @pytest.mark.parametrize("seed", range(5))
    def test_it_is_the_assignment_of_highest_probability(self, seed):
        log_probs, _ = random(90, 6, seed, sharpness=2)
        shares = torch.tensor([0.3, 0.2, 0.2, 0.1, 0.1, 0.1])
        places = np.repeat(np.arange(6), [27, 18, 18, 9, 9, 9])
        rows, columns = linear_sum_assignment(-log_probs.double().numpy()[:, places])
        best = places[columns[np.argsort(rows)]]
        assert (log_probs.double() + prior_bias(log_probs, shares)).argmax(-1).tolist() == best.tolist()

    @pytest.mark.parametrize(
        ("shares", "rows", "expected"),
        [
            ([0.5, 0.25, 0.25], 10, [5, 3, 2]),  # equal remainders: the first class
            ([0.4, 0.33, 0.27], 10, [4, 3, 3]),
            ([0.98, 0.01, 0.01], 10, [10, 0, 0]),
            ([0.0, 1.0, 0.0], 7, [0, 7, 0]),
            ([0.0, 0.5, 0.5], 9, [0, 5, 4]),
            ([2.0, 1.0, 1.0], 8, [4, 2, 2]),
            ([0.1, 0.2, 0.7], 1, [0, 0, 1]),
        ],
    )
    def test_shares_are_rounded_by_largest_remainder(self, shares, rows, expected):
        log_probs, _ = random(rows, 3, sharpness=3)
        assert counts(log_probs, prior_bias(log_probs, torch.tensor(shares))) == expected

    @pytest.mark.parametrize("seed", range(5))
    def test_a_class_without_a_row_is_just_out_of_reach(self, seed):
        log_probs = (random(50, 4, seed)[0] + torch.tensor([4.0, 0.0, 1.0, 0.0])).log_softmax(-1)
        bias = prior_bias(log_probs, torch.tensor([0.4, 0.6, 0.0, 0.0]))
        assert counts(log_probs, bias) == [20, 30, 0, 0]
        for label in (2, 3):
            nearer = bias.clone()
            nearer[label] += 1e-5
            assert counts(log_probs, nearer)[label] == 1

    def test_rows_that_all_tie_are_no_obstacle(self):
        tied = torch.full((60, 3), 1 / 3).log()
        assert prior_bias(tied, torch.tensor([0.5, 0.3, 0.2])).isfinite().all()

    @pytest.mark.parametrize("seed", [8, 11])
    def test_among_rows_that_tie_the_closest_bias_counts(self, seed):
        # Three levels of logits: sweeps go to and fro between ties, and the last is not the best.
        levels = np.random.default_rng(seed).integers(0, 3, size=(48, 4))
        log_probs = torch.tensor(levels, dtype=torch.float64).log_softmax(-1)
        found = counts(log_probs, prior_bias(log_probs, torch.tensor([0.1, 0.2, 0.3, 0.4])))
        assert sum(abs(n - e) for n, e in zip(found, [5, 10, 14, 19], strict=True)) <= 12

    def test_a_constant_added_to_a_class_changes_nothing(self):
        log_probs, _ = random(200, 4)
        shifted = log_probs + torch.tensor([5.0, 0.0, -3.0, 1.0])
        shares = skewed(4)
        one = (log_probs.double() + prior_bias(log_probs, shares)).argmax(-1)
        assert torch.equal(one, (shifted.double() + prior_bias(shifted, shares)).argmax(-1))


class TestLogConf:
    @pytest.mark.parametrize(
        ("progress", "warmup", "weight"),
        [
            (0, 0.2, 0),
            (0.05, 0.2, 0.2),
            (0.1, 0.2, 0.4),
            (0.2, 0.2, 0.8),
            (0.9, 0.2, 0.8),
            (0, 0, 0.8),
            (0.5, 1, 0.4),
        ],
    )
    def test_the_weight_rises_linearly_and_stays(self, progress, warmup, weight):
        targets = ConfidentDecisions(
            torch.tensor([0.5, 0.5]), max_weight=0.8, warmup_fraction=warmup, batch_size=64
        )
        targets.observe(random(64, 2)[0])
        targets.begin(progress)
        weak = torch.tensor([[1.0, 0.0]])
        against = torch.tensor([[1e-6, 1 - 1e-6]]).log()
        assert targets(against, weak)[0].tolist() == pytest.approx([1 - weight, weight], abs=1e-6)

    def test_a_student_that_collapses_is_pulled_back(self):
        prior = torch.tensor([0.5, 0.3, 0.2])
        drifted, _ = random(400, 3)
        drifted = (drifted + torch.tensor([12.0, 0.0, 0.0])).log_softmax(-1)
        assert (drifted.argmax(-1) == 0).all()
        past, now = drifted.split(200)
        q = warm(past, prior, 1.0)(now, torch.full((200, 3), 1 / 3))
        # Thresholds come from other predictions than these: shares hold but for sampling.
        assert torch.allclose(q.mean(0), prior, atol=0.1)
        assert torch.allclose(
            warm(now, prior, 1.0)(now, torch.full((200, 3), 1 / 3)).mean(0), prior, atol=1e-6
        )

    def test_the_prior_is_the_data_sets_and_not_the_batchs(self):
        log_probs, _ = random(100, 2)
        biased = torch.tensor([[0.95, 0.05]]).expand(100, 2)
        decided = warm(log_probs, torch.tensor([0.3, 0.7]), 1.0)(log_probs, biased)
        assert decided.sum(0).tolist() == [30, 70]

    def test_thresholds_are_fixed_when_the_step_begins(self):
        log_probs, weak = random(40, 2)
        targets = warm(log_probs, torch.tensor([0.4, 0.6]), 0.7)
        before = targets(log_probs, weak)
        targets(*random(40, 2, seed=1))
        targets.observe((log_probs + torch.tensor([9.0, 0.0])).log_softmax(-1))
        assert torch.equal(targets(log_probs, weak), before)
        targets.begin(0.6)
        assert not torch.equal(targets(log_probs, weak), before)

    def test_only_the_latest_predictions_count(self):
        prior, (recent, weak) = torch.tensor([0.2, 0.3, 0.5]), random(60, 3)
        targets = ConfidentDecisions(prior, max_weight=1, warmup_fraction=0, batch_size=8)
        targets.observe((recent + torch.tensor([0.0, 5.0, 0.0])).log_softmax(-1))  # 60 rows, long ago
        for batch in recent.split(8):
            targets.observe(batch)
        targets.begin(0.5)
        assert torch.equal(targets(recent, weak), warm(recent, prior, 1.0)(recent, weak))

    def test_a_batch_larger_than_20_rows_a_class_is_kept_whole(self):
        big, _ = random(500, 2)
        assert warm(big, torch.tensor([0.5, 0.5]), 1.0)(big, big.exp()).sum(0).tolist() == [250, 250]

    def test_single_examples_do_not_decide_on_their_own_threshold(self):
        # With batches of 1 a threshold from the batch would send every example to the same class.
        prior = torch.tensor([0.5, 0.5])
        targets = ConfidentDecisions(prior, max_weight=1, warmup_fraction=0, batch_size=1)
        log_probs, weak = random(400, 2)
        decided = []
        for step in range(400):
            targets.begin(step / 400)
            decided.append(targets(log_probs[step : step + 1], weak[step : step + 1]))
            targets.observe(log_probs[step : step + 1])
        assert torch.equal(torch.cat(decided[:4]), weak[:4])  # nothing to set a threshold by
        assert torch.cat(decided[40:]).mean(0).tolist() == pytest.approx([0.5, 0.5], abs=0.06)

    def test_it_goes_on_from_a_checkpoint_to_the_bit(self):
        prior = skewed(4)
        settings = {"max_weight": 0.5, "warmup_fraction": 0.2, "batch_size": 16}
        undisturbed, before = ConfidentDecisions(prior, **settings), ConfidentDecisions(prior, **settings)
        for step in range(7):
            for one in (undisturbed, before):
                one.begin(step / 10)
                one.observe(random(16, 4, seed=step)[0])
        state = {name: tensor.clone() for name, tensor in before.state().items()}
        before.observe(random(16, 4, seed=99)[0])
        resumed = ConfidentDecisions(prior, **settings)
        resumed.load(state)
        for step in range(7, 10):
            batch = random(16, 4, seed=step)
            for one in (undisturbed, resumed):
                one.begin(step / 10)
            assert torch.equal(undisturbed(*batch), resumed(*batch))
            for one in (undisturbed, resumed):
                one.observe(batch[0])
        assert torch.equal(undisturbed.state()["recent"], resumed.state()["recent"])

    def test_what_it_remembers_carries_no_graph(self):
        student = random(16, 4)[0].requires_grad_()
        targets = ConfidentDecisions(skewed(4), max_weight=0.5, warmup_fraction=0.2, batch_size=16)
        targets.observe(student)
        assert not targets.state()["recent"].requires_grad


class TestManifest:
    def test_product_settings_reach_it(self):
        log_probs, weak = random(8, 3)
        loss = strong.Loss(type="Product", product=losses.Product(alpha="0.5", beta="2"))
        assert torch.equal(
            make_targets(loss.settings, skewed(3), 8)(log_probs, weak),
            ProductTargets(0.5, 2)(log_probs, weak),
        )

    @pytest.mark.parametrize(
        ("settings", "weight"),
        [
            ({"maxWeight": "0.75", "warmupFraction": "0"}, 0.75),
            ({"maxWeight": "0.75", "warmupFraction": "0.4"}, 0.1875),
            (None, 0.25),
        ],
    )
    def test_log_conf_settings_reach_it(self, settings, weight):
        loss = strong.Loss.model_validate({"type": "LogConf", "logConf": settings})
        targets = make_targets(loss.settings, torch.tensor([0.5, 0.5]), 64)
        targets.observe(random(64, 2)[0])
        targets.begin(0.1)
        q = targets(torch.tensor([[1e-6, 1 - 1e-6]]).log(), torch.tensor([[1.0, 0.0]]))
        assert q[0, 1].item() == pytest.approx(weight)

    def test_the_window_holds_a_whole_batch(self):
        targets = make_targets(strong.Loss(type="LogConf").settings, torch.tensor([0.5, 0.5]), batch_size=64)
        targets.observe(random(64, 2)[0])
        targets.observe(random(64, 2, seed=1)[0])
        assert torch.equal(targets.state()["recent"], random(64, 2, seed=1)[0])
