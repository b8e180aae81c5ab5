"""The hot endpoints as a client meets them, over fakes."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest

from gateway.core.catalog import Tenant
from gateway.core.errors import FailureKind, StoreUnavailable, UpstreamFailure
from gateway.core.ids import OrganisationId, TenantId
from gateway.core.record import Outcome
from gateway.edge import v1
from gateway.edge.asgi import Message, Receive, Scope, Send
from tests.fakes import FakeAnswer, FakeLedger, FakeUpstream
from tests.support.edge_scene import (
    GONE,
    EdgeScene,
    a_scope,
    answer_of,
    body_message,
    receiving,
)
from tests.support.flow_scene import (
    CHUNKS,
    KEY,
    Scene,
    a_catalog,
    a_model,
    chat,
    plain,
    stream,
    until,
)

CHAT = "/v1/chat/completions"
HOT = (CHAT, "/v1/completions", "/v1/embeddings")
STREAM = ',"stream":true'


def edge(*script: FakeAnswer, **changes: object) -> EdgeScene:
    return EdgeScene(Scene(FakeUpstream(*script), **changes))  # type: ignore[arg-type]  # a builder


def counting() -> Callable[[int], int]:
    """Random bits that are never the same twice."""
    numbers = itertools.count(1)
    return lambda bits: next(numbers) % 2**bits


async def test_chat_is_answered_with_the_upstreams_body_and_our_headers() -> None:
    answer = await edge(plain()).post(CHAT, chat())

    assert answer.status == 200
    assert answer.json["choices"][0]["message"]["content"] == "Paris"
    assert answer.header("x-fareway-cost-usd") == "0.000014"
    assert answer.header("x-fareway-config") == "v1"


async def test_every_request_gets_an_id_of_its_own_that_the_ledger_knows() -> None:
    scene = edge(plain(), plain())
    scene.gateway.random_bits = counting()

    first = await scene.post(CHAT, chat())
    second = await scene.post(CHAT, chat())

    ids = [answer.header("x-request-id") or "" for answer in (first, second)]
    assert [UUID(one).version for one in ids] == [7, 7]
    assert {row.request_id for row in scene.scene.rows()} == set(ids)
    assert len(set(ids)) == 2


async def test_completion_and_embeddings_go_to_their_own_paths_upstream() -> None:
    model = a_model("small", endpoints=frozenset({"completions", "embeddings"}))
    completion = b'{"choices":[{"text":"x"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}'
    embedding = b'{"data":[{"embedding":[0.1]}],"usage":{"prompt_tokens":1,"total_tokens":1}}'
    scene = edge(plain(completion), plain(embedding), catalog=a_catalog(model))

    one = await scene.post("/v1/completions", b'{"model":"small","prompt":"x"}')
    two = await scene.post("/v1/embeddings", b'{"model":"small","input":"x"}')

    assert (one.status, two.status) == (200, 200)
    assert [call.path for call in scene.scene.upstream.calls] == ["completions", "embeddings"]


async def test_stream_comes_event_by_event() -> None:
    scene = edge(stream())
    sent: list[Message] = []

    async def send(message: Message) -> None:
        await asyncio.sleep(0)
        sent.append(message)

    scope = a_scope("POST", CHAT, [("authorization", f"Bearer {KEY}")])
    await scene.app(scope, receiving(body_message(chat(more=STREAM))), send)

    assert sent[1]["body"] == CHUNKS[0]
    assert sent[2]["body"] == CHUNKS[1]
    assert answer_of(sent).body.endswith(b"data: [DONE]\n\n")


async def test_only_the_clients_harmless_headers_travel() -> None:
    scene = edge(plain())
    headers = [
        ("accept", "application/json"),
        ("openai-beta", "x=1"),
        ("traceparent", "00-abc-def-01"),
        ("cookie", "a=b"),
        ("x-request-id", "mine"),
        ("idempotency-key", "once"),
        ("x-fareway-tags", "team=search"),
        ("x-forwarded-for", "10.0.0.1"),
        ("content-type", "text/plain"),
        ("openai-organization", "org-1"),
        ("api-key", "theirs"),
    ]

    await scene.post(CHAT, chat(), headers=headers)

    (call,) = scene.scene.upstream.calls
    assert dict(call.headers) == {
        "accept": "application/json",
        "openai-beta": "x=1",
        "traceparent": "00-abc-def-01",
    }


async def test_clients_own_id_session_and_tags_are_kept_and_its_id_echoed() -> None:
    scene = edge(plain())
    headers = [
        ("x-request-id", "mine-1"),
        ("x-fareway-session", "s-1"),
        ("x-fareway-tags", "team=search"),
    ]

    answer = await scene.post(CHAT, chat(), headers=headers)

    (row,) = scene.scene.rows()
    assert (row.client_request_id, row.session, row.tags) == ("mine-1", "s-1", "team=search")
    assert answer.header("x-client-request-id") == "mine-1"
    assert answer.header("x-request-id") != "mine-1"


async def test_two_requests_of_one_client_id_are_two_requests() -> None:
    scene = edge(plain(), plain())
    scene.gateway.random_bits = counting()
    headers = [("x-request-id", "same")]

    await scene.post(CHAT, chat(), headers=headers)
    await scene.post(CHAT, chat(), headers=headers)

    assert len(scene.scene.rows()) == 2


@pytest.mark.parametrize("identity", ["", "x" * 129, "a\tb", "caf\u00e9"])
async def test_client_id_that_does_not_fit_is_as_if_not_sent(identity: str) -> None:
    scene = edge(plain())

    answer = await scene.post(CHAT, chat(), headers=[("x-request-id", identity)])

    assert answer.status == 200
    assert answer.header("x-client-request-id") is None
    assert scene.scene.rows()[0].client_request_id is None


async def test_of_two_client_ids_the_first_counts() -> None:
    headers = [("x-request-id", "one"), ("x-request-id", "two")]

    answer = await edge(plain()).post(CHAT, chat(), headers=headers)

    assert answer.header("x-client-request-id") == "one"


@pytest.mark.parametrize("path", HOT)
@pytest.mark.parametrize("key", [None, "", "wrong", "schl\u00fcssel", f"{KEY}x", KEY[:-1]])
async def test_wrong_key_is_unauthorised_on_every_path(path: str, key: str | None) -> None:
    scene = edge()

    answer = await scene.post(path, chat(), key=key)

    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
    assert scene.scene.upstream.calls == []


async def test_disabled_tenant_is_told_so() -> None:
    disabled = Tenant(TenantId("acme"), OrganisationId("acme"), disabled=True)

    answer = await edge(tenant=disabled).post(CHAT, chat())

    assert (answer.status, answer.error["code"]) == (403, "tenant_disabled")


@pytest.mark.parametrize("path", HOT)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"])
async def test_hot_paths_take_post_alone(method: str, path: str) -> None:
    answer = await edge().call(method, path, key=KEY)

    assert answer.status == 405
    assert answer.header("allow") == "POST"
    assert answer.header("x-request-id")


async def test_body_past_the_limit_is_too_large() -> None:
    answer = await edge().post(CHAT, b"x" * 1_000_001)

    assert (answer.status, answer.error["code"]) == (413, "request_too_large")


async def test_draining_gateway_sends_its_clients_elsewhere() -> None:
    scene = edge()
    scene.gateway.is_draining = True

    answer = await scene.post(CHAT, chat())

    assert (answer.status, answer.error["code"]) == (503, "draining")
    assert answer.header("retry-after") == "1"


class FullLedger(FakeLedger):
    def append(self, rows: object) -> None:
        del rows
        raise StoreUnavailable("The ledger cannot be written.")


async def test_ledger_that_takes_no_rows_is_unavailable() -> None:
    scene = edge(plain(), ledger_port=FullLedger())

    answer = await scene.post(CHAT, chat())

    assert (answer.status, answer.error["code"]) == (503, "store_unavailable")
    assert answer.header("retry-after") == "1"


class BrokenUpstream(FakeUpstream):
    def send(self, call: object) -> object:  # type: ignore[override]  # broken on purpose
        raise RuntimeError(f"a defect, with {call!r} in its text")


async def test_defect_of_ours_is_answered_as_one_and_tells_nothing() -> None:
    scene = EdgeScene(Scene(BrokenUpstream()))

    answer = await scene.post(CHAT, chat())

    assert (answer.status, answer.error["code"]) == (500, "internal_error")
    assert b"defect" not in answer.body
    assert answer.header("x-request-id")


class BrokenMeter:
    def observe(self, record: object) -> None:
        raise RuntimeError(f"a defect, with {record!r} in its text")


async def test_defect_within_a_stream_ends_it_with_an_error_event() -> None:
    scene = edge(stream())
    scene.gateway.meter = BrokenMeter()

    answer = await scene.post(CHAT, chat(more=STREAM))

    assert answer.status == 200
    assert b"[DONE]" not in answer.body
    assert b'"code":"internal_error"' in answer.body


async def test_failed_upstream_is_answered_with_what_was_tried() -> None:
    refused = UpstreamFailure(FailureKind.CONNECT, "refused", was_sent=False)
    scene = edge(FakeAnswer(failure=refused), FakeAnswer(failure=refused))

    answer = await scene.post(CHAT, chat("list"))

    assert (answer.status, answer.error["code"]) == (503, "upstream_unavailable")
    assert answer.header("x-fareway-attempts") == "2"


async def test_upstreams_secrets_stay_out_of_what_the_client_reads() -> None:
    leaking = FakeAnswer(status=401, chunks=(b'{"error":"Incorrect API key provided: sk-12"}',))

    answer = await edge(leaking).post(CHAT, chat("small"))

    assert answer.status == 503
    assert b"sk-12" not in answer.body


async def test_client_that_leaves_ends_its_upstream_call() -> None:
    scene = edge(FakeAnswer(stalls_before_head=True))
    gone = asyncio.Event()
    left = [body_message(chat("small"))]

    async def receive() -> Message:
        if left:
            return left.pop()
        await gone.wait()
        return GONE

    async def send(message: Message) -> None:
        raise AssertionError(f"nobody reads {message}")

    scope = a_scope("POST", CHAT, [("authorization", f"Bearer {KEY}")])
    task = asyncio.ensure_future(_served(scene, scope, receive, send))
    await until(lambda: bool(scene.scene.upstream.in_use))

    gone.set()
    await task

    assert scene.scene.upstream.in_use == 0
    assert scene.scene.rows()[0].outcome is Outcome.ABORTED


async def test_client_that_leaves_within_its_body_leaves_no_row() -> None:
    scene = edge()

    async def send(message: Message) -> None:
        raise AssertionError(f"nobody reads {message}")

    scope = a_scope("POST", CHAT, [("authorization", f"Bearer {KEY}")])
    await scene.app(scope, receiving(body_message(b"{", more=True), GONE), send)

    assert scene.scene.rows() == []


async def _served(scene: EdgeScene, scope: Scope, receive: Receive, send: Send) -> None:
    await scene.app(scope, receive, send)


async def test_client_that_never_sends_its_body_is_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(v1, "GRACE_S", 0.01)
    scene = edge(plain(), catalog=replace(a_catalog(), request_timeout_s=0.01))
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("nothing comes")

    async def send(message: Message) -> None:
        sent.append(message)

    await scene.app(a_scope("POST", CHAT), receive, send)

    assert sent == []
    assert scene.scene.rows() == []


async def test_stream_cut_off_by_the_shutdown_ends_with_an_error_event() -> None:
    stalled = FakeAnswer(
        headers={"content-type": "text/event-stream"}, chunks=CHUNKS[:1], stalls_after_chunks=True
    )
    scene = edge(stalled)
    sent: list[Message] = []

    async def send(message: Message) -> None:
        await asyncio.sleep(0)
        sent.append(message)

    scope = a_scope("POST", CHAT, [("authorization", f"Bearer {KEY}")])
    receive = receiving(body_message(chat("small", more=STREAM)))
    task = asyncio.ensure_future(_served(scene, scope, receive, send))
    await until(lambda: len(sent) == 2)

    scene.gateway.is_draining = True
    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()
    assert b'"code":"draining"' in answer_of(sent).body
    assert scene.scene.rows()[0].outcome is Outcome.ABORTED
