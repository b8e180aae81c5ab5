"""Every error of the request path, by cause, without a word of HTTP.

    FarewayError
    ├── Refusal                  the caller's or the tenant's doing; edge/errors.py maps each
    │   ├── InvalidApiKey, AdminKeyRequired
    │   ├── TenantDisabled, ModelNotAllowed
    │   ├── ModelNotFound, UnknownEndpoint, MethodNotAllowed
    │   ├── InvalidRequest       bad JSON, bad field (`param`)
    │   ├── UnsupportedParameter, UnsupportedCapability
    │   ├── ContextLengthExceeded
    │   ├── RequestTooLarge
    │   ├── ModelUnpriced, MaxCostExceeded, OnlyIfCachedMiss
    │   └── Draining, Overloaded, StoreUnavailable
    ├── UpstreamFailure          theirs; `kind` says how, retryable or not
    ├── UpstreamRejection        a 4xx of the upstream that is the client's doing: passed through
    ├── ConfigError              settings that cannot be used: file, key, found, allowed
    └── ArtifactError            a router artefact that is missing, damaged or of another schema

`str(error)` is what the caller may read; `detail` is what the log keeps.
Anything else that rises is a defect of ours.
"""

from enum import StrEnum


class FarewayError(Exception):
    """Root of the errors we name."""

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class Refusal(FarewayError):
    """The request is not carried out, and that is the caller's or the tenant's doing."""

    def __init__(self, message: str, *, param: str | None = None, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.param = param


class InvalidApiKey(Refusal): ...


class AdminKeyRequired(Refusal): ...


class TenantDisabled(Refusal): ...


class ModelNotAllowed(Refusal): ...


class ModelNotFound(Refusal): ...


class UnknownEndpoint(Refusal): ...


class MethodNotAllowed(Refusal):
    """`allow` lists the methods there are, comma between."""

    def __init__(self, message: str, *, allow: str) -> None:
        super().__init__(message)
        self.allow = allow


class InvalidRequest(Refusal): ...


class UnsupportedParameter(Refusal): ...


class UnsupportedCapability(Refusal): ...


class ContextLengthExceeded(Refusal): ...


class RequestTooLarge(Refusal): ...


class ModelUnpriced(Refusal): ...


class MaxCostExceeded(Refusal): ...


class OnlyIfCachedMiss(Refusal): ...


class StoreUnavailable(Refusal): ...


class Overloaded(Refusal): ...


class Draining(Refusal): ...


class FailureKind(StrEnum):
    """How an upstream attempt failed; the ledger's `error_code` keeps the value."""

    CONNECT = "connect"  # nothing was written: provably not billed
    DISCONNECTED = "disconnected"  # the connection broke after the request was written
    CUT = "cut"  # a stream or body ended before its end
    TIMEOUT = "timeout"
    SERVER_ERROR = "server_error"  # 5xx
    RATE_LIMITED = "rate_limited"  # 429: the provider's limit on the operator's account
    CREDENTIALS = "credentials"  # 401, 402, 403, 404: the operator's key or model name
    REDIRECT = "redirect"  # 3xx: never followed
    BAD_ANSWER = "bad_answer"  # wrong content type, malformed JSON, no choices, an error inside 200
    TOO_LARGE = "too_large"  # the answer passes our bound


class UpstreamFailure(FarewayError):
    """An attempt that gave no usable answer.

    `was_sent` is False only where the request was provably never written, so cannot be billed.
    `retry_after` is the upstream's own header value, if it sent one.
    """

    def __init__(
        self,
        kind: FailureKind,
        message: str,
        *,
        was_sent: bool,
        status: int | None = None,
        retry_after: str | None = None,
    ) -> None:
        super().__init__(message, detail=message)
        self.kind = kind
        self.was_sent = was_sent
        self.status = status
        self.retry_after = retry_after


class UpstreamRejection(FarewayError):
    """The upstream's 4xx answer to what the client asked: its status and body go back unchanged."""

    def __init__(self, *, status: int, body: bytes, headers: dict[str, str]) -> None:
        super().__init__(f"the upstream answered {status}")
        self.status = status
        self.body = body
        self.headers = headers


class ConfigError(FarewayError):
    """Settings that cannot be used: the message names file, key, what was found and is allowed."""


class ArtifactError(FarewayError):
    """A router artefact that is missing, damaged, or made for another feature schema."""
