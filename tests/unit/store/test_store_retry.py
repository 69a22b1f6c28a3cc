from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from botocore import exceptions as sdk

from w2s_trainer.errors import BadSpec, OwnFault, StageError, StoreDenied, StoreUnavailable
from w2s_trainer.store.retry import Backoff, Retry, Trouble, diagnose, explain
from w2s_trainer.store.settings import Patience

REFUSED = sdk.EndpointConnectionError(endpoint_url="http://127.0.0.1:1")


def answer(status: int, code: str = "") -> sdk.ClientError:
    return sdk.ClientError(
        {"Error": {"Code": code, "Message": "words"}, "ResponseMetadata": {"HTTPStatusCode": status}},
        "GetObject",
    )


@dataclass
class FakeTime:
    now: float = 0.0
    naps: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds

    def retry(self, denied: float = 180.0, unavailable: float = 120.0, jitter: float = 1.0) -> Retry:
        return Retry(
            Patience(denied, unavailable),
            "http://store",
            clock=lambda: self.now,
            sleep=self.sleep,
            jitter=lambda: jitter,
        )


def failing(*errors: Exception | None) -> Callable[[], str]:
    """Raises these one after the other (the last for ever); None is an answer."""
    script = list(errors)

    def action() -> str:
        error = script.pop(0) if len(script) > 1 else script[0]
        if error is not None:
            raise error
        return "answer"

    return action


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (REFUSED, Trouble.UNAVAILABLE),
        (sdk.ReadTimeoutError(endpoint_url="x"), Trouble.UNAVAILABLE),
        (sdk.ConnectTimeoutError(endpoint_url="x"), Trouble.UNAVAILABLE),
        (sdk.ConnectionClosedError(endpoint_url="x"), Trouble.UNAVAILABLE),
        (sdk.ResponseStreamingError(error="broken"), Trouble.UNAVAILABLE),
        (sdk.IncompleteReadError(actual_bytes=1, expected_bytes=2), Trouble.UNAVAILABLE),
        (sdk.SSLError(endpoint_url="x", error="EOF occurred"), Trouble.UNAVAILABLE),
        (sdk.SSLError(endpoint_url="x", error="CERTIFICATE_VERIFY_FAILED"), Trouble.FINAL),
        (ConnectionResetError(), Trouble.UNAVAILABLE),
        (answer(500, "InternalError"), Trouble.UNAVAILABLE),
        (answer(503, "SlowDown"), Trouble.UNAVAILABLE),
        (answer(429, "TooManyRequests"), Trouble.UNAVAILABLE),
        (answer(400, "RequestTimeout"), Trouble.UNAVAILABLE),
        (answer(409, "ConditionalRequestConflict"), Trouble.UNAVAILABLE),
        (answer(501, "NotImplemented"), Trouble.FINAL),
        (answer(403, "AccessDenied"), Trouble.DENIED),
        (answer(403, "403"), Trouble.DENIED),
        (answer(401, "Unauthorized"), Trouble.DENIED),
        (answer(400, "ExpiredToken"), Trouble.DENIED),
        (sdk.NoCredentialsError(), Trouble.DENIED),
        (sdk.CredentialRetrievalError(provider="p", error_msg="m"), Trouble.DENIED),
        (answer(404, "NoSuchBucket"), Trouble.FINAL),
        (answer(400, "BadDigest"), Trouble.FINAL),
    ],
)
def test_failures_are_told_apart(error: Exception, trouble: Trouble) -> None:
    assert diagnose(error) is trouble


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (REFUSED, StoreUnavailable, "StoreUnavailable"),
        (answer(503, "SlowDown"), StoreUnavailable, "StoreUnavailable"),
        (sdk.NoCredentialsError(), StoreDenied, "NoCredentials"),
        (answer(403, "SignatureDoesNotMatch"), StoreDenied, "WrongCredentials"),
        (answer(403, "InvalidAccessKeyId"), StoreDenied, "WrongCredentials"),
        (answer(400, "ExpiredToken"), StoreDenied, "ExpiredCredentials"),
        (answer(403, "RequestTimeTooSkewed"), StoreDenied, "ClockSkew"),
        (answer(403, "AccessDenied"), StoreDenied, "AccessDenied"),
        (answer(404, "NoSuchBucket"), BadSpec, "NoSuchBucket"),
        (answer(301, "PermanentRedirect"), BadSpec, "WrongRegion"),
        (answer(501, "NotImplemented"), BadSpec, "BadStorage"),
        (sdk.SSLError(endpoint_url="x", error="CERTIFICATE_VERIFY_FAILED"), BadSpec, "UntrustedCertificate"),
        (answer(400, "BadDigest"), OwnFault, "StoreRefused"),
    ],
)
def test_a_person_reads_what_where_and_why(error: Exception, kind: type[StageError], reason: str) -> None:
    explained = explain(error, "read s3://b/k", "http://store")
    assert (type(explained), explained.reason) == (kind, reason)
    assert "read s3://b/k" in explained.message
    assert "http://store" in explained.message


