"""What is known of the objects of one kind, newest version only, found by key and by job."""

import logging
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar

Key = tuple[str, str]
"""(namespace, name)."""

REMEMBERED = 1024
"""Objects that went last, whose last version is remembered: an answer that comes late does not bring them back."""

log = logging.getLogger(__name__)


class OfJob(Protocol):
    """A projection that knows which WeakToStrongJob it belongs to."""

    @property
    def namespace(self) -> str:
        """Namespace of the object and of its job."""

    @property
    def job(self) -> str:
        """The job's name."""


View = TypeVar("View", bound=OfJob)


class Cache(Generic[View]):
    """Projections by key. An older version never replaces a newer one: the answers to our own writes come here
    too, often before the watch has them."""

    def __init__(
        self,
        project: Callable[[Mapping[str, Any]], View],
        changed: Callable[[Key], None],
        outlives: Callable[[View], bool] = lambda _: False,
    ) -> None:
        """
        Args:
            project: what is kept of an object; the rest is forgotten at once.
            changed: is called with the key of the job whose object came, changed or went.
            outlives: whether what an object said last is kept when it goes, until everything is listed anew.
        """
        self._outlives = outlives
        self._project = project
        self._changed = changed
        self._items: dict[Key, View] = {}
        self._versions: dict[Key, int] = {}
        self._gone: OrderedDict[Key, int] = OrderedDict()
        self._of_job: defaultdict[Key, dict[Key, View]] = defaultdict(dict)

    def __iter__(self) -> Iterator[View]:
        return iter(self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: Key) -> View | None:
        """The projection of an object."""
        return self._items.get(key)

    def version(self, key: Key) -> int:
        """The newest that was seen of an object, and be it its end; 0 of one that never was."""
        return max(self._versions.get(key, 0), self._gone.get(key, 0))

    def of_job(self, job: Key) -> tuple[View, ...]:
        """Those that belong to a job."""
        return tuple(self._of_job[job].values()) if job in self._of_job else ()

    def put(self, raw: Mapping[str, Any]) -> None:
        """An object as it is now. One that cannot be read, for anybody may give a pod our labels, is as if it were
        not there."""
        key, version = key_of(raw), int(raw["metadata"]["resourceVersion"])
        if version < self.version(key):
            return
        try:
            after = self._project(raw)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            log.warning("%s/%s is not as it should be, and is left out: %r", *key, error)
            self._bury(key, version)
            return
        before = self._items.get(key)
        self._gone.pop(key, None)
        self._versions[key] = version
        if before == after:
            return
        self._items[key] = after
        job = (after.namespace, after.job)
        if before is not None and before.job != after.job:
            self._leave(key, before)
        self._of_job[job][key] = after
        self._changed(job)

    def gone(self, raw: Mapping[str, Any]) -> None:
        """An object is gone, and this is what it was at last."""
        key = key_of(raw)
        self.put(raw)
        last = self._items.get(key)
        if last is None or not self._outlives(last):
            self.drop(key, not_after=int(raw["metadata"]["resourceVersion"]))

    def drop(self, key: Key, not_after: int | None = None) -> None:
        """An object is gone.

        Args:
            key: which.
            not_after: keep it if it was written after this version of the whole list.
        """
        known = self._versions.get(key, 0)
        if not_after is not None and known > not_after:
            return
        self._bury(key, max(known, not_after or 0))

    def _bury(self, key: Key, version: int) -> None:
        self._gone[key] = max(version, self._gone.get(key, 0))
        self._gone.move_to_end(key)
        while len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)
        view = self._items.pop(key, None)
        self._versions.pop(key, None)
        if view is not None:
            self._leave(key, view)

    def _leave(self, key: Key, view: View) -> None:
        job = (view.namespace, view.job)
        of_job = self._of_job[job]
        of_job.pop(key, None)
        if not of_job:
            del self._of_job[job]
        self._changed(job)

    def keys(self) -> set[Key]:
        """Keys of all objects."""
        return set(self._items)


def key_of(raw: Mapping[str, Any]) -> Key:
    """(namespace, name) of an object."""
    return raw["metadata"].get("namespace", ""), raw["metadata"]["name"]
