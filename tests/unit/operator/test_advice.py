"""The condition `Advice`: what the stage that aggregates says before students are trained, told once, and never in the way."""

from typing import Any

import pytest
from operator_kit import Cluster, Words

from w2s_api.status import MOST_MESSAGE, Status, condition
from w2s_operator.status.advice import advice
from w2s_operator.status.job_events import job_events

FEW = {"code": "FewWeakLabels", "text": "The teacher answers 3 of 9 texts."}
SILENT = {"code": "RulesNeverVote", "text": "Rules that never vote: 2."}


def words(artifact: str, status: str = "True", *items: dict[str, str]) -> Words:
    said = {"status": status, "reason": items[0]["code"] if items else "NothingKnown", "advice": list(items)}
    return Words("Done", artifact=artifact, figures={"covered": 0.5, "foretold": said})


def until_aggregated(cluster: Cluster, said: Words) -> Status:
    """The job up to the end of `aggregate`; returns the status before that."""
    cluster.settle().finish("prepare", "label-small")
    before = cluster.status
    cluster.run("aggregate").end("aggregate", words=said).settle()
    return before


def message(cluster: Cluster) -> str:
    found = condition(cluster.status, "Advice")
    assert found is not None
    return found.message


def test_it_is_unknown_until_the_labels_are_made(cluster: Cluster):
    cluster.settle().finish("prepare", "label-small")
    assert cluster.condition("Advice") == ("Unknown", "LabelsNotMade")


def test_it_says_what_speaks_against_the_job_and_the_job_goes_on(cluster: Cluster):
    until_aggregated(cluster, words("a", "True", FEW, SILENT))
    assert cluster.condition("Advice") == ("True", "FewWeakLabels")
    assert message(cluster) == f"{FEW['text']} {SILENT['text']}"
    assert cluster.stage("select").state == "Starting"
    cluster.complete()
    assert cluster.condition("Complete") == ("True", "Finished")
    assert cluster.condition("Advice") == ("True", "FewWeakLabels")


def test_it_is_false_where_nothing_speaks_against_the_job(cluster: Cluster):
    until_aggregated(cluster, words("a", "False", {"code": "NothingAgainst", "text": "Nothing."}))
    assert cluster.condition("Advice") == ("False", "NothingAgainst")


def test_labels_of_an_earlier_release_yield_none(cluster: Cluster):
    until_aggregated(cluster, Words("Done", artifact="a", figures={"covered": 0.5}))
    assert cluster.condition("Advice") == ("Unknown", "NothingKnown")


def test_one_event_tells_of_it(cluster: Cluster):
    before = until_aggregated(cluster, words("a", "True", FEW))
    told = [(one.type, one.reason, one.message) for one in job_events(before, cluster.status)]
    assert told == [("Warning", "Advice", FEW["text"])]
    before = cluster.status
    cluster.finish("select")
    assert list(job_events(before, cluster.status)) == []


def test_labels_that_the_store_has_are_judged_by_prepare(cluster: Cluster):
    until_aggregated(cluster, words("a", "True", FEW))
    cluster.keep().edit(data__goldBudget=64)
    said = words("p", "False", {"code": "NothingAgainst", "text": "Nothing."})
    kept = Words("Done", artifact="p", figures=said.figures, artifacts=cluster.store)
    cluster.run("prepare").end("prepare", words=kept).settle()
    assert cluster.stage("aggregate").state in ("Done", "Reused")
    assert cluster.condition("Advice") == ("False", "NothingAgainst")


def test_labels_that_an_edit_changes_are_not_known_any_more(cluster: Cluster):
    until_aggregated(cluster, words("a", "True", FEW))
    cluster.edit(aggregation={"type": "MajorityVote"}).finish("prepare")
    assert cluster.stage("aggregate").artifact is None
    assert cluster.condition("Advice") == ("Unknown", "LabelsNotMade")


ODD = (
    None, 3, "True", [], {}, {"status": True, "reason": "X"}, {"status": "Maybe", "reason": "X"},
    {"status": "True"}, {"status": "True", "reason": ["X"]}, {"status": "True", "reason": "not a word"},
)  # fmt: skip


@pytest.mark.parametrize("said", ODD, ids=map(repr, ODD))
def test_what_is_no_advice_is_passed_over(said: Any):
    assert advice(Status(), {"aggregate": {"foretold": said}}, True).status == "Unknown"


def test_long_and_hostile_words_are_cut_and_made_printable():
    items: list[Any] = [{"text": "\x1b[31mred\n"}, 7, {"text": 8}, *({"text": "x" * 300} for _ in range(50))]
    found = advice(
        Status(), {"aggregate": {"foretold": {"status": "True", "reason": "X", "advice": items}}}, True
    )
    assert found.message.startswith(" [31mred  xxx")
    assert len(found.message) == MOST_MESSAGE
    odd = {"status": "True", "reason": "X", "advice": {"text": "no list"}}
    assert advice(Status(), {"aggregate": {"foretold": odd}}, True).message == ""