def test_trouble_within_the_patience_is_not_seen() -> None:
    time = FakeTime()
    assert time.retry().call("read", failing(REFUSED, answer(503, "SlowDown"), answer(403), None)) == "answer"
    assert len(time.naps) == 3


def test_waits_grow_are_capped_and_end_at_the_deadline() -> None:
    time = FakeTime()
    with pytest.raises(StoreUnavailable):
        time.retry(unavailable=60).call("read", failing(REFUSED))
    assert time.naps[:6] == [0.25, 0.5, 1, 2, 4, 5]
    assert max(time.naps) == Backoff.LONGEST_DELAY
    assert time.now == pytest.approx(60)


def test_a_long_wait_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    time = FakeTime()
    with pytest.raises(StoreDenied):
        time.retry(denied=180).call("read s3://b/k", failing(answer(403, "InvalidAccessKeyId")))
    (told,) = caplog.messages
    assert told.startswith("Cannot read s3://b/k: http://store does not accept the access key")
    assert "It is tried again for 17" in told
    time.retry().call("read", failing(REFUSED, None))
    assert len(caplog.messages) == 1


def test_jitter_shortens_waits_by_at_most_half() -> None:
    time = FakeTime()
    with pytest.raises(StoreUnavailable):
        time.retry(unavailable=60, jitter=0.0).call("read", failing(REFUSED))
    assert time.naps[:3] == [0.125, 0.25, 0.5]


def test_denial_and_silence_have_patience_of_their_own() -> None:
    time = FakeTime()
    with pytest.raises(StoreDenied):
        time.retry(denied=180, unavailable=1).call("read", failing(answer(403, "AccessDenied")))
    assert time.now == pytest.approx(180)


def test_alternating_failures_end_too() -> None:
    time = FakeTime()
    endless = failing(*[REFUSED, answer(403, "AccessDenied")] * 10_000)
    with pytest.raises((StoreDenied, StoreUnavailable)):
        time.retry(denied=30, unavailable=20).call("read", endless)
    assert time.now <= 30


def test_no_patience_no_second_try() -> None:
    time = FakeTime()
    with pytest.raises(StoreDenied):
        time.retry(denied=0).call("read", failing(answer(403, "AccessDenied"), None))
    assert time.naps == []


@pytest.mark.parametrize(
    "error",
    [answer(404, "NoSuchBucket"), answer(400, "BadDigest"), ZeroDivisionError(), StoreDenied("X", "x")],
)
def test_what_another_try_cannot_mend_is_raised_at_once(error: Exception) -> None:
    time = FakeTime()
    with pytest.raises((StageError, ZeroDivisionError)):
        time.retry().call("read", failing(error, None))
    assert time.naps == []


def test_progress_renews_the_patience() -> None:
    time = FakeTime()
    backoff = Backoff(time.retry(unavailable=10), "read")
    for _ in range(5):
        time.now += 9
        backoff.wait_or_raise(REFUSED)
        backoff.reset()
    time.now += 100
    backoff.wait_or_raise(REFUSED)
    assert len(time.naps) == 6
