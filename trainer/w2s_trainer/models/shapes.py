"""What can be known of a model's weights and words without loading it: shapes by name, and its vocabulary."""

import re
from collections.abc import Mapping
from pathlib import Path

from w2s_trainer.errors import BadSpec
from w2s_trainer.models.folder import some, weight_files
from w2s_trainer.models.loading import load_tokenizer, weights_of_head

_NUMBER = re.compile(r"\d+")
Shapes = Mapping[str, tuple[int, ...]]


def weight_shapes(directory: Path, name: str) -> Shapes:
    """The shape of each weight in the files of a model: their headers are read, and no weight is.

    Args:
        directory: in the Hugging Face layout.
        name: what a person calls the model.
    """
    from safetensors import safe_open

    shapes: dict[str, tuple[int, ...]] = {}
    for shard in weight_files(directory, name):
        with safe_open(directory / shard, "numpy") as file:
            for key in file.keys():  # noqa: SIM118
                shapes[key] = tuple(file.get_slice(key).get_shape())
    return shapes


def common_names(current: Shapes, other: Shapes) -> dict[str, str]:
    """What the weights of one model are called in the files of another: heads and whole models save their bodies with
    a prefix or without one.

    Args:
        current: shapes of the model whose names are asked for.
        other: shapes of the other one.

    Returns:
        The other's name by that of the current model; weights that the other lacks are left out.
    """
    found = {name: name for name in current if name in other}
    for prefix in {name.partition(".")[0] for name in [*current, *other]}:
        added = {name: f"{prefix}.{name}" for name in current if f"{prefix}.{name}" in other}
        removed = {
            name: name.removeprefix(f"{prefix}.")
            for name in current
            if name.startswith(f"{prefix}.") and name.removeprefix(f"{prefix}.") in other
        }
        found = max((found, added, removed), key=len)
    return found


def check_mergeable(current: Path, current_name: str, other: Path, name: str) -> dict[str, str]:
    """Refuses two models whose weights or words do not correspond; only headers and small files are read.

    Args:
        current: the directory of the model that is changed.
        current_name: what a person calls it.
        other: the directory of the other one.
        name: what a person calls that.

    Returns:
        The other's names of weights by those of the current model. Heads that only one of them has are left out.

    Raises:
        BadSpec: weights are missing or of another shape, or the tokenizers differ.
    """
    ours, theirs = weight_shapes(current, current_name), weight_shapes(other, name)
    names = common_names(ours, theirs)
    lacks = sorted(
        key
        for key in ours
        if key not in names and not weights_of_head(key) and not key.endswith("position_ids")
    )
    if lacks:
        raise BadSpec(
            "WeightsDoNotFit",
            f"{name} cannot be merged with {current_name}: it has no {some(lacks, 3)}.",
            "Merge models of one architecture and size.",
        )
    known = {_NUMBER.sub("#", there) for there in names.values()}
    more = sorted(key for key in theirs if key not in set(names.values()) and _NUMBER.sub("#", key) in known)
    if more:
        raise BadSpec(
            "WeightsDoNotFit",
            f"{name} cannot be merged with {current_name}: it has more layers ({some(more, 2)}).",
            "Merge models of one architecture and size.",
        )
    others = [
        f"{key} is {theirs[there]}, and {ours[key]} there"
        for key, there in names.items()
        if theirs[there] != ours[key]
    ]
    if others:
        raise BadSpec(
            "WeightsDoNotFit",
            f"{name} cannot be merged with {current_name}: {some(others, 2)}.",
            "Merge models of one architecture, size and vocabulary.",
        )
    words, theirs_words = (
        load_tokenizer(*place).get_vocab() for place in ((current, current_name), (other, name))
    )
    if words != theirs_words:
        differing = sorted(
            word for word in {*words, *theirs_words} if words.get(word) != theirs_words.get(word)
        )
        raise BadSpec(
            "TokenizersDiffer",
            f"{name} cannot be merged with {current_name}: their tokenizers differ in {len(differing):,} tokens, such as"
            f" {', '.join(map(repr, differing[:3]))}.",
            "Merge models that read a text as the same tokens: those tuned from one pretrained model.",
        )
    return names
