"""In which numbers a machine computes fastest: measured, for processors of one name differ."""

import time
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

Precision = Literal["float32", "bfloat16"]

_GAIN = 1.2
"""How much faster bfloat16 must be: it costs digits."""
_SIZE = 512
_TRIES = 5


@cache
def fastest_precision(device: str) -> Precision:
    """The numbers to compute in on a device: bfloat16 where it is clearly faster.

    On CUDA that is known. On a CPU products of matrices are timed, for some milliseconds: with AMX or
    AVX512-BF16 bfloat16 may be faster, without it is several times slower.
    """
    import torch

    if device == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "bfloat16" if _seconds(torch.float32) > _GAIN * _seconds(torch.bfloat16) else "float32"


def torch_dtype(precision: Precision) -> "torch.dtype":
    """The dtype of that name."""
    import torch

    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]


def _seconds(dtype: "torch.dtype") -> float:
    """Of one product, the best of several: other work on the machine only ever adds."""
    import torch

    a = torch.ones(_SIZE, _SIZE, dtype=dtype)
    a @ a
    best = float("inf")
    for _ in range(_TRIES):
        began = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - began)
    return best
