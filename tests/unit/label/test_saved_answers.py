"""Answers are saved on the way, and used again for just the labels that they were made for."""

import os
import signal
from collections.abc import Callable, Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from label_kit import HOME, label_context
from memory_objects import MemoryObjects
from numpy.typing import NDArray

from w2s_trainer.errors import BadSpec, Stopped, StoreUnavailable
from w2s_trainer.stages.label import saved_answers
from w2s_trainer.stages.label.saved_answers import SavedAnswers, collect_unsaved

N, WIDTH, BATCH = 10, 2, 3
ANSWERS = np.arange(N * WIDTH, dtype=np.float64).reshape(N, WIDTH) / 7


class Killed(BaseException):
    """The process is gone."""


class Labeler:
    """Answers the last texts first, in batches of three, and does something before a batch."""

    def __init__(self, before: Callable[[int], Any] = lambda _batch: None) -> None:
        self.asked: list[list[int]] = []
        self._before = before

    def __call__(self, left: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        order = left[::-1]
        for number, start in enumerate(range(0, len(order), BATCH)):
            self._before(number)
            rows = order[start : start + BATCH]
            self.asked.append(rows.tolist())
            yield rows, ANSWERS[rows]


@pytest.fixture
def memory() -> MemoryObjects:
    return MemoryObjects()


@pytest.fixture
def collect(memory, tmp_path):
    """Collects answers as a process of its own does, a save after each batch unless said otherwise."""
    processes = count()

    def call(labeler: Labeler, *, rows=None, about=None, interval=0.0, n=N, width=WIDTH, **more: Any):
        scratch = tmp_path / str(next(processes))
        scratch.mkdir()
        context = label_context(scratch, memory, **more)
        rows = np.arange(n) if rows is None else rows
        saving = SavedAnswers(context, rows, about, interval=interval)
        try:
            found = saving(
                "x", n, width, np.float64, labeler, lambda *step: context.progress("asking", *step)
            )
        finally:
            call.context = context
        return found

    return call


def die_before(batch: int) -> Callable[[int], None]:
    def act(number: int) -> None:
        if number == batch:
            raise Killed

    return act


def ask_to_stop_before(batch: int) -> Callable[[int], None]:
    return lambda number: os.kill(os.getpid(), signal.SIGTERM) if number == batch else None


def test_who_is_not_interrupted_has_what_was_answered_and_saves_nothing_of_seconds(collect, memory):
    labeler = Labeler()
    assert collect(labeler, interval=60.0).tobytes() == ANSWERS.tobytes()
    assert labeler.asked == [[9, 8, 7], [6, 5, 4], [3, 2, 1], [0]]
    assert collect.context.progress.steps == [("asking", done, N) for done in (0, 3, 6, 9, 10)]
    assert not memory.at


def test_who_is_killed_goes_on_from_the_last_save(collect):
    with pytest.raises(Killed):
        collect(Labeler(die_before(2)))
    labeler = Labeler()
    assert collect(labeler).tobytes() == ANSWERS.tobytes()
    assert labeler.asked == [[3, 2, 1], [0]]
    assert collect.context.progress == ["going on from 6 of 10 answers"]
    assert collect.context.progress.steps == [("asking", done, N) for done in (6, 9, 10)]


def test_who_is_asked_to_stop_finishes_the_batch_and_saves_it(collect):
    saved = []
    with pytest.raises(Stopped, match="at 6 of 10 answers"):
        collect(Labeler(ask_to_stop_before(1)), interval=60.0, headway=saved.append)
    assert saved == [6]
    labeler = Labeler()
    assert collect(labeler).tobytes() == ANSWERS.tobytes()
    assert labeler.asked == [[3, 2, 1], [0]]


def test_who_is_asked_to_stop_at_the_end_stops_all_the_same_and_has_nothing_left_to_do(collect):
    with pytest.raises(Stopped, match="at 10 of 10 answers"):
        collect(Labeler(ask_to_stop_before(3)), interval=60.0)
    labeler = Labeler()
    assert collect(labeler).tobytes() == ANSWERS.tobytes()
    assert labeler.asked == []


@pytest.mark.parametrize(
    "other",
    [
        {"key": "key2"},
        {"rows": np.arange(1, N + 1)},
        {"about": {"device": "cuda"}},
        {"shard": (1, 2)},
        {"n": N - 1},
        {"width": WIDTH + 1},
    ],
    ids=lambda other: next(iter(other)),
)
def test_answers_of_anything_else_are_not_used(collect, other):
    with pytest.raises(Killed):
        collect(Labeler(die_before(2)))
    labeler = Labeler()
    if "width" in other:
        with pytest.raises(ValueError, match="broadcast"):  # it answers by two numbers
            collect(labeler, **other)
    else:
        collect(labeler, **other)
    assert labeler.asked[0][0] == other.get("n", N) - 1


def test_answers_that_were_changed_in_the_store_are_not_used(collect, memory):
    with pytest.raises(Killed):
        collect(Labeler(die_before(1)))
    (uri,) = (uri for uri in memory.at if uri.endswith(".safetensors"))
    assert uri.startswith(f"{HOME}checkpoints/answers-x/3-")
    memory.at[uri] = memory.at[uri][:-1] + b"!"
    labeler = Labeler()
    assert collect(labeler).tobytes() == ANSWERS.tobytes()
    assert sum(map(len, labeler.asked)) == N


def test_a_store_that_is_away_ends_no_labelling_that_is_not_interrupted(collect, memory, monkeypatch):
    def away(*_given: object) -> None:
        raise StoreUnavailable("StoreUnavailable", "The store does not answer.")

    monkeypatch.setattr(memory, "upload", away)
    assert collect(Labeler()).tobytes() == ANSWERS.tobytes()
    assert any("was not saved" in line for line in collect.context.progress)
    with pytest.raises(StoreUnavailable):
        collect(Labeler(ask_to_stop_before(1)))


def test_a_collection_of_long_is_saved_at_its_end_where_another_may_follow(collect, memory, monkeypatch):
    monkeypatch.setattr(saved_answers, "SMALL", 0.0)
    collect(Labeler(), interval=60.0)
    labeler = Labeler()
    collect(labeler)
    assert labeler.asked == []


def test_without_saving_the_answers_are_the_same():
    steps: list[tuple[int, int]] = []
    found = collect_unsaved("x", N, WIDTH, np.float64, Labeler(), lambda *step: steps.append(step))
    assert found.tobytes() == ANSWERS.tobytes()
    assert steps == [(done, N) for done in (0, 3, 6, 9, 10)]


def test_a_model_is_left_when_its_answers_are_no_longer_wanted(collect):
    left = SimpleNamespace(count=0)

    def answer(_left: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            yield np.array([0]), ANSWERS[:1]
            raise AssertionError("asked for more")
        finally:
            left.count += 1

    with pytest.raises(Stopped):
        collect(answer)
    assert left.count == 1


def fail_before(batch: int) -> Callable[[int], None]:
    def act(number: int) -> None:
        if number == batch:
            raise BadSpec("Refused", "No more.")

    return act


def test_what_was_answered_before_an_error_is_kept(collect):
    with pytest.raises(BadSpec, match="No more"):
        collect(Labeler(fail_before(2)), interval=60.0)
    labeler = Labeler()
    assert collect(labeler).tobytes() == ANSWERS.tobytes()
    assert labeler.asked == [[3, 2, 1], [0]]


class Paid(Labeler):
    """Has asked for one more batch than it has given, and must not ask for it again."""

    def __init__(self, before: Callable[[int], Any] = lambda _batch: None) -> None:
        super().__init__(before)
        self.kept: list[float] = []

    def found(self, answers: NDArray[np.float64]) -> None:
        self.kept += answers[:, 0].tolist()

    def under_way(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        rows = np.array([0, 1])
        yield rows[:0], ANSWERS[:0]
        yield rows, ANSWERS[rows]


def test_what_is_paid_for_is_waited_for_and_told_to_the_next(memory, tmp_path):
    def collected(labeler: Paid) -> NDArray[np.float64]:
        saving = SavedAnswers(label_context(tmp_path, memory), np.arange(N), costly=labeler)
        return saving("x", N, WIDTH, np.float64, labeler, lambda *_step: None)

    with pytest.raises(Stopped, match="5 of 10"):
        collected(Paid(ask_to_stop_before(0)))
    next_one = Paid()
    assert collected(next_one).tobytes() == ANSWERS.tobytes()
    assert next_one.kept == ANSWERS[[0, 1, 7, 8, 9], 0].tolist()
    assert next_one.asked == [[6, 5, 4], [3, 2]]


@pytest.mark.parametrize("width", [1, 3])
def test_strings_are_saved_as_they_are(memory, tmp_path, width):
    words = np.array(["", "a\nb", "Ünïcode – 株式会社 🎈", "x" * 5000, "\u0000"], dtype=object)
    answers = np.array([[words[(row + one) % 5] for one in range(width)] for row in range(N)], dtype=object)

    def ask(before: Callable[[int], Any] = lambda _batch: None) -> NDArray[Any]:
        def labeler(left: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
            for number, start in enumerate(range(0, len(left), BATCH)):
                before(number)
                rows = left[start : start + BATCH]
                asked.append(rows.tolist())
                yield rows, answers[rows]

        saving = SavedAnswers(label_context(tmp_path, memory), np.arange(N), interval=0.0)
        return saving("texts", N, width, object, labeler, lambda *_: None)

    asked: list[list[int]] = []
    with pytest.raises(Killed):
        ask(die_before(2))
    asked.clear()
    found = ask()
    assert asked == [[6, 7, 8], [9]]
    assert found.tolist() == answers.tolist()
    unsaved = collect_unsaved(
        "x", N, width, object, lambda places: iter([(places, answers[places])]), lambda *_: None
    )
    assert unsaved.tolist() == answers.tolist()
