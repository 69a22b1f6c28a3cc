import json

import pytest

from w2s_trainer.contract.last_words import LastWords
from w2s_trainer.contract.progress import Progress
from w2s_trainer.json_text import strict_json


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [x], lambda x: {"a": {"b": [1.0, x]}}])
def test_json_never_says_nan(number, wrap):
    with pytest.raises(ValueError, match="not JSON compliant"):
        strict_json(wrap(number))


@pytest.mark.parametrize(
    "write",
    [
        lambda figure: LastWords("Done", figures={"loss": figure}).encode(),
        lambda figure: Progress("train")("tuning", 1, 1, loss=figure),
    ],
    ids=["last words", "progress"],
)
def test_what_leaves_a_stage_is_strict(write):
    write(0.5)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write(float("nan"))


@pytest.mark.parametrize("value", [{"a": "é", "b": [1, None, True]}, "\u2028", 1.5, [], "\U0001f600"])
@pytest.mark.parametrize("style", [{}, {"indent": 1}, {"compact": True}, {"ascii_only": True}])
def test_everything_else_reads_back(value, style):
    said = strict_json(value, **style)
    assert json.loads(said) == value
    assert said.isascii() or not style.get("ascii_only")
