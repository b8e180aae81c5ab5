"""The table from error to answer is complete, and is the documented one."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import errors
from gateway.core.errors import FailureKind, FarewayError, Refusal, UpstreamFailure
from gateway.edge.errors import error_body, error_headers, shape_of

INVALID, PERMISSION, API = "invalid_request_error", "permission_error", "api_error"


def refusals(of: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    for each in of.__subclasses__():
        yield each
        yield from refusals(each)


def made(kind: type[Refusal]) -> Refusal:
    if kind is errors.MethodNotAllowed:
        return errors.MethodNotAllowed("why", allow="POST")
    return kind("why")


def failure(kind: FailureKind, retry_after: str | None = None) -> UpstreamFailure:
    return UpstreamFailure(kind, "why", was_sent=True, retry_after=retry_after)


@pytest.mark.parametrize("kind", sorted(refusals(), key=str))
def test_every_refusal_is_answered_as_one(kind: type[Refusal]) -> None:
    shape = shape_of(made(kind))

    assert 400 <= shape.status < 600
    assert shape.status != 500
    assert json.loads(error_body(made(kind)))["error"]["message"] == "why"


@pytest.mark.parametrize("kind", FailureKind)
def test_every_failure_of_an_upstream_is_answered_as_one(kind: FailureKind) -> None:
    assert shape_of(failure(kind)).status in {502, 503, 504}
    assert shape_of(failure(kind)).code in {
        "upstream_error",
        "upstream_unavailable",
        "upstream_timeout",
    }


@pytest.mark.parametrize(
    ("error", "status", "type_", "code"),
    [
        (errors.InvalidApiKey(""), 401, INVALID, "invalid_api_key"),
        (errors.ModelNotAllowed(""), 403, PERMISSION, "model_not_allowed"),
        (errors.TenantDisabled(""), 403, PERMISSION, "tenant_disabled"),
        (errors.ModelNotFound(""), 404, INVALID, "model_not_found"),
        (errors.InvalidRequest(""), 400, INVALID, None),
        (errors.UnsupportedParameter(""), 400, INVALID, "unsupported_parameter"),
        (errors.UnsupportedCapability(""), 400, INVALID, "unsupported_capability"),
        (errors.ContextLengthExceeded(""), 400, INVALID, "context_length_exceeded"),
        (errors.RequestTooLarge(""), 413, INVALID, "request_too_large"),
        (errors.ModelUnpriced(""), 402, INVALID, "model_unpriced"),
        (errors.MaxCostExceeded(""), 400, INVALID, "max_cost_exceeded"),
        (errors.OnlyIfCachedMiss(""), 504, INVALID, "only_if_cached_miss"),
        (errors.StoreUnavailable(""), 503, API, "store_unavailable"),
        (errors.Overloaded(""), 503, API, "overloaded"),
        (errors.Draining(""), 503, API, "draining"),
        (failure(FailureKind.BAD_ANSWER), 502, API, "upstream_error"),
        (failure(FailureKind.CONNECT), 503, API, "upstream_unavailable"),
        (failure(FailureKind.SERVER_ERROR), 503, API, "upstream_unavailable"),
        (failure(FailureKind.TIMEOUT), 504, API, "upstream_timeout"),
        (RuntimeError("secret"), 500, API, "internal_error"),
    ],
)
def test_errors_are_answered_as_documented(
    error: Exception, status: int, type_: str, code: str | None
) -> None:
    assert shape_of(error).status == status
    body = json.loads(error_body(error))["error"]
    assert (body["type"], body["code"]) == (type_, code)


def test_a_defect_says_nothing_of_itself() -> None:
    body = error_body(RuntimeError("postgresql://user:password@host"))

    assert b"password" not in body
    assert b"request id" in body


def test_what_is_no_refusal_and_no_failure_is_a_defect_even_under_our_own_root() -> None:
    assert shape_of(FarewayError("odd")).status == 500


def test_a_blamed_field_is_named() -> None:
    body = json.loads(error_body(errors.InvalidRequest("no", param="messages")))

    assert body["error"]["param"] == "messages"


@given(st.text(st.characters(), max_size=50))
def test_any_text_can_be_said(text: str) -> None:
    said = json.loads(error_body(errors.InvalidRequest(text)))["error"]["message"]

    assert said == text.encode("utf-8", "backslashreplace").decode()


@pytest.mark.parametrize("kind", [errors.StoreUnavailable, errors.Overloaded, errors.Draining])
def test_what_passes_soon_says_when_to_come_back(kind: type[Refusal]) -> None:
    assert dict(error_headers(kind("")))[b"retry-after"] == b"1"


def test_an_upstreams_own_time_to_come_back_is_passed_on() -> None:
    headers = dict(error_headers(failure(FailureKind.RATE_LIMITED, "7")))

    assert headers[b"retry-after"] == b"7"


def test_a_failure_without_one_names_none() -> None:
    assert error_headers(failure(FailureKind.RATE_LIMITED)) == []


def test_a_wrong_method_says_which_are_right() -> None:
    error = errors.MethodNotAllowed("no", allow="GET, POST")

    assert dict(error_headers(error))[b"allow"] == b"GET, POST"
