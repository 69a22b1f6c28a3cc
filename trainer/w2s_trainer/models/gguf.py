"""GGUF files, converted once to the Hugging Face layout: a quantised file cannot be tuned, nor read in seconds."""

import hashlib
import io
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path, PurePath
from typing import Any

from w2s_trainer.errors import BadSpec, OwnFault
from w2s_trainer.models.folder import is_pointer

SUFFIX = ".gguf"

VERSION = 1
"""Raised whenever `convert` writes something else; what was converted before is then converted anew."""

_FLOAT32 = 4  # bytes


def gguf_digest(path: Path) -> str:
    """What a GGUF file is: the digest of its bytes, wherever it lies and whatever it is called."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def converted(cache: Path, digest: str) -> Path:
    """Where the conversion of a file with this digest is kept."""
    return cache / "models" / f"gguf-{VERSION}-{digest}"


def only_gguf(uri: str, names: Iterable[str]) -> str | None:
    """Returns the only GGUF file among these names, or None.

    Raises:
        BadSpec: there are several.
    """
    files = sorted(name for name in names if name.endswith(SUFFIX))
    if len(files) > 1:
        listed = ", ".join(PurePath(name).name for name in files[:12]) + (", …" if len(files) > 12 else "")
        raise BadSpec(
            "SeveralModels",
            f"{uri}: there are {len(files)} GGUF files: {listed}.",
            "Name one of them in the URI (s3://, file:// and hf:// take a file's name at the end); join the "
            "parts of a split model first, with `llama-gguf-split --merge`.",
        )
    return files[0] if files else None


def convert(gguf: Path, directory: Path) -> None:
    """Writes the causal model and the tokenizer of a GGUF file: float32 safetensors, chat template included.

    Args:
        gguf: the file.
        directory: an empty directory.

    Raises:
        BadSpec: not a GGUF file, or one of a kind that transformers does not read.
        OwnFault: there is no room for it.
    """
    architecture, size = _look(gguf)
    free = shutil.disk_usage(directory).free
    if free < size:
        raise OwnFault(
            "DiskFull",
            f"No room in {directory.parent} to convert {gguf.name}: {size:,} bytes are needed, {free:,} are free.",
            "Free space there, or point the cache (W2S_CACHE) at a larger disk.",
        )
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    from w2s_trainer.models.loading import quiet

    try:
        with quiet(), redirect_stderr(io.StringIO()), _alone(gguf) as place:  # no way to turn off its bars
            model, loading = AutoModelForCausalLM.from_pretrained(
                place,
                gguf_file=gguf.name,
                dtype=torch.float32,
                trust_remote_code=False,
                quantization_config=GgufConfig(dequantize=True),
                output_loading_info=True,
            )
            tokenizer = AutoTokenizer.from_pretrained(place, gguf_file=gguf.name, trust_remote_code=False)
    except (ValueError, KeyError, NotImplementedError) as error:
        raise _unreadable(gguf, architecture, str(error).partition("\n")[0][:200]) from error
    if missing := sorted(loading["missing_keys"]):  # they would be random numbers
        raise _unreadable(gguf, architecture, f"it has no weights for {', '.join(missing[:3])}")
    longest = getattr(model.config, "max_position_embeddings", None)
    if longest:  # the file's tokenizer knows no limit
        tokenizer.model_max_length = min(tokenizer.model_max_length, longest)
    with quiet(), redirect_stderr(io.StringIO()):
        model.save_pretrained(directory)
        tokenizer.save_pretrained(directory)
    for weights in directory.glob("*.safetensors"):  # only their owner may read them; a cache may be shared
        shutil.copymode(directory / "config.json", weights)


@contextmanager
def _alone(gguf: Path) -> Iterator[str]:
    """A directory with this file only: what lies beside it must not decide about what it becomes."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / gguf.name).symlink_to(gguf.absolute())
        yield place


def _look(gguf: Path) -> tuple[str, int]:
    """The architecture, and the bytes of all weights in float32."""
    from gguf import GGUFReader

    if is_pointer(gguf):
        raise BadSpec(
            "GitLFSPointer",
            f"{gguf.name} is a pointer of Git LFS and not the file itself.",
            "Fetch the files (`git lfs pull`), or download the model again.",
        )
    try:
        reader: Any = GGUFReader(gguf)
        architecture = str(reader.fields["general.architecture"].contents())
        size = sum(int(tensor.n_elements) for tensor in reader.tensors) * _FLOAT32
    except (ValueError, IndexError, KeyError) as error:
        raise BadSpec(
            "BadGGUF",
            f"{gguf.name}: not a whole GGUF file ({error}).",
            "Download or copy it again, and compare its size with the original's.",
        ) from error
    parts = reader.fields.get("split.count")
    if parts and int(parts.contents()) > 1:
        raise BadSpec(
            "SplitGGUF",
            f"{gguf.name}: one of {int(parts.contents())} parts of a model.",
            "Join them with `llama-gguf-split --merge`, or name the model's safetensors.",
        )
    return architecture, size


def _unreadable(gguf: Path, architecture: str, why: str) -> BadSpec:
    return BadSpec(
        "UnsupportedGGUF",
        f"{gguf.name}: transformers cannot read a GGUF file of architecture `{architecture}` ({why}).",
        "Name the original model's safetensors (hf://, s3://), or a directory that another tool converted them to.",
    )
