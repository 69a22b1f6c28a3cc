"""Answers of a model that is asked, collected batch by batch and saved on the way: after an interruption it goes on there."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, nullcontext, suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray
from safetensors.numpy import load_file, save_file

from w2s_trainer.contract.context import StageContext
from w2s_trainer.errors import StageError, Stopped
from w2s_trainer.models.batches import gathered, room_for
from w2s_trainer.store.checkpoints import BackgroundSaver, Checkpoints
from w2s_trainer.tuning.stop import StopRequest

Answers = Iterator[tuple[NDArray[np.int64], NDArray[Any]]]
"""Batches: places of some texts, int64[b], and what is answered of each, [b, width]."""
Answer = Callable[[NDArray[np.int64]], Answers]
"""Answers to the texts at some places, int64[m], ascending, each once. After some of its batches, the answers to
what is left are the same as if it had gone on: then an interruption changes no label."""
Progress = Callable[[int, int], None]

INTERVAL = 60.0
"""Seconds from one save to the next."""
SMALL = 5.0
"""Seconds of work at the end of a collection that are not worth a save."""

_FORMAT = 1
_FILE = "answers.safetensors"


class Collect(Protocol):
    """Calls for answers to n texts until all are there."""

    def __call__(
        self, name: str, n: int, width: int, dtype: DTypeLike, answer: Answer, progress: Progress
    ) -> NDArray[Any]:
        """The answers [n, width].

        Args:
            name: tells the collections of one labeler apart.
            n: texts.
            width: numbers, or strings, that an answer has.
            dtype: of them; `object`: answers are strings.
            answer: gives them.
            progress: called with (texts done, n).
        """


class Costly(Protocol):
    """Whoever pays for answers: it is told of what it need not pay again, and gives what is paid for already."""

    def found(self, answers: NDArray[Any]) -> None:
        """Is told of the answers that an earlier process saved, [m, width], before any is asked for."""

    def under_way(self) -> Answers:
        """Gives, within seconds, what was asked for already when the process is asked to stop."""


def collect_unsaved(
    name: str,  # noqa: ARG001 (what is not saved needs none)
    n: int,
    width: int,
    dtype: DTypeLike,
    answer: Answer,
    progress: Progress,
) -> NDArray[Any]:
    """See Collect: in memory alone, for what takes seconds."""
    with closing(_stream(answer(np.arange(n)))) as batches:
        return gathered(batches, n, width, dtype, progress)


class SavedAnswers:
    """See Collect. Answers are saved beside the artifact that they are for, and used for no other.

    They are bound to its content key, to the rows that are asked about, and to what else the answers depend on and
    no key knows (`about`). An answer that was saved is not asked for again.
    """

    def __init__(
        self,
        context: StageContext,
        rows: NDArray[np.int64],
        about: Mapping[str, Any] | None = None,
        *,
        interval: float | None = None,
        costly: Costly | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            context: of a stage that asks a model, or of one shard of it.
            rows: of the examples that are asked about, int64[n].
            about: what the numbers depend on beside the key, as JSON: the device, for one.
            interval: seconds from one save to the next; None: INTERVAL.
            costly: pays for the answers; None: they cost time alone.
            clock: seconds, monotonic.
        """
        self._context = context
        self._costly = costly
        self._home = context.store.home_uri(context.job.stage.kind, context.key)
        index, count = context.shard
        self._shard = "" if count == 1 else f"-shard-{index}-of-{count}"
        self._meta = {
            "format": _FORMAT,
            "rows": sha256(np.asarray(rows, dtype="<i8").tobytes()).hexdigest(),
            "about": dict(about or {}),
        }
        self._interval = INTERVAL if interval is None else interval
        self._clock = clock

    def __call__(
        self, name: str, n: int, width: int, dtype: DTypeLike, answer: Answer, progress: Progress
    ) -> NDArray[Any]:
        """See Collect.

        Raises:
            Stopped: the process was asked to stop; what was answered is saved, and the next run goes on from there.
            StageError: of `answer`; what was answered before it is saved too.
        """
        note = self._context.progress.note
        meta = {**self._meta, "shape": [n, width], "dtype": np.dtype(dtype).name}
        checkpoints = Checkpoints(
            self._context.objects,
            self._home,
            f"answers-{name}{self._shard}",
            unfit=partial(_unfit, meta),
            note=note,
            saved=self._context.headway,
        )
        answers, done = room_for(n, width, dtype), np.zeros(n, dtype=bool)
        if checkpoint := checkpoints.newest(self._context.scratch / "answers"):
            saved = load_file(checkpoint.directory / _FILE)
            done[:] = saved["done"]
            answers[:] = _unpacked(saved, answers.shape)
            note(f"going on from {int(done.sum()):,} of {n:,} answers")
            if self._costly:
                self._costly.found(answers[done])
        count = kept = int(done.sum())
        last = self._clock()
        progress(count, n)
        failure: StageError | None = None
        with (
            StopRequest() as stop,
            BackgroundSaver(checkpoints, note=note) as saver,
            closing(self._batches(answer(np.flatnonzero(~done)), stop)) as batches,
        ):
            try:
                for rows, values in batches:
                    answers[rows], done[rows] = values, True
                    count += len(rows)
                    progress(count, n)
                    if count > kept and self._clock() - last >= self._interval:
                        saver.submit(count, self._written(answers, done), meta)
                        kept, last = count, self._clock()
            except StageError as error:
                failure = error
            stopping = stop.requested or failure is not None
            if count > kept and (stopping or self._clock() - last >= SMALL):
                saver.submit(count, self._written(answers, done), meta)
            # What could not be saved was told, and ends only a run that would have to be done again.
            with nullcontext() if stopping else suppress(Exception):
                saver.finish()
        if failure:
            raise failure
        if stop.requested:
            raise Stopped(
                "Stopped",
                f"Asked to stop at {count:,} of {n:,} answers ({name}); what was answered is saved.",
                "Run it again to go on from there.",
            )
        return answers

    def _batches(self, answers: Answers, stop: StopRequest) -> Any:
        """The batch at which the process is asked to stop is the last, but for those that are paid for already."""
        with closing(_stream(answers)) as batches:
            for batch in batches:
                yield batch
                if stop.requested:
                    if self._costly:
                        yield from self._costly.under_way()
                    return

    def _written(self, answers: NDArray[Any], done: NDArray[np.bool_]) -> Path:
        directory = Path(mkdtemp(dir=self._context.scratch, prefix="answers-"))
        save_file({**_packed(answers), "done": done}, directory / _FILE)
        return directory


