"""A pretrained model that goes on with its pretraining: a causal model, or an encoder with the head that fills in tokens."""

from collections.abc import Collection, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from w2s_api.methods.tunings import TuningSettings
from w2s_trainer.errors import BadSpec
from w2s_trainer.models.causal import is_causal
from w2s_trainer.models.folder import CONFIG, read_object
from w2s_trainer.models.loading import (
    CAUSAL,
    MASKED,
    load_config,
    load_model,
    load_tokenizer,
)
from w2s_trainer.models.tokens import fit_tokenizer
from w2s_trainer.tuning.blocks import Asked, Frame, Masking, NextToken, Question
from w2s_trainer.tuning.precision import Precision, torch_dtype
from w2s_trainer.tuning.tunable import TunableModel

if TYPE_CHECKING:
    import torch


@dataclass
class LanguageModel(TunableModel):
    """A model with its pretraining's own output layer, which adapters leave as it is."""

    has_new_head = False

    causal: bool
    frozen_blocks: int = 0
    """So many of the first blocks are not tuned, nor are the input embeddings where there are any such blocks."""
    added_blocks: tuple[int, ...] = ()
    """Places of blocks that the model did not come with; where there are any, nothing else is tuned."""

    def make_tunable(self, seed: int) -> None:
        """See TunableModel. What is frozen has no gradient, also where it has adapters.

        Raises:
            BadSpec: nothing of the body would be left to tune.
        """
        super().make_tunable(seed)
        if not (self.frozen_blocks or self.added_blocks):
            return
        blocks = blocks_of(self.inner)
        if self.added_blocks:
            self.inner.requires_grad_(False)
            for place in self.added_blocks:
                blocks[place].requires_grad_(True)
            return
        if self.frozen_blocks >= len(blocks):
            raise BadSpec(
                "NothingToTune",
                f"`freezeBlocks` is {self.frozen_blocks:,}, and {type(self.inner).__name__} has {len(blocks):,} blocks.",
                f"Set it to {len(blocks) - 1:,} at most.",
            )
        for module in [self.inner.get_input_embeddings(), *blocks[: self.frozen_blocks]]:
            module.requires_grad_(False)

    @property
    def head(self) -> str:
        """See TunableModel."""
        head = self.inner.get_output_embeddings()
        names: list[str] = [name for name, module in self.model.named_modules() if module is head]
        return names[0]

    @property
    def inner(self) -> Any:
        """The model of transformers, with adapters in it but none around it."""
        return self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model

    @property
    def frame(self) -> Frame:
        """What its tokenizer puts around a text, and its end of a text between two of them."""
        plain, whole = (
            self.tokenizer("a", add_special_tokens=special)["input_ids"] for special in (False, True)
        )
        start = next(
            (place for place in range(len(whole)) if plain and whole[place : place + len(plain)] == plain), 0
        )
        before, after = tuple(whole[:start]), tuple(whole[start + len(plain) :])
        end = self.tokenizer.eos_token_id
        return Frame(before, after, after[-1:] or (() if end is None else (end,)))

    def question(self, mask_fraction: float, name: str) -> Question:
        """What it is asked while it is trained.

        Args:
            mask_fraction: share of the tokens that an encoder fills in.
            name: what a person calls the model.

        Raises:
            BadSpec: an encoder whose tokenizer has no token for what is hidden.
        """
        if self.causal:
            return NextToken()
        tokenizer = self.tokenizer
        if tokenizer.mask_token_id is None:
            raise BadSpec(
                "NoMaskToken",
                f"{name}: its tokenizer has no `mask_token`, which stands for what an encoder fills in.",
                "Name a model that was pretrained with one.",
            )
        special = frozenset(tokenizer.all_special_ids)
        words = sorted({*tokenizer.get_vocab().values()} - special - {*tokenizer.added_tokens_decoder})
        return Masking(mask_fraction, tokenizer.mask_token_id, np.array(words, np.int64), special)

    def token_losses(self, asked: Sequence[Asked]) -> "torch.Tensor":
        """How unlikely the tokens are that are asked for, with a graph where gradients are on.

        Logits are computed at the places that are asked about and nowhere else.

        Args:
            asked: of b blocks.

        Returns:
            float32[b] on the device: −log p of a token, mean over those of the block.
        """
        return self.losses_of(self.logits(asked), asked)

    def logits(self, asked: Sequence[Asked]) -> "torch.Tensor":
        """What it says at the places that are asked about.

        Args:
            asked: of b blocks, m places in all.

        Returns:
            float[m, V] on the device, block after block.
        """
        import torch

        ids, mask = self.padded([one.ids.tolist() for one in asked])
        width = ids.shape[1]
        where = torch.from_numpy(np.concatenate([row * width + one.places for row, one in enumerate(asked)]))
        # What is padded stands behind, where no token of a causal model sees it.
        inputs = {"input_ids": ids} if self.causal else {"input_ids": ids, "attention_mask": mask}
        return self._logits_at(where.to(self.device), **inputs)

    def losses_of(self, logits: "torch.Tensor", asked: Sequence[Asked]) -> "torch.Tensor":
        """As `token_losses`, of logits that are there: float32[b]."""
        import torch

        targets = torch.from_numpy(np.concatenate([one.targets for one in asked])).to(self.device)
        losses = torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none")
        return torch.stack([part.mean() for part in torch.split(losses, [len(one.places) for one in asked])])

    def copy(self) -> "LanguageModel":
        """The model as it is, with weights of its own that are not tuned."""
        model = deepcopy(self.model)
        model.requires_grad_(False)
        return replace(self, model=model)

    def _logits_at(self, where: "torch.Tensor", **inputs: Any) -> "torch.Tensor":
        import torch

        def some(_module: Any, given: "tuple[torch.Tensor, ...]") -> "torch.Tensor":
            return given[0].flatten(0, 1)[where]

        hook = self.inner.get_output_embeddings().register_forward_pre_hook(some)
        try:
            with torch.autocast(self.device, torch_dtype("bfloat16"), enabled=self.precision == "bfloat16"):
                logits: torch.Tensor = self.inner(**inputs).logits
        finally:
            hook.remove()
        return logits


