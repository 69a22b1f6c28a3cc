"""Training to texts and to the token probabilities of who wrote them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.errors import BadData, BadSpec
from w2s_trainer.models.likelihood import Answered
from w2s_trainer.models.top_tokens import TopTokens, vocabulary_digest
from w2s_trainer.tuning.completion_objective import CompletionObjective
from w2s_trainer.tuning.losses import TokenTargets
from w2s_trainer.tuning.losses.soft_targets import divergence
from w2s_trainer.tuning.text_student import TextStudent
from w2s_trainer.tuning.training_set import SoftTarget

if TYPE_CHECKING:
    import torch


class SoftCompletionObjective(CompletionObjective):
    """The likelihood of completions, mixed with the divergence from a teacher's token probabilities (`Objective`).

    A mean over the tokens of an example, of both parts. An example without soft targets, and one whose tokens are not
    those that the teacher's are of, has the likelihood alone.
    """

    def __init__(
        self,
        examples: Answered,
        weights: NDArray[np.float64],
        soft: Sequence[TopTokens | None],
        targets: TokenTargets,
    ) -> None:
        """
        Args:
            examples: n prompts with their completions.
            weights: float64[n], above 0.
            soft: of n examples.
            targets: how both are mixed.

        Raises:
            BadData: no example has soft targets.
        """
        super().__init__(examples, weights)
        self._targets = targets
        self._soft = [one if _fits(examples, row, one) else None for row, one in enumerate(soft)]
        if all(one is None for one in self._soft):
            raise BadData(
                "NoSoftTargets",
                f"None of {len(self._soft):,} texts that the student learns from is, token by token, one that a labeler with"
                " `topK` wrote: the loss SoftTargets would be CrossEntropy.",
                "Give `topK` to the labeler whose texts are taken, edit fewer of them, or write `loss: {type: CrossEntropy}`.",
            )

    @property
    def figures(self) -> Mapping[str, Any]:
        """How many examples have soft targets."""
        return {"softTargets": sum(one is not None for one in self._soft)}

    def begin(self, progress: float) -> None:
        """Fixes the step's weight of the soft targets."""
        self._targets.begin(progress)

    def losses(self, student: TextStudent, rows: NDArray[np.int64]) -> "tuple[torch.Tensor, torch.Tensor]":
        """Losses float32[b], and no outputs."""
        import torch

        logits, tokens, counts = student.completion_logits(self._examples, rows)
        hard = torch.nn.functional.cross_entropy(logits, tokens, reduction="none")
        losses = []
        for row, of_row, entropies in zip(
            rows.tolist(), torch.split(logits, counts), torch.split(hard, counts), strict=True
        ):
            loss, top = entropies.mean(), self._soft[row]
            if top is not None:
                ids = torch.from_numpy(top.ids.astype(np.int64)).to(logits.device)
                log_q = torch.from_numpy(top.log_probabilities).to(logits.device)
                log_rest = torch.from_numpy(top.log_rest).to(logits.device)
                apart = divergence(of_row, ids, log_q, log_rest, self._targets.temperature)
                loss = self._targets.mixed(loss, apart.mean())
            losses.append(loss)
        return torch.stack(losses), hard.new_zeros((len(rows), self.output_size))


def soft_tokens_of(
    soft: Sequence[SoftTarget | None], student: TextStudent, vocabulary_of: str
) -> list[TopTokens | None]:
    """The teacher's token probabilities of n texts, for a student whose tokens are the same.

    Args:
        soft: of n texts.
        student: that learns from them.
        vocabulary_of: what a person calls the student's model.

    Raises:
        BadSpec: the numbers of the teacher's tokens mean other tokens to the student.
    """
    own = vocabulary_digest(student.tokenizer)
    for one in soft:
        if one is not None and one.vocabulary != own:
            raise BadSpec(
                "TokenizersDiffer",
                f"The loss SoftTargets compares labeler {one.labeler} and {vocabulary_of} token by token, but their tokenizers"
                " have other tokens: a probability of the one says nothing of the other.",
                "Name models with one tokenizer, or leave `loss` at CrossEntropy, which learns from what was written.",
            )
    return [None if one is None else one.top for one in soft]


def _fits(examples: Answered, row: int, top: TopTokens | None) -> bool:
    """Whether a completion is, token by token, the text that the teacher's probabilities are of."""
    if top is None or len(top.tokens) != examples.tokens[row]:
        return False
    completion = np.asarray(examples.sequences.rests[row])[-len(top.tokens) :]
    return bool(np.array_equal(completion, top.tokens))
