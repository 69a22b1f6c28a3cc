"""A frozen causal model that is asked: how likely each answer is, in full, without generating any."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.errors import BadSpec
from w2s_trainer.models.batches import by_tokens
from w2s_trainer.models.encoder import memory_bound
from w2s_trainer.models.finite import check_finite
from w2s_trainer.models.folder import CONFIG, read_object
from w2s_trainer.models.layout import Layout
from w2s_trainer.models.loading import CAUSAL, load_config, load_model, load_tokenizer, quiet
from w2s_trainer.models.ragged import Ragged, lengths_of
from w2s_trainer.models.tokens import encode, fit_tokenizer, positions

if TYPE_CHECKING:
    import torch

    from w2s_trainer.models.states import States

    Scored = tuple[NDArray[np.int64], NDArray[np.float64]]
    """Prompts, int64[b], and the scores of the answers to each, float64[b, K]."""

Progress = Callable[[int, int], None]

LOGITS_AT_ONCE = 2**26
"""Logits that are held at once while answers are scored (256 MiB in float32)."""

TOKENISED_AT_ONCE = 256
"""Prompts that are tokenised at once."""


@dataclass(frozen=True)
class Prompts:
    """Token ids of n prompts: what all of them begin with, and the rest of each, of at least one token."""

    shared: NDArray[np.int32]
    rests: Sequence[Sequence[int]]


@dataclass(frozen=True)
class Answers:
    """Token ids of K answers."""

    ids: list[list[int]]
    """Each with the token that ends it."""
    merged: int
    """Tokens at the end of a prompt that become others when an answer follows, and so are counted to it."""


class CutTexts(Sequence[str]):
    """Texts of which each ends at a character; they are cut when they are asked for."""

    def __init__(self, texts: Sequence[str], ends: NDArray[np.int64]) -> None:
        """
        Args:
            texts: n texts.
            ends: int64[n], characters that are kept of each; below 0: all.
        """
        self._texts = texts
        self._ends = ends

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> "CutTexts": ...
    def __getitem__(self, place: int | slice) -> "str | CutTexts":
        if isinstance(place, slice):
            return CutTexts(self._texts[place], self._ends[place])
        return self._cut(self._texts[place], int(self._ends[place]))

    def __iter__(self) -> Iterator[str]:
        return map(self._cut, self._texts, self._ends.tolist())

    @staticmethod
    def _cut(text: str, end: int) -> str:
        return text if end < 0 else text[:end]


@dataclass(frozen=True)
class CausalModel:
    """A frozen causal model with its tokenizer."""

    model: Any
    tokenizer: Any
    device: str

    @property
    def context(self) -> int | None:
        """Tokens that the model can read; None where it has no limit."""
        config = self.model.config.get_text_config(decoder=True)
        return positions(self.model) or getattr(config, "max_position_embeddings", None)

    def cut(self, texts: Sequence[str], max_tokens: int) -> tuple["CutTexts", NDArray[np.bool_]]:
        """Texts cut at max_tokens tokens, and which of them were, bool[n]."""
        ends = np.full(len(texts), -1, dtype=np.int64)
        for start in range(0, len(texts), TOKENISED_AT_ONCE):
            encodings = encode(
                self.tokenizer, texts[start : start + TOKENISED_AT_ONCE], max_tokens, special=False
            )
            for row, encoding in enumerate(encodings, start):
                if encoding.overflowing:
                    ends[row] = encoding.offsets[-1][1]
        return CutTexts(texts, ends), ends >= 0

    def answers(self, layout: Layout, names: Sequence[str]) -> Answers:
        """Returns the token ids of the answers as they are after a prompt.

        They are tokenised together with a prompt, so that a tokenizer that joins the two gives the tokens that
        the model knows. An answer ends with the token that ends its turn (in plain lines: its line); without it
        a name that another begins with would be favoured.

        Raises:
            BadSpec: two names are the same for the tokenizer.
        """
        prompt = layout.prompt("x")
        before = self.ids(layout, [prompt])[0]
        whole = self.ids(layout, [prompt + layout.answer(name) for name in names])
        bare = self.ids(layout, [prompt + layout.lead + name for name in names])
        kept = min(common(before, ids) for ids in whole)
        added = set(self.tokenizer.added_tokens_decoder)
        answers = []
        for ids, without_end in zip(whole, bare, strict=True):
            name_ends = max(kept, common(ids, without_end))
            ends = [at + 1 for at in range(name_ends, len(ids)) if int(ids[at]) in added]
            answers.append(ids[kept : ends[0] if ends else len(ids)].tolist())
        if len({tuple(ids) for ids in answers}) < len(names):
            raise BadSpec(
                "SameAnswer",
                f"The tokenizer of {self.tokenizer.name_or_path} reads two of the class names as the same:"
                f" {', '.join(names)}.",
                "Give classes names that differ in more than case or accents.",
            )
        return Answers(answers, len(before) - kept)

    def prompts(self, layout: Layout, texts: Sequence[str], answers: Answers | None = None) -> Prompts:
        """Token ids of the prompts of texts, each tokenised as a whole.

        Args:
            layout: of the prompts.
            texts: n texts.
            answers: what is scored after them; None: the model writes on.
        """
        written = (layout.prompt(text) for text in texts)
        return self._read(written, layout, answers, layout.prompt("x"))

    def prompts_of_each(
        self, layouts: Iterable[Layout], texts: Sequence[str], answers: Answers | None = None
    ) -> Prompts:
        """Token ids of the prompts of n texts, each in a layout of its own.

        Args:
            layouts: n, as they are asked for; they begin with the same question and differ in their shots.
            texts: n texts.
            answers: after any of the layouts; None: the model writes on.
        """
        pairs = zip(layouts, texts, strict=True)
        first = next(pairs, None)
        if first is None:
            return Prompts(np.empty(0, dtype=np.int32), [])
        layout, opening = first[0], first[0].prompt(first[1])
        written = (one.prompt(text) for one, text in pairs)
        return self._read(chain([opening], written), layout, answers, opening)

    def _read(self, written: Iterable[str], layout: Layout, answers: Answers | None, like: str) -> Prompts:
        """Tokenises written prompts; what all begin with is looked for at the beginning of one `like` them."""
        drop = 0 if answers is None else answers.merged

        def read() -> Iterator[NDArray[np.int32]]:
            rest = iter(written)
            while strings := list(islice(rest, TOKENISED_AT_ONCE)):
                for whole in self.ids(layout, strings):
                    yield whole[: len(whole) - drop]

        return divided(self.ids(layout, [like])[0], read())

    def scores(
        self,
        prompts: Prompts,
        answers: Answers,
        batch_tokens: int,
        progress: Progress = lambda _done, _total: None,
    ) -> NDArray[np.float64]:
        """Returns log-probabilities of the answers to n prompts: sums over all tokens of each, as they are.

        What all prompts begin with is read once, the rest of each prompt once, and the answers continue from there
        side by side. A model whose state cannot be shared (recurrent layers, an attention window shorter than
        the prompt) reads each prompt with each answer in full; the scores are the same.

        Args:
            prompts: n prompts.
            answers: K answers.
            batch_tokens: tokens in a batch, the shared ones and padding included.
            progress: called with (prompts done, n).

        Returns:
            float64[n, K]. They do not depend on the batches nor on the order of the prompts.

        Raises:
            BadSpec: a prompt is longer than the model can read, or a score is no number.
            OwnFault: memory ran out.
        """
        scores = np.empty((len(prompts.rests), len(answers.ids)))
        self.require_room(prompts, answers)
        progress(0, len(scores))
        done = 0
        for rows, scores_of_rows in self.scores_of(prompts, answers, np.arange(len(scores)), batch_tokens):
            scores[rows] = scores_of_rows
            done += len(rows)
            progress(done, len(scores))
        return scores

    def scores_of(
        self, prompts: Prompts, answers: Answers, rows: NDArray[np.int64], batch_tokens: int
    ) -> "Iterator[Scored]":
        """The scores of some prompts, batch by batch; those of what is left after some batches are the same.

        Args:
            prompts: n prompts.
            answers: K answers.
            rows: which of them, int64[m], ascending.
            batch_tokens: tokens in a batch, the shared ones and padding included.

        Yields:
            int64[b], some of the rows, and their scores float64[b, K]. Errors as of `scores`.
        """
        import torch

        from w2s_trainer.models.states import shared_states

        self.require_room(prompts, answers)
        if not len(rows):
            return
        with torch.inference_mode(), memory_bound():
            states = shared_states(self.model, self.tensor([prompts.shared]), _longest(prompts, answers))
            batches = (
                self._in_full(prompts, answers, rows, batch_tokens)
                if states is None
                else self._from_states(states, prompts, answers, rows, batch_tokens)
            )
            for some, scores in batches:
                check_finite(scores, self.tokenizer.name_or_path, "answers' scores", some)
                yield some, scores

    def require_room(self, prompts: Prompts, answers: Answers, between: int = 0) -> None:
        """Raises BadSpec where a prompt, tokens between the two and its longest answer are longer than the model can
        read."""
        longest = _longest(prompts, answers) + between
        if self.context is not None and longest > self.context:
            raise BadSpec(
                "PromptTooLong",
                f"A prompt for {self.tokenizer.name_or_path} has {longest:,} tokens, the model reads"
                f" {self.context:,}: {len(prompts.shared):,} are the question, the classes and what all have of the shots.",
                "Lower the labeler's `shots`, `maxTokens` or `reasoningTokens`, or shorten the descriptions of the classes.",
            )

    def ids(self, layout: Layout, strings: Sequence[str]) -> list[NDArray[np.int32]]:
        """Token ids of prompts, or of prompts with what follows them, each tokenised as a whole."""
        with quiet():
            # A template writes the token of the beginning itself.
            begin = [] if layout.chat else self._beginning()
            encoded = self.tokenizer(list(strings), add_special_tokens=False)["input_ids"]
        return [np.array([*begin, *ids], dtype=np.int32) for ids in encoded]

    def _beginning(self) -> list[int]:
        bos = self.tokenizer.bos_token_id
        return [bos] if bos is not None and self.tokenizer("")["input_ids"][:1] == [bos] else []

    def _from_states(
        self,
        states: "States",
        prompts: Prompts,
        answers: Answers,
        wanted: NDArray[np.int64],
        batch_tokens: int,
    ) -> "Iterator[Scored]":
        import torch

        from w2s_trainer.models.states import cache_from, last_logits

        asked = _SideBySide(answers.ids)
        fixed = len(prompts.shared) + len(asked.inputs)
        firsts = torch.tensor([ids[0] for ids in answers.ids], device=self.device)
        for places in by_tokens(fixed + lengths_of(prompts.rests)[wanted], batch_tokens):
            rows = wanted[places]
            rests = [prompts.rests[row] for row in rows]
            # Padding is between the shared part and the rest, so that all rests end in the same place.
            width = max(len(rest) for rest in rests)
            pads = torch.tensor([width - len(rest) for rest in rests], device=self.device)
            ids = np.zeros((len(rests), width), dtype=np.int32)
            for line, rest in enumerate(rests):
                ids[line, width - len(rest) :] = rest
            steps = torch.arange(width, device=self.device)
            mask = torch.ones((len(rests), len(prompts.shared) + width), dtype=torch.long, device=self.device)
            mask[:, len(prompts.shared) :] = (steps >= pads[:, None]).long()
            cache = cache_from(
                [(k.expand(len(rests), -1, -1, -1), v.expand(len(rests), -1, -1, -1)) for k, v in states]
            )
            output = self.model(
                input_ids=self.tensor(ids),
                attention_mask=mask,
                position_ids=len(prompts.shared) + (steps - pads[:, None]).clamp(min=0),
                past_key_values=cache,
                use_cache=True,
                **last_logits(self.model, 1),
            )
            first = output.logits[:, -1].float().log_softmax(dim=-1)[:, firsts].double().cpu().numpy()
            read = [(layer.keys, layer.values) for layer in cache.layers]
            ends = len(prompts.shared) + width - pads
            yield rows, first + self._continued(read, mask, ends, asked)

    def _continued(
        self, states: "States", visible: "torch.Tensor", ends: "torch.Tensor", asked: "_SideBySide"
    ) -> NDArray[np.float64]:
        """Returns log-probabilities of all but the first token of the answers, float64[b, K]: after the same
        states, in one pass, and no answer sees another."""
        import torch

        from w2s_trainer.models.states import cache_from

        count = len(asked.inputs)
        scores = np.zeros((len(visible), asked.answers))
        if not count:
            return scores
        inputs = torch.tensor(asked.inputs, device=self.device)
        targets = torch.tensor(asked.targets, device=self.device)
        depths = torch.tensor(asked.depths, device=self.device)
        own = torch.from_numpy(asked.visible).to(self.device)
        size = max(1, LOGITS_AT_ONCE // (count * self.vocabulary))
        for start in range(0, len(visible), size):
            part = slice(start, start + size)
            n = len(visible[part])
            allowed = torch.cat(
                [visible[part].bool()[:, None, :].expand(n, count, -1), own.expand(n, -1, -1)], dim=2
            )
            lowest = torch.finfo(self.model.dtype).min
            mask = torch.zeros(allowed.shape, dtype=self.model.dtype, device=self.device)
            mask.masked_fill_(~allowed, lowest)
            output = self.model(
                input_ids=inputs.expand(n, -1),
                attention_mask=mask[:, None],
                position_ids=ends[part, None] + depths,
                past_key_values=cache_from([(keys[part], values[part]) for keys, values in states]),
                use_cache=True,
            )
            logs = output.logits.float().log_softmax(dim=-1)
            of_tokens = logs.gather(2, targets.expand(n, -1)[..., None])[..., 0].double().cpu().numpy()
            np.add.at(scores[part].T, asked.owners, of_tokens.T)
        return scores

    def _in_full(
        self, prompts: Prompts, answers: Answers, wanted: NDArray[np.int64], batch_tokens: int
    ) -> "Iterator[Scored]":
        """Reads every prompt with every answer from its first token on. Only prompts of one length share a batch,
        so that padding is at the end, where nothing that follows can see it."""

        from w2s_trainer.models.states import last_logits

        k, most = len(answers.ids), max(len(ids) for ids in answers.ids)
        lengths = lengths_of(prompts.rests)[wanted]
        for length in np.unique(lengths)[::-1]:
            alike = wanted[lengths == length]
            scores, yielded = np.empty((len(alike), k)), 0
            logits = (most + 1) * self.vocabulary
            size = max(
                1, min(batch_tokens // int(len(prompts.shared) + length + most), LOGITS_AT_ONCE // logits)
            )
            for start in range(0, len(alike) * k, size):
                part = [divmod(pair, k) for pair in range(start, min(start + size, len(alike) * k))]
                ids = np.zeros((len(part), len(prompts.shared) + length + most), dtype=np.int32)
                for at, (line, option) in enumerate(part):
                    whole = [*prompts.shared, *prompts.rests[alike[line]], *answers.ids[option]]
                    ids[at, : len(whole)] = whole
                output = self.model(
                    input_ids=self.tensor(ids), use_cache=False, **last_logits(self.model, most + 1)
                )
                logs = output.logits[:, -most - 1 : -1].float().log_softmax(dim=-1)
                targets = self.tensor(ids[:, -most:])
                of_tokens = logs.gather(2, targets[..., None])[..., 0].double().cpu().numpy()
                for at, (line, option) in enumerate(part):
                    scores[line, option] = of_tokens[at, : len(answers.ids[option])].sum()
                done, begun = divmod(start + len(part), k)
                if not begun:  # a batch ends with a prompt: a run that resumes here forms the same batches
                    yield alike[yielded:done], scores[yielded:done]
                    yielded = done

    @property
    def vocabulary(self) -> int:
        """Tokens that the model gives logits of."""
        return int(self.model.config.get_text_config(decoder=True).vocab_size)

    def tensor(self, ids: Any) -> "torch.Tensor":
        """Token ids on the model's device, int64."""
        import torch

        return torch.from_numpy(np.asarray(ids, dtype=np.int64)).to(self.device)


