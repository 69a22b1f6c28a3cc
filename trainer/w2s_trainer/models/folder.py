"""A model's directory, looked at before anything in it is loaded: which file is wrong, and what to do about it.

Every load passes here (`w2s_trainer.models.loading`), and directories on this machine already when their digest
is taken, so that `prepare` refuses them before any GPU is asked for.
"""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from w2s_trainer.errors import BadSpec

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"

_LFS = b"version https://git-lfs.github.com/spec/"
_POINTER_BYTES = 1024
"""A pointer of Git LFS is shorter."""
_VOCABULARIES = (
    (TOKENIZER,),
    ("vocab.txt",),
    ("vocab.json", "merges.txt"),
    ("encoder.json", "vocab.bpe"),
    ("bpe.codes",),
    ("tokenizer.model",),
    ("spiece.model",),
    ("spm.model",),
    ("sentencepiece.bpe.model",),
    ("sentencepiece.model",),
    ("source.spm",),
    ("prophetnet.tokenizer",),
    ("tekken.json",),
)
"""Files that make a vocabulary together. Without its merges, a tokenizer of byte pairs reads every character alone."""
_WITHOUT_VOCABULARY = ("ByT5Tokenizer", "CanineTokenizer", "PerceiverTokenizer")
"""They read bytes or characters."""
_NUMBERS = ("F64", "F32", "F16", "BF16")


def check_folder(directory: Path, name: str) -> dict[str, Any]:
    """Checks the files of a whole model: pointers, config, weights.

    Args:
        directory: in the Hugging Face layout.
        name: what a person calls the model.

    Returns:
        What config.json says.

    Raises:
        BadSpec: a file is missing, is not whole, or is of a kind that is not read.
    """
    check_pointers(directory, name)
    config = read_object(directory / CONFIG, name, "BadModelConfig")
    check_not_quantised(config, name)
    check_names_no_weights(config, name)
    for shard in weight_files(directory, name):
        check_safetensors(directory / shard, name)
    return config


def check_pointers(directory: Path, name: str) -> None:
    """Refuses what `git clone` leaves in place of large files where Git LFS is not installed."""
    for path in sorted(directory.iterdir()):
        if path.is_file() and is_pointer(path):
            raise BadSpec(
                "GitLFSPointer",
                f"{name}: {path.name} is a pointer of Git LFS and not the file itself.",
                "Fetch the files (`git lfs pull`), or download the model again.",
            )


def is_pointer(path: Path) -> bool:
    """Whether a file is a pointer of Git LFS."""
    if path.stat().st_size > _POINTER_BYTES:
        return False
    return path.read_bytes().startswith(_LFS)


def read_object(path: Path, name: str, reason: str) -> dict[str, Any]:
    """Returns the JSON object in a file of a model."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadSpec(
            reason, f"{name}: there is no {path.name}.", "Upload the whole model directory."
        ) from None
    except ValueError as error:
        raise BadSpec(
            reason, f"{name}: {path.name} is not JSON ({error}).", "Download or save the model again."
        ) from error
    if not isinstance(plain, dict):
        raise BadSpec(
            reason, f"{name}: {path.name} holds no JSON object.", "Download or save the model again."
        )
    return plain


def check_not_quantised(config: dict[str, Any], name: str) -> None:
    """Refuses weights that only the library that quantised them can read."""
    settings = config.get("quantization_config")
    if not settings:
        return
    method = settings.get("quant_method") if isinstance(settings, dict) else None
    if not method and isinstance(settings, dict):
        method = next((kind for kind in ("load_in_4bit", "load_in_8bit") if settings.get(kind)), None)
    raise _quantised(name, f"{CONFIG} has a `quantization_config` ({method or 'of no known method'})")


def check_names_no_weights(config: dict[str, Any], name: str) -> None:
    """Refuses a config that names the file of the weights: what is looked at here would not be what is loaded."""
    if file := config.get("transformers_weights"):
        raise BadSpec(
            "BadModelConfig",
            f"{name}: {CONFIG} names other files of weights (`transformers_weights`: {file!r}).",
            f"Call them {WEIGHTS} (shards: {INDEX}), and remove the line.",
        )


def weight_files(directory: Path, name: str) -> list[str]:
    """The files that hold the weights: one, or the shards that the index names.

    Raises:
        BadSpec: there are none, a shard is missing, or all there is are pickles, which are programs.
    """
    there = sorted(path.name for path in directory.iterdir() if path.is_file())
    if weights_among(there, name) == WEIGHTS:
        return [WEIGHTS]
    shards = _shards(directory / INDEX, name)
    if missing := [shard for shard in shards if shard not in there]:
        raise BadSpec(
            "MissingWeights",
            f"{name}: {INDEX} names {len(shards):,} files, and {len(missing):,} of them are not there:"
            f" {some(missing)}.",
            "Upload the whole model directory.",
        )
    return shards


def weights_among(there: Sequence[str], name: str) -> str:
    """Which of the files with these names says where the weights are: model.safetensors or the index of its shards.

    Raises:
        BadSpec: neither is there, or all there is are pickles, which are programs.
    """
    for file in (WEIGHTS, INDEX):
        if file in there:
            return file
    if pickles := [file for file in there if is_pickle(file)]:
        raise pickled(name, pickles[0])
    listed = f"there is {some(there)}" if there else "there is nothing"
    raise BadSpec(
        "MissingWeights",
        f"{name}: neither {WEIGHTS} nor {INDEX} is there; {listed}.",
        "Upload the whole model directory, as `save_pretrained` writes it.",
    )


def is_pickle(name: str) -> bool:
    """Whether a file of this name holds pickled weights."""
    return (
        re.match(r"(pytorch_model|adapter_model|model|weights|consolidated).*\.(bin|pt|pth|ckpt|pkl)$", name)
        is not None
    )


def pickled(name: str, file: str) -> BadSpec:
    """The error where weights are there as a pickle only."""
    return BadSpec(
        "PickledWeights",
        f"{name}: its weights are pickled ({file}), and a pickle is a program: w2s runs none that came with a model.",
        "Where you trust it, load it by transformers and save it again with `save_pretrained`, which writes"
        " model.safetensors; or name a revision that has them.",
    )


def check_safetensors(path: Path, name: str) -> None:
    """Refuses a file of weights that is not whole, and one whose numbers are quantised."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            integers = [key for key in file.keys() if _is_quantised(key, file.get_slice(key).get_dtype())]  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise BadSpec(
            "CorruptWeights",
            f"{name}: {path.name} ({path.stat().st_size:,} bytes) is not a whole safetensors file:"
            f" {first_line(error)}.",
            "Download or copy it again, and compare its size with the original's.",
        ) from error
    if integers:
        raise _quantised(name, f"{path.name} has {some(integers)}")


