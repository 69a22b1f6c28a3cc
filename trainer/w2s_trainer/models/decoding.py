"""How a text is written: which token comes next, and what ends it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.models.layout import Layout

if TYPE_CHECKING:
    import torch

    from w2s_trainer.models.causal import CausalModel

_MARGIN = 4
"""Tokens before a stop string that are decoded with it: some decoders write the first token of all otherwise."""


@dataclass(frozen=True)
class Decoding:
    """How a model writes."""

    max_new_tokens: int
    """A text that is longer is cut off there; the token that ends it counts."""
    stop: tuple[str, ...] = ()
    """A text ends before the first of these."""
    temperature: float = 0.0
    """0: always the likeliest token."""
    samples: int = 1
    """Texts that are written after each prompt."""
    seed: int = 0
    """Of the samples."""


class Chooser:
    """Chooses the next tokens of the rows of a batch.

    The likeliest, the one of lowest number among equals; or, at a temperature T above 0, by the inverse of the
    distribution function of softmax(logits / T) at a number that depends on nothing but the seed, the text's own
    number, the sample and the place in the text. So no text depends on the others of its batch.
    """

    def __init__(self, decoding: Decoding, numbers: NDArray[np.int64]) -> None:
        """
        Args:
            decoding: says how.
            numbers: of the texts, int64[b]; their rows are b × samples, those of a text side by side.
        """
        self._temperature = decoding.temperature
        self._uniform = np.empty((0, 0))
        if decoding.temperature > 0:
            self._uniform = np.array(
                [
                    np.random.default_rng([decoding.seed, number, sample]).random(decoding.max_new_tokens)
                    for number in numbers.tolist()
                    for sample in range(decoding.samples)
                ]
            )

    def choose(
        self, logits: "torch.Tensor", rows: NDArray[np.int64], place: int
    ) -> tuple["torch.Tensor", NDArray[np.float64]]:
        """The next tokens of some rows.

        Args:
            logits: float[r, V].
            rows: of the batch, int64[r].
            place: tokens that each has been given before.

        Returns:
            int64[r], and their log-probabilities at temperature 1, float64[r].
        """
        import torch

        logits = logits.float()
        if self._temperature > 0:
            mass = (logits / self._temperature).softmax(dim=-1).double().cumsum(dim=-1)
            uniform = torch.from_numpy(self._uniform[rows, place]).to(mass.device)
            chosen = torch.searchsorted(mass, (uniform * mass[:, -1])[:, None], right=True)
            chosen = chosen.clamp(max=logits.shape[-1] - 1)
        else:
            chosen = logits.argmax(dim=-1, keepdim=True)
        of_tokens = logits.gather(1, chosen)[:, 0].double() - logits.logsumexp(dim=-1).double()
        return chosen[:, 0], of_tokens.cpu().numpy()


@dataclass(frozen=True)
class Ends:
    """What ends a text of a model in a layout."""

    tokens: NDArray[np.int64]
    """The model's own ends: of a text, and of its turn."""
    turn: str
    """What the layout ends an answer with where no token does; empty: a token does."""
    stop: tuple[str, ...]
    """Stop strings of the task."""

    @property
    def strings(self) -> tuple[str, ...]:
        """All that is looked for in the text."""
        return tuple(filter(None, (self.turn, *self.stop)))

    def first_in(self, text: str) -> tuple[int, str] | None:
        """Where the first of the strings begins in a text, and which it is; None where there is none."""
        found = [(place, string) for string in self.strings if (place := text.find(string)) >= 0]
        return min(found, key=lambda one: one[0], default=None)

    def window(self) -> int:
        """Tokens at the end of a text in which a string that the last token completes is found in any case."""
        return max((len(string.encode()) for string in self.strings), default=0) + _MARGIN


def ends_of(model: "CausalModel", layout: Layout, stop: Sequence[str] = ()) -> Ends:
    """What ends a text: the tokens by which the model's files say so, the end of a turn, the task's stop strings.

    Args:
        model: that writes.
        layout: of its prompts; without a template its `end`, of plain lines, ends a text.
        stop: the task's.
    """
    tokenizer, found = model.tokenizer, set[int]()
    for holder in (tokenizer, getattr(model.model, "generation_config", None), model.model.config):
        named = getattr(holder, "eos_token_id", None)
        found.update(named if isinstance(named, list | tuple) else [] if named is None else [named])
    turn = layout.end
    if layout.chat:
        added = tokenizer.added_tokens_decoder
        of_turn = [
            token for token in tokenizer(layout.end, add_special_tokens=False)["input_ids"] if token in added
        ]
        found.update(of_turn[:1])
        turn = "" if of_turn else layout.end
    return Ends(np.array(sorted(found), dtype=np.int64), turn, tuple(stop))


class Drafts:
    """The texts that a batch is writing, token by token."""

    def __init__(self, tokenizer: Any, ends: Ends, rows: int, max_new_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._ends = ends
        self._window = ends.window() if ends.strings else 0
        self._tokens = np.zeros((rows, max_new_tokens), dtype=np.int64)
        self.counts = np.zeros(rows, dtype=np.int64)
        """int64[rows], tokens of each."""
        self.log_likelihood = np.zeros(rows)
        """float64[rows], sums over its tokens."""

    def append(
        self, rows: NDArray[np.int64], tokens: NDArray[np.int64], of_tokens: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Adds a token to each of some rows, all of which have as many.

        Args:
            rows: int64[r].
            tokens: int64[r].
            of_tokens: their log-probabilities, float64[r].

        Returns:
            bool[r], which of them are finished now.
        """
        place = int(self.counts[rows[0]])
        self._tokens[rows, place] = tokens
        self.counts[rows] += 1
        self.log_likelihood[rows] += of_tokens
        if place + 1 == self._tokens.shape[1]:
            return np.ones(len(rows), dtype=bool)
        finished = np.isin(tokens, self._ends.tokens)
        if self._window:
            begin = max(0, place + 1 - self._window)
            tails = self._decoded(list(self._tokens[rows, begin : place + 1]))
            finished |= np.array([self._ends.first_in(tail) is not None for tail in tails], dtype=bool)
        return finished

    def texts(self) -> tuple[list[str], list[str]]:
        """The texts without what ends them and without white space around them, and how each ended."""
        last = self._tokens[np.arange(len(self.counts)), self.counts - 1]
        by_token = np.isin(last, self._ends.tokens)
        wholes = self._decoded(
            [tokens[:count] for tokens, count in zip(self._tokens, self.counts - by_token, strict=True)]
        )
        texts, endings = [], []
        for whole, ended in zip(wholes, by_token.tolist(), strict=True):
            found = self._ends.first_in(whole)
            text = whole if found is None else whole[: found[0]]
            if found is not None and found[1] != self._ends.turn:
                endings.append("stop")
            else:
                endings.append("end" if ended or found is not None else "length")
            texts.append(text.strip())
        return texts, endings

    def _decoded(self, lists: Sequence[NDArray[np.int64]]) -> list[str]:
        decoded: list[str] = self._tokenizer.batch_decode(
            [tokens.tolist() for tokens in lists],
            skip_special_tokens=True,
            clean_up_tokenization_spaces=False,
        )
        return decoded
