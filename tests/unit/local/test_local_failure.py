"""What a person reads when a stage has failed for good."""

import pytest

from w2s_trainer.contract.last_words import LastWords
from w2s_trainer.local.driver import _failure
from w2s_trainer.local.processes import Ended


@pytest.mark.parametrize(
    ("code", "message", "says"),
    [
        (65, "No text. Mend it.", "prepare: No text. Mend it. Correct it, then run it again."),
        (65, "No text. Is it `body`?", "prepare: No text. Is it `body`? Correct it, then run it again."),
        (70, "out of disk", "prepare: out of disk. Run it again to go on."),
    ],
)
def test_the_next_step_follows_the_last_words_as_a_sentence(code: int, message: str, says: str) -> None:
    assert _failure("prepare", Ended(code, LastWords("Failed", "Reason", message))).message == says
