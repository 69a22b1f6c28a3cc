"""The law through the losses of pilots: exact data give back its numbers, noisy ones what scipy fits, and the choice is that
of a brute search."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from w2s_trainer.stages.adapt.mixture_law import PowerLaw, chosen, fitted

FRACTIONS = [0.1, 0.25, 0.4, 0.6, 0.8]


@pytest.mark.parametrize("law", [PowerLaw(0.7, 1.9, 2.1), PowerLaw(0.3, -0.4, 1.5), PowerLaw(-0.5, 0.6, 3.0)])
def test_exact_losses_give_back_the_law(law):
    found = fitted(FRACTIONS, [law(fraction) for fraction in FRACTIONS])
    assert (found.alpha, found.exponent, found.beta) == pytest.approx(
        (law.alpha, law.exponent, law.beta), rel=1e-4
    )


@given(st.integers(0, 50))
def test_noisy_losses_are_fitted_no_worse_than_by_scipy(seed):
    rng = np.random.default_rng(seed)
    law = PowerLaw(rng.uniform(0.2, 1), rng.uniform(0.5, 3), 2.0)
    losses = [law(fraction) + rng.normal(scale=0.003) for fraction in FRACTIONS]
    shares = 1 - np.array(FRACTIONS)
    ours = fitted(FRACTIONS, losses)
    (a, s, b), _ = curve_fit(
        lambda r, a, s, b: a * r**s + b,
        shares,
        losses,
        p0=(0.5, 1, 2),
        bounds=([-9, 0.05, -9], [9, 8, 9]),
        maxfev=20_000,
    )
    of_scipy = np.square(a * shares**s + b - losses).sum()
    of_ours = np.square(
        [ours(fraction) - loss for fraction, loss in zip(FRACTIONS, losses, strict=True)]
    ).sum()
    assert of_ours <= of_scipy * (1 + 1e-6) + 1e-12


def test_golden_figures():
    """By scipy 1.17 `curve_fit`, from p0 = (0.5, 1, 2)."""
    found = fitted(FRACTIONS, [2.93, 2.78, 2.66, 2.56, 2.51])
    assert (found.alpha, found.exponent, found.beta) == pytest.approx(
        (0.55715896, 2.39346486, 2.49782356), rel=1e-5
    )


def test_equal_losses_are_a_constant():
    assert fitted(FRACTIONS, [2.0] * 5)(0.3) == pytest.approx(2.0)


@given(st.floats(0.1, 2), st.floats(0.3, 4), st.floats(0, 0.5))
def test_the_smallest_share_that_is_tolerable_is_taken(alpha, exponent, tolerance):
    law, before = PowerLaw(alpha, exponent, 2.0), 2.2
    choice = chosen(law, before, tolerance, 0.05, 0.8)
    assert choice.limit == pytest.approx(before * (1 + tolerance))
    good = [step / 100 for step in range(5, 81) if law(step / 100) <= choice.limit]
    assert choice.fraction == (good[0] if good else 0.8)
    assert choice.within == bool(good)


def test_nothing_beyond_what_was_tried_is_taken():
    law = PowerLaw(0.5, 1, 2)
    assert chosen(law, 9.0, 0, 0.125, 0.7).fraction == 0.125
    choice = chosen(law, 1.0, 0, 0.125, 0.7)
    assert (choice.fraction, choice.within) == (0.7, False)
