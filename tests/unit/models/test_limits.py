import errno

import pytest
import torch

from w2s_trainer.contract.main import _disk_full
from w2s_trainer.errors import BadSpec, OwnFault
from w2s_trainer.models.encoder import memory_bound
from w2s_trainer.models.uri import fetch_model, model_digest


@pytest.mark.parametrize(
    "error",
    [MemoryError(), torch.OutOfMemoryError("x"), RuntimeError("DefaultCPUAllocator: not enough memory")],
)
def test_out_of_memory_says_which_setting_to_lower(error):
    with pytest.raises(OwnFault, match="batchTokens") as found, memory_bound():
        raise error
    assert found.value.reason == "OutOfMemory"


def test_another_fault_stays_what_it_is():
    with pytest.raises(RuntimeError, match="shape"), memory_bound():
        raise RuntimeError("shape mismatch")


def test_a_full_disk_is_named():
    full = _disk_full(OSError(errno.ENOSPC, "No space left", "/scratch/x"))
    assert full is not None
    assert "/scratch/x" in str(full)
    assert _disk_full(OSError(errno.EACCES, "denied")) is None


@pytest.mark.parametrize("names", [[], ["config.json"], ["model.safetensors"]])
def test_a_model_without_weights_or_config_is_refused(tmp_path, names):
    for name in names:
        (tmp_path / name).write_text("{}")
    for read in (lambda uri: fetch_model(uri, None, tmp_path), lambda uri: model_digest(uri, None)):
        with pytest.raises(BadSpec, match="there is") as error:
            read(f"file://{tmp_path}")
        assert error.value.reason == "MissingWeights"


def test_a_digest_is_of_the_bytes(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"1")
    first = model_digest(f"file://{tmp_path}", None)
    assert model_digest(f"file://{tmp_path}", None) == first
    (tmp_path / "model.safetensors").write_bytes(b"2")
    assert model_digest(f"file://{tmp_path}", None) != first


def test_a_digest_covers_the_chat_template(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"1")
    digests = {model_digest(f"file://{tmp_path}", None)}
    for name, words in [
        ("tokenizer_config.json", "{}"),
        ("chat_template.jinja", "a"),
        ("chat_template.jinja", "b"),
    ]:
        (tmp_path / name).write_text(words)
        digests.add(model_digest(f"file://{tmp_path}", None))
    assert len(digests) == 4