class _SideBySide:
    """K answers in one row of tokens, all but the last token of each, after a token that they share.

    `inputs`, `targets` (what comes after each), `owners` (whose it is) and `depths` (its place in the answer)
    have an entry a token; `visible`, bool[S, S], says which tokens each may look at: those of its own answer up
    to itself.
    """

    def __init__(self, answers: Sequence[Sequence[int]]) -> None:
        places = [(k, at) for k, ids in enumerate(answers) for at in range(len(ids) - 1)]
        self.answers = len(answers)
        self.inputs = [answers[k][at] for k, at in places]
        self.targets = [answers[k][at + 1] for k, at in places]
        self.owners = np.array([k for k, _ in places], dtype=np.int64)
        self.depths = [at for _, at in places]
        depth = np.array(self.depths, dtype=np.int64)
        same = self.owners[:, None] == self.owners[None, :]
        self.visible: NDArray[np.bool_] = same & (depth[:, None] >= depth[None, :])


def load_causal(directory: Path, uri: str) -> CausalModel:
    """Loads a causal model: float32 on CPU, bfloat16 on CUDA.

    Args:
        directory: in the Hugging Face layout.
        uri: what a person calls it.

    Raises:
        BadSpec: it is a model of another kind, or its files are not as they must be (`models.loading`).
    """
    import torch

    from w2s_trainer.models.matmul import use_fast_matmul

    config = load_config(directory, uri)
    if not is_causal(directory):
        kinds = ", ".join(_architectures(directory)) or "unknown"
        raise BadSpec(
            "NotACausalModel",
            f"{uri}: not a model that can be asked; its architecture is {kinds}.",
            "Name a causal language model (…ForCausalLM), or use a labeler of type Classifier or Finetuned.",
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    model = load_model(directory, uri, config, CAUSAL, dtype).to(device)
    use_fast_matmul(model)
    tokenizer = load_tokenizer(directory, uri)
    fit_tokenizer(tokenizer, model, uri)
    tokenizer.name_or_path = uri
    return CausalModel(model, tokenizer, device)


def is_causal(directory: Path) -> bool:
    """Whether a model directory holds a causal language model."""
    return any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in _architectures(directory))


