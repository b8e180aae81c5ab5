"""Calls over real sockets to a server that is told how to misbehave."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway import __version__
from gateway.adapters.http_upstream import HttpUpstream
from gateway.core.catalog import Provider
from gateway.core.errors import FailureKind, UpstreamFailure
from tests.contracts.upstream import (
    BODY,
    REQUEST,
    UpstreamContract,
    body_of,
    call_to,
)
from tests.support.upstream_behaviour import (
    Behaviour,
    Framing,
    Packets,
    Stop,
    StopAt,
    fault_named,
)
from tests.support.upstream_world import STREAM, RealWorld, raw_server, world_of


@pytest.fixture
async def world() -> AsyncIterator[RealWorld]:
    async with world_of() as one:
        yield one


class TestHttpUpstream(UpstreamContract):
    pass


# what is sent


async def test_body_is_sent_byte_for_byte(world: RealWorld) -> None:
    body = b'{ "model" : "m",\n"messages":[{"role":"user","content":"\xf0\x9f\x90\x9f \\ud83d"}]}'

    await body_of(world.upstream, call_to(world.provider, body=body))

    assert world.scripted.calls[0].body == body


async def test_body_larger_than_a_write_arrives_whole(world: RealWorld) -> None:
    filler = b"x" * 5_000_000
    body = REQUEST.replace(b"Hello?", filler)

    await body_of(world.upstream, call_to(world.provider, body=body))

    assert world.scripted.calls[0].body == body


async def test_only_named_headers_are_sent(world: RealWorld) -> None:
    provider = replace(world.provider, api_key="sk-up", headers=(("X-Team", "search"),))
    headers = (("accept", "text/event-stream"), ("traceparent", "00-1-2-01"))

    await body_of(world.upstream, call_to(provider, headers=headers))

    assert dict(world.scripted.calls[0].headers) == {
        "host": f"127.0.0.1:{world.scripted.port}",
        "user-agent": f"fareway/{__version__}",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "x-team": "search",
        "authorization": "Bearer sk-up",
        "traceparent": "00-1-2-01",
        "accept": "text/event-stream",
        "content-length": str(len(REQUEST)),
    }
    assert len(world.scripted.calls[0].headers) == 9


async def test_accept_is_json_where_the_client_said_nothing(world: RealWorld) -> None:
    await body_of(world.upstream, call_to(world.provider))

    assert world.scripted.calls[0].header("accept") == "application/json"


async def test_configured_header_stands_over_the_clients_and_ours(world: RealWorld) -> None:
    configured = (("User-Agent", "curl/8"), ("OpenAI-Beta", "one"), ("Accept", "*/*"))
    provider = replace(world.provider, headers=configured)
    headers = (("openai-beta", "two"), ("accept", "text/plain"), ("host", "evil.example"))

    await body_of(world.upstream, call_to(provider, headers=headers))

    sent = [header for header in world.scripted.calls[0].headers if header[0] != "content-length"]
    assert sent == [
        ("host", f"127.0.0.1:{world.scripted.port}"),
        ("accept-encoding", "identity"),
        ("content-type", "application/json"),
        ("user-agent", "curl/8"),
        ("openai-beta", "one"),
        ("accept", "*/*"),
    ]


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ("bearer", ("authorization", "Bearer sk up")),
        ("api-key", ("api-key", "sk up")),
        ("header:X-Goog-Api-Key", ("x-goog-api-key", "sk up")),
    ],
)
async def test_key_is_sent_in_the_providers_header(
    world: RealWorld, auth: str, header: tuple[str, str]
) -> None:
    provider = replace(world.provider, api_key="sk up", auth=auth)

    await body_of(world.upstream, call_to(provider))

    assert header in world.scripted.calls[0].headers


async def test_key_is_sent_in_the_query(world: RealWorld) -> None:
    provider = replace(world.provider, api_key="sk up&1", auth="query:key")

    await body_of(world.upstream, call_to(provider))

    assert world.scripted.calls[0].target == "/v1/chat/completions?key=sk+up%261"
    assert world.scripted.calls[0].header("authorization") is None


@pytest.mark.parametrize(("api_key", "auth"), [("", "bearer"), ("sk-up", "none")])
async def test_no_credential_is_sent_without_key_or_style(
    world: RealWorld, api_key: str, auth: str
) -> None:
    provider = replace(world.provider, api_key=api_key, auth=auth)

    await body_of(world.upstream, call_to(provider))

    assert world.scripted.calls[0].header("authorization") is None
    assert "sk-up" not in repr(world.scripted.calls[0])


@pytest.mark.parametrize(
    ("suffix", "query", "target"),
    [
        ("/v1", (), "/v1/chat/completions"),
        ("/v1/", (), "/v1/chat/completions"),
        ("", (), "/chat/completions"),
        ("/a%20b/v1", (), "/a%20b/v1/chat/completions"),
        ("/v1?tenant=a%2Fb", (), "/v1/chat/completions?tenant=a%2Fb"),
        ("/v1?tenant=a", (("api-version", "2024 10"),), None),
        (
            "/openai/deployments/{model}",
            (("api-version", "2024-10-21"),),
            "/openai/deployments/gpt%2F4o%20%C3%A9/chat/completions?api-version=2024-10-21",
        ),
    ],
)
async def test_url_is_base_path_and_query(
    world: RealWorld, suffix: str, query: tuple[tuple[str, str], ...], target: str | None
) -> None:
    provider = Provider("scripted", world.scripted.origin + suffix, query=query)

    await body_of(world.upstream, call_to(provider, upstream_model="gpt/4o é"))

    wanted = target or "/v1/chat/completions?tenant=a&api-version=2024+10"
    assert world.scripted.calls[0].target == wanted


async def test_cookies_of_an_answer_are_not_sent_back(world: RealWorld) -> None:
    async with world.upstream.send(call_to(world.provider)) as answer:
        assert "set-cookie" in answer.headers

    await body_of(world.upstream, call_to(world.provider))

    assert world.scripted.calls[1].header("cookie") is None


async def test_header_with_a_line_break_is_never_sent(world: RealWorld) -> None:
    provider = replace(world.provider, headers=(("x-team", "a\r\nx-admin: 1"),))

    with pytest.raises(UpstreamFailure) as caught:
        await body_of(world.upstream, call_to(provider))

    assert (caught.value.kind, caught.value.was_sent) == (FailureKind.CONNECT, False)
    assert world.scripted.connections.opened == 0


@pytest.mark.parametrize(
    "base_url", ["ftp://127.0.0.1/v1", "http://[::1/v1", f"http://{'a' * 64}.localhost/v1"]
)
async def test_url_nobody_can_be_reached_at_is_unsent(base_url: str) -> None:
    async with HttpUpstream() as upstream:
        with pytest.raises(UpstreamFailure) as caught:
            await body_of(upstream, call_to(Provider("odd", base_url)))

    assert (caught.value.kind, caught.value.was_sent) == (FailureKind.CONNECT, False)


# what comes back


@pytest.mark.parametrize("framing", [Framing.CHUNKED, Framing.CLOSE])
@pytest.mark.parametrize("packets", list(Packets))
async def test_body_is_whole_in_any_framing_and_packets(
    world: RealWorld, framing: Framing, packets: Packets
) -> None:
    behaviour = Behaviour(framing=framing, packets=packets)

    stream = await body_of(world.upstream, world.call_meeting(behaviour, body=STREAM))

    assert stream.startswith(b"data: {")
    assert stream.count(b"\n\n") == 9  # role, six words, finish, [DONE]
    assert stream.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("fault", ["http10", "continue-100", "connection-close", "chunked"])
async def test_odd_but_valid_servers_are_understood(world: RealWorld, fault: str) -> None:
    behaviour = replace(fault_named(fault), body=BODY)

    assert await body_of(world.upstream, world.call_meeting(behaviour)) == BODY


@pytest.mark.parametrize("body", [REQUEST, STREAM])
async def test_compression_nobody_asked_for_is_undone(world: RealWorld, body: bytes) -> None:
    honest = await body_of(world.upstream, world.call_meeting(Behaviour(), body=body))

    unpacked = await body_of(world.upstream, world.call_meeting(fault_named("gzip"), body=body))

    assert len(unpacked) == len(honest)
    assert unpacked[:6] == honest[:6]


async def test_broken_compression_is_a_bad_answer(world: RealWorld) -> None:
    with pytest.raises(UpstreamFailure) as caught:
        await body_of(world.upstream, world.call_meeting(fault_named("gzip-broken")))

    assert (caught.value.kind, caught.value.was_sent) == (FailureKind.BAD_ANSWER, True)
    await world.until_none_in_use()


async def test_compression_bomb_unfolds_a_mebibyte_at_a_time(world: RealWorld) -> None:
    async with world.upstream.send(world.call_meeting(fault_named("gzip-bomb"))) as answer:
        chunks = answer.chunks()
        sizes = [len(await anext(chunks)) for _ in range(5)]

    assert max(sizes) <= 1 << 20
    await world.until_none_in_use()


@pytest.mark.parametrize("stop", [Stop.FIN, Stop.RST])
@pytest.mark.parametrize("framing", [Framing.LENGTH, Framing.CHUNKED])
async def test_cut_in_either_way_and_framing_is_seen(
    world: RealWorld, stop: Stop, framing: Framing
) -> None:
    call = world.call_meeting(Behaviour(stop=stop, framing=framing))

    with pytest.raises(UpstreamFailure) as caught:
        await body_of(world.upstream, call)

    assert caught.value.kind is FailureKind.CUT


async def test_body_that_ends_by_reset_is_cut_though_it_has_no_length(world: RealWorld) -> None:
    call = world.call_meeting(
        Behaviour(stop=Stop.RST, stop_at=StopAt.AFTER_EVENTS, framing=Framing.CLOSE), body=STREAM
    )

    with pytest.raises(UpstreamFailure) as caught:
        await body_of(world.upstream, call)

    assert caught.value.kind is FailureKind.CUT


@pytest.mark.parametrize(
    "head",
    [
        b"SMTP ready\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    ],
)
async def test_answer_that_is_no_plain_http_is_a_bad_answer(head: bytes) -> None:
    async with raw_server(head) as base_url, HttpUpstream() as upstream:
        with pytest.raises(UpstreamFailure) as caught:
            await body_of(upstream, call_to(Provider("raw", base_url)))

        assert (caught.value.kind, caught.value.was_sent) == (FailureKind.BAD_ANSWER, True)
        assert upstream.open_connections == upstream.idle_connections == 0


async def test_interim_answers_leave_nothing_behind() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\nContent-Type: text/css\r\n\r\n"
    final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    async with (
        raw_server(interim * 2 + final) as base_url,
        HttpUpstream() as upstream,
        upstream.send(call_to(Provider("raw", base_url))) as answer,
    ):
        assert answer.headers == {"content-length": "2"}
        assert [chunk async for chunk in answer.chunks()] == [b"{}"]


async def test_second_answer_nobody_asked_for_ends_the_connection() -> None:
    one = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    async with raw_server(one + b"first" + one + b"spare") as base_url, HttpUpstream() as upstream:
        body = await body_of(upstream, call_to(Provider("raw", base_url)))

        assert body == b"first"
        assert upstream.idle_connections == 0


async def test_head_without_an_end_is_refused() -> None:
    endless = b"HTTP/1.1 200 OK\r\n" + b"x-filler: y\r\n" * 100_000
    async with raw_server(endless) as base_url, HttpUpstream(max_head_bytes=10_000) as upstream:
        with pytest.raises(UpstreamFailure) as caught:
            await body_of(upstream, call_to(Provider("raw", base_url)))

        assert caught.value.kind is FailureKind.BAD_ANSWER
