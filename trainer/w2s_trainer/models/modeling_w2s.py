"""A text encoder with a linear classification head, in the Hugging Face layout.

This file travels with each published model, so it imports nothing but torch and transformers:
`AutoModelForSequenceClassification.from_pretrained(directory, trust_remote_code=True)`.
"""

import json
from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

_OF_LOADING = (
    "dtype",
    "torch_dtype",
    *(f"{prefix}{what}_implementation" for prefix in ("", "_") for what in ("attn", "experts")),
    *(f"_{what}_implementation_internal" for what in ("attn", "experts")),
)
"""Parts of an encoder's config that say how it was once loaded, not what it is."""


class W2SConfig(PretrainedConfig):  # type: ignore[misc]
    """The encoder's config, how its tokens become one vector, and the classes."""

    model_type = "w2s"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        pooling: str = "mean",
        hidden_size: int = 0,
        **kwargs: Any,
    ) -> None:
        self.encoder = encoder or {}
        self.pooling = pooling
        self.hidden_size = hidden_size
        super().__init__(**kwargs)


class W2SForSequenceClassification(PreTrainedModel):  # type: ignore[misc]
    """softmax(W·x + b) on x, the pooled token states of the encoder less their mean, at unit length."""

    config_class = W2SConfig
    base_model_prefix = "encoder"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _keep_in_fp32_modules_strict = frozenset((r"^mean$", r"^classifier\."))

    def __init__(self, config: W2SConfig) -> None:
        super().__init__(config)
        inner = {name: value for name, value in config.encoder.items() if name not in _OF_LOADING}
        config_of_encoder = AutoConfig.for_model(inner.pop("model_type"), **inner)
        self.encoder = AutoModel.from_config(config_of_encoder, trust_remote_code=False)
        self.classifier = torch.nn.Linear(config.hidden_size, config.num_labels)
        self.register_buffer("mean", torch.zeros(config.hidden_size, dtype=torch.float32))
        self.post_init()

    @classmethod
    def from_encoder(
        cls, encoder: Any, class_names: Sequence[str], pooling: str
    ) -> "W2SForSequenceClassification":
        """Puts a head of zeros on a loaded model, which is used as it is and not copied.

        Args:
            encoder: what `AutoModel` loaded.
            class_names: the K classes in order.
            pooling: `mean` over the tokens, or the `last` of them.
        """
        inner = {**encoder.config.to_diff_dict(), "model_type": encoder.config.model_type}
        width = encoder.config.hidden_size
        config = W2SConfig(
            encoder=json.loads(json.dumps(inner, default=str)),
            pooling=pooling,
            hidden_size=width,
            num_labels=len(class_names),
            id2label=dict(enumerate(class_names)),
            label2id={name: index for index, name in enumerate(class_names)},
        )
        with torch.device("meta"):  # no memory, no random weights: what is built here is replaced
            model = cls(config)
        model.encoder = encoder
        model.classifier = torch.nn.Linear(width, len(class_names), device=encoder.device)
        torch.nn.init.zeros_(model.classifier.weight)
        torch.nn.init.zeros_(model.classifier.bias)
        model.mean = torch.zeros(width, device=encoder.device)
        return model

    @torch.no_grad()
    def set_head(self, head: Any) -> None:
        """Copies a fitted head: its arrays `weight` float[K, d], `bias` float[K] and `mean` float[d]."""
        for parameter, array in (
            (self.classifier.weight, head.weight),
            (self.classifier.bias, head.bias),
            (self.mean, head.mean),
        ):
            parameter.copy_(torch.tensor(array))

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **_: Any
    ) -> SequenceClassifierOutput:
        """Logits float[b, K] of token ids int[b, t], padded on the right."""
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        if self.config.pooling == "last":
            last = attention_mask.sum(dim=1) - 1
            pooled = hidden[torch.arange(len(hidden), device=hidden.device), last]
        else:
            weights = attention_mask.unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)
        # What is left without the mean can be small beside it: too small for the digits of a half-precision number.
        x = torch.nn.functional.normalize(pooled.float() - self.mean.float(), dim=1)
        return SequenceClassifierOutput(logits=self.classifier(x.to(self.classifier.weight.dtype)))

    def _init_weights(self, module: torch.nn.Module) -> None:
        super()._init_weights(module)
        if module is self:  # for a checkpoint that has none
            torch.nn.init.zeros_(self.mean)