def _architectures(directory: Path) -> list[str]:
    written = read_object(directory / CONFIG, str(directory), "BadModelConfig").get("architectures")
    return [name for name in written if isinstance(name, str)] if isinstance(written, list) else []


def _longest(prompts: Prompts, answers: Answers) -> int:
    rest = int(lengths_of(prompts.rests).max(initial=0))
    return len(prompts.shared) + rest + max(len(ids) for ids in answers.ids)


def divided(example: NDArray[np.int32], wholes: Iterable[NDArray[np.int32]]) -> Prompts:
    """Divides sequences of tokens into what all of them begin with and the rest of each.

    Args:
        example: what they have in common is looked for in it.
        wholes: n sequences of at least one token, which are walked through once.
    """
    alike: list[int] = []

    def read() -> Iterator[NDArray[np.int32]]:
        for ids in wholes:
            alike.append(min(common(example, ids), len(ids) - 1))
            yield ids[alike[-1] :]

    rests = Ragged(read())
    least = min(alike, default=0)
    if max(alike, default=0) > least:
        rests = Ragged(
            np.concatenate([example[least:begin], rests.row(row)]) for row, begin in enumerate(alike)
        )
    return Prompts(example[:least], rests)


def common(first: NDArray[np.int32], second: NDArray[np.int32]) -> int:
    """Counts the tokens that two sequences have in common at their beginning."""
    n = min(len(first), len(second))
    differs = np.flatnonzero(first[:n] != second[:n])
    return int(differs[0]) if len(differs) else n
