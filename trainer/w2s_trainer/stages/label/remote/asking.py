"""Many questions under way at once, as batches of answers for `SavedAnswers`."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.errors import BadSpec, StageError
from w2s_trainer.stages.label.remote.client import Abandoned, Client, Unanswered
from w2s_trainer.stages.label.remote.conversation import Message
from w2s_trainer.stages.label.remote.cost import Meter, estimated_tokens
from w2s_trainer.stages.label.remote.form import Form
from w2s_trainer.stages.label.remote.reply import Choice
from w2s_trainer.stages.label.saved_answers import Answers

HEARTBEAT = 0.2
"""Seconds between two looks at whether the process was asked to stop."""
DRAIN = 20.0
"""Seconds that answers under way are waited for then: they are paid for, and pods have some time to end."""

Row = NDArray[Any]


class Asking:
    """Asks questions that are known by their places.

    Args:
        client: the endpoint.
        form: of the answers.
        messages: of the question at a place.
        n: questions.
        meter: of the cost.
        concurrency: questions that are under way at once.
        path: of the settings in the manifest, for errors.
    """

    def __init__(
        self,
        client: Client,
        form: Form,
        messages: Callable[[int], list[Message]],
        n: int,
        meter: Meter,
        concurrency: int,
        path: str,
    ) -> None:
        self._client, self._form, self._messages, self._n = client, form, messages, n
        self._meter, self._path = meter, path
        self._concurrency = concurrency
        self._flying: dict[Future[Row], tuple[int, int]] = {}
        """Places and characters of what is under way."""
        self._failure: StageError | None = None
        self._answered = 0
        self.kept = 0
        """Answers of an earlier process."""

    def found(self, answers: NDArray[Any]) -> None:
        """What an earlier process saved, [m, width of the form]."""
        self._meter.found(self._form.records(answers))
        self._answered = self.kept = len(answers)

    def answers(self, left: NDArray[np.int64]) -> Answers:
        """Asks what is left. Yields nothing now and then, so that whoever listens can end it.

        Raises:
            BadSpec: the next question might cost more than there is.
            StageError: the endpoint refuses, or is gone; after all that was under way has come.
        """
        places = left.tolist()
        waiting = list(reversed(places))
        while waiting or self._flying:
            while waiting and not self._failure and len(self._flying) < self._concurrency:
                messages = self._messages(waiting[-1])
                characters = _characters(messages)
                if not self._meter.fits(characters):
                    if not self._flying:
                        self._failure = self._too_dear(waiting)
                    break
                place = waiting.pop()
                self._meter.asked(place, characters)
                self._flying[_begun(partial(self._one, messages))] = (place, characters)
            if self._failure and not self._flying:
                raise self._failure
            yield self._gathered(HEARTBEAT)

    def under_way(self) -> Answers:
        """What was sent already when the process is asked to stop."""
        self._client.stop.set()
        deadline = threading.Event()
        timer = threading.Timer(DRAIN, deadline.set)
        timer.start()
        try:
            while self._flying and not deadline.is_set():
                yield self._gathered(HEARTBEAT)
        finally:
            timer.cancel()

    def close(self) -> None:
        """Waits for nothing that is still under way."""
        self._client.stop.set()
        self._client.close()

    def _gathered(self, seconds: float) -> tuple[NDArray[np.int64], NDArray[Any]]:
        done, _ = wait(self._flying, timeout=seconds, return_when=FIRST_COMPLETED)
        places: list[int] = []
        rows: list[Row] = []
        for future in done:
            place, characters = self._flying.pop(future)
            try:
                row = future.result()
            except Abandoned:
                self._meter.dropped(place)
            except StageError as error:
                self._failure = self._failure or error
                self._client.stop.set()  # what waits to be asked again need not be
                self._meter.dropped(place)
            else:
                self._meter.answered(place, characters, self._form.records(row[None, :]))
                places.append(place)
                rows.append(row)
        self._answered += len(rows)
        values = np.array(rows, dtype=self._form.dtype).reshape(len(rows), self._form.width)
        return np.array(places, dtype=np.int64), values

    def _one(self, messages: list[Message]) -> Row:
        """Asks one question, again where the endpoint gives fewer answers at once than are wanted."""
        form = self._form
        choices: list[Choice] = []
        tokens_in = tokens_out = requests = 0
        estimated = False
        try:
            while len(choices) < form.samples:
                reply = self._client.ask(messages, form.samples - len(choices))
                new = reply.choices[: form.samples - len(choices)] or (Choice(""),)
                choices += new
                requests += 1
                if reply.tokens_in is None or reply.tokens_out is None:
                    estimated = True
                    tokens_in += estimated_tokens(_characters(messages))
                    tokens_out += sum(estimated_tokens(len(choice.text)) for choice in new)
                else:
                    tokens_in, tokens_out = tokens_in + reply.tokens_in, tokens_out + reply.tokens_out
        except Unanswered as error:
            return form.unanswered(error.kind, requests=requests, tokens_in=tokens_in, tokens_out=tokens_out)
        return form.answered(
            choices, requests=requests, tokens_in=tokens_in, tokens_out=tokens_out, estimated=estimated
        )

    def _too_dear(self, waiting: Sequence[int]) -> BadSpec:
        sample = waiting[:: max(1, len(waiting) // 256)]
        characters = [_characters(self._messages(place)) for place in sample]
        rest = self._meter.rest(characters) * len(waiting) / len(sample)
        limit = self._meter.limit or 0.0
        return BadSpec(
            "MaxCostReached",
            f"{self._path}.maxCost: stopped at {self._answered:,} of {self._n:,} answers. They cost"
            f" {self._meter.spent:.6g} of {limit:g}, and the next might cost more than what is left; the rest would"
            f" cost about {rest:.3g}. What was answered is saved.",
            "Raise `maxCost` and run it again: only the rest is asked for.",
        )


def _begun(work: Callable[[], Row]) -> Future[Row]:
    """Work in a thread of its own that does not keep the process from ending, as those of a pool would."""
    future: Future[Row] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="endpoint", daemon=True).start()
    return future


def _characters(messages: Sequence[Message]) -> int:
    return sum(len(message["content"]) for message in messages)
