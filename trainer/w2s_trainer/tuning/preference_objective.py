"""Training on preferences: of two texts about the same text, the preferred one becomes the likelier one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.models.batches import by_tokens
from w2s_trainer.models.encoder import memory_bound
from w2s_trainer.models.likelihood import Answered
from w2s_trainer.models.ragged import lengths_of
from w2s_trainer.tuning.collapse import Alarm
from w2s_trainer.tuning.text_student import TextStudent
from w2s_trainer.tuning.tunable import diverged

if TYPE_CHECKING:
    import torch

_REFERENCE = "reference/log"


@dataclass(frozen=True)
class PreferenceLoss:
    """A loss on pairs of texts."""

    method: Literal["DPO", "SimPO"]
    beta: float
    """β."""
    margin: float = 0.0
    """γ, of SimPO."""

    def __call__(
        self, log_p: "torch.Tensor", tokens: "torch.Tensor", reference: "torch.Tensor"
    ) -> "torch.Tensor":
        """The loss of each of b pairs, [b].

        DPO (Rafailov et al. 2023, arXiv 2305.18290, eq. 7):
        −log σ(β (log π(y_w) − log π_ref(y_w)) − β (log π(y_l) − log π_ref(y_l))).
        SimPO (Meng et al. 2024, arXiv 2405.14734, eq. 6): −log σ(β/|y_w| log π(y_w) − β/|y_l| log π(y_l) − γ).

        Args:
            log_p: [b, 2], log π of the preferred and of the other text, sums over their tokens.
            tokens: [b, 2], how many these are.
            reference: [b, 2], the same of the student before; SimPO does not look at it.
        """
        import torch

        return -torch.nn.functional.logsigmoid(self.beta * self.gains(log_p, tokens, reference) - self.margin)

    def gains(
        self, log_p: "torch.Tensor", tokens: "torch.Tensor", reference: "torch.Tensor"
    ) -> "torch.Tensor":
        """By how much the preferred text is ahead of the other, [b], before β; arguments as of the loss."""
        scores = log_p - reference if self.method == "DPO" else log_p / tokens
        return scores[:, 0] - scores[:, 1]


class Pairs:
    """Pairs of texts as a student reads them, and how likely the student before held them."""

    def __init__(self, examples: Answered) -> None:
        """
        Args:
            examples: 2 n prompts with their completions: n with the preferred text, then the same n with the other.
        """
        self.examples = examples
        self.tokens = examples.tokens.reshape(2, -1).T
        """int64[n, 2], of each text."""
        self.lengths = (lengths_of(examples.sequences.rests) - 1).reshape(2, -1).sum(axis=0)
        """int64[n], tokens of both with their prompts."""
        self.reference = np.zeros(self.tokens.shape)
        """float64[n, 2], log π of the student before; zeros until `refer_to`."""

    def __len__(self) -> int:
        return len(self.tokens)

    def log_p(self, student: TextStudent, rows: NDArray[np.int64]) -> "torch.Tensor":
        """How likely the student holds both texts of some pairs: float32[b, 2], sums over tokens, with a graph if wanted."""
        import torch

        both = np.concatenate([rows, rows + len(self)])
        means = student.completion_losses(self.examples, both)
        counts = torch.from_numpy(self.examples.tokens[both]).to(means.device)
        return (-means * counts).reshape(2, -1).T

    def measured(self, student: TextStudent, batch_tokens: int) -> NDArray[np.float64]:
        """The same of all pairs, float64[n, 2], without a graph.

        Raises:
            BadSpec: the training went where numbers end.
            OwnFault: memory ran out.
        """
        import torch

        found = np.empty(self.tokens.shape)
        student.model.eval()
        with torch.inference_mode(), memory_bound():
            for rows in by_tokens(self.lengths, batch_tokens):
                found[rows] = self.log_p(student, rows).double().cpu().numpy()
        student.model.train()
        if not np.isfinite(found).all():
            raise diverged("How likely the student thinks a text is no longer a number.")
        return found

    def figures(self, log_p: NDArray[np.float64], loss: PreferenceLoss) -> dict[str, float]:
        """How often the preferred text is ahead, and the mean loss, at likelihoods float64[n, 2] of `measured`.

        `accuracy` compares how likely both are (SimPO: a token of them), `rewardAccuracy` how much each gained over the student
        before; ties count one half.
        """
        import torch

        now, tokens, reference = (
            torch.from_numpy(np.asarray(one, dtype=np.float64))
            for one in (log_p, self.tokens, self.reference)
        )
        plain = loss.gains(now, tokens, torch.zeros_like(reference)).numpy()
        rewards = PreferenceLoss("DPO", 1.0).gains(now, tokens, reference).numpy()
        return {
            "accuracy": _ahead(plain),
            "rewardAccuracy": _ahead(rewards),
            "loss": round(float(loss(now, tokens, reference).mean()), 5),
        }


def _ahead(gains: NDArray[np.float64]) -> float:
    return round(float(((gains > 0) + 0.5 * (gains == 0)).mean()), 5)


class PreferenceObjective:
    """The loss of each pair (`Objective`); how likely the student before held it is in the checkpoints."""

    def __init__(self, pairs: Pairs, loss: PreferenceLoss) -> None:
        """
        Args:
            pairs: n pairs, with their reference.
            loss: on each.
        """
        self.lengths = pairs.lengths
        self.tokens_a_pass = len(pairs.examples.sequences.shared)
        self.weights = np.ones(len(pairs))
        self.output_size = 0
        self._pairs, self._loss = pairs, loss

    @property
    def figures(self) -> Mapping[str, Any]:
        """Nothing beside the loss."""
        return {}

    def begin(self, progress: float) -> None:
        """Does nothing: all steps are alike."""

    def losses(self, student: TextStudent, rows: NDArray[np.int64]) -> "tuple[torch.Tensor, torch.Tensor]":
        """Losses float32[b], and no outputs."""
        import torch

        log_p = self._pairs.log_p(student, rows)
        tokens, reference = (
            torch.from_numpy(one[rows]).to(log_p) for one in (self._pairs.tokens, self._pairs.reference)
        )
        losses = self._loss(log_p, tokens, reference)
        return losses, losses.new_zeros((len(rows), self.output_size))

    def observe(self, rows: NDArray[np.int64], outputs: "torch.Tensor") -> None:
        """Does nothing: there are no outputs."""

    def alarms(self) -> list[Alarm]:
        """None: nothing is known of the answers before the student is asked."""
        return []

    def state(self) -> "dict[str, torch.Tensor]":
        """The likelihoods of the student before: another machine would compute other last digits."""
        import torch

        return {_REFERENCE: torch.from_numpy(self._pairs.reference)}

    def load(self, state: "Mapping[str, torch.Tensor]") -> None:
        """Takes them over."""
        self._pairs.reference = state[_REFERENCE].cpu().numpy()
