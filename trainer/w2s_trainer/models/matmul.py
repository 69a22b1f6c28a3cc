"""Products of float32 matrices on a CPU, by the library that is fastest there.

torch multiplies them with MKL, which is Intel's. oneDNN, which torch carries too and uses for bfloat16, is 2.2
times as fast on an AMD EPYC with AVX-512, and as exact (docs/performance.md). What decides is the processor and
not a measurement, so that a training that is resumed keeps the same arithmetic.
"""

from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def use_fast_matmul(model: torch.nn.Module) -> None:
    """Makes every linear layer of a model multiply by the faster library; changes nothing where there is none."""
    if not onednn_is_faster():
        return
    for module in model.modules():
        if type(module) is torch.nn.Linear:
            module.__class__ = FastLinear


@cache
def onednn_is_faster() -> bool:
    """Whether oneDNN beats MKL in float32: on AMD processors with AVX-512."""
    return (
        torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and "AuthenticAMD" in _cpuinfo()
    )


def _cpuinfo() -> str:
    place = Path("/proc/cpuinfo")
    return place.read_text() if place.exists() else ""


class FastLinear(torch.nn.Linear):
    """A linear layer that multiplies float32 on a CPU by oneDNN, and everything else as ever."""

    def forward(self, input: Tensor) -> Tensor:
        """x Wᵀ + b, float[..., n] of float[..., k]."""
        if (
            input.dtype is not torch.float32
            or self.weight.dtype is not torch.float32
            or input.device.type != "cpu"
            or torch.is_autocast_enabled("cpu")
            or not input.numel()
        ):
            return functional.linear(input, self.weight, self.bias)
        if not torch.is_grad_enabled():
            return _times_transposed(input, self.weight, self.bias)
        product: Tensor = _Product.apply(input, self.weight, self.bias)
        return product


class _Product(torch.autograd.Function):
    """x Wᵀ + b with its gradients, each of them a product of the same kind."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _times_transposed(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (of_output,) = gradients
        x, weight = ctx.saved_tensors
        rows, columns = of_output.reshape(-1, weight.shape[0]), x.reshape(-1, weight.shape[1])
        of_x = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_x = _times_transposed(of_output, weight.t())
        if ctx.needs_input_grad[1]:
            if weight.shape[0] <= weight.shape[1]:
                of_weight = _times_transposed(rows.t(), columns.t())
            else:  # oneDNN is slow where a product is tall and narrow
                of_weight = _times_transposed(columns.t(), rows.t()).t()
        if ctx.needs_input_grad[2]:
            of_bias = rows.sum(dim=0)
        return of_x, of_weight, of_bias


def _times_transposed(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """a bᵀ + bias: float32[..., n] of float32[..., k] and float32[n, k]."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(a, b, bias, "none", [], "")
    return product
