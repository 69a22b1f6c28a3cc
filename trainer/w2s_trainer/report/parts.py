"""What a kind of task adds to the report."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

LIKELIHOOD = "the likelihood of the texts that are to be written, prompts being given"
"""The loss of students that write, in words."""


@dataclass(frozen=True)
class ReportParts:
    """HTML in which every text is escaped."""

    cards: Sequence[tuple[str, str]] = ()
    """Beside the gain and the worth: (figure, in words)."""
    sections: Markup = field(default_factory=Markup)
    """After the comparisons: where it errs, what it copies, how sure it is."""
    weak_labels: Markup = field(default_factory=Markup)
    """What the weak labels say, before and after the selection."""
