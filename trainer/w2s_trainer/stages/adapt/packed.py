"""Texts as blocks of tokens that a language model reads whole."""

from collections.abc import Iterator, Sequence

from w2s_trainer.errors import BadSpec
from w2s_trainer.models.ragged import Ragged
from w2s_trainer.models.tokens import encode
from w2s_trainer.tuning.blocks import pack
from w2s_trainer.tuning.language_model import LanguageModel

_CHUNK = 256
"""Texts that are tokenised at once."""
_LONGEST = 2**30
"""Tokens of a text: it is cut into blocks and never short."""


def packed(
    model: LanguageModel, texts: Sequence[str], block_tokens: int, most_blocks: int | None = None
) -> Ragged:
    """Puts texts end to end and cuts them into blocks.

    Args:
        model: whose tokens they are.
        texts: in the order in which they are read.
        block_tokens: tokens of a block.
        most_blocks: texts behind so many blocks are not read; None: all are.
    """
    room = None if most_blocks is None else most_blocks * block_tokens

    def ids() -> Iterator[Sequence[int]]:
        read = 0
        for start in range(0, len(texts), _CHUNK):
            for encoding in encode(model.tokenizer, texts[start : start + _CHUNK], _LONGEST, special=False):
                yield encoding.ids
                read += len(encoding.ids)
                if room is not None and read >= room:
                    return

    blocks = pack(ids(), model.frame, block_tokens)
    return blocks if most_blocks is None or len(blocks) <= most_blocks else Ragged(blocks[:most_blocks])


def check_block_tokens(model: LanguageModel, block_tokens: int, name: str) -> None:
    """Refuses blocks that the model cannot read.

    Raises:
        BadSpec: they are longer than its tokenizer says.
    """
    longest = model.tokenizer.model_max_length
    if block_tokens > longest:
        raise BadSpec(
            "BlocksTooLong",
            f"{name} reads {longest:,} tokens, and `blockTokens` is {block_tokens:,}.",
            f"Set it to {longest:,} at most.",
        )
