"""What an error of the endpoint means, and what a person reads of it."""

import pytest

from w2s_api.methods.labelers import Endpoint
from w2s_trainer.errors import BadSpec, EndpointDenied
from w2s_trainer.stages.label.remote.refusals import Fault

KEY = "sk-secret-secret"
SETTINGS = Endpoint.model_validate({"url": "https://llm.example.org/v1", "model": "m"})
PATH = "spec.weak.labelers[0].endpoint"


def fault(status: int, message: str = "", code: str = "", parameter: str = "") -> Fault:
    return Fault.of(status, {"error": {"message": message, "code": code, "param": parameter}})


@pytest.mark.parametrize(
    ("given", "meaning"),
    [
        (fault(429), "again"),
        (fault(429, code="insufficient_quota"), "final"),
        (fault(500), "again"),
        (fault(503), "again"),
        (fault(408), "again"),
        (
            fault(400, "This model's maximum context length is 4096 tokens", "context_length_exceeded"),
            "tooLong",
        ),
        (fault(413), "tooLong"),
        (fault(400, code="content_filter"), "refused"),
        (fault(400, "Unsupported parameter", parameter="max_tokens"), "unsupported"),
        (fault(422, "logprobs is not supported"), "unsupported"),
        (fault(400, "bad"), "final"),
        (fault(401), "final"),
        (fault(404), "final"),
        (fault(307), "final"),
    ],
)
def test_what_is_done_about_it(given, meaning):
    assert given.meaning({"max_tokens": 32, "logprobs": True}) == meaning


@pytest.mark.parametrize(
    "body", [None, "<html>", b"x", [], {"detail": "gone"}, {"error": "gone"}, {"error": None}]
)
def test_any_body_can_be_read(body):
    assert Fault.of(502, body).meaning({}) == "again"


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_names_where_it_comes_from_and_never_the_key(status):
    settings = Endpoint.model_validate(
        {"url": SETTINGS.url, "model": "m", "apiKeySecretRef": {"name": "llm", "key": "token"}}
    )
    error = fault(status, f"Incorrect API key provided: {KEY}").error(settings, PATH, "", KEY)
    assert isinstance(error, EndpointDenied)
    assert "the key 'token' of the Secret 'llm'" in str(error)
    assert KEY not in str(error)
    assert "W2S_ENDPOINT_API_KEY" in str(fault(status).error(SETTINGS, PATH, "", None))
    assert "none was given" in str(fault(status).error(SETTINGS, PATH, "", None))


def test_a_model_that_is_not_there_is_named():
    error = fault(404, "The model does not exist").error(SETTINGS, PATH, "", KEY)
    assert isinstance(error, BadSpec)
    assert (error.reason, "'m'" in error.message) == ("NoSuchEndpointModel", True)


def test_words_of_the_endpoint_are_repeated_unless_they_quote_a_text_or_the_key():
    sent = '[{"role": "user", "content": "The confidential clause of the contract with ACME"}]'
    said = fault(400, "temperature must be 1", "bad_value").error(SETTINGS, PATH, sent, KEY)
    assert said.message.endswith("refuses the request (400): bad_value temperature must be 1.")
    quoting = fault(400, "cannot read 'confidential clause of the contract'", "bad_value")
    assert quoting.error(SETTINGS, PATH, sent, KEY).message.endswith("(400): bad_value.")
    leaking = fault(400, f"header Bearer {KEY} is odd").error(SETTINGS, PATH, sent, KEY)
    assert KEY not in str(leaking)
    assert "\n" not in str(fault(400, "a\nb" * 500).error(SETTINGS, PATH, sent, KEY))
