"""A model behind an OpenAI-compatible API."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import Field

from w2s_api.methods.labelers.asked import AskedSettings, Orders
from w2s_api.methods.labelers.samples import SampleAgreement, needs_temperature
from w2s_api.spec.base import NonNegative, Rule, Struct, text
from w2s_api.spec.paths import Place
from w2s_api.spec.pods import KeySelector

KEY_VARIABLES = ("W2S_ENDPOINT_API_KEY", "OPENAI_API_KEY")
"""Variables of the environment that may have the key, the first that is set; pods get the first from the Secret."""

_IN_NO_KEY = (
    "url",
    "apiKeySecretRef",
    "concurrency",
    "requestsPerMinute",
    "timeoutSeconds",
    "maxCost",
    "pricePerMillionTokens",
)
"""How it is reached and paid for: the answers of the same model to the same question stay the same."""


class TokenPrices(Struct):
    """What the endpoint charges, in any one currency."""

    input: NonNegative = Field(description="For a million tokens of prompts.")
    output: NonNegative = Field(
        description="For a million tokens of answers, those of its reasoning included."
    )


class Endpoint(AskedSettings):
    """A model behind an OpenAI-compatible API that is asked `task.instruction`: the texts are sent there."""

    words: ClassVar[str] = "a model behind an OpenAI-compatible API that is asked; texts are sent there"
    of_classes: ClassVar[tuple[str, ...]] = ("orders", "reasoning")
    of_texts: ClassVar[tuple[str, ...]] = ("agreement",)
    scores_are_votes: ClassVar[bool] = True

    rules = (
        needs_temperature(),
        Rule(
            cel="!has(self.maxCost) || has(self.pricePerMillionTokens)",
            message="`maxCost` needs `pricePerMillionTokens`, or no cost can be counted",
            holds=lambda e: e.max_cost is None or e.price_per_million_tokens is not None,
            field="pricePerMillionTokens",
        ),
    )

    url: Annotated[
        str,
        text(
            512,
            8,
            r"^https?://[^\s/?#@]+(/[^\s?#@]*)?$",
            "the base URL of an API, such as https://llm.example.org/v1: http:// or https://, without user,"
            " password, query or fragment",
        ),
    ] = Field(
        description="Base URL of the API, as https://llm.example.org/v1; the texts are sent there. Not in the key:"
        " the same `model` at another URL counts as the same."
    )
    model: Annotated[str, text(256, 1)] = Field(description="The model's name at the endpoint.")
    api_key_secret_ref: KeySelector | None = Field(
        default=None,
        description="The Secret's key that holds the API key; only the pods of this labeler get it. `w2s run` reads"
        " W2S_ENDPOINT_API_KEY, else OPENAI_API_KEY. Default: no API key is sent.",
    )
    orders: Orders = Field(
        default=1,
        description="In how many orders the classes are listed, since models prefer a place in the list; the answers"
        " are averaged. Each order is a request more for each text.",
    )
    reasoning: bool = Field(
        default=False,
        description="The model is to think in words first; the last line of its answer names the class.",
    )
    max_tokens_out: Annotated[int, Field(ge=1, le=131_072)] | None = Field(
        default=None,
        description="An answer is cut off there. Default: 32, and 1024 with `reasoning`; where texts are written,"
        " `task.generation.maxNewTokens`.",
    )
    temperature: NonNegative = Field(
        default="0",
        description="0: the likeliest words. Above: words are drawn, as several `samples` need it.",
    )
    samples: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1,
        description="Answers to each question; of several, the share of a class is its probability, and of texts the"
        " one that agrees most with the others is taken.",
    )
    agreement: SampleAgreement = Field(
        default="ExactMatch",
        description="How `samples` are compared, where texts are written. ExactMatch: the most frequent one is taken."
        " TokenF1, Chrf: the one that is most like all of them.",
    )
    logprobs: bool = Field(
        default=False,
        description="Probabilities are read off the likeliest tokens, where the endpoint gives them; of a text that is written"
        " it is that of its own tokens.",
    )
    max_characters: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        default=20_000, description="Only the beginning of each text, this long, is sent."
    )
    concurrency: Annotated[int, Field(ge=1, le=256)] = Field(
        default=8, description="Requests that are under way at the same time, of each shard."
    )
    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None,
        description="At most so many requests are begun in a minute, by each shard. Default: any number.",
    )
    timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = Field(
        default=120, description="How long one answer may take before it is asked for again."
    )
    price_per_million_tokens: TokenPrices | None = Field(
        default=None, description="With it the summary has the cost. Default: only tokens are counted."
    )
    max_cost: NonNegative | None = Field(
        default=None,
        description="The stage fails before it costs more than this, and what was answered is kept; each shard has"
        " its part of it. Default: no limit.",
    )

    @property
    def answer_tokens(self) -> int:
        """The most tokens of an answer."""
        return self.max_tokens_out or (1024 if self.reasoning else 32)

    def result_settings(self) -> dict[str, Any]:
        """What is asked of which model, and not where, how fast or for how much."""
        settings = super().result_settings()
        return {name: value for name, value in settings.items() if name not in _IN_NO_KEY}

    def secrets(self) -> Mapping[str, KeySelector]:
        """The API key, if there is one."""
        return {KEY_VARIABLES[0]: self.api_key_secret_ref} if self.api_key_secret_ref else {}

    def doubts(self) -> Iterator[tuple[Place, str]]:
        """URLs that are no base, and keys that anybody on the way can read."""
        parts = urlsplit(self.url)
        if parts.path.rstrip("/").endswith("/completions"):
            yield ("url",), "the base URL is asked for, as a rule up to /v1: leave out what comes after it"
        if parts.scheme == "http" and self.api_key_secret_ref and not _is_near(parts.hostname or ""):
            yield ("url",), "without https:// the API key and the texts can be read on the way"


def _is_near(host: str) -> bool:
    """Services of the same cluster and the machine itself."""
    return "." not in host or host.startswith("127.") or host.endswith((".svc", ".svc.cluster.local"))
