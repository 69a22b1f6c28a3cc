"""Which weights of a matrix matter least: formulas on tensors. Pure.

A weight matrix W is float[out, in]: a row makes one output of all inputs. Masks are bool of its shape, and true where a weight
becomes 0.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

GROUP, KEPT = 4, 2
"""Of the pattern 2:4 (Mishra et al. 2021, arXiv 2104.08378): of so many successive inputs, so many stay."""


def wanda_scores(weight: "torch.Tensor", norms: "torch.Tensor") -> "torch.Tensor":
    """|W_ij| · ‖X_j‖₂ (Sun et al. 2023, arXiv 2306.11695, equation 1).

    Args:
        weight: float[out, in].
        norms: float[in], of each input over all tokens.
    """
    return weight.abs() * norms


def smallest(scores: "torch.Tensor", share: float) -> "torch.Tensor":
    """The ⌊share · size⌋ smallest entries of a matrix; of equal ones the first."""
    return smallest_of_rows(scores.reshape(1, -1), share).view_as(scores)


def smallest_of_rows(scores: "torch.Tensor", share: float) -> "torch.Tensor":
    """The ⌊share · in⌋ smallest entries of each row, which is what Wanda compares; of equal ones the first.

    Args:
        scores: float[out, in].
        share: in [0, 1].
    """
    import torch

    order = torch.sort(scores, dim=1, stable=True).indices
    mask = torch.zeros_like(scores, dtype=torch.bool)
    return mask.scatter_(1, order[:, : int(share * scores.shape[1])], True)


def two_of_four(scores: "torch.Tensor") -> "torch.Tensor":
    """The two smallest of each four successive entries of a row.

    Args:
        scores: float[out, in]; the inputs are a multiple of 4.
    """
    return smallest_of_rows(scores.reshape(-1, GROUP), 1 - KEPT / GROUP).view_as(scores)


def kept_neurons(scores: "torch.Tensor", share: float) -> "torch.Tensor":
    """The places of the neurons that stay, int64, ascending: without the ⌊share · in⌋ whose columns are smallest in sum
    (Wanda-sp: An et al. 2023, arXiv 2312.11983).

    Args:
        scores: float[out, in] of the matrix that reads the neurons.
        share: in [0, 1).
    """
    import torch

    gone = smallest(scores.double().sum(dim=0), share)
    return torch.nonzero(~gone).flatten()


def cosines(first: "torch.Tensor", second: "torch.Tensor") -> "torch.Tensor":
    """The cosine of the states of each token before and after a block, float64[tokens], from two of float[…, width].

    1 less its mean is the block's influence (Men et al. 2024, arXiv 2403.03853, equation 1).
    """
    import torch

    before, after = (states.reshape(-1, states.shape[-1]).double() for states in (first, second))
    return torch.nn.functional.cosine_similarity(before, after, dim=-1)
