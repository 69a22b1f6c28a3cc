"""The endpoint, asked until it answers: by the package `openai`, which knows the API, with retries of our own."""

import json
import random
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from w2s_api.methods.labelers import Endpoint
from w2s_api.methods.labelers.endpoint import KEY_VARIABLES
from w2s_trainer.errors import BadSpec, EndpointDenied, EndpointUnavailable
from w2s_trainer.stages.label.remote.conversation import Message
from w2s_trainer.stages.label.remote.patience import Gone, Pace, Patience, retry_after
from w2s_trainer.stages.label.remote.refusals import Fault
from w2s_trainer.stages.label.remote.reply import Reply, reply_of

NO_LOGPROBS = -1
MOST_LOGPROBS = (20, 5, NO_LOGPROBS)
"""Tokens at each place that are asked for beside the one that is there; fewer where the endpoint refuses so many."""
_ATTEMPTS_AT_A_TEXT = 6
"""After so many answers of 500 to one text, while others are answered, the text itself is at fault."""


class Unanswered(Exception):
    """One text gets no answer, ever.

    Args:
        kind: one of `reading.KINDS`.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Abandoned(Exception):
    """The process was asked to stop before an answer came."""


class Client:
    """Asks an endpoint, from several threads.

    Args:
        settings: where it is, and how it is asked.
        key: the API key; None: none is sent. It is in no error and no log.
        path: of the settings in the manifest, for errors.
        stop: ends waiting.
        clock: seconds, monotonic.
        most_logprobs: of tokens beside each one, with `logprobs`; the next where the endpoint refuses so many.
        dice: numbers from 0 to 1.
        patience: seconds without a good answer; None: PATIENCE.

    Raises:
        BadSpec: the package is not installed.
        EndpointDenied: no header can have this key.
    """

    def __init__(
        self,
        settings: Endpoint,
        key: str | None,
        path: str,
        *,
        most_logprobs: Sequence[int] = MOST_LOGPROBS,
        stop: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
        patience: float | None = None,
    ) -> None:
        try:
            import openai
        except ModuleNotFoundError:
            raise BadSpec(
                "NoEndpointClient",
                f"{path}: labelers of type Endpoint need the package `openai`, which is not installed here.",
                "pip install '.[endpoint]' in a clone of w2s, or use the trainer image of this release.",
            ) from None

        if key and not re.fullmatch(r"[!-~]+", key):
            raise EndpointDenied(
                "EndpointDenied",
                f"{path}: the API key has white space in it, or characters that no HTTP header can have.",
                f"Correct the Secret of `apiKeySecretRef`, or with `w2s run` the variable {KEY_VARIABLES[0]}.",
            )
        self._settings, self._key, self._path = settings, key, path
        self.stop = stop or threading.Event()
        self._patience = Patience(clock, dice, patience)
        self._pace = Pace(settings.requests_per_minute, clock)
        self._openai = openai
        # Texts go where the manifest says, and nowhere that an answer points to.
        http = openai.DefaultHttpxClient(follow_redirects=False)
        self._client = openai.OpenAI(
            api_key=key or "none",
            base_url=settings.url,
            timeout=float(settings.timeout_seconds),
            max_retries=0,
            http_client=http,
        )
        # What the environment has of OpenAI's own accounts is none of this endpoint's business.
        unsent = ("OpenAI-Organization", "OpenAI-Project", *(() if key else ("Authorization",)))
        self._headers = {name: openai.Omit() for name in unsent}
        self._shape = threading.Lock()
        self._length = "max_tokens"
        self._logprobs = list(most_logprobs) if settings.logprobs else [NO_LOGPROBS]
        self.notes: list[str] = []

    def close(self) -> None:
        """Ends its connections."""
        self._client.close()

    def ask(self, messages: Sequence[Message], n: int) -> Reply:
        """Asks until there is an answer, of n choices or fewer.

        Raises:
            Unanswered: not to this text.
            Abandoned: `stop` was set.
            EndpointUnavailable: no good answer came for too long.
            EndpointDenied, BadSpec: the endpoint refuses; what it says and what to do.
        """
        attempt = 0
        while True:
            self._sleep(self._pace.wait())
            optional = self._optional()
            try:
                reply = self._once(messages, n, optional)
            except self._openai.APIStatusError as error:
                fault = Fault.of(error.status_code, error.body)
                meaning = fault.meaning(optional)
                if meaning == "unsupported" and self._do_without(optional, fault):
                    continue
                if meaning in ("tooLong", "refused"):
                    raise Unanswered(meaning) from None
                if meaning != "again":
                    sent = "\n".join(message["content"] for message in messages)
                    raise fault.error(self._settings, self._path, sent, self._key) from None
                what = f"it answers {error.status_code}"
                headers = {name.lower(): value for name, value in error.response.headers.items()}
                asked_for = retry_after(headers, time.time())
                attempt += 1
                if error.status_code == 500 and attempt >= _ATTEMPTS_AT_A_TEXT and self._patience.successes:
                    raise Unanswered("failed") from None
            except self._openai.APITimeoutError:
                attempt, asked_for = attempt + 1, None
                what = f"no answer within {self._settings.timeout_seconds} s (`timeoutSeconds`)"
            except self._openai.APIConnectionError as error:
                attempt, asked_for = attempt + 1, None
                what = _cause(error)
                if "CERTIFICATE" in what.upper():
                    raise BadSpec(
                        "EndpointRefused",
                        f"{self._path}: the certificate of {self._settings.url} is not trusted: {what}.",
                        "Pods trust the authorities of their image: set SSL_CERT_FILE in `pods.label.env`.",
                    ) from None
            else:
                self._patience.succeeded()
                return reply
            try:
                wait = self._patience.wait(attempt, asked_for)
            except Gone as gone:
                asks = f", and asks to wait {asked_for:.0f} s" if asked_for else ""
                raise EndpointUnavailable(
                    "EndpointUnavailable",
                    f"{self._settings.url} has given no answer for {gone.args[0]:.0f} s: {what}{asks}. What was"
                    " answered is saved.",
                    "It is tried again; see whether the endpoint runs and can be reached from here.",
                ) from None
            self._sleep(wait)

    def _once(self, messages: Sequence[Message], n: int, optional: Mapping[str, Any]) -> Reply:
        response = self._client.chat.completions.with_raw_response.create(
            model=self._settings.model,
            messages=list(messages),
            extra_headers=self._headers,
            **({"n": n} if n > 1 else {}),
            **optional,
        )
        try:
            return reply_of(json.loads(response.http_response.content))
        except ValueError:
            raise BadSpec(
                "EndpointRefused",
                f"{self._path}.url: {self._settings.url} answers with something else than a chat completion.",
                "Give the base URL of an OpenAI-compatible API.",
            ) from None

    def _optional(self) -> dict[str, Any]:
        with self._shape:
            most = self._logprobs[0]
            return {
                self._length: self._settings.answer_tokens,
                "temperature": float(self._settings.temperature),
                **({"logprobs": True} if most != NO_LOGPROBS else {}),
                **({"top_logprobs": most} if most > 0 else {}),
            }

    def _do_without(self, sent: Mapping[str, Any], fault: Fault) -> bool:
        """Asks otherwise from now on, if that may help. Other threads may have met the same refusal already."""
        with self._shape:
            if "logprobs" in sent and "logprobs" in fault.says:
                most = sent.get("top_logprobs", 0)
                if most == self._logprobs[0]:
                    self._logprobs.pop(0)
                    left = self._logprobs[0]
                    what = f"{most} `top_logprobs`" if most else "`logprobs`"
                    self.notes.append(
                        f"the endpoint refuses {what}: {'none' if left == NO_LOGPROBS else left} are asked for"
                    )
                return True
            if "max_tokens" in sent and "max_tokens" in fault.says:
                self._length = "max_completion_tokens"
                return True
        return False

    def _sleep(self, seconds: float) -> None:
        if self.stop.wait(seconds) if seconds > 0 else self.stop.is_set():
            raise Abandoned


def _cause(error: BaseException) -> str:
    """The innermost words, as `Connection refused`."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return " ".join(str(error).split())[:160].rstrip(".") or type(error).__name__
