"""The condition `Advice`: what is known of a job before its students are trained, and what to do about it. Pure.

True: something speaks against the job; False: nothing that is known does; Unknown: nothing is known (yet). The stage that
aggregates the labels finds it; where that was done already, `prepare` says it. No stage waits for it.
"""

from collections.abc import Mapping
from typing import Any

from w2s_api.status import MOST_MESSAGE, Status, condition
from w2s_operator.status.verdict import Verdict
from w2s_operator.text import printable

NOT_YET = Verdict("Unknown", "LabelsNotMade")
_SAID_BY = ("prepare", "aggregate")
"""Stages whose last words have it. `prepare` comes first: after an edit it judges the labels anew that were made before."""
_MOST_SENTENCES = 16


def advice(before: Status, figures: Mapping[str, Mapping[str, Any]], labels_made: bool) -> Verdict:
    """What the condition says.

    Args:
        before: the status that was written before, which keeps what pods that are gone have said.
        figures: of the last words, by stage name.
        labels_made: whether the weak labels of this plan are there.
    """
    if not labels_made:
        return NOT_YET
    for name in _SAID_BY:
        if verdict := _of(figures.get(name, {}).get("foretold")):
            return verdict
    old = condition(before, "Advice")
    if old is None or old.reason == NOT_YET.reason:
        return Verdict("Unknown", "NothingKnown")
    return Verdict(old.status, old.reason, old.message)


def _of(foretold: Any) -> Verdict | None:
    """The verdict in the words of a pod, as far as they can be trusted to be words; None if they are none."""
    if not isinstance(foretold, dict) or foretold.get("status") not in ("True", "False", "Unknown"):
        return None
    reason = printable(foretold.get("reason"), 64)
    if not reason.isalnum():
        return None
    items = foretold.get("advice")
    texts = [
        printable(item.get("text"), MOST_MESSAGE)
        for item in (items[:_MOST_SENTENCES] if isinstance(items, list) else [])
        if isinstance(item, dict)
    ]
    return Verdict(foretold["status"], reason, " ".join(text for text in texts if text)[:MOST_MESSAGE])
