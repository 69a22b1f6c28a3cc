"""A pretrained model with a classification head, tuned by LoRA or in full. The head starts where a fit ends.

A causal model becomes its stock sequence classification class, which reads the last token, so that every
server of such models loads what is published. An encoder is mean-pooled, for which there is no stock class.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.tunings import TuningSettings
from w2s_trainer.errors import BadSpec
from w2s_trainer.models.batches import by_tokens, gathered
from w2s_trainer.models.encoder import Encoder, memory_bound, pooling_of
from w2s_trainer.models.head import Head
from w2s_trainer.models.loading import BODY, NEW_CLASSIFIER, load_config, load_model, load_tokenizer
from w2s_trainer.models.ragged import lengths_of
from w2s_trainer.models.tokens import fit_tokenizer
from w2s_trainer.tuning.precision import Precision, torch_dtype
from w2s_trainer.tuning.tunable import TunableModel, diverged

if TYPE_CHECKING:
    import torch

_RIDGE = 1e-3
"""Of the least squares that carry a head over to raw features, relative to their mean square."""


@dataclass
class Student(TunableModel):
    """A model with a head over K classes."""

    has_new_head = True

    encoder: Encoder
    """The model without its head."""

    def start_from(self, head: Head, features: NDArray[np.float32]) -> None:
        """Sets the head to one that was fitted on the frozen model (LP-FT, Kumar et al. 2022).

        Args:
            head: on normalised features.
            features: float32[n, d] of some texts. A stock class reads raw features and has no bias: there the
                head is the least squares solution that gives these texts the same logits.
        """
        import torch

        if hasattr(self.model, "set_head"):
            self.model.set_head(head)
            return
        raw = features.astype(np.float64)
        wanted = head.logits(features)
        wanted = wanted - wanted.mean(axis=1, keepdims=True)  # softmax does not see the difference
        ridge = _RIDGE * float((raw**2).sum()) / raw.shape[1]
        gram = raw.T @ raw + ridge * np.eye(raw.shape[1])
        weight = np.linalg.solve(gram, raw.T @ wanted).T
        with torch.no_grad():
            self.model.score.weight.copy_(torch.from_numpy(weight))

    def start_level(self) -> None:
        """Sets the head to zeros: every class is as likely as the others."""
        import torch

        with torch.no_grad():
            for parameter in getattr(self.model, self.head).parameters():
                parameter.zero_()

    @property
    def head(self) -> str:
        """See TunableModel."""
        return head_name(self.model)

    def state(self) -> "dict[str, torch.Tensor]":
        """Returns what differs from the pretrained model, and what the head subtracts: enough to have it again."""
        means = {name: buffer for name, buffer in self.model.named_buffers() if name.endswith("mean")}
        return super().state() | means

    def log_probs(self, tokens: Sequence[Sequence[int]]) -> "torch.Tensor":
        """Log-probabilities float32[b, K] of token ids, on the device, with a graph where gradients are on."""
        import torch

        ids, mask = self.padded(tokens)
        with torch.autocast(self.device, torch_dtype("bfloat16"), enabled=self.precision == "bfloat16"):
            logits = self.model(input_ids=ids, attention_mask=mask).logits
        return torch.log_softmax(logits.float(), dim=1)

    def probabilities(
        self,
        tokens: Sequence[Sequence[int]],
        batch_tokens: int,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> NDArray[np.float64]:
        """Computes class probabilities float64[n, K] of token ids, in their order, finite.

        Raises:
            BadSpec: its training went where numbers end.
            OwnFault: memory ran out.
        """
        batches = self.probabilities_of(tokens, np.arange(len(tokens)), batch_tokens)
        return gathered(batches, len(tokens), self.model.config.num_labels, np.float64, progress)

    def probabilities_of(
        self, tokens: Sequence[Sequence[int]], rows: NDArray[np.int64], batch_tokens: int
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Class probabilities of some texts, batch by batch; those of what is left after some are the same.

        Args:
            tokens: token ids of n texts.
            rows: which of them, int64[m], ascending.
            batch_tokens: tokens in a batch.

        Yields:
            int64[b], some of the rows, and float64[b, K]. Errors as of `probabilities`.
        """
        import torch

        self.model.eval()
        with torch.inference_mode(), memory_bound():
            for places in by_tokens(lengths_of(tokens)[rows], batch_tokens):
                batch = [tokens[row] for row in rows[places]]
                probabilities = self.log_probs(batch).double().exp().cpu().numpy()
                if not np.isfinite(probabilities).all():
                    raise diverged("What the student says of a text is no longer a number.")
                yield rows[places], probabilities
        self.model.train()


