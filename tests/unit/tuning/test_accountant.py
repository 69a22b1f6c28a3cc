"""What DP-SGD spends: held to the Gaussian mechanism's closed form, and to figures of opacus."""

import math

import pytest
from scipy.stats import norm

from w2s_trainer.tuning.accountant import MOST_NOISE, divergence, epsilon, least_noise

# opacus 1.6.0, `analysis.rdp.compute_rdp` of one step.
OPACUS = {
    (0.01, 1.0): {1.5: 0.00012725374351154145, 4.3: 0.0003939962837974971, 10.9: 0.3876114113003885, 32: 11.246275937048072, 63: 26.820552875528232},
    (0.1, 0.8): {1.5: 0.023305046249720365, 2: 0.03701379105626628, 10.9: 5.980457451122832, 63: 46.87902643776411},
    (0.5, 2.0): {1.5: 0.04981937763232103, 4.3: 0.1728712132518768, 10.9: 0.7001274654610439, 32: 3.2849386205373294},
}  # fmt: skip
# opacus 1.6.0, `RDPAccountant.DEFAULT_ALPHAS`, `get_privacy_spent`.
SPENT = [
    (0.01, 1.0, 1000, 1e-5, 2.1013652716430564),
    (0.1, 0.8, 60, 1e-5, 9.935703277229809),
    (32 / 300, 1.2, 20, 1e-4, 2.5863556569747077),
    (0.004, 0.6, 500, 1e-6, 4.852858997290934),
    (1.0, 4.0, 10, 1e-5, 3.617099772983339),
    (0.25, 3.0, 100, 1e-5, 4.161563752143762),
]
# opacus 1.6.0, `get_noise_multiplier(accountant="rdp", epsilon_tolerance=1e-4)`.
NOISE = [
    (8.0, 0.1, 60, 1e-5, 0.8885622),
    (1.0, 0.01, 1000, 1e-5, 1.5132141),
    (3.0, 0.2, 100, 1e-4, 2.8615570),
]


@pytest.mark.parametrize(("rate", "noise"), OPACUS)
def test_the_divergence_is_that_of_opacus(rate, noise):
    for order, theirs in OPACUS[rate, noise].items():
        assert divergence(rate, noise, order) == pytest.approx(theirs, rel=1e-8)


@pytest.mark.parametrize("order", [1.1, 2, 7.3, 32])
def test_when_all_take_part_it_is_the_gaussian_mechanism(order):
    assert divergence(1.0, 3.0, order) == order / 18
    assert divergence(1 - 1e-9, 3.0, order) == pytest.approx(order / 18, rel=1e-6)


def test_whole_orders_and_those_between_are_one_curve():
    below, at, above = (divergence(0.2, 1.1, order) for order in (2.999999, 3, 3.000001))
    assert at == pytest.approx((below + above) / 2, rel=1e-9)


@pytest.mark.parametrize(("rate", "noise", "steps", "delta", "theirs"), SPENT)
def test_what_is_spent_is_what_opacus_says(rate, noise, steps, delta, theirs):
    assert epsilon(rate, noise, steps, delta) == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize("noise", [0.8, 2.0, 10.0, 60.0])
def test_it_is_never_below_what_the_gaussian_mechanism_spends(noise):
    """Its exact δ(ε) = Φ(1/2σ − εσ) − exp(ε) Φ(−1/2σ − εσ) (Balle & Wang 2018, theorem 8), of one step of all."""
    delta = 1e-5
    bound = epsilon(1.0, noise, 1, delta)

    def exact(of):
        return norm.cdf(0.5 / noise - of * noise) - math.exp(of) * norm.cdf(-0.5 / noise - of * noise)

    assert exact(bound) <= delta
    assert exact(0.7 * bound) > delta, "and not far above"


@pytest.mark.parametrize(("target", "rate", "steps", "delta", "theirs"), NOISE)
def test_the_noise_for_a_budget_is_what_opacus_finds(target, rate, steps, delta, theirs):
    noise = least_noise(target, rate, steps, delta)
    assert noise == pytest.approx(theirs, abs=2e-4)
    assert epsilon(rate, noise, steps, delta) <= target < epsilon(rate, noise - 1e-4, steps, delta)


def test_more_steps_spend_more_and_none_spend_nothing():
    assert epsilon(0.1, 1.0, 0, 1e-5) == 0
    spent = [epsilon(0.1, 1.0, steps, 1e-5) for steps in (1, 10, 100)]
    assert spent == sorted(spent)


def test_what_no_noise_can_keep_is_said():
    assert least_noise(1e-4, 1.0, 1000, 1e-6) is None
    assert epsilon(1.0, MOST_NOISE, 1000, 1e-6) > 1e-4
    assert least_noise(1e6, 0.1, 1, 1e-5) == 0.1
