"""Training to the texts themselves: what a language model says of the tokens of blocks."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.models.batches import by_tokens
from w2s_trainer.models.encoder import memory_bound
from w2s_trainer.models.ragged import Ragged
from w2s_trainer.tuning.blocks import Asked, Question
from w2s_trainer.tuning.collapse import Alarm
from w2s_trainer.tuning.language_model import LanguageModel
from w2s_trainer.tuning.retainers import Penalty
from w2s_trainer.tuning.tunable import diverged

if TYPE_CHECKING:
    import torch

_HELD_OUT = -1
"""In the place of the step, where questions about held-out blocks are drawn: they are always the same."""
_CHECKS, _GENERAL = "checks/losses", "checks/general"


class Checks:
    """The loss on held-out blocks after some steps; kept in checkpoints."""

    def __init__(self) -> None:
        self.losses: list[tuple[int, float]] = []
        """(steps done, loss)."""

    def state(self) -> "torch.Tensor":
        """float64[n, 2]."""
        import torch

        return torch.tensor(self.losses, dtype=torch.float64).reshape(-1, 2)

    def load(self, state: "torch.Tensor") -> None:
        """Takes over those of a checkpoint."""
        self.losses = [(int(step), float(loss)) for step, loss in state.tolist()]


class LanguageObjective:
    """−1/m Σⱼ log p(tⱼ | the block as it is shown), over the m tokens that are asked for of each block (`Objective`).

    A block counts as many times as it has tokens. What is hidden of it is drawn anew at each step (Liu et al. 2019, arXiv
    1907.11692: dynamic masking), by step and block, so that it depends on nothing else.
    """

    def __init__(
        self,
        blocks: Ragged,
        question: Question,
        *,
        steps: int,
        seed: int,
        checks: Checks,
        general: Checks | None = None,
        penalty: Penalty | None = None,
    ) -> None:
        """
        Args:
            blocks: n blocks of two tokens at least.
            question: what is asked about them.
            steps: of the whole schedule.
            seed: of what is drawn.
            checks: what is kept beside the training.
            general: the same of general texts, where the loss is measured on such.
            penalty: what is added to the loss of each block.
        """
        self.lengths = blocks.lengths
        self.tokens_a_pass = 0
        self.weights = blocks.lengths.astype(np.float64)
        self.output_size = 0
        self.step = 0
        """Of the step under way, or just done, from 0."""
        self._blocks, self._question, self._steps, self._seed = blocks, question, steps, seed
        self._penalty = penalty
        self._checks = {_CHECKS: checks, **({_GENERAL: general} if general else {})}

    @property
    def figures(self) -> Mapping[str, Any]:
        """Nothing beside the losses."""
        return {}

    def begin(self, progress: float) -> None:
        """What is hidden follows from the step."""
        self.step = round(progress * self._steps)

    def losses(self, student: LanguageModel, rows: NDArray[np.int64]) -> "tuple[torch.Tensor, torch.Tensor]":
        """Losses float32[b], and no outputs."""
        asked = [_asked(self._blocks, self._question, (self._seed, self.step), row) for row in rows]
        logits = student.logits(asked)
        losses = student.losses_of(logits, asked)
        if self._penalty:
            losses = losses + self._penalty(student, asked, logits)
        return losses, losses.new_zeros((len(rows), self.output_size))

    def observe(self, rows: NDArray[np.int64], outputs: "torch.Tensor") -> None:
        """Does nothing: there are no outputs."""

    def alarms(self) -> list[Alarm]:
        """None: it decides nothing."""
        return []

    def state(self) -> "dict[str, torch.Tensor]":
        """The losses on held-out blocks so far."""
        return {name: checks.state() for name, checks in self._checks.items()}

    def load(self, state: "Mapping[str, torch.Tensor]") -> None:
        """Takes them over."""
        for name, checks in self._checks.items():
            checks.load(state[name])


class HeldOutBlocks:
    """Held-out blocks, by the same loss; the questions about them are the same each time (`Validation`)."""

    def __init__(
        self, blocks: Ragged, question: Question, *, objective: LanguageObjective, checks: Checks
    ) -> None:
        """
        Args:
            blocks: n blocks of two tokens at least.
            question: what is asked about them.
            objective: knows which step was just done.
            checks: is told of each loss.
        """
        self._weights = blocks.lengths.astype(np.float64)
        self._asked = [_asked(blocks, question, (0, _HELD_OUT), row) for row in range(len(blocks))]
        self._objective, self._checks = objective, checks

    def loss(self, student: LanguageModel, batch_tokens: int) -> float:
        """The mean loss of a token, and a line in `checks`.

        Raises:
            BadSpec: the training went where numbers end.
            OwnFault: memory ran out.
        """
        loss = self.measure(student, batch_tokens)
        self._checks.losses.append((self._objective.step + 1, loss))
        return loss

    def measure(self, student: LanguageModel, batch_tokens: int) -> float:
        """As `loss`, without the line."""
        import torch

        losses = np.empty(len(self._asked))
        student.model.eval()
        with torch.inference_mode(), memory_bound():
            for rows in by_tokens(self._weights.astype(np.int64), batch_tokens):
                said = student.token_losses([self._asked[row] for row in rows])
                losses[rows] = said.double().cpu().numpy()
        student.model.train()
        if not np.isfinite(losses).all():
            raise diverged("How likely the model thinks a text is no longer a number.")
        return float((self._weights * losses).sum() / self._weights.sum())


class BothHeldOut:
    """Held-out blocks of the domain and of general texts, one after the other (`Validation`)."""

    def __init__(self, domain: HeldOutBlocks, general: HeldOutBlocks) -> None:
        self._domain, self._general = domain, general

    def loss(self, student: LanguageModel, batch_tokens: int) -> float:
        """The mean loss of a token of the domain, and a line in the `checks` of each."""
        loss = self._domain.loss(student, batch_tokens)
        self._general.loss(student, batch_tokens)
        return loss


def _asked(blocks: Ragged, question: Question, seed: tuple[int, int], row: int) -> Asked:
    drawn = np.random.default_rng([seed[0], seed[1] + 1, int(row)])  # seeds are not below 0
    return question.ask(blocks.row(int(row)).astype(np.int64), drawn)
