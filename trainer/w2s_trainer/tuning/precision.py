"""In which numbers a machine computes fastest: measured, for processors of one name differ."""

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from w2s_api.keys import digest
from w2s_trainer.models.cache import kept

if TYPE_CHECKING:
    import torch

Precision = Literal["float32", "bfloat16"]

_GAIN = 1.2
"""How much faster bfloat16 must be: it costs digits."""
_TEXTS, _TOKENS, _WIDTH, _HEADS = 4, 128, 384, 12
_TRIES = 5
_KEPT = "precision"


@cache
def fastest_precision(device: str) -> Precision:
    """The numbers to compute in on a device: bfloat16 where it is clearly faster.

    On CUDA that is known. On a CPU a layer is timed, for some milliseconds: with AMX bfloat16 is faster, without
    it depends.
    """
    import torch

    if device == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "bfloat16" if _seconds(torch.float32) > _GAIN * _seconds(torch.bfloat16) else "float32"


def kept_precision(device: str, cache: Path, measure: Callable[[str], Precision]) -> Precision:
    """Returns the precision of this machine, measured once and kept: on a busy machine it may come out otherwise.

    Args:
        device: cpu or cuda.
        cache: a directory that outlives the process.
        measure: what is done the first time.
    """
    import torch

    processor = Path("/proc/cpuinfo")
    lines = processor.read_text().splitlines() if processor.exists() else []
    flags = sorted({line for line in lines if line.startswith(("model name", "flags"))})
    machine = digest([device, flags, torch.__version__, torch.get_num_threads()])

    def write(directory: Path) -> None:
        (directory / _KEPT).write_text(measure(device))

    measured = (kept(cache / "precision" / machine, write) / _KEPT).read_text()
    return "bfloat16" if measured == "bfloat16" else "float32"


def torch_dtype(precision: Precision) -> "torch.dtype":
    """The dtype of that name."""
    import torch

    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]


def _seconds(dtype: "torch.dtype") -> float:
    """Of a layer of a small encoder, there and back; the best of several: other work on the machine only ever adds.

    Products alone would mislead: without AMX, bfloat16 multiplies twice as fast, but the gradients of attention
    take five times as long (docs/performance.md).
    """
    import torch

    from w2s_trainer.models.matmul import use_fast_matmul

    random_state = torch.get_rng_state()
    wide, narrow = torch.nn.Linear(_WIDTH, 4 * _WIDTH), torch.nn.Linear(4 * _WIDTH, _WIDTH)
    torch.set_rng_state(random_state)
    layer = torch.nn.ModuleList([wide, narrow]).requires_grad_(False)
    use_fast_matmul(layer)
    texts = torch.ones(_TEXTS, _TOKENS, _WIDTH, requires_grad=True)

    def there_and_back() -> None:
        with torch.autocast("cpu", dtype, enabled=dtype is not torch.float32):
            states = narrow(wide(texts)).view(_TEXTS, _TOKENS, _HEADS, -1).transpose(1, 2)
            torch.nn.functional.scaled_dot_product_attention(states, states, states).float().sum().backward()  # type: ignore[no-untyped-call]

    there_and_back()
    best = float("inf")
    for _ in range(_TRIES):
        began = time.perf_counter()
        there_and_back()
        best = min(best, time.perf_counter() - began)
    return best
