"""The words that manifests, pods, log lines, conditions and reports share."""

import re
from typing import Literal, get_args

GROUP = "w2s.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "WeakToStrongJob"
PLURAL = "weaktostrongjobs"
SHORT_NAME = "w2s"

StageKind = Literal[
    "prepare",
    "synthesise",
    "retrieve",
    "label",
    "aggregate",
    "select",
    "adapt",
    "train",
    "finish",
    "combine",
    "retention",
    "evaluate",
    "promote",
]
STAGE_KINDS: tuple[StageKind, ...] = get_args(StageKind)

_LONGEST = 63
"""Characters of a Job's name and of a shard's host name. Other names of pods Kubernetes cuts by itself."""
MARK_DIGITS = 8
"""Hexadecimal digits in the name of a child Job that stand for the object's UID and the stage's inputs."""
RUN_DIGITS = 4
"""Decimal digits of the number of a run that there is room for: 9999 runs of the same inputs."""
ROOM = _LONGEST - len("--") - MARK_DIGITS - len("-") - RUN_DIGITS
"""Characters that the names of an object and of its longest stage may have together:
child Jobs are called <object>-<stage>-<mark>-<run>, and the host of a shard <child Job>-<index>."""


def adaptation_stage(place: int, method: str) -> str:
    """The name of the stage of a step of the adaptation, such as `adapt-1-pretrain`; places count from 0."""
    return f"adapt-{place + 1}-{_words(method)}"


def finish_stage(place: int, method: str, seed: int) -> str:
    """The name of the stage of a step of the finish, such as `finish-1-interpolate-0`; places and seeds count from 0."""
    return f"finish-{place + 1}-{_words(method)}-{seed}"


def _words(method: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", method).lower()
