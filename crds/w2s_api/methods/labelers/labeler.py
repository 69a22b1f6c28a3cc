"""What every labeler says of itself."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from w2s_api.methods.method import Method
from w2s_api.spec.paths import Place
from w2s_api.spec.pods import KeySelector
from w2s_api.spec.trained_on import TrainedOn


class LabelerSettings(Method):
    """Settings of a labeler."""

    is_asked: ClassVar[bool] = False
    """It is asked the task's question, so that its labels depend on the instruction and the words for the classes."""
    scores_are_votes: ClassVar[bool] = False
    """How sure they sound means nothing before it is checked against experts."""
    names_fields: ClassVar[tuple[str, ...]] = ()
    """Where its settings name fields of the rows (`field`): neither the text nor the expert's label can be one."""
    learns_budget: ClassVar[bool] = False
    """It is tuned on the gold budget, so that what it says of any text of that proves nothing."""
    of_classes: ClassVar[tuple[str, ...]] = ()
    """Fields (camelCase) that say something of classes alone: where texts are written they are left out."""
    of_texts: ClassVar[tuple[str, ...]] = ()
    """Fields (camelCase) that say something of texts that are written alone."""
    not_calibrated_because: ClassVar[str] = ""
    """Why its scores must not be calibrated on the gold budget; empty if they may be."""

    def sees_gold(self) -> bool:
        """Whether it reads expert labels of the budget, so that it says something else for each seed."""
        return False

    def shown_labels(self) -> int:
        """How many expert labels of the drawn budget it is shown as examples: what it says of those proves nothing."""
        return 0

    def trained_elsewhere(self) -> TrainedOn | None:
        """What a model that was there before the job has seen; None where there is no such model."""
        return None

    def secrets(self) -> Mapping[str, KeySelector]:
        """Variables that its pods get from Secrets, and no other pods."""
        return {}

    def vote_fields(self) -> tuple[str, ...]:
        """Fields of the rows that `prepare` keeps for it: of classes in the one form of keys, of texts as they are."""
        return ()

    def number_fields(self) -> tuple[str, ...]:
        """Fields of the rows that `prepare` keeps for it as numbers from 0 to 1."""
        return ()

    def votes_for(self) -> frozenset[str] | None:
        """The classes that it can vote for; None where that is not known beforehand."""
        return None

    def mistakes(self) -> Iterator[tuple[Place, str]]:
        """What is wrong in its settings and no schema can tell, with its place below them."""
        return iter(())

    def doubts(self) -> Iterator[tuple[Place, str]]:
        """What is valid in its settings and was surely not meant, with its place below them."""
        return iter(())
