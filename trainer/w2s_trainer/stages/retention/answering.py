"""What a model that writes does with plain questions: whether it answers, comes to an end, and does not repeat itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from w2s_api.spec.retention import Retention
from w2s_trainer.families.generation.repetition import ends_in_loop
from w2s_trainer.models.causal import CausalModel
from w2s_trainer.models.decoding import Decoding
from w2s_trainer.models.generating import write
from w2s_trainer.models.layout import FREE_TEXT, layout_of
from w2s_trainer.tuning.language_model import LanguageModel

INSTRUCTION = "Answer in one or two sentences."
PROMPTS = (
    "What is rain?",
    "Name three animals that live in the sea.",
    "Why do people wear shoes?",
    "What can one do with an old newspaper?",
    "Say in other words: The shop closes at six.",
    "Which months have thirty days?",
    "How does one boil an egg?",
    "What is a library for?",
    "Name a tool that cuts wood.",
    "Why is it dark at night?",
    "What does a doctor do?",
    "Write a short greeting to a new neighbour.",
    "How many minutes has an hour?",
    "What is the difference between a river and a lake?",
    "Name two things that are made of glass.",
    "Why should one wash one's hands?",
    "What happens to water when it freezes?",
    "Describe a bicycle to somebody who has never seen one.",
    "Which is heavier, a stone or a feather?",
    "What is a map good for?",
)
"""Plain questions of no domain. Others are another measure: with them comes a new version of the stage."""


@dataclass(frozen=True)
class Answers:
    """How a model answered n prompts: counts."""

    prompts: int
    empty: int
    cut_off: int
    loops: int
    """Answers that end in one piece over and over (`families.generation.repetition`)."""

    def to_json(self) -> dict[str, float]:
        """The number of prompts, and shares of them."""
        return {
            "prompts": self.prompts,
            "empty": round(self.empty / self.prompts, 6),
            "cutOff": round(self.cut_off / self.prompts, 6),
            "loops": round(self.loops / self.prompts, 6),
        }


def prompts_of(settings: Retention) -> Sequence[str]:
    """Those that are given, or those that are part of w2s."""
    return settings.prompts or PROMPTS


def answer(
    model: LanguageModel,
    prompts: Sequence[str],
    max_new_tokens: int,
    batch_tokens: int,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Answers:
    """Has a model answer prompts, greedily, by its chat template where it has one.

    Raises:
        BadSpec: a prompt with its answer is longer than the model reads, or its outputs are no numbers.
        OwnFault: memory ran out.
    """
    model.model.eval()
    writer = CausalModel(model.inner, model.tokenizer, model.device)
    layout = layout_of(model.tokenizer, INSTRUCTION, (), replace(FREE_TEXT, text=""))
    written = write(writer, layout, list(prompts), Decoding(max_new_tokens), batch_tokens, progress)
    texts = [str(text) for text in written.texts[:, 0]]
    return Answers(
        len(texts),
        sum(not text.strip() for text in texts),
        int((written.endings[:, 0] == "length").sum()),
        sum(ends_in_loop(text) for text in texts),
    )
