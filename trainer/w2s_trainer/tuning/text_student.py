"""A pretrained causal model that learns to write: tuned by LoRA or in full on completions of prompts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.tunings import TuningSettings
from w2s_trainer.errors import BadSpec
from w2s_trainer.models.causal import CausalModel, is_causal
from w2s_trainer.models.loading import CAUSAL, load_config, load_model, load_tokenizer
from w2s_trainer.models.tokens import fit_tokenizer
from w2s_trainer.tuning.completions import Completions
from w2s_trainer.tuning.precision import Precision, torch_dtype
from w2s_trainer.tuning.tunable import TunableModel

if TYPE_CHECKING:
    import torch


@dataclass
class TextStudent(TunableModel):
    """A causal model whose output layer is pretrained: adapters leave it as it is."""

    has_new_head = False

    @property
    def head(self) -> str:
        """See TunableModel."""
        head = self._causal.get_output_embeddings()
        return next(name for name, module in self.model.named_modules() if module is head)

    @property
    def context(self) -> int | None:
        """Tokens that the model can read; None where it has no limit."""
        return CausalModel(self._causal, self.tokenizer, self.device).context

    def completion_losses(self, examples: Completions, rows: NDArray[np.int64]) -> "torch.Tensor":
        """How unlikely the completions of some examples are, with a graph where gradients are on.

        Rows are padded behind, where no token that counts can see it, so attention needs no mask. Logits are computed
        where a token of a completion comes next and nowhere else.

        Args:
            examples: n of them.
            rows: int64[b], which.

        Returns:
            float32[b] on the device: −log p of a token of the completion, mean over its tokens.
        """
        import torch

        prompts = [examples.prompts[row] for row in rows]
        completions = [examples.completions[row] for row in rows]
        ids, _ = self.padded(
            [[*prompt, *completion[:-1]] for prompt, completion in zip(prompts, completions, strict=True)]
        )
        width = ids.shape[1]
        places = [
            line * width + len(prompt) - 1 + place
            for line, (prompt, completion) in enumerate(zip(prompts, completions, strict=True))
            for place in range(len(completion))
        ]
        targets = torch.tensor([token for ids in completions for token in ids], device=self.device)
        with torch.autocast(self.device, torch_dtype("bfloat16"), enabled=self.precision == "bfloat16"):
            logits = self._logits_at(ids, torch.tensor(places, device=self.device))
        losses = torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none")
        return torch.stack([part.mean() for part in losses.split([len(ids) for ids in completions])])

    @contextmanager
    def answering(self) -> "Iterator[CausalModel]":
        """The student as it is now, as a model that is asked; within it nothing is trained."""
        import torch

        self.model.eval()
        with torch.autocast(self.device, torch_dtype("bfloat16"), enabled=self.precision == "bfloat16"):
            yield CausalModel(self._causal, self.tokenizer, self.device)
        self.model.train()

    @property
    def _causal(self) -> Any:
        """The model of transformers, with adapters in it but none around it."""
        return self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model

    def _logits_at(self, ids: "torch.Tensor", places: "torch.Tensor") -> "torch.Tensor":
        """Logits [m, V] at some places, int64[m], of token ids int64[b, t] laid end to end."""
        head = self._causal.get_output_embeddings()

        def some(_module: Any, inputs: "tuple[torch.Tensor, ...]") -> "torch.Tensor":
            return inputs[0].flatten(0, 1)[places]

        hook = head.register_forward_pre_hook(some)
        try:
            logits: torch.Tensor = self.model(input_ids=ids).logits
        finally:
            hook.remove()
        return logits


def load_text_student(
    directory: Path,
    *,
    tuning: TuningSettings,
    name: str | None = None,
    dropout: float = 0.0,
    precision: Precision = "float32",
    gradient_checkpointing: bool = False,
) -> TextStudent:
    """Loads a pretrained causal model.

    Args:
        directory: the model.
        tuning: what of it is tuned.
        name: what a person calls the model; None: by its directory.
        dropout: in place of the model's own.
        precision: of the computations. Weights that are tuned are float32 in any case.
        gradient_checkpointing: compute activations twice in place of keeping them.

    Raises:
        BadSpec: it is no causal model, or its files are not as they must be (`models.loading`).
    """
    import torch

    from w2s_trainer.models.matmul import use_fast_matmul

    name = name or str(directory)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch_dtype(precision) if tuning.keeps_weights else torch.float32
    config = load_config(directory, name)
    if not is_causal(directory):
        raise BadSpec(
            "NotACausalModel",
            f"{name}: not a model that writes ({config.model_type}).",
            "Name a causal language model (…ForCausalLM).",
        )
    tokenizer = load_tokenizer(directory, name)
    model = load_model(directory, name, config, CAUSAL, dtype).to(device)
    fit_tokenizer(tokenizer, model, name)
    tokenizer.name_or_path = name
    model.config.use_cache = False
    use_fast_matmul(model)
    if gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    return TextStudent(model, tokenizer, device, precision, tuning, dropout)