def load_language_model(
    directory: Path,
    *,
    tuning: TuningSettings,
    name: str,
    dropout: float = 0.0,
    precision: Precision = "float32",
    gradient_checkpointing: bool = False,
    frozen_blocks: int = 0,
    starts_head: bool = True,
) -> LanguageModel:
    """Loads a model with the output layer of its pretraining.

    An encoder whose files lack that layer gets one that does nothing yet: what it says of a token is how similar the
    token's state is to the embeddings.

    Args:
        directory: the model.
        tuning: what of it is tuned.
        name: what a person calls the model.
        dropout: in place of the model's own.
        precision: of the computations. Weights that are tuned are float32 in any case.
        gradient_checkpointing: compute activations twice in place of keeping them.
        frozen_blocks: so many of the first blocks are not tuned.
        starts_head: whether a layer that the files lack is made; an encoder without it is refused otherwise.

    Raises:
        BadSpec: transformers has no such class, the output layer is not there and is not to be made, or its files are not as
            they must be (`models.loading`).
    """
    import torch

    from w2s_trainer.models.matmul import use_fast_matmul

    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch_dtype(precision) if tuning.keeps_weights else torch.float32
    causal = is_causal(directory)
    config = load_config(directory, name)
    tokenizer = load_tokenizer(directory, name)
    fill = _start_head if starts_head else partial(_require_head, name)
    model = load_model(directory, name, config, CAUSAL if causal else MASKED, dtype, fill).to(device)
    fit_tokenizer(tokenizer, model, name)
    model.config.use_cache = False
    use_fast_matmul(model)
    if gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    return LanguageModel(model, tokenizer, device, precision, tuning, dropout, causal, frozen_blocks)


def fills_in_tokens(directory: Path) -> bool:
    """Whether an encoder was saved with the layer that fills in tokens, by the classes that its config names."""
    written = read_object(directory / CONFIG, str(directory), "BadModelConfig").get("architectures")
    names = [name for name in written if isinstance(name, str)] if isinstance(written, list) else []
    return any(name.endswith(("ForMaskedLM", "ForPreTraining")) for name in names)


def blocks_of(model: Any) -> Any:
    """The blocks of a model, in order: the longest list of modules in it."""
    import torch

    lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    return max(lists, key=len, default=torch.nn.ModuleList())


def without_head(name: str) -> BadSpec:
    """The error where a model is asked for tokens that was published without the layer which says them."""
    return BadSpec(
        "NoLanguageHead",
        f"{name} was published without the output layer of its pretraining (sentence encoders are): how well it knows general"
        " texts cannot be measured, and so not what it forgets.",
        "Leave `evaluation.retention` out, or name a strong model of a class …ForCausalLM or …ForMaskedLM.",
    )


def _require_head(name: str, model: Any, lacking: Collection[str]) -> None:
    if any(key in lacking and parameter.ndim > 1 for key, parameter in model.named_parameters()):
        raise without_head(name)


def _start_head(model: Any, lacking: Collection[str]) -> None:
    """Sets the weights of a head that were not in the files: its layers pass on what they are given, biases are 0, and what
    stands for the words are their embeddings."""
    import torch

    words = model.get_input_embeddings().weight
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name not in lacking:
                continue
            if parameter.shape == words.shape:
                parameter.copy_(words)
            elif parameter.ndim == 2:
                torch.nn.init.eye_(parameter)
            elif parameter.ndim == 1:
                parameter.fill_(1 if name.endswith("weight") else 0)
