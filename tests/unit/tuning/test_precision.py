import pytest
import torch

from w2s_trainer.tuning import precision
from w2s_trainer.tuning.precision import fastest_precision, kept_precision, torch_dtype


@pytest.fixture(autouse=True)
def measured_anew():
    fastest_precision.cache_clear()
    yield
    fastest_precision.cache_clear()


def test_this_processor_has_one():
    assert torch_dtype(fastest_precision("cpu")) in (torch.float32, torch.bfloat16)


@pytest.mark.parametrize(
    ("float32", "bfloat16", "chosen"),
    [(3.0, 1.0, "bfloat16"), (1.3, 1.0, "bfloat16"), (1.1, 1.0, "float32"), (1.0, 5.0, "float32")],
)
def test_bfloat16_must_be_clearly_faster(monkeypatch, float32, bfloat16, chosen):
    seconds = {torch.float32: float32, torch.bfloat16: bfloat16}
    monkeypatch.setattr(precision, "_seconds", seconds.__getitem__)
    assert fastest_precision("cpu") == chosen


@pytest.mark.parametrize(("supported", "chosen"), [(True, "bfloat16"), (False, "float32")])
def test_on_cuda_nothing_is_timed(monkeypatch, supported, chosen):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: supported)
    monkeypatch.setattr(precision, "_seconds", lambda _dtype: pytest.fail("it was timed"))
    assert fastest_precision("cuda") == chosen


def test_it_is_measured_once(monkeypatch):
    asked = []
    monkeypatch.setattr(precision, "_seconds", lambda dtype: float(asked.append(dtype) or 1))
    assert fastest_precision("cpu") == fastest_precision("cpu")
    assert len(asked) == 2


def test_the_best_of_several_tries_counts(monkeypatch):
    ticks = iter([0, 9, 10, 11, 12, 20, 21, 29, 30, 39])
    monkeypatch.setattr(precision.time, "perf_counter", lambda: next(ticks))
    assert precision._seconds(torch.float32) == 1


def test_a_machine_keeps_the_precision_that_it_measured_first(tmp_path):
    assert kept_precision("cpu", tmp_path, lambda _device: "bfloat16") == "bfloat16"
    assert kept_precision("cpu", tmp_path, lambda _device: "float32") == "bfloat16"
    assert kept_precision("cuda", tmp_path, lambda _device: "float32") == "float32"
