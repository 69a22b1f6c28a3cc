"""The one back-off of the store: what is worth another try, for how long, and the words when it was not."""

import logging
import random
import time
from collections.abc import Callable
from enum import Enum
from typing import TypeVar

import urllib3.exceptions
from botocore import exceptions as sdk

from w2s_trainer.errors import BadSpec, OwnFault, StageError, StoreDenied, StoreUnavailable
from w2s_trainer.store.settings import Patience

T = TypeVar("T")

log = logging.getLogger(__name__)

_NO_KEYS = (
    sdk.NoCredentialsError,
    sdk.PartialCredentialsError,
    sdk.CredentialRetrievalError,
    sdk.NoAuthTokenError,
    sdk.TokenRetrievalError,
)
_NO_ANSWER = (
    sdk.ConnectionError,
    sdk.HTTPClientError,
    sdk.IncompleteReadError,
    urllib3.exceptions.HTTPError,
    ConnectionError,
    TimeoutError,
)
# AWS answers 400 to expired tokens, so the status alone does not tell a denial.
_DENIED_CODES = {"ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"}
_BUSY_CODES = {"SlowDown", "RequestTimeout", "ConditionalRequestConflict", "OperationAborted", "Throttling"}
_WRONG_KEY_CODES = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken"}
_EXPIRED_CODES = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}
_WRONG_REGION_CODES = {
    "AuthorizationHeaderMalformed",
    "PermanentRedirect",
    "IllegalLocationConstraintException",
}


class Trouble(Enum):
    """What a failure of the store means for the next try."""

    UNAVAILABLE = "no answer, or none that can be relied on"
    DENIED = "credentials refused or missing"
    FINAL = "another try would end the same"


