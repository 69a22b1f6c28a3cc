"""The auxiliary confidence loss of Burns et al. 2023 (arXiv 2312.09390, eq. 1-2), for any number of classes."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from w2s_api.methods.losses import LogConf

_ROWS_PER_CLASS = 20
"""The window's length: a class's threshold is then known to about a quarter of its share."""

_LEAST_ROWS_PER_CLASS = 2
"""With fewer, most classes' share of the window rounds to no row at all."""

_SWEEPS = 64
"""Without ties, 100 classes need 10 to 80 and 20 classes fewer than 20; ten leave under 1 % of rows misplaced."""

_BELOW = 1e-6


class ConfidentDecisions:
    """q = (1 − c) · weak + c · h, h being the student's decision after the prior's shares are imposed on it.

    c rises linearly from 0 to `max_weight` over the first `warmup_fraction` of the steps. h is the class with
    the largest log p + bias, the bias such that the student's latest predictions would fall on the classes in
    the prior's shares: a student that drifts to one class is not told that it is right. The bias comes from
    predictions of earlier steps, the last 20 a class or the last batch if that is more, so that neither the batch
    nor the micro-batch decides on it. Until there are two a class, c is 0.
    """

    def __init__(self, prior: Tensor, max_weight: float, warmup_fraction: float, batch_size: int) -> None:
        self._prior = prior.detach().cpu()
        self._max_weight, self._warmup_fraction = max_weight, warmup_fraction
        self._window = max(_ROWS_PER_CLASS * len(prior), batch_size)
        self._recent = torch.empty(0, len(prior))
        self._bias = torch.zeros(len(prior), dtype=torch.float64)
        self._weight = 0.0

    def begin(self, progress: float) -> None:
        """Fixes this step's weight and thresholds."""
        warm = progress >= self._warmup_fraction
        self._weight = self._max_weight * (1.0 if warm else progress / self._warmup_fraction)
        if len(self._recent) < _LEAST_ROWS_PER_CLASS * len(self._prior):
            self._weight = 0.0
        if self._weight > 0:
            self._bias = prior_bias(self._recent, self._prior)

    def __call__(self, log_probs: Tensor, weak: Tensor) -> Tensor:
        """The mixture float32[b, K]."""
        scores = log_probs.double() + self._bias.to(log_probs.device)
        decided = one_hot(scores.argmax(-1), weak.shape[-1])
        return (1 - self._weight) * weak.detach() + self._weight * decided.to(weak.dtype)

    def observe(self, log_probs: Tensor) -> None:
        """Remembers the latest predictions."""
        latest = log_probs.detach().to("cpu", torch.float32)
        self._recent = torch.cat([self._recent, latest])[-self._window :]

    def state(self) -> dict[str, Tensor]:
        """The predictions that the next step's thresholds come from: float32[n, K], oldest first."""
        return {"recent": self._recent.clone()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Takes the predictions back."""
        self._recent = state["recent"].to("cpu", torch.float32)


def prior_bias(log_probs: Tensor, prior: Tensor) -> Tensor:
    """The bias that makes argmaxₖ (log pₖ + biasₖ) fall on each class as often as the prior says.

    Coordinate descent on the dual of the transport problem, Σᵢ maxₖ (log pᵢₖ + biasₖ) − Σₖ nₖ·biasₖ: each class in
    turn is given the threshold that lets exactly nₖ rows through, half-way to the next row. When every class has
    its nₖ, no other assignment with these counts has a higher total log-probability. For two classes the first
    pass does it: the threshold is a quantile. Rows that tie cannot be parted; then the closest bias found counts.

    Args:
        log_probs: float[N, K], N above 0.
        prior: float[K], not negative; scaled to sum to 1.

    Returns:
        float64[K], finite. nₖ is N · priorₖ, rounded so that the sum is N. A class with nₖ = 0 is put just below
        the threshold at which it would get its first row.
    """
    columns = np.ascontiguousarray(log_probs.detach().cpu().double().numpy().T)
    wanted = _rounded(prior.detach().cpu().double().numpy(), columns.shape[1])
    live = wanted > 0
    bias = np.zeros(len(columns))
    bias[live] = _balanced(columns[live], wanted[live])
    best = (columns[live] + bias[live, None]).max(axis=0)
    bias[~live] = (best - columns[~live]).min(axis=1) - _BELOW
    return torch.from_numpy(bias)


def _rounded(prior: NDArray[np.float64], rows: int) -> NDArray[np.int64]:
    """rows · prior in whole rows, by largest remainder; of equal remainders, the first class."""
    exact = rows * prior / prior.sum()
    whole: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    short = rows - int(whole.sum())
    whole[np.argsort(whole - exact, kind="stable")[:short]] += 1
    return whole


def _balanced(columns: NDArray[np.float64], wanted: NDArray[np.int64]) -> NDArray[np.float64]:
    """The bias of K classes that all want rows; columns are float64[K, N]."""
    classes, rows = columns.shape
    bias = np.zeros(classes)
    closest, fewest = bias.copy(), rows + 1
    if classes == 1:
        return bias
    for _ in range(_SWEEPS):
        for_later = np.maximum.accumulate((columns + bias[:, None])[::-1])[::-1]
        settled = np.full(rows, -np.inf)
        for k in range(classes):
            rivals = np.maximum(settled, for_later[k + 1]) if k + 1 < classes else settled
            entry = rivals - columns[k]
            last, following = np.partition(entry, (wanted[k] - 1, wanted[k]))[wanted[k] - 1 : wanted[k] + 1]
            bias[k] = (last + following) / 2
            settled = np.maximum(settled, columns[k] + bias[k])
        counts = np.bincount((columns + bias[:, None]).argmax(axis=0), minlength=classes)
        misplaced = int(np.abs(counts - wanted).sum())
        if misplaced < fewest:
            closest, fewest = bias.copy(), misplaced
        if misplaced == 0:
            break
    return closest


def targets(settings: LogConf, prior: Tensor, batch_size: int) -> ConfidentDecisions:
    """Those of `losses.make_targets`."""
    return ConfidentDecisions(prior, float(settings.max_weight), float(settings.warmup_fraction), batch_size)