def _is_quantised(key: str, dtype: str) -> bool:
    last = key.rpartition(".")[2]
    return last in ("qweight", "weight_packed") or (last in ("weight", "bias") and dtype not in _NUMBERS)


def check_tokenizer_files(directory: Path, name: str) -> None:
    """Refuses a directory without a vocabulary: transformers would make an empty one.

    Raises:
        BadSpec: there is none, or it is not JSON.
    """
    settings = {}
    if (directory / TOKENIZER_CONFIG).is_file():
        settings = read_object(directory / TOKENIZER_CONFIG, name, "BadTokenizer")
    if (directory / TOKENIZER).is_file():
        read_object(directory / TOKENIZER, name, "BadTokenizer")
    there = [path.name for path in directory.iterdir() if path.is_file()]
    own = settings.get("vocab_file"), settings.get("tokenizer_file")
    if _has_vocabulary(there) or any(isinstance(file, str) and (directory / file).is_file() for file in own):
        return
    if settings.get("tokenizer_class") not in _WITHOUT_VOCABULARY:
        raise no_tokenizer(name)


def no_tokenizer(name: str) -> BadSpec:
    """The error where no file of a vocabulary is there."""
    return BadSpec(
        "NoTokenizer",
        f"{name}: its tokenizer is not there: neither {TOKENIZER} nor another file of a vocabulary.",
        "Save the tokenizer beside the weights (`tokenizer.save_pretrained`).",
    )


def has_tokenizer(there: Sequence[str]) -> bool:
    """Whether files with these names can be those of a tokenizer: a vocabulary, or settings that may name one."""
    return _has_vocabulary(there) or TOKENIZER_CONFIG in there


def _has_vocabulary(there: Sequence[str]) -> bool:
    return any(set(files) <= set(there) for files in _VOCABULARIES)


def some(names: Iterable[str], most: int = 4) -> str:
    """A few names, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - most:,} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def first_line(error: object) -> str:
    """What an error of a library says, in one line."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return text[:200].rstrip(".")


def _shards(index: Path, name: str) -> list[str]:
    listed = read_object(index, name, "CorruptWeights").get("weight_map")
    if not isinstance(listed, dict) or not all(isinstance(shard, str) for shard in listed.values()):
        raise BadSpec(
            "CorruptWeights",
            f"{name}: {index.name} has no `weight_map`.",
            "Download or save the model again.",
        )
    return sorted(set(listed.values()))


def _quantised(name: str, how: str) -> BadSpec:
    return BadSpec(
        "QuantizedModel",
        f"{name}: its weights are quantised: {how}. w2s reads and tunes plain numbers.",
        "Name the original model that it was made from, or a GGUF file of it.",
    )
