"""The words that manifests, pods, log lines, conditions and reports share."""

from typing import Literal, get_args

GROUP = "w2s.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "WeakToStrongJob"
PLURAL = "weaktostrongjobs"
SHORT_NAME = "w2s"

StageKind = Literal["prepare", "label", "aggregate", "select", "train", "evaluate", "promote"]
STAGE_KINDS: tuple[StageKind, ...] = get_args(StageKind)

Arm = Literal[
    "weak", "strong", "unfiltered", "direct", "untouched", "cascade", "ceiling", "head", "unstopped"
]
ARMS: tuple[Arm, ...] = get_args(Arm)
"""What is compared with what: docs/protocol.md."""

TunedArm = Literal["strong", "unfiltered", "direct", "ceiling"]
"""The arms that LoRA and Full tune, each seed in a process of its own."""
