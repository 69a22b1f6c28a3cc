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
from w2s_trainer.models.likelihood import Answered
from w2s_trainer.models.loading import CAUSAL, load_config, load_model, load_tokenizer
from w2s_trainer.models.ragged import lengths_of
from w2s_trainer.models.states import cache_from, shared_states
from w2s_trainer.models.tokens import fit_tokenizer
from w2s_trainer.tuning.precision import Precision, torch_dtype
from w2s_trainer.tuning.tunable import TunableModel

if TYPE_CHECKING:
    import torch

    from w2s_trainer.models.states import States


@dataclass
class TextStudent(TunableModel):
    """A causal model whose output layer is pretrained: adapters leave it as it is."""

    has_new_head = False

    gradient_checkpointing: bool
    """Whether activations are computed twice in place of being kept."""

    @property
    def head(self) -> str:
        """See TunableModel."""
        head = self._causal.get_output_embeddings()
        names: list[str] = [name for name, module in self.model.named_modules() if module is head]
        return names[0]

    @property
    def context(self) -> int | None:
        """Tokens that the model can read; None where it has no limit."""
        return CausalModel(self._causal, self.tokenizer, self.device).context

    def shares(self, examples: Answered) -> bool:
        """Whether the student can go on from what all of these examples begin with, read once for several of them.

        Not where gradients are checkpointed: then no layer keeps what it has read.
        """
        import torch

        rests = lengths_of(examples.sequences.rests)
        if self.gradient_checkpointing or not (examples.tokens < rests).all():
            return False
        shared = examples.sequences.shared
        with torch.inference_mode(), self._computing():
            return self._states(shared, len(shared) + int(rests.max(initial=0))) is not None

    def completion_losses(self, examples: Answered, rows: NDArray[np.int64]) -> "torch.Tensor":
        """How unlikely the completions of some examples are, with a graph where gradients are on.

        What all examples begin with is read once. The rest of each is padded behind, where no token that counts can
        see it, so attention needs no mask. Logits are computed where a token of a completion comes next and nowhere
        else.

        Args:
            examples: n prompts with their completions; what all begin with only where `shares` says so.
            rows: int64[b], which.

        Returns:
            float32[b] on the device: −log p of a token of the completion, mean over its tokens.
        """
        import torch

        logits, targets, counts = self.completion_logits(examples, rows)
        losses = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
        return torch.stack([part.mean() for part in torch.split(losses, counts)])

    def completion_logits(
        self, examples: Answered, rows: NDArray[np.int64]
    ) -> "tuple[torch.Tensor, torch.Tensor, list[int]]":
        """What the student expects where each token of some completions comes; arguments as of `completion_losses`.

        Returns:
            Logits float32[m, V] and the tokens that come there, int64[m], of all completions end to end; and how many
            are of each, b numbers.
        """
        import torch

        shared, rests = examples.sequences.shared, [examples.sequences.rests[row] for row in rows]
        counts = examples.tokens[rows].tolist()
        ids, _ = self.padded([rest[:-1] for rest in rests])
        width = ids.shape[1]
        places = [
            line * width + len(rest) - 1 - count + place
            for line, (rest, count) in enumerate(zip(rests, counts, strict=True))
            for place in range(count)
        ]
        targets = [token for rest, count in zip(rests, counts, strict=True) for token in rest[-count:]]
        with self._computing():
            after = self._after(shared, len(rows), width) if len(shared) else {}
            logits = self._logits_at(places, input_ids=ids, **after)
        return logits.float(), torch.tensor(targets, device=self.device), counts

    @contextmanager
    def answering(self) -> "Iterator[CausalModel]":
        """The student as it is now, as a model that is asked; within it nothing is trained."""
        self.model.eval()
        try:
            with self._computing():
                yield CausalModel(self._causal, self.tokenizer, self.device)
        finally:
            self.model.train()

    @property
    def _causal(self) -> Any:
        """The model of transformers, with adapters in it but none around it."""
        return self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model

    def _computing(self) -> "torch.autocast":
        import torch

        return torch.autocast(self.device, torch_dtype("bfloat16"), enabled=self.precision == "bfloat16")

    def _states(self, shared: NDArray[np.int32], longest: int) -> "States | None":
        import torch

        ids = torch.from_numpy(shared.astype(np.int64))[None].to(self.device)
        return shared_states(self._causal, ids, longest)

    def _after(self, shared: NDArray[np.int32], rows: int, width: int) -> dict[str, Any]:
        """What tells the model that so many rows go on from the shared tokens."""
        import torch

        states = self._states(shared, len(shared) + width)
        assert states is not None
        return {
            "past_key_values": cache_from(
                [(k.expand(rows, -1, -1, -1), v.expand(rows, -1, -1, -1)) for k, v in states]
            ),
            "use_cache": True,
            "position_ids": len(shared) + torch.arange(width, device=self.device).expand(rows, -1),
        }

    def _logits_at(self, places: list[int], **inputs: Any) -> "torch.Tensor":
        """Logits [m, V] at some places of the rows of token ids, laid end to end."""
        import torch

        where = torch.tensor(places, device=self.device)

        def some(_module: Any, given: "tuple[torch.Tensor, ...]") -> "torch.Tensor":
            return given[0].flatten(0, 1)[where]

        hook = self._causal.get_output_embeddings().register_forward_pre_hook(some)
        try:
            logits: torch.Tensor = self._causal(**inputs).logits
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
    return TextStudent(model, tokenizer, device, precision, tuning, dropout, gradient_checkpointing)
