"""What a model wrote, as an opinion: none where there is no end, with how sure it is."""

from types import SimpleNamespace

import numpy as np
import pytest
from label_kit import Told

from w2s_api.spec.task import Task
from w2s_trainer.families.generation import Generation
from w2s_trainer.models.generating import Written
from w2s_trainer.stages.label.summary import whole_summary
from w2s_trainer.stages.label.texts.written import figures_of, opinion_of, tell_written

TASK = Task.model_validate({"type": "Generation", "generation": {"maxNewTokens": 4}})


def wrote(texts: list[list[str]], endings: list[list[str]]) -> Written:
    written = Written.empty(len(texts), len(texts[0]))
    written.texts[:], written.endings[:] = texts, endings
    written.log_likelihood[:] = np.log(0.25)
    written.tokens[:] = 3
    return written


def opinion(written: Written, agreement: str = "ExactMatch"):
    return opinion_of(written, agreement, truncated=1, unreadable=0, figures={"prompt": {"chat": True}})


def test_what_is_cut_off_or_empty_is_no_answer():
    said = opinion(wrote([["gpl"], ["mit or"], [""], ["bsd"]], [["end"], ["length"], ["end"], ["stop"]]))
    assert said.targets.tolist() == ["gpl", "", "", "bsd"]
    assert said.abstain.tolist() == [False, True, True, False]
    assert said.probability == pytest.approx([0.25, 0, 0, 0.25])
    assert said.figures["written"] == {"texts": 4, "cutOff": 1, "empty": 1, "tokens": 12}
    assert said.figures["prompt"] == {"chat": True}
    columns = Generation(TASK).opinion_columns(said)
    assert set(columns) == {"answer", "probability"}


def test_samples_that_are_cut_off_are_not_heard():
    said = opinion(
        wrote([["a", "a", "b"], ["c", "c", "d"]], [["length", "length", "end"], ["end", "stop", "end"]])
    )
    assert said.targets.tolist() == ["b", "c"]
    assert said.probability == pytest.approx([1 / 3, 2 / 3])


def test_counts_of_shards_are_added_up():
    one = figures_of(wrote([["a"], ["b"]], [["end"], ["length"]]))
    shards = [{"rows": 2, "abstained": 1, "truncated": 0, "written": {"0": one}}] * 2
    assert whole_summary({"shards": shards})["written"] == {
        "0": {"texts": 4, "cutOff": 2, "empty": 0, "tokens": 12}
    }


@pytest.mark.parametrize(
    ("counts", "warned"),
    [
        ({"texts": 100, "cutOff": 10, "empty": 10, "tokens": 1}, []),
        ({"texts": 100, "cutOff": 11, "empty": 0, "tokens": 1}, ["11% of what it writes is cut off"]),
        ({"texts": 50, "cutOff": 0, "empty": 49, "tokens": 1}, ["98% of what it writes is empty"]),
    ],
)
def test_many_texts_that_are_no_answers_are_a_warning(counts, warned):
    told = Told()
    context = SimpleNamespace(spec=SimpleNamespace(task=TASK), progress=told)
    labeler = SimpleNamespace(name="llm")
    assert tell_written(context, labeler, {"written": {"0": counts}}) == len(warned)
    assert told[0].startswith(f"llm: {counts['texts']} texts written")
    assert [words in note for words, note in zip(warned, told[1:], strict=True)] == [True] * len(warned)


def test_who_wrote_nothing_has_nothing_to_tell():
    assert tell_written(SimpleNamespace(), SimpleNamespace(), {"shift": {}}) == 0