def load_student(
    directory: Path,
    class_names: Sequence[str],
    *,
    tuning: TuningSettings,
    name: str | None = None,
    dropout: float = 0.0,
    precision: Precision = "float32",
    gradient_checkpointing: bool = False,
) -> Student:
    """Loads a pretrained model and puts a head on it.

    Args:
        directory: the model.
        class_names: the K classes in order.
        tuning: what of it is tuned.
        name: what a person calls the model; None: by its directory.
        dropout: in place of the model's own.
        precision: of the computations. Weights that are tuned are float32 in any case.
        gradient_checkpointing: compute activations twice in place of keeping them.

    Raises:
        BadSpec: a file is not as it must be, or weights are not those of the model (`models.loading`).
    """
    import torch
    from transformers import AutoModelForSequenceClassification

    from w2s_trainer.models.matmul import use_fast_matmul
    from w2s_trainer.models.modeling_w2s import W2SForSequenceClassification

    name = name or str(directory)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch_dtype(precision) if tuning.keeps_weights else torch.float32
    config = load_config(directory, name)
    tokenizer = load_tokenizer(directory, name)
    pooling = pooling_of(config)
    stock = type(config) in AutoModelForSequenceClassification._model_mapping
    if pooling == "last" and stock and not _ends_in_padding(tokenizer):
        settings = {
            "num_labels": len(class_names),
            "id2label": dict(enumerate(class_names)),
            "label2id": {label: index for index, label in enumerate(class_names)},
            "pad_token_id": tokenizer.pad_token_id,
        }
        model = load_model(directory, name, load_config(directory, name, **settings), NEW_CLASSIFIER, dtype)
    else:
        inner = load_model(directory, name, config, BODY, dtype)
        model = W2SForSequenceClassification.from_encoder(inner, class_names, pooling)
    fit_tokenizer(tokenizer, model.base_model, name)
    model = model.to(device)
    model.base_model.config.use_cache = False
    head = getattr(model, head_name(model))
    head.__class__ = _exact_linear()
    head.float()
    use_fast_matmul(model)
    if gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    encoder = Encoder(model.base_model.eval(), tokenizer, pooling, device, name)
    return Student(model, tokenizer, device, precision, tuning, dropout, encoder)


def head_name(model: Any) -> str:
    """Returns what a classification model calls its head."""
    names = [name for name in ("classifier", "score") if hasattr(model, name)]
    if not names:
        raise BadSpec(
            "UnknownHead",
            f"{type(model).__name__} has neither a `classifier` nor a `score`: it cannot be tuned.",
            "Use tuning type Head, which needs neither.",
        )
    return names[0]


def _ends_in_padding(tokenizer: Any) -> bool:
    """Whether texts end in the token that also pads them: stock classes would read the token before it."""
    return bool(tokenizer("a")["input_ids"][-1:] == [tokenizer.pad_token_id])


def _exact_linear() -> "type[torch.nn.Linear]":
    """A linear layer that computes in float32 whatever is around it: bfloat16 would leave logits two digits."""
    import torch

    class ExactLinear(torch.nn.Linear):
        def forward(self, input: "torch.Tensor") -> "torch.Tensor":
            with torch.autocast(input.device.type, enabled=False):
                return torch.nn.functional.linear(
                    input.float(), self.weight.float(), None if self.bias is None else self.bias.float()
                )

    return ExactLinear
