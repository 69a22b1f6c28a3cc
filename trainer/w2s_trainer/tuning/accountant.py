"""How much privacy DP-SGD spends: Rényi differential privacy of the subsampled Gaussian mechanism. Pure.

An upper bound: the guarantee that is printed holds. Tighter accountants exist (Gopi et al. 2021), that would print less for the
same noise.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

ORDERS: tuple[float, ...] = (
    *(1 + tenth / 10 for tenth in range(1, 100)),
    *range(11, 64),
    *(72, 80, 96, 128, 192, 256, 384, 512),
)
"""α at which divergences are bounded; the best of them counts."""
MOST_NOISE = 1000.0
"""A noise multiplier beyond which nothing is looked for: such gradients say nothing."""
_LEAST_NOISE = 0.1
_UNITS = 10_000
_WIDTH = 12
_POINTS_A_SIGMA = 40


def divergence(rate: float, noise: float, order: float) -> float:
    """The Rényi divergence of order α that one step spends, at most (Mironov, Talwar & Zhang 2019, arXiv 1908.10530).

    log E[(1 − q + q exp((2x − 1) / 2σ²))^α] / (α − 1), x ~ N(0, σ²): for whole α their finite sum (eq. 9), else by quadrature,
    whose error is far below the last digit that is printed, since the integrand is smooth and its ends are nothing.

    Args:
        rate: q, the probability with which an example takes part in a step, in (0, 1].
        noise: σ, the standard deviation of the noise over the clipping norm.
        order: α, above 1.
    """
    if rate == 1:
        return order / (2 * noise**2)
    whole = order == int(order)
    return (_log_sum(rate, noise, int(order)) if whole else _log_integral(rate, noise, order)) / (order - 1)


def _log_sum(rate: float, noise: float, order: int) -> float:
    from scipy.special import gammaln, logsumexp

    k = np.arange(order + 1, dtype=np.float64)
    log_choose = gammaln(order + 1) - gammaln(k + 1) - gammaln(order - k + 1)
    terms = log_choose + (order - k) * math.log1p(-rate) + k * math.log(rate) + (k * k - k) / (2 * noise**2)
    return float(logsumexp(terms))


def _log_integral(rate: float, noise: float, order: float) -> float:
    from scipy.special import logsumexp

    low, high = -_WIDTH * noise, order + _WIDTH * noise
    x = np.linspace(low, high, math.ceil((high - low) / noise * _POINTS_A_SIGMA))
    ratio = np.logaddexp(math.log1p(-rate), math.log(rate) + (2 * x - 1) / (2 * noise**2))
    density = -(x**2) / (2 * noise**2) - math.log(noise * math.sqrt(2 * math.pi))
    return float(logsumexp(density + order * ratio)) + math.log(x[1] - x[0])


def epsilon(rate: float, noise: float, steps: int, delta: float) -> float:
    """The ε of (ε, δ)-differential privacy after some steps: the least over the orders.

    By Proposition 12 of Canonne, Kamath & Steinke 2020 (arXiv 2004.00010):
    ε = T · D_α − (log δ + log α) / (α − 1) + log((α − 1) / α).

    Args:
        rate: q of each step.
        noise: σ of each step.
        steps: T.
        delta: δ, in (0, 1).
    """
    if steps == 0:
        return 0.0
    orders = np.array(ORDERS)
    spent = steps * _divergences(rate, noise)
    bounds = spent - (math.log(delta) + np.log(orders)) / (orders - 1) + np.log1p(-1 / orders)
    return float(max(0.0, bounds.min()))


@lru_cache(maxsize=64)
def _divergences(rate: float, noise: float) -> NDArray[np.float64]:
    return np.array([divergence(rate, noise, order) for order in ORDERS])


def least_noise(target: float, rate: float, steps: int, delta: float) -> float | None:
    """The least noise multiplier, to four digits behind the point, with which ε stays at or below a target.

    Args:
        target: ε, above 0.
        rate: q of each step.
        steps: T.
        delta: δ, in (0, 1).

    Returns:
        σ, at least 0.1; None where it is above `MOST_NOISE`.
    """
    if epsilon(rate, MOST_NOISE, steps, delta) > target:
        return None
    low, high = 0, round(_LEAST_NOISE * _UNITS)
    while epsilon(rate, high / _UNITS, steps, delta) > target:
        low, high = high, 2 * high
    while high - low > 1 and low:
        middle = (low + high) // 2
        if epsilon(rate, middle / _UNITS, steps, delta) <= target:
            high = middle
        else:
            low = middle
    return high / _UNITS


def steps_of(rows: int, batch_size: int, epochs: int) -> int:
    """Steps of a schedule over n examples, of which each takes part in batchSize / n of them on average."""
    return epochs * math.ceil(rows / batch_size)


def sample_rate(rows: int, batch_size: int) -> float:
    """The probability with which each of n examples takes part in a step, so that batchSize do on average."""
    return min(1.0, batch_size / rows)
