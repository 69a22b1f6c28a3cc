"""Stage keys and content keys: what makes a computation the same computation.

*Stage key*: hash of the part of the spec that a stage depends on (canonical, without default values), the
versions of its methods and the keys of the stages before it. Default values do not enter, so a field that is
added with a default keeps every key as it was.

*Content key*: stage key, the content keys of the artifacts it reads, and the digests of the data and models
it reads from outside. It addresses the artifact in the store.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

KEY_LENGTH = 32
"""Hexadecimal digits: 128 bits."""


def canonical(value: Any) -> Any:
    """A spec value as plain JSON in the one form that its key is made of.

    Structs lose the fields that have their default value, and then those that have nothing left.
    """
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    if isinstance(value, Mapping):
        plain = {str(name): canonical(inner) for name, inner in value.items()}
        return {name: inner for name, inner in plain.items() if inner is not None and inner != {}}
    if isinstance(value, (list, tuple)):
        return [canonical(inner) for inner in value]
    return value


def digest(value: Any) -> str:
    """Hash of a JSON value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def stage_key(
    kind: str, inputs: Mapping[str, Any], methods: Mapping[str, int], needs: Sequence[tuple[str, str]]
) -> str:
    """The key of a stage.

    Args:
        kind: what the stage does (`train`).
        inputs: the canonical parts of the spec that it depends on.
        methods: versions of the methods it uses, by name.
        needs: (stage name, stage key) of the stages before it.
    """
    return digest({"stage": kind, "inputs": inputs, "methods": methods, "needs": sorted(needs)})


def content_key(key: str, needs: Mapping[str, str], reads: Mapping[str, str]) -> str:
    """The key of an artifact.

    Args:
        key: the stage key.
        needs: content keys of the artifacts it is made from, by stage name.
        reads: digests of the data and models from outside, by URI.
    """
    return digest({"key": key, "needs": needs, "reads": reads})
