"""How unlikely a model thinks the tokens that it is asked for."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.models.batches import by_tokens
from w2s_trainer.models.causal import LOGITS_AT_ONCE
from w2s_trainer.models.encoder import memory_bound
from w2s_trainer.models.finite import check_finite
from w2s_trainer.stages.retention.items import Item
from w2s_trainer.tuning.language_model import LanguageModel


def losses(
    model: LanguageModel,
    items: Sequence[Item],
    batch_tokens: int,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> NDArray[np.float64]:
    """Σ −ln p of the tokens that are asked for of each of n items: float64[n], in their order.

    Args:
        model: that is asked; its weights are used as they are.
        items: n of them.
        batch_tokens: tokens in a batch, padding included; fewer where their logits would not fit.
        progress: called with (items done, n).

    Raises:
        BadSpec: the model's outputs are no numbers.
        OwnFault: memory ran out.
    """
    import torch

    lengths = [len(item.asked.ids) for item in items]
    vocabulary = model.inner.get_output_embeddings().weight.shape[0]
    found, done = np.zeros(len(items)), 0
    model.model.eval()
    progress(0, len(items))
    with torch.inference_mode(), memory_bound():
        for rows in by_tokens(lengths, max(1, min(batch_tokens, LOGITS_AT_ONCE // vocabulary))):
            asked = [items[row].asked for row in rows]
            means = model.token_losses(asked).double().cpu().numpy()
            found[rows] = means * [len(one.targets) for one in asked]
            check_finite(found[rows], model.tokenizer.name_or_path, "losses", rows)
            done += len(rows)
            progress(done, len(items))
    return found
