"""A model that was made, as files that are loaded like any other's."""

import shutil
from pathlib import Path
from typing import Any

from w2s_trainer.models import adapter
from w2s_trainer.models.folder import CONFIG, INDEX

_NOT_TAKEN = (CONFIG, INDEX, adapter.CONFIG)
_TAKEN = (".json", ".txt", ".model", ".jinja", ".bpe", ".codes", ".tokenizer")
"""What tokenizers, chat templates and settings of writing are kept in."""


def small_files(directory: Path) -> list[Path]:
    """What a model came with beside its weights and its config."""
    return [
        path
        for path in sorted(directory.iterdir())
        if path.is_file() and path.suffix in _TAKEN and path.name not in _NOT_TAKEN
    ]


def write_made(model: Any, before: Path, directory: Path) -> None:
    """Writes weights and config of a model, and takes over all else that it came with: its tokenizer as it was.

    Args:
        model: of transformers, in the numbers that are to be kept.
        before: the directory of the model that it was made of.
        directory: where to.
    """
    for path in small_files(before):
        shutil.copyfile(path, directory / path.name)
    model.save_pretrained(directory)
