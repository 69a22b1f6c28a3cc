"""Keys and values of tokens that a causal model has read, and how it goes on from them."""

from typing import TYPE_CHECKING, Any

from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import torch
    from numpy.typing import NDArray

    States = list[tuple[torch.Tensor, torch.Tensor]]
    """Keys and values of each layer, [b, heads, t, d]."""


def shared_states(model: Any, shared: "torch.Tensor", longest: int) -> "States | None":
    """Returns the states of what all prompts begin with; None where a prompt cannot go on from them.

    Args:
        model: causal, of transformers.
        shared: token ids, int64[1, t].
        longest: tokens of the longest sequence that is to be read.
    """
    import inspect

    if not shared.numel() or "position_ids" not in inspect.signature(model.forward).parameters:
        return None
    output = model(input_ids=shared, use_cache=True, **last_logits(model, 1))
    layers = getattr(getattr(output, "past_key_values", None), "layers", None) or [None]
    for layer in layers:
        plain = type(layer) is DynamicLayer or (
            type(layer) is DynamicSlidingWindowLayer and longest < layer.sliding_window
        )
        if not plain or layer.keys is None or layer.keys.shape[-2] != shared.shape[1]:
            return None
    return [(layer.keys, layer.values) for layer in layers]


def cache_from(states: "States") -> DynamicCache:
    """A cache that begins with these states and leaves them as they are."""
    return _cache_of(_layer(DynamicLayer(), keys, values) for keys, values in states)


def last_logits(model: Any, count: int) -> dict[str, int]:
    """Asks for the logits of the last positions only, where a model can be told so."""
    import inspect

    takes = "logits_to_keep" in inspect.signature(model.forward).parameters
    return {"logits_to_keep": count} if takes else {}


class Room:
    """Room for the states of a batch, which it fills without being copied, and which rows leave.

    A layer that grows by concatenation copies all that was read at each token.
    """

    def __init__(self, shared: "States", rows: int, columns: int) -> None:
        """
        Args:
            shared: states of what every row begins with, [1, heads, s, d].
            rows: of the batch.
            columns: tokens that a row has room for, the shared ones included.
        """

        def room(one: "torch.Tensor") -> "torch.Tensor":
            # Zeros: what a mask hides is multiplied by 0, and must be a number.
            return one.new_zeros((rows, one.shape[1], columns, one.shape[3]))

        self.rows = rows
        self._shared = shared
        self._states = [(room(keys), room(values)) for keys, values in shared]

    def reading(self, rows: slice, begin: int) -> DynamicCache:
        """A cache of some rows that has the shared states from column `begin` on, and room behind them."""
        layers = []
        for (keys, values), (shared_keys, shared_values) in zip(self._states, self._shared, strict=True):
            length = shared_keys.shape[2]
            keys[rows, :, begin : begin + length] = shared_keys
            values[rows, :, begin : begin + length] = shared_values
            layers.append(_RoomLayer(keys[rows, :, begin:], values[rows, :, begin:], length))
        return _cache_of(layers)

    def writing(self, used: int) -> DynamicCache:
        """A cache of all rows, of which `used` columns are filled."""
        return _cache_of(
            _RoomLayer(keys[: self.rows], values[: self.rows], used) for keys, values in self._states
        )

    def repeat(self, times: int) -> None:
        """Has each row so many times, side by side."""
        self.rows *= times
        if times > 1:
            self._states = [
                (keys.repeat_interleave(times, dim=0), values.repeat_interleave(times, dim=0))
                for keys, values in self._states
            ]

    def move(self, sources: "NDArray[np.int64]", places: "NDArray[np.int64]", rows: int) -> None:
        """Puts rows, int64[m], into the places of others, int64[m], and keeps the first `rows` of all."""
        self.rows = rows
        if len(sources):
            for keys, values in self._states:
                keys[places] = keys[sources]
                values[places] = values[sources]


class _RoomLayer(DynamicLayer):  # type: ignore[misc] # transformers has no types
    """A layer of a cache that writes into room that is there."""

    def __init__(self, keys: "torch.Tensor", values: "torch.Tensor", used: int) -> None:
        super().__init__()
        self._all_keys, self._all_values = keys, values
        self.dtype, self.device = keys.dtype, keys.device
        self.is_initialized = True
        self._show(used)

    def update(
        self, key_states: "torch.Tensor", value_states: "torch.Tensor", *_: Any, **__: Any
    ) -> tuple["torch.Tensor", "torch.Tensor"]:
        """All keys and values, those of the new tokens at their end."""
        before = self.keys.shape[2]
        after = before + key_states.shape[2]
        self._all_keys[:, :, before:after] = key_states
        self._all_values[:, :, before:after] = value_states
        self._show(after)
        return self.keys, self.values

    def _show(self, used: int) -> None:
        self.keys = self._all_keys[:, :, :used]
        self.values = self._all_values[:, :, :used]


def _layer(layer: DynamicLayer, keys: "torch.Tensor", values: "torch.Tensor") -> DynamicLayer:
    layer.lazy_initialization(keys, values)
    layer.keys, layer.values = keys, values
    return layer


def _cache_of(layers: "Iterable[DynamicLayer]") -> DynamicCache:
    cache = DynamicCache()
    cache.layers.extend(layers)
    return cache