def _unfit(expected: Mapping[str, Any], meta: Mapping[str, Any]) -> str | None:
    """Says why saved answers are of no use here, as the second half of a sentence; None where they fit."""
    differing = [name for name, value in expected.items() if meta.get(name) != value]
    return f"its answers are of another {' and '.join(differing)}" if differing else None


def _packed(answers: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Answers as tensors: strings as their UTF-8, end to end, and the bytes of each."""
    if answers.dtype != object:
        return {"answers": answers}
    encoded = [answer.encode() for answer in answers.ravel()]
    return {
        "answers": np.frombuffer(b"".join(encoded), dtype=np.uint8),
        "lengths": np.array([len(answer) for answer in encoded], dtype=np.int64),
    }


def _unpacked(saved: Mapping[str, NDArray[Any]], shape: tuple[int, ...]) -> NDArray[Any]:
    """The answers of `_packed`."""
    if "lengths" not in saved:
        return saved["answers"]
    whole, ends = saved["answers"].tobytes(), np.cumsum(saved["lengths"])
    strings = [
        whole[end - length : end].decode()
        for end, length in zip(ends.tolist(), saved["lengths"].tolist(), strict=True)
    ]
    return np.array(strings, dtype=object).reshape(shape)


def _stream(answers: Answers) -> Any:
    """As a generator, which can be closed: a model's state ends with it."""
    yield from answers
