"""Two processes under torchrun pretrain the model that one process pretrains."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parent))

from pretraining_rank import TUNINGS, pretrain_one

from w2s_trainer.tuning.world import World

BOUND = 300


@pytest.fixture(scope="module")
def out(tiny, tmp_path_factory) -> Path:
    """What two processes leave."""
    out = tmp_path_factory.mktemp("out")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    script = [str(Path(__file__).with_name("pretraining_rank.py")), str(tiny["bert"].parent), str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*torchrun, *script], env=environment, capture_output=True, text=True, timeout=BOUND, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return out


@pytest.mark.parametrize("kind", TUNINGS)
def test_two_processes_end_with_the_weights_of_one(out, tiny, kind):
    model, checks = pretrain_one(tiny["bert"].parent, kind, World())
    first, second = (load_file(out / f"{kind}.{rank}") for rank in (0, 1))
    for name, one in model.state().items():
        assert torch.equal(first[name], second[name]), name
        if not name.endswith("key.bias"):  # softmax does not see it: its gradient is noise around 0
            torch.testing.assert_close(first[name], one, atol=2e-5, rtol=0, msg=lambda m, w=name: f"{w}: {m}")
    assert len(checks.losses) == 2
