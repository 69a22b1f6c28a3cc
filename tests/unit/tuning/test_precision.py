import pytest
import torch

from w2s_trainer.tuning import precision
from w2s_trainer.tuning.precision import precision_of, torch_dtype


def test_this_processor_has_one():
    assert torch_dtype(precision_of("cpu")) in (torch.float32, torch.bfloat16)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("avx2 avx512_bf16 amx_bf16", "bfloat16"), ("avx2 avx512_bf16", "float32"), ("amx_bf16_other", "float32")],
)
def test_a_processor_decides_by_what_it_has(monkeypatch, tmp_path, flags, expected):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nflags\t\t: fpu {flags} sse\n")
    monkeypatch.setattr(precision, "_CPUINFO", cpuinfo)
    assert precision_of("cpu") == expected


def test_where_nothing_is_known_of_the_processor_it_is_float32(monkeypatch, tmp_path):
    monkeypatch.setattr(precision, "_CPUINFO", tmp_path / "none")
    assert precision_of("cpu") == "float32"


@pytest.mark.parametrize(("supported", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_a_cuda_device_says_whether_it_has_bfloat16(monkeypatch, supported, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: supported)
    assert precision_of("cuda") == expected
