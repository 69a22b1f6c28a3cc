"""What is known of objects: the newest, and nothing of those that are gone."""

from typing import Any

import pytest
from io_kit import CHILD_LABELS, meta

from w2s_operator.cluster.cache import REMEMBERED, Cache
from w2s_operator.cluster.views import child_job_of, child_pod_of
from w2s_operator.observed import ChildJob, ChildPod

KEY = ("legal", "a")


class Told(list[tuple[str, str]]):
    """The jobs whose objects have changed."""

    def news(self) -> list[tuple[str, str]]:
        found, self[:] = list(self), []
        return found


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def cache(told: Told) -> Cache[ChildJob]:
    return Cache(child_job_of, told.append)


def child(
    version: int, *, name: str = "a", uid: str = "c-1", job: str = "one", **more: Any
) -> dict[str, Any]:
    return {"metadata": meta(name, version, uid, labels=CHILD_LABELS | {"w2s.dev/job": job}), **more}


def found(cache: Cache[ChildJob]) -> ChildJob:
    view = cache.get(KEY)
    assert view is not None
    return view


def ended(version: int) -> dict[str, Any]:
    return child(version, status={"conditions": [{"type": "Complete", "status": "True"}]})


def test_the_newest_version_stays(cache: Cache[ChildJob], told: Told):
    cache.put(ended(5))
    assert told.news() == [("legal", "one")]
    cache.put(child(4))
    assert told.news() == []
    assert found(cache).condition == "Complete"


def test_what_changes_nothing_that_matters_is_told_nobody(cache: Cache[ChildJob], told: Told):
    cache.put(child(1))
    told.news()
    cache.put(child(2))
    assert told.news() == []


def test_a_list_drops_what_it_does_not_have_and_not_what_came_after_it(cache: Cache[ChildJob], told: Told):
    cache.put(child(7))
    cache.drop(KEY, not_after=6)
    assert cache.get(KEY)
    cache.drop(KEY, not_after=7)
    assert cache.get(KEY) is None


def test_an_answer_that_comes_after_the_end_brings_nothing_back(cache: Cache[ChildJob], told: Told):
    """We create a Job, somebody deletes it, the watch tells us so, and then comes the answer to our create."""
    cache.drop(KEY, not_after=11)
    cache.put(child(10))
    assert cache.get(KEY) is None
    assert told.news() == []
    cache.put(child(12, uid="c-2"))
    assert found(cache).uid == "c-2"


def test_the_end_of_the_old_does_not_end_the_new_of_the_same_name(cache: Cache[ChildJob]):
    cache.put(child(1))
    cache.put(child(9, uid="c-2"))
    cache.drop(KEY, not_after=8)
    assert found(cache).uid == "c-2"


def test_one_that_was_dropped_on_suspicion_comes_back_as_it_was(cache: Cache[ChildJob]):
    cache.put(child(3))
    cache.drop(KEY)
    cache.put(child(3))
    assert cache.get(KEY)


def test_objects_are_found_by_their_job_which_is_told_when_they_go(cache: Cache[ChildJob], told: Told):
    for name, job in (("a", "one"), ("b", "one"), ("c", "two")):
        cache.put(child(1, name=name, job=job))
    assert {one.name for one in cache.of_job(("legal", "one"))} == {"a", "b"}
    assert cache.of_job(("other", "one")) == ()
    told.news()
    cache.drop(("legal", "a"))
    assert told.news() == [("legal", "one")]
    assert {one.name for one in cache.of_job(("legal", "one"))} == {"b"}


def test_one_whose_label_is_edited_leaves_its_job(cache: Cache[ChildJob], told: Told):
    cache.put(child(1))
    cache.put(child(2, job="two"))
    assert cache.of_job(("legal", "one")) == ()
    assert {one.name for one in cache.of_job(("legal", "two"))} == {"a"}
    cache.drop(KEY)
    assert cache.of_job(("legal", "two")) == ()
    assert set(told) == {("legal", "one"), ("legal", "two")}


@pytest.mark.parametrize(
    "labels",
    [{"w2s.dev/run": "many"}, {"batch.kubernetes.io/job-completion-index": "-"}, {"w2s.dev/job": None}],
)
def test_what_anybody_labels_as_ours_ends_nothing(labels: dict[str, Any], told: Told, caplog: Any):
    raw = {"metadata": meta("a", 5, labels=CHILD_LABELS | labels), "status": {}}
    jobs: Cache[ChildJob] = Cache(child_job_of, told.append)
    pods: Cache[ChildPod] = Cache(child_pod_of, told.append)
    jobs.put(raw)
    pods.put(raw)
    for cache in (jobs, pods):
        cache.put(child(6))
        assert cache.get(KEY)


def test_one_that_becomes_unreadable_is_as_if_it_were_gone(cache: Cache[ChildJob], told: Told, caplog: Any):
    cache.put(child(1))
    told.news()
    cache.put({"metadata": meta("a", 2, labels=CHILD_LABELS | {"w2s.dev/run": "many"})})
    assert cache.get(KEY) is None
    assert told.news() == [("legal", "one")]
    assert cache.version(KEY) == 2
    assert "legal/a" in caplog.text


def test_nothing_stays_of_what_is_gone(cache: Cache[ChildJob]):
    for number in range(3 * REMEMBERED):
        cache.put(child(1, name=str(number), job=f"j{number}"))
        cache.drop(("legal", str(number)))
    assert (cache._items, cache._versions, dict(cache._of_job)) == ({}, {}, {})
    assert len(cache._gone) == REMEMBERED
