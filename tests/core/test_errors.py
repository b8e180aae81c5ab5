"""An error carries one text for the caller and one for the log."""

from gateway.core.errors import (
    FailureKind,
    FarewayError,
    InvalidRequest,
    UpstreamFailure,
    UpstreamRejection,
)


def test_what_the_log_keeps_is_not_what_the_caller_reads() -> None:
    error = InvalidRequest("no", param="n", detail="value was 7")

    assert (str(error), error.param, error.detail) == ("no", "n", "value was 7")


def test_a_failure_says_how_and_whether_it_can_have_been_billed() -> None:
    failure = UpstreamFailure(
        FailureKind.SERVER_ERROR, "answered 503", was_sent=True, status=503, retry_after="7"
    )

    assert isinstance(failure, FarewayError)
    assert (failure.kind, failure.was_sent) == (FailureKind.SERVER_ERROR, True)
    assert (failure.status, failure.retry_after) == (503, "7")
    assert failure.detail == "answered 503"


def test_a_rejection_keeps_the_upstreams_answer() -> None:
    rejection = UpstreamRejection(status=422, body=b"{}", headers={"content-type": "text/plain"})

    assert (rejection.status, rejection.body) == (422, b"{}")
    assert rejection.headers == {"content-type": "text/plain"}
    assert str(rejection) == "the upstream answered 422"
