"""In which numbers a training computes: what decides is the processor and not a measurement.

Timings differ with what else a machine does, so that two trainings of one manifest would end with different weights.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

Precision = Literal["float32", "bfloat16"]

_CPUINFO = Path("/proc/cpuinfo")
_AMX = "amx_bf16"


def precision_of(device: str) -> Precision:
    """The numbers to compute in on a device: bfloat16 where it is known to be clearly faster.

    That is on CUDA devices that have it, and on processors with AMX. Other processors with bfloat16 multiply twice as
    fast in it and take the gradients of attention five times as long (docs/performance.md).

    Args:
        device: cpu or cuda.
    """
    import torch

    if device == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    flags = _CPUINFO.read_text().split() if _CPUINFO.exists() else []
    return "bfloat16" if _AMX in flags else "float32"


def torch_dtype(precision: Precision) -> "torch.dtype":
    """The dtype of that name."""
    import torch

    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