def code_of(error: BaseException) -> str:
    """The S3 error code of a refused request (`NoSuchKey`), or the HTTP status where there is no code."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, sdk.ClientError) else ""


def status_of(error: BaseException) -> int:
    """The HTTP status of a refused request, or 0."""
    if not isinstance(error, sdk.ClientError):
        return 0
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def diagnose(error: BaseException) -> Trouble:
    """Tells whether a failure of the SDK is worth another try, and whose patience applies to it."""
    if isinstance(error, _NO_KEYS):
        return Trouble.DENIED
    if isinstance(error, _NO_ANSWER):
        return Trouble.FINAL if _is_tls_refusal(error) else Trouble.UNAVAILABLE
    code, status = code_of(error), status_of(error)
    if code in _DENIED_CODES or status in (401, 403):
        return Trouble.DENIED
    if code in _BUSY_CODES or status == 429 or (status >= 500 and status != 501):
        return Trouble.UNAVAILABLE
    return Trouble.FINAL


def _is_tls_refusal(error: BaseException) -> bool:
    words = str(error)
    return isinstance(error, sdk.SSLError) and (
        "CERTIFICATE_VERIFY_FAILED" in words or "WRONG_VERSION_NUMBER" in words
    )


def explain(error: BaseException, doing: str, where: str) -> StageError:
    """Returns the error that a person sees, for a failure that will not be tried again.

    Args:
        error: what the SDK raised.
        doing: what was asked of the store ("read s3://…").
        where: the endpoint, as words.
    """
    if isinstance(error, StageError):
        return error
    code = code_of(error)
    detail = (
        f"{code}: {error.response['Error'].get('Message', '')}"
        if isinstance(error, sdk.ClientError)
        else error
    )
    match diagnose(error):
        case Trouble.DENIED:
            return _denied(error, code, doing, where, detail)
        case Trouble.UNAVAILABLE:
            return StoreUnavailable(
                "StoreUnavailable",
                f"Cannot {doing}: {where} does not answer ({detail}).",
                "Check that the endpoint is right and can be reached from here.",
            )
    if isinstance(error, sdk.SSLError):
        return BadSpec(
            "UntrustedCertificate",
            f"Cannot {doing}: the TLS certificate of {where} is not trusted ({detail}).",
            "Set storage.caBundle to the server's authority, or write http:// where it has no TLS.",
        )
    if code == "NoSuchBucket":
        return BadSpec(
            "NoSuchBucket", f"Cannot {doing}: no such bucket at {where}.", "Create it, or correct the URI."
        )
    if code in _WRONG_REGION_CODES:
        return BadSpec("WrongRegion", f"Cannot {doing} at {where}: {detail}", "Correct storage.region.")
    if isinstance(error, sdk.ParamValidationError) or code in ("InvalidBucketName", "NotImplemented"):
        return BadSpec("BadStorage", f"Cannot {doing} at {where}: {detail}", "Correct spec.storage.")
    return OwnFault("StoreRefused", f"Cannot {doing} at {where}: {detail}")


def _denied(error: BaseException, code: str, doing: str, where: str, detail: object) -> StoreDenied:
    if isinstance(error, _NO_KEYS):
        return StoreDenied(
            "NoCredentials",
            f"Cannot {doing}: there are no credentials for {where} ({detail}).",
            "In a cluster, name a Secret with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in"
            " storage.credentialsSecretRef; elsewhere, set the variables of these names.",
        )
    if code in _WRONG_KEY_CODES:
        return StoreDenied(
            "WrongCredentials",
            f"Cannot {doing}: {where} does not accept the access key or its secret ({code}).",
            "Correct the Secret with the keys.",
        )
    if code in _EXPIRED_CODES:
        return StoreDenied(
            "ExpiredCredentials", f"Cannot {doing}: the credentials for {where} are expired.", "Renew them."
        )
    if code == "RequestTimeTooSkewed":
        return StoreDenied(
            "ClockSkew",
            f"Cannot {doing}: the clock here and that of {where} differ.",
            "Set this clock right.",
        )
    return StoreDenied(
        "AccessDenied",
        f"Cannot {doing}: {where} denies it ({detail}).",
        "Grant s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket on the storage prefix, and read"
        " rights on data and models.",
    )


class Retry:
    """Bounded retries with capped exponential back-off and jitter; one for a client and its threads."""

    def __init__(
        self,
        patience: Patience,
        where: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.patience = patience
        self.where = where
        self.clock = clock
        self.sleep = sleep
        self.jitter = jitter

    def call(self, doing: str, action: Callable[[], T]) -> T:
        """The answer of `action`, however many tries it takes within the patience.

        Refusals that a caller may want to tell apart (missing object, failed condition) must be turned into
        exceptions of its own inside `action`: those pass through.
        """
        backoff = Backoff(self, doing)
        while True:
            try:
                return action()
            except Exception as error:
                backoff.wait_or_raise(error)


class Backoff:
    """The unbroken run of failures of one operation, from the first one on."""

    FIRST_DELAY, LONGEST_DELAY = 0.25, 5.0
    LOGGED_AFTER = 5.0
    """Seconds of failures after which somebody who looks at the log should know why nothing happens."""

    def __init__(self, retry: Retry, doing: str) -> None:
        self._retry = retry
        self._doing = doing
        self.reset()

    def reset(self) -> None:
        """Notes progress: the patience begins anew at the next failure."""
        self._since: dict[Trouble, float] = {}
        self._failures = 0
        self._logged = False

    def wait_or_raise(self, error: Exception) -> None:
        """Waits before the next try, or raises what a person must read when the patience is at its end."""
        if not isinstance(error, (sdk.BotoCoreError, sdk.ClientError, *_NO_ANSWER)):
            raise error
        trouble, now = diagnose(error), self._retry.clock()
        if trouble is Trouble.FINAL:
            raise explain(error, self._doing, self._retry.where) from error
        patience = self._retry.patience
        allowed = patience.denied if trouble is Trouble.DENIED else patience.unavailable
        remaining = self._since.setdefault(trouble, now) + allowed - now
        if remaining <= 0:
            raise explain(error, self._doing, self._retry.where) from error
        if allowed - remaining >= self.LOGGED_AFTER and not self._logged:
            self._logged = True
            explanation = explain(error, self._doing, self._retry.where)
            log.warning("%s It is tried again for %.0f s.", explanation, remaining)
        delay = min(self.LONGEST_DELAY, self.FIRST_DELAY * 2.0 ** min(self._failures, 16))
        self._failures += 1
        # The last wait ends at the deadline, so that there is one try at the very end of the patience.
        self._retry.sleep(min(remaining, delay * (0.5 + 0.5 * self._retry.jitter())))
