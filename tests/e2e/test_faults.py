"""What a client reads and what the ledger keeps when an upstream misbehaves."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
import pytest

from tests.support.gateway_process import GatewayProcess, Json, running_gateway
from tests.support.scene import (
    ADMIN_KEY,
    SMALL_INPUT,
    SMALL_OUTPUT,
    ask,
    authorised,
    closing_of,
    data_of,
    scene_yaml,
    text_of,
)
from tests.support.upstream_behaviour import Behaviour
from tests.support.upstream_thread import UpstreamThread

SOUND = "Scripted answer of scripted to: Hello there"
HASTY = "resilience: {connect_timeout_s: 1, first_token_timeout_s: 0.4, idle_timeout_s: 0.4, attempt_timeout_s: 0.4}"


def asked(gateway: GatewayProcess, fault: str, *, stream: bool = False) -> httpx2.Response:
    return ask(gateway, f"Hello there [[fault:{fault}]]", stream=stream)


def only_row(gateway: GatewayProcess, response: httpx2.Response) -> Json:
    rows = gateway.ledger(response.headers["x-request-id"])
    assert len(rows) == 1
    return rows[0]


def error_of(response: httpx2.Response) -> Json:
    error: Json = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def held(gateway: GatewayProcess) -> str:
    usage = gateway.http.get(f"{gateway.base_url}/usage", headers=authorised()).json()
    return str(usage["held_usd"])


@dataclass(frozen=True, slots=True)
class Fails:
    """`booked`: free, held (all of it), or the cost of usage that is estimated or reported."""

    fault: str
    status: int
    code: str
    error_code: str
    booked: str


BEFORE_ANYTHING = [
    Fails("status-500", 503, "upstream_unavailable", "server_error", "free"),
    Fails("status-502-html", 503, "upstream_unavailable", "server_error", "free"),
    Fails("status-503", 503, "upstream_unavailable", "server_error", "free"),
    Fails("status-529", 503, "upstream_unavailable", "server_error", "free"),
    Fails("status-429", 503, "upstream_unavailable", "rate_limited", "free"),
    Fails("status-401", 503, "upstream_unavailable", "credentials", "free"),
    Fails("status-402", 503, "upstream_unavailable", "credentials", "free"),
    Fails("status-403", 503, "upstream_unavailable", "credentials", "free"),
    Fails("status-404", 503, "upstream_unavailable", "credentials", "free"),
    Fails("status-408", 504, "upstream_timeout", "timeout", "free"),
    Fails("status-304", 502, "upstream_error", "redirect", "free"),
    Fails("redirect", 502, "upstream_error", "redirect", "free"),
]

PLAIN = [
    *BEFORE_ANYTHING,
    Fails("html", 502, "upstream_error", "bad_answer", "estimated"),
    Fails("sse-for-plain", 502, "upstream_error", "bad_answer", "estimated"),
    Fails("malformed-json", 502, "upstream_error", "bad_answer", "estimated"),
    Fails("empty-body", 502, "upstream_error", "bad_answer", "estimated"),
    Fails("no-choices", 502, "upstream_error", "bad_answer", "estimated"),
    Fails("error-in-200", 502, "upstream_error", "bad_answer", "free"),
    Fails("cut-before-head", 503, "upstream_unavailable", "disconnected", "held"),
    Fails("reset-before-head", 503, "upstream_unavailable", "disconnected", "held"),
    Fails("cut-after-head", 502, "upstream_error", "cut", "held"),
    Fails("reset-after-head", 502, "upstream_error", "cut", "held"),
    Fails("cut", 502, "upstream_error", "cut", "held"),
    Fails("cut+chunked", 502, "upstream_error", "cut", "held"),
    Fails("reset", 502, "upstream_error", "cut", "held"),
    Fails("gzip-broken", 502, "upstream_error", "bad_answer", "held"),
    Fails("huge-header", 502, "upstream_error", "bad_answer", "held"),
]

STREAM = [
    *BEFORE_ANYTHING,
    Fails("html", 502, "upstream_error", "bad_answer", "estimated"),
    Fails("json-for-stream", 502, "upstream_error", "bad_answer", "estimated"),
    Fails("error-in-200", 502, "upstream_error", "bad_answer", "free"),
    Fails("malformed-event", 502, "upstream_error", "bad_answer", "estimated"),
    Fails("empty-body", 502, "upstream_error", "bad_answer", "estimated"),
    Fails("error-event-after-0", 502, "upstream_error", "bad_answer", "free"),
    Fails("cut-before-head", 503, "upstream_unavailable", "disconnected", "estimated"),
    Fails("reset-before-head", 503, "upstream_unavailable", "disconnected", "estimated"),
    Fails("cut-after-head", 502, "upstream_error", "cut", "estimated"),
    Fails("reset-after-head", 502, "upstream_error", "cut", "estimated"),
    Fails("cut-after-0", 502, "upstream_error", "cut", "estimated"),
    Fails("gzip-broken", 502, "upstream_error", "bad_answer", "estimated"),
    Fails("huge-header", 502, "upstream_error", "bad_answer", "estimated"),
]

MID_STREAM = [
    Fails("cut-after-3", 200, "upstream_error", "cut", "estimated"),
    Fails("reset-after-3", 200, "upstream_error", "cut", "estimated"),
    Fails("cut-after-3+until-close", 200, "upstream_error", "cut", "estimated"),
    Fails("error-event-after-3", 200, "upstream_error", "bad_answer", "estimated"),
    Fails("no-done+no-finish", 200, "upstream_error", "cut", "reported"),
]


def check_booked(row: Json, booked: str) -> None:
    match booked:
        case "free":
            assert (row["cost_nano_usd"], row["usage_source"]) == (0, None)
        case "held":
            assert row["cost_nano_usd"] == row["held_nano_usd"] > 0
            assert row["usage_source"] is None
        case _:
            cost = row["input_tokens"] * SMALL_INPUT + row["output_tokens"] * SMALL_OUTPUT
            assert (row["cost_nano_usd"], row["usage_source"]) == (cost, booked)
            assert row["input_tokens"] > 0


def named(cases: list[Fails]) -> list[object]:
    return [pytest.param(case, id=case.fault) for case in cases]


@pytest.mark.parametrize("case", named(PLAIN))
def test_a_plain_call_that_fails_upstream_is_told_and_booked(
    gateway: GatewayProcess, case: Fails
) -> None:
    response = asked(gateway, case.fault)

    row = only_row(gateway, response)
    assert (response.status_code, error_of(response)["code"]) == (case.status, case.code)
    assert error_of(response)["type"] == "api_error"
    assert (row["state"], row["outcome"], row["error_code"]) == (
        "settled",
        "error",
        case.error_code,
    )
    assert not row["delivered"]
    check_booked(row, case.booked)
    assert held(gateway) == "0"


@pytest.mark.parametrize("case", named(STREAM))
def test_a_stream_that_fails_before_its_first_event_is_told_by_status(
    gateway: GatewayProcess, case: Fails
) -> None:
    response = asked(gateway, case.fault, stream=True)

    row = only_row(gateway, response)
    assert (response.status_code, error_of(response)["code"]) == (case.status, case.code)
    assert response.headers["content-type"] == "application/json"
    assert (row["state"], row["outcome"], row["error_code"]) == (
        "settled",
        "error",
        case.error_code,
    )
    assert not row["delivered"]
    check_booked(row, case.booked)


@pytest.mark.parametrize("case", named(MID_STREAM))
def test_a_stream_that_fails_midway_ends_with_an_error_event_and_no_done(
    gateway: GatewayProcess, case: Fails
) -> None:
    response = asked(gateway, case.fault, stream=True)

    row = only_row(gateway, response)
    last = json.loads(data_of(response.text)[-1])
    assert response.status_code == 200
    assert last["error"]["code"] == case.code
    assert "[DONE]" not in response.text
    assert (row["state"], row["outcome"], row["error_code"]) == (
        "settled",
        "error",
        case.error_code,
    )
    assert row["delivered"]
    assert text_of(response.text.rpartition("data: ")[0]) in SOUND
    assert row["output_tokens"] > 0
    check_booked(row, case.booked)


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize(
    "fault",
    [
        "slow-head", "slow-chunks", "gzip", "bytewise", "joined", "chunked", "until-close", "http10",
        "continue-100", "connection-close", "crlf", "multi-line", "comments", "no-done", "no-finish",
        "cut-after-done", "huge-body", "huge-event", "crlf+bytewise+multi-line",
        "gzip+joined", "usage-every-chunk", "usage-last-content",
    ],
)  # fmt: skip
def test_an_odd_but_whole_answer_is_delivered_and_billed_as_reported(
    gateway: GatewayProcess, upstream: UpstreamThread, fault: str, *, is_stream: bool
) -> None:
    response = asked(gateway, fault, stream=is_stream)

    row = only_row(gateway, response)
    bill = next(line for line in upstream.bill if line.upstream_id == row["upstream_id"])
    said = response.text if is_stream else response.json()["choices"][0]["message"]["content"]
    assert response.status_code == 200
    if is_stream and "multi-line" not in fault:
        assert text_of(said) == SOUND
    assert ("[DONE]" in said) == is_stream
    assert (row["state"], row["outcome"], row["delivered"]) == ("settled", "ok", True)
    assert (row["usage_source"], row["input_tokens"]) == ("reported", bill.usage.input)
    assert row["output_tokens"] == bill.usage.output
    assert row["cost_nano_usd"] == bill.usage.input * SMALL_INPUT + bill.usage.output * SMALL_OUTPUT


def test_a_stream_is_over_at_its_done_though_the_upstream_keeps_it_open(
    gateway: GatewayProcess,
) -> None:
    response = asked(gateway, "open-after-done", stream=True)

    assert data_of(response.text)[-1] == "[DONE]"
    assert only_row(gateway, response)["outcome"] == "ok"


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("fault", ["missing", "null", "negative", "absurd"])
def test_usage_that_cannot_be_true_is_estimated_and_never_free(
    gateway: GatewayProcess, fault: str, *, is_stream: bool
) -> None:
    response = asked(gateway, f"usage-{fault}", stream=is_stream)

    row = only_row(gateway, response)
    assert response.status_code == 200
    assert (row["outcome"], row["usage_source"]) == ("ok", "estimated")
    assert row["output_tokens"] > 0
    check_booked(row, "estimated")


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("status", [400, 405, 409, 413, 415, 422])
def test_an_upstreams_refusal_of_what_was_asked_passes_unchanged(
    gateway: GatewayProcess, status: int, *, is_stream: bool
) -> None:
    response = asked(gateway, f"status-{status}", stream=is_stream)

    row = only_row(gateway, response)
    assert response.status_code == status
    assert error_of(response)["message"] == f"scripted {status}"
    assert (row["outcome"], row["error_code"]) == ("refused", f"http_{status}")
    assert (row["cost_nano_usd"], row["delivered"]) == (0, False)


def test_a_refusal_that_is_no_error_object_becomes_one(gateway: GatewayProcess) -> None:
    response = asked(gateway, "status-422-html")

    assert response.status_code == 422
    assert error_of(response)["type"] == "invalid_request_error"
    assert response.headers["content-type"] == "application/json"


def test_the_upstreams_retry_after_reaches_the_client(gateway: GatewayProcess) -> None:
    response = asked(gateway, "status-429")

    assert response.headers["retry-after"] == "7"


def test_an_error_tells_nothing_of_the_upstreams_own_text(gateway: GatewayProcess) -> None:
    response = asked(gateway, "status-401")

    assert "scripted" not in response.text


def test_a_refused_connection_is_void_and_costs_nothing(gateway: GatewayProcess) -> None:
    response = ask(gateway, "Hello there", model="refusing")

    row = only_row(gateway, response)
    assert (response.status_code, error_of(response)["code"]) == (503, "upstream_unavailable")
    assert (row["state"], row["error_code"], row["cost_nano_usd"]) == ("void", "connect", 0)


def test_a_redirect_is_not_followed(gateway: GatewayProcess, upstream: UpstreamThread) -> None:
    mark = "redirect-once"

    ask(gateway, f"{mark} [[fault:redirect]]")

    assert sum(mark.encode() in call.body for call in upstream.calls) == 1


def test_an_event_beyond_every_bound_ends_the_stream(
    gateway: GatewayProcess, upstream: UpstreamThread
) -> None:
    upstream.scripted.script.append(Behaviour(event_padding_bytes=17 * 1024 * 1024))

    response = ask(gateway, "Hello there", stream=True)

    row = only_row(gateway, response)
    assert (response.status_code, error_of(response)["code"]) == (502, "upstream_error")
    assert (row["error_code"], row["usage_source"]) == ("too_large", "estimated")


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize(
    ("route", "first", "answers"),
    [
        ("after-refused", "connect", "small"),
        ("after-503", "server_error", "small"),
        ("after-cut", "cut", "small"),
        ("after-html", "bad_answer", "large"),
    ],
)
def test_the_next_model_answers_where_the_first_fails(
    gateway: GatewayProcess, route: str, first: str, answers: str, *, is_stream: bool
) -> None:
    if is_stream and route == "after-cut":
        route = "after-html"  # a stream cut midway has begun: nothing may follow
        first, answers = "bad_answer", "large"

    response = ask(gateway, "Hello there", model=route, stream=is_stream)

    rows = gateway.ledger(response.headers["x-request-id"])
    assert response.status_code == 200
    assert response.headers["x-fareway-attempts"] == "2"
    assert response.headers["x-fareway-model"] == answers
    assert response.headers["x-fareway-reason"] == "fallback"
    assert [row["error_code"] for row in rows] == [first, None]
    assert [row["delivered"] for row in rows] == [False, True]
    assert [row["kind"] for row in rows] == ["answer", "retry"]
    assert rows[0]["baseline_nano_usd"] is None


@pytest.mark.parametrize("is_stream", [False, True])
def test_the_cost_of_a_request_is_that_of_all_its_attempts(
    gateway: GatewayProcess, *, is_stream: bool
) -> None:
    options = {"include_usage": True} if is_stream else None
    response = ask(
        gateway, "Hello there", model="after-html", stream=is_stream, stream_options=options
    )

    total = sum(
        int(row["cost_nano_usd"]) for row in gateway.ledger(response.headers["x-request-id"])
    )
    if is_stream:
        told = closing_of(response.text)["cost_usd"]
        in_usage = json.loads(data_of(response.text)[-2])["usage"]["cost"]
    else:
        told = response.headers["x-fareway-cost-usd"]
        in_usage = response.json()["usage"]["cost"]
    assert round(float(told) * 1e9) == round(in_usage * 1e9) == total


def test_nothing_follows_a_stream_that_has_begun(gateway: GatewayProcess) -> None:
    response = ask(gateway, "Hello there", model="after-cut", stream=True)

    assert "[DONE]" not in response.text
    assert only_row(gateway, response)["error_code"] == "cut"


def test_nothing_follows_what_the_client_did_wrong(gateway: GatewayProcess) -> None:
    response = ask(gateway, "Hello there", model="after-400")

    assert response.status_code == 400
    assert only_row(gateway, response)["outcome"] == "refused"


def test_the_last_cause_is_told_where_every_model_fails(gateway: GatewayProcess) -> None:
    response = ask(gateway, "Hello there", model="all-fail")

    rows = gateway.ledger(response.headers["x-request-id"])
    assert (response.status_code, error_of(response)["code"]) == (502, "upstream_error")
    assert [row["error_code"] for row in rows] == ["server_error", "bad_answer"]
    assert not any(row["delivered"] for row in rows)


@pytest.fixture(scope="module")
def hasty(
    tmp_path_factory: pytest.TempPathFactory, upstream: UpstreamThread, refused_port: int
) -> Iterator[GatewayProcess]:
    """A gateway that waits for next to nothing."""
    yaml = scene_yaml(upstream.base_url, refused_port=refused_port, request_timeout_s=3, more=HASTY)
    folder = tmp_path_factory.mktemp("hasty")
    with running_gateway(folder, yaml, admin_key=ADMIN_KEY) as running:
        yield running


@pytest.mark.parametrize(
    ("fault", "is_stream", "booked"),
    [
        ("stall-before-head", False, "held"),
        ("stall-after-head", False, "held"),
        ("stall", False, "held"),
        ("stall-before-head", True, "estimated"),
        ("stall-after-head", True, "estimated"),
        ("stall-after-0", True, "estimated"),
    ],
)
def test_an_upstream_that_stalls_is_left_at_the_deadline(
    hasty: GatewayProcess, upstream: UpstreamThread, fault: str, booked: str, *, is_stream: bool
) -> None:
    mark = f"left-at-deadline-{fault}-{is_stream}"
    response = ask(hasty, f"{mark} [[fault:{fault}]]", stream=is_stream)

    row = only_row(hasty, response)
    assert (response.status_code, error_of(response)["code"]) == (504, "upstream_timeout")
    assert (row["state"], row["outcome"], row["error_code"]) == ("settled", "error", "timeout")
    check_booked(row, booked)
    aborted = upstream.call_with(mark).connection
    upstream.until(lambda: aborted not in upstream.live_connections())


def test_a_stream_that_falls_silent_ends_with_an_error_event(hasty: GatewayProcess) -> None:
    response = asked(hasty, "stall-after-3", stream=True)

    row = only_row(hasty, response)
    assert json.loads(data_of(response.text)[-1])["error"]["code"] == "upstream_timeout"
    assert "[DONE]" not in response.text
    assert (row["error_code"], row["delivered"]) == ("timeout", True)
    check_booked(row, "estimated")


def test_a_stream_that_keeps_coming_may_outlast_every_wait(hasty: GatewayProcess) -> None:
    response = ask(hasty, "[[fault:slow-chunks]][[tokens:8]]", stream=True)

    row = only_row(hasty, response)
    assert row["duration_ms"] > 400
    assert (row["outcome"], row["output_tokens"]) == ("ok", 8)


def test_no_request_outlasts_the_requests_own_deadline(hasty: GatewayProcess) -> None:
    response = ask(hasty, "[[fault:slow-chunks]][[tokens:200]]", stream=True)

    row = only_row(hasty, response)
    assert json.loads(data_of(response.text)[-1])["error"]["code"] == "upstream_timeout"
    assert (row["error_code"], row["delivered"]) == ("timeout", True)


@pytest.mark.parametrize("is_stream", [False, True])
def test_the_next_model_answers_where_the_first_stalls(
    hasty: GatewayProcess, *, is_stream: bool
) -> None:
    response = ask(hasty, "Hello there", model="after-stall", stream=is_stream)

    rows = hasty.ledger(response.headers["x-request-id"])
    assert response.status_code == 200
    assert [row["error_code"] for row in rows] == ["timeout", None]
