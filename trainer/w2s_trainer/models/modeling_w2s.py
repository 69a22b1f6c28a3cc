"""A frozen text encoder with a linear classification head, in the Hugging Face layout.

This file travels with each published model, so it imports nothing but torch and transformers:
`AutoModelForSequenceClassification.from_pretrained(directory, trust_remote_code=True)`.
"""

from typing import Any

import torch
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput


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
    """softmax(W·x + b) on x, the pooled token states of the encoder at unit length."""

    config_class = W2SConfig
    base_model_prefix = "encoder"

    def __init__(self, config: W2SConfig) -> None:
        super().__init__(config)
        inner = dict(config.encoder)
        self.encoder = AutoModel.from_config(AutoConfig.for_model(inner.pop("model_type"), **inner))
        self.classifier = torch.nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

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
        pooled = torch.nn.functional.normalize(pooled.to(self.classifier.weight.dtype), dim=1)
        return SequenceClassifierOutput(logits=self.classifier(pooled))
