"""Products by oneDNN: the same values and gradients as torch's own, whatever the shape, layout and precision."""

import pytest
import torch

from w2s_trainer.models import matmul
from w2s_trainer.models.matmul import FastLinear, onednn_is_faster, use_fast_matmul

pytestmark = pytest.mark.skipif(
    not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this torch has no oneDNN"
)

SHAPES = [(3, 5, 7), (64, 384, 16), (64, 16, 384), (1, 1, 1)]


def pair(k: int, n: int, bias: bool = True) -> tuple[torch.nn.Linear, torch.nn.Linear]:
    torch.manual_seed(0)
    plain, fast = torch.nn.Linear(k, n, bias=bias), torch.nn.Linear(k, n, bias=bias)
    fast.load_state_dict(plain.state_dict())
    fast.__class__ = FastLinear
    return plain, fast


def close(one: torch.Tensor | None, other: torch.Tensor | None) -> None:
    assert one is not None
    assert other is not None
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("m", "k", "n"), SHAPES)
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients(m: int, k: int, n: int, bias: bool) -> None:
    plain, fast = pair(k, n, bias)
    x = torch.randn(2, m, k)
    inputs = [x.clone().requires_grad_(True) for _ in range(2)]
    outputs = [layer(given) for layer, given in zip((plain, fast), inputs, strict=True)]
    close(outputs[1], outputs[0])
    for output in outputs:
        (output**2).sum().div(output.numel()).backward()
    close(inputs[1].grad, inputs[0].grad)
    close(fast.weight.grad, plain.weight.grad)
    if bias:
        close(fast.bias.grad, plain.bias.grad)


def test_a_frozen_layer_has_no_gradients_but_passes_them_on() -> None:
    _, fast = pair(8, 8)
    fast.requires_grad_(False)
    x = torch.randn(4, 8, requires_grad=True)
    fast(x).sum().backward()
    assert fast.weight.grad is None
    assert x.grad is not None


@pytest.mark.parametrize(
    "x",
    [
        torch.arange(24.0).view(4, 6).t(),
        torch.arange(48.0).view(2, 6, 4).transpose(1, 2)[..., :4].contiguous().transpose(0, 1),
        torch.empty(0, 4),
        torch.arange(4.0),
    ],
    ids=["transposed", "swapped", "empty", "vector"],
)
def test_layouts(x: torch.Tensor) -> None:
    plain, fast = pair(4, 3)
    close(fast(x), plain(x))


def test_autocast_is_obeyed() -> None:
    _, fast = pair(8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert fast(torch.randn(4, 8)).dtype is torch.bfloat16


def test_only_plain_layers_change(monkeypatch: pytest.MonkeyPatch) -> None:
    class Special(torch.nn.Linear):
        pass

    monkeypatch.setattr(matmul, "onednn_is_faster", lambda: True)
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), Special(2, 2))
    names = list(model.state_dict())
    use_fast_matmul(model)
    assert [type(layer) for layer in model] == [FastLinear, Special]
    assert list(model.state_dict()) == names


@pytest.mark.parametrize(
    ("maker", "capability", "faster"),
    [("AuthenticAMD", "AVX512", True), ("AuthenticAMD", "AVX2", False), ("GenuineIntel", "AVX512", False)],
)
def test_the_processor_decides(
    monkeypatch: pytest.MonkeyPatch, maker: str, capability: str, faster: bool
) -> None:
    monkeypatch.setattr(matmul, "_cpuinfo", lambda: f"vendor_id\t: {maker}\n")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    onednn_is_faster.cache_clear()
    try:
        assert onednn_is_faster() is faster
    finally:
        onednn_is_faster.cache_clear()
