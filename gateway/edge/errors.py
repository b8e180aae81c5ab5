"""The one table from an error of ours to what a client reads: status, type, code.

Texts are the error's own; nothing an upstream, a library or the configuration says gets out but by
being written into one of our errors on purpose.
"""

from dataclasses import dataclass

import msgspec

from gateway.core import errors
from gateway.core.errors import FailureKind, FarewayError, Refusal, UpstreamFailure

INTERNAL_TEXT = "The gateway failed. Its log has the cause under this request id."


@dataclass(frozen=True, slots=True)
class Shape:
    """How one kind of error is answered. `retry_after_s` becomes a header."""

    status: int
    type: str
    code: str | None
    retry_after_s: int | None = None


_INVALID = "invalid_request_error"
_PERMISSION = "permission_error"
_API = "api_error"

_REFUSALS: dict[type[Refusal], Shape] = {
    errors.InvalidApiKey: Shape(401, _INVALID, "invalid_api_key"),
    errors.AdminKeyRequired: Shape(401, _INVALID, "invalid_api_key"),
    errors.TenantDisabled: Shape(403, _PERMISSION, "tenant_disabled"),
    errors.ModelNotAllowed: Shape(403, _PERMISSION, "model_not_allowed"),
    errors.ModelNotFound: Shape(404, _INVALID, "model_not_found"),
    errors.UnknownEndpoint: Shape(404, _INVALID, "unknown_url"),
    errors.MethodNotAllowed: Shape(405, _INVALID, "method_not_allowed"),
    errors.InvalidRequest: Shape(400, _INVALID, None),
    errors.UnsupportedParameter: Shape(400, _INVALID, "unsupported_parameter"),
    errors.UnsupportedCapability: Shape(400, _INVALID, "unsupported_capability"),
    errors.ContextLengthExceeded: Shape(400, _INVALID, "context_length_exceeded"),
    errors.MaxCostExceeded: Shape(400, _INVALID, "max_cost_exceeded"),
    errors.RequestTooLarge: Shape(413, _INVALID, "request_too_large"),
    errors.ModelUnpriced: Shape(402, _INVALID, "model_unpriced"),
    errors.OnlyIfCachedMiss: Shape(504, _INVALID, "only_if_cached_miss"),
    errors.StoreUnavailable: Shape(503, _API, "store_unavailable", retry_after_s=1),
    errors.Overloaded: Shape(503, _API, "overloaded", retry_after_s=1),
    errors.Draining: Shape(503, _API, "draining", retry_after_s=1),
}

_BAD_ANSWER = Shape(502, _API, "upstream_error")
_UNAVAILABLE = Shape(503, _API, "upstream_unavailable")
_TIMEOUT = Shape(504, _API, "upstream_timeout")

_FAILURES: dict[FailureKind, Shape] = {
    FailureKind.CONNECT: _UNAVAILABLE,
    FailureKind.DISCONNECTED: _UNAVAILABLE,
    FailureKind.CUT: _BAD_ANSWER,
    FailureKind.TIMEOUT: _TIMEOUT,
    FailureKind.SERVER_ERROR: _UNAVAILABLE,
    FailureKind.RATE_LIMITED: _UNAVAILABLE,
    FailureKind.CREDENTIALS: _UNAVAILABLE,
    FailureKind.REDIRECT: _BAD_ANSWER,
    FailureKind.BAD_ANSWER: _BAD_ANSWER,
    FailureKind.TOO_LARGE: _BAD_ANSWER,
}

INTERNAL = Shape(500, _API, "internal_error")


def shape_of(error: BaseException) -> Shape:
    """How the error is answered; whatever we have no name for is our defect."""
    if isinstance(error, Refusal):
        return _REFUSALS[type(error)]
    if isinstance(error, UpstreamFailure):
        return _FAILURES[error.kind]
    return INTERNAL


def error_body(error: BaseException) -> bytes:
    """OpenAI's error object for this error."""
    shape = shape_of(error)
    return error_object(
        message=str(error) if isinstance(error, FarewayError) else INTERNAL_TEXT,
        type_=shape.type,
        param=error.param if isinstance(error, Refusal) else None,
        code=shape.code,
    )


def error_object(*, message: str, type_: str, param: str | None, code: str | None) -> bytes:
    # A lone surrogate from a client's text cannot be encoded: shown as an escape.
    safe = message.encode("utf-8", "backslashreplace").decode()
    body = {"error": {"message": safe, "type": type_, "param": param, "code": code}}
    return msgspec.json.encode(body)


def error_headers(error: BaseException) -> list[tuple[bytes, bytes]]:
    """The headers an error brings: when to come back, whether to."""
    shape = shape_of(error)
    headers = []
    if isinstance(error, UpstreamFailure) and error.retry_after is not None:
        headers.append((b"retry-after", error.retry_after.encode("latin-1", "replace")))
    elif shape.retry_after_s is not None:
        headers.append((b"retry-after", str(shape.retry_after_s).encode()))
    if isinstance(error, errors.MethodNotAllowed):
        headers.append((b"allow", error.allow.encode()))
    return headers
