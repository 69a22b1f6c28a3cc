"""What arms write with retrieved passages and with the oracle alone, by hand."""

import numpy as np
import pytest

from w2s_api.spec.task import Task
from w2s_trainer.families.generation import Generation
from w2s_trainer.families.gold_test import ArmAnswers, GoldTest
from w2s_trainer.stages.evaluate.passages import AskedAgain, compare_passages

TASK = Task.model_validate({"type": "Generation", "instruction": "Answer.", "generation": {}})
PASSAGES = ["[1] Built by Ada.", "[1] Built by Bo.\n\n[2] By Cy.", "[1] Sold by Di.", "[1] Eve."]


def texts(*by_seed):
    values = np.array(by_seed, dtype=object)
    return ArmAnswers(values, np.zeros(values.shape, dtype=bool))


def compared(strong, alone, *, items=(0, 1, 3), found=(True, True, False), more=None):
    test = GoldTest(
        gold=np.array(["Ada", "Cy", "Di", "Fay"], dtype=object),
        families=np.arange(4),
        metric="ExactMatch",
        task=Generation(TASK),
    )
    again = AskedAgain(
        np.array(items, dtype=np.int64),
        np.array(found, dtype=bool),
        {"strong": alone},
        ["[1] Built by Ada.", "[1] By Cy.", "[1] Fay."][: len(items)],
    )
    return compare_passages(test, {"strong": strong, **(more or {})}, PASSAGES, again)


def test_each_arm_by_what_stood_in_its_prompts():
    """Of items 0, 1 and 3 it has 0 right as retrieved, which is one of the two whose oracle was found, and all three alone."""
    result = compared(texts(["ada", "Bo", "Di", "Gus"]), texts(["Ada", "Cy", "fay"]))
    (arm,) = result.pop("arms")
    assert result == {"items": 3, "found": 2}
    assert (arm["retrieved"], arm["found"], arm["oracleAlone"]) == (pytest.approx(1 / 3, abs=1e-6), 0.5, 1.0)
    assert (arm["verbatim"], arm["verbatimAlone"], arm["quoting"]) == (0.75, 1.0, 0.0)


def test_quotations_are_to_stand_in_the_passages_and_what_is_concluded_not():
    """The first quotes and concludes, the second quotes another passage, the third is empty and no text."""
    result = compared(
        texts(['"built by Ada": a woman', '"sold by Di": Di', "", "Eve, who else"]), texts([""] * 3)
    )
    (arm,) = result["arms"]
    assert (arm["verbatim"], arm["quoting"]) == (
        pytest.approx(1 / 3, abs=1e-6),
        pytest.approx(2 / 3, abs=1e-6),
    )
    assert arm["verbatimAlone"] is None


def test_seeds_are_averaged():
    result = compared(texts(["Ada", "Cy", "", "Fay"], ["", "", "", ""]), texts(["Ada", "Cy", "Fay"]))
    assert result["arms"][0]["retrieved"] == 0.5


def test_where_nobody_knows_an_oracle_nothing_is_compared():
    result = compared(texts(["Ada"] * 4), texts([]), items=(), found=())
    (arm,) = result["arms"]
    assert (result["items"], arm["retrieved"], arm["oracleAlone"], arm["verbatimAlone"]) == (
        0,
        None,
        None,
        None,
    )
    assert arm["verbatim"] == 0.25


def test_an_arm_that_was_not_asked_again_is_left_out():
    result = compared(texts(["Ada"] * 4), texts(["Ada"] * 3), more={"other": texts(["Ada"] * 4)})
    assert [arm["arm"] for arm in result["arms"]] == ["strong"]
