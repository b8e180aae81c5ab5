"""A reply as bytes: the product's headers, error events, and nothing a header must not hold."""

import asyncio
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import FailureKind, InvalidRequest, UpstreamFailure, UpstreamRejection
from gateway.core.ids import RequestId
from gateway.core.record import Reason
from gateway.edge import reply as reply_module
from gateway.edge.asgi import Message
from gateway.edge.reply import HttpReply
from gateway.flow.reply import Closing, Head
from tests.support.edge_scene import HttpAnswer, answer_of

IDENTITY = RequestId("r-1")
HEAD = Head(
    upstream_headers={"content-type": "application/json", "openai-processing-ms": "12"},
    model="small",
    tier="simple",
    score=0.25,
    reason=Reason.ROUTED,
    cache="OFF",
    attempts=2,
    overhead_s=0.0015,
    cost_nano_usd=14_000,
    saved_nano_usd=-126_000,
)
CLOSING = Closing("small", 1, Reason.ROUTED, 14_000, None)
FAILURE = UpstreamFailure(FailureKind.CUT, "the upstream's stream was cut", was_sent=True)


class Wire:
    """What was sent; refuses what the protocol forbids."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.reply = HttpReply(self.send, IDENTITY, [(b"x-request-id", IDENTITY.encode())])

    async def send(self, message: Message) -> None:
        await asyncio.sleep(0)
        if message["type"] == "http.response.start":
            assert not self.sent
            for name, value in message["headers"]:
                assert not set(b"\r\n\0") & set(name + value)
                value.decode("ascii")
        self.sent.append(message)

    @property
    def answer(self) -> HttpAnswer:
        return answer_of(self.sent)


async def test_whole_answer_carries_the_documented_headers() -> None:
    wire = Wire()

    await wire.reply.whole(HEAD, b"{}")

    assert wire.answer.status == 200
    assert dict(wire.answer.headers) == {
        "x-request-id": "r-1",
        "content-type": "application/json",
        "openai-processing-ms": "12",
        "x-fareway-model": "small",
        "x-fareway-tier": "simple",
        "x-fareway-score": "0.2500",
        "x-fareway-reason": "routed",
        "x-fareway-cache": "OFF",
        "x-fareway-attempts": "2",
        "x-fareway-overhead-ms": "1.500",
        "x-fareway-cost-usd": "0.000014",
        "x-fareway-saved-usd": "-0.000126",
        "content-length": "2",
    }


async def test_what_is_not_known_has_no_header() -> None:
    wire = Wire()

    await wire.reply.whole(
        replace(HEAD, tier=None, score=None, cost_nano_usd=None, saved_nano_usd=None), b"{}"
    )

    for name in ("tier", "score", "cost-usd", "saved-usd"):
        assert wire.answer.header(f"x-fareway-{name}") is None


async def test_answer_without_a_content_type_is_json() -> None:
    wire = Wire()

    await wire.reply.whole(replace(HEAD, upstream_headers={}), b"{}")

    assert wire.answer.header("content-type") == "application/json"


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        ("a\r\nset-cookie: b=c", r"a\r\nset-cookie: b=c"),
        ("a\nb\rc\0d", r"a\nb\rc\x00d"),
        ("gr\u00f6\u00dfe", r"gr\xf6\xdfe"),
        ("\u6a21\u578b", r"\u6a21\u578b"),
        ("a\u2028b", r"a\u2028b"),
        ("\ud800", r"\ud800"),
    ],
)
async def test_name_a_header_cannot_hold_is_shown_escaped(model: str, shown: str) -> None:
    wire = Wire()

    await wire.reply.whole(replace(HEAD, model=model), b"{}")

    assert wire.answer.header("x-fareway-model") == shown


@given(st.text(st.characters(), max_size=20), st.text(st.characters(), max_size=20))
async def test_no_name_and_no_upstreams_header_breaks_a_head(model: str, value: str) -> None:
    wire = Wire()
    head = replace(HEAD, model=model, tier=value, upstream_headers={"retry-after": value})

    await wire.reply.whole(head, b"{}")

    assert len(wire.answer.headers) == 13


async def test_stream_is_neither_cached_nor_buffered_on_its_way() -> None:
    wire = Wire()

    await wire.reply.start(replace(HEAD, upstream_headers={}))
    await wire.reply.write(b"data: 1\n\n")
    await wire.reply.finish(CLOSING, b"data: [DONE]\n\n")

    assert wire.answer.header("content-type") == "text/event-stream; charset=utf-8"
    assert wire.answer.header("cache-control") == "no-cache"
    assert wire.answer.header("x-accel-buffering") == "no"
    assert wire.answer.header("content-length") is None


async def test_stream_ends_with_its_comment_and_done() -> None:
    wire = Wire()

    await wire.reply.start(HEAD)
    await wire.reply.finish(CLOSING, b"data: [DONE]\n\n")

    comment, done, _ = wire.answer.body.split(b"\n\n")
    assert json.loads(comment.removeprefix(b": fareway ")) == {
        "model": "small",
        "attempts": 1,
        "reason": "routed",
        "cost_usd": "0.000014",
        "saved_usd": None,
    }
    assert done == b"data: [DONE]"


async def test_failure_before_the_first_byte_is_told_by_its_status() -> None:
    wire = Wire()

    await wire.reply.fail(FAILURE, HEAD)

    assert wire.answer.status == 502
    assert wire.answer.error["code"] == "upstream_error"
    assert wire.answer.header("x-fareway-attempts") == "2"
    assert wire.answer.header("content-type") == "application/json"


async def test_failure_after_the_first_byte_is_an_event_and_never_a_clean_end() -> None:
    wire = Wire()
    await wire.reply.start(HEAD)
    await wire.reply.write(b"data: 1\n\n")

    await wire.reply.fail(FAILURE, HEAD)

    assert wire.answer.status == 200
    event = wire.answer.body.removeprefix(b"data: 1\n\ndata: ")
    assert json.loads(event)["error"]["code"] == "upstream_error"
    assert b"[DONE]" not in wire.answer.body


@pytest.mark.parametrize(
    "body", [b'{"error":{"message":"no","code":"bad"}}', b'{"error":"no"}', b' {"error" : null}']
)
async def test_rejection_in_openais_shape_passes_untouched(body: bytes) -> None:
    wire = Wire()
    headers = {"content-type": "application/json; charset=utf-8"}

    await wire.reply.reject(UpstreamRejection(status=422, body=body, headers=headers), HEAD)

    assert (wire.answer.status, wire.answer.body) == (422, body)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>no</html>", b"[]", b'{"detail":"no"}', b'{"error":', b"\xff", b'"error"'],
)
async def test_other_rejections_are_put_into_it(body: bytes) -> None:
    wire = Wire()
    head = replace(HEAD, upstream_headers={"content-type": "text/html", "retry-after": "9"})

    await wire.reply.reject(UpstreamRejection(status=422, body=body, headers={}), head)

    assert wire.answer.status == 422
    assert wire.answer.error["type"] == "invalid_request_error"
    assert wire.answer.header("content-type") == "application/json"


async def test_refusal_carries_the_requests_id_and_no_products_headers() -> None:
    wire = Wire()

    await wire.reply.refuse(InvalidRequest("no", param="n"))

    assert wire.answer.status == 400
    assert wire.answer.header("x-request-id") == "r-1"
    assert wire.answer.header("x-fareway-model") is None
    assert wire.answer.error["param"] == "n"


async def test_stuck_client_of_a_failed_stream_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reply_module, "LAST_EVENT_TIMEOUT_S", 0.01)

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    reply = HttpReply(send, IDENTITY, [])
    await reply.start(HEAD)

    await reply.fail_stream(FAILURE)

    assert reply.has_started
