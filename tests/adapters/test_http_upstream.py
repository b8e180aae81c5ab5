"""Calls over real sockets to a server that is told how to misbehave."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop

from gateway import __version__
from gateway.adapters.http_upstream import HttpUpstream
from gateway.core.catalog import Provider
from gateway.core.errors import FailureKind, UpstreamFailure
from gateway.flow.ports import UpstreamCall
from tests.contracts.upstream import (
    BODY,
    REQUEST,
    Case,
    UpstreamContract,
    body_of,
    call_to,
    cancel_at_every_step,
)
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.upstream_behaviour import (
    Behaviour,
    Framing,
    Packets,
    Stop,
    StopAt,
    fault_named,
)

STREAM = REQUEST[:-1] + b',"stream":true}'
CERTIFICATE = Path(__file__).parents[1] / "support" / "loopback.pem"
_NOBODY = "http://127.0.0.1:9/v1"  # the discard port: nothing listens there
_BEHAVIOURS = {
    Case.ANSWER: Behaviour(body=BODY),
    Case.BUSY: Behaviour(status=429, headers=(("Retry-After", "7"),), body=BODY),
    Case.REDIRECT: fault_named("redirect"),
    Case.SILENT: fault_named("cut-before-head"),
    Case.CUT: replace(fault_named("cut"), body=BODY),
    Case.STALL_BEFORE_HEAD: fault_named("stall-before-head"),
    Case.STALL: replace(fault_named("stall"), body=BODY),
}


@asynccontextmanager
async def world_of(*, max_connections: int = 100) -> AsyncIterator["RealWorld"]:
    async with ScriptedUpstream() as scripted:
        async with HttpUpstream(max_connections_per_origin=max_connections) as upstream:
            yield RealWorld(scripted, upstream)
        await scripted.until(lambda: scripted.connections.open == 0)


class RealWorld:
    def __init__(self, scripted: ScriptedUpstream, upstream: HttpUpstream) -> None:
        self.scripted = scripted
        self.upstream = upstream
        self.provider = Provider("scripted", scripted.base_url)

    def call(self, case: Case) -> UpstreamCall:
        if case is Case.REFUSED:
            return call_to(replace(self.provider, base_url=_NOBODY))
        self.scripted.script.append(_BEHAVIOURS[case])
        return call_to(self.provider)

    def call_meeting(self, behaviour: Behaviour, *, body: bytes = REQUEST) -> UpstreamCall:
        self.scripted.script.append(behaviour)
        return call_to(self.provider, body=body)

    async def until_none_in_use(self) -> None:
        await self.scripted.until(self._only_idle_ones_are_open)
        self.scripted.script.clear()  # a cancelled call may not have taken its own

    def _only_idle_ones_are_open(self) -> bool:
        idle = self.upstream.idle_connections
        return self.upstream.open_connections == idle == self.scripted.connections.open


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


@asynccontextmanager
async def raw_server(
    answer: bytes, *, later: tuple[asyncio.Event, bytes] | None = None
) -> AsyncIterator[str]:
    """Sends the same bytes to whoever has sent a request, more on an event, and waits for them to
    leave."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if later is not None:
            await later[0].wait()
            writer.write(later[1])
        try:
            await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.close()
            left.set()

    left = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        server.close()
    async with asyncio.timeout(5):
        await left.wait()


# connections


async def test_connection_serves_again_once_its_answer_was_read(world: RealWorld) -> None:
    for _ in range(5):
        await body_of(world.upstream, call_to(world.provider))
        await body_of(world.upstream, call_to(world.provider, body=STREAM))

    assert world.scripted.connections.opened == 1


async def test_connection_used_last_is_used_first(world: RealWorld) -> None:
    both = [world.call_meeting(fault_named("stall-before-head")) for _ in range(2)]
    async with asyncio.TaskGroup() as group:
        for call in both:
            group.create_task(body_of(world.upstream, call))
        await world.scripted.until(lambda: len(world.scripted.calls) == 2)
        world.scripted.release()

    for _ in range(3):
        await body_of(world.upstream, call_to(world.provider))

    assert len({call.connection for call in world.scripted.calls[2:]}) == 1


async def test_reader_that_stops_at_done_gives_the_connection_back(world: RealWorld) -> None:
    for _ in range(3):
        async with world.upstream.send(call_to(world.provider, body=STREAM)) as answer:
            async for chunk in answer.chunks():
                if b"[DONE]" in chunk:
                    break

    assert world.scripted.connections.opened == 1


async def test_more_than_a_few_bytes_are_not_drained(world: RealWorld) -> None:
    more_than_sockets_buffer = 64 << 20
    call = world.call_meeting(Behaviour(body_padding_bytes=more_than_sockets_buffer))

    async with world.upstream.send(call):
        pass

    await world.until_none_in_use()
    assert world.scripted.connections.aborted == 1
    assert world.scripted.sent_bytes < more_than_sockets_buffer


async def test_connection_the_server_closed_at_rest_is_not_used(world: RealWorld) -> None:
    await body_of(world.upstream, call_to(world.provider))
    world.scripted.drop_idle_connections()
    await world.scripted.until(lambda: world.upstream.open_connections == 0)

    await body_of(world.upstream, call_to(world.provider))

    assert world.scripted.connections.opened == 2
    assert len(world.scripted.calls) == 2


async def test_call_lost_on_a_reused_connection_is_not_sent_twice(world: RealWorld) -> None:
    await body_of(world.upstream, call_to(world.provider))

    with pytest.raises(UpstreamFailure) as caught:
        await body_of(world.upstream, world.call(Case.SILENT))

    assert (caught.value.kind, caught.value.was_sent) == (FailureKind.DISCONNECTED, True)
    assert len(world.scripted.calls) == 2


async def test_connection_at_rest_is_closed_after_a_while() -> None:
    async with ScriptedUpstream() as scripted, HttpUpstream(keepalive_s=0.05) as upstream:
        await body_of(upstream, call_to(Provider("scripted", scripted.base_url)))
        assert upstream.idle_connections == 1

        await scripted.until(lambda: scripted.connections.open == 0)

        assert upstream.idle_connections == upstream.open_connections == 0
        assert scripted.connections.aborted == 0


async def test_connections_are_closed_as_each_has_rested() -> None:
    async with ScriptedUpstream() as scripted, HttpUpstream(keepalive_s=0.1) as upstream:
        scripted.script.append(Behaviour(head_delay_s=0.05))
        call = call_to(Provider("scripted", scripted.base_url))
        async with asyncio.TaskGroup() as group:
            group.create_task(body_of(upstream, call))
            group.create_task(body_of(upstream, call))
        assert upstream.open_connections == 2

        await scripted.until(lambda: scripted.connections.open == 0)

        assert upstream.idle_connections == upstream.open_connections == 0


async def test_connection_that_speaks_at_rest_is_not_used_again() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    speak = asyncio.Event()
    async with HttpUpstream() as upstream:
        async with raw_server(answer, later=(speak, answer)) as base_url:
            await body_of(upstream, call_to(Provider("raw", base_url)))
            assert upstream.idle_connections == 1

            speak.set()  # the server's end waits for us to leave

        assert upstream.open_connections == upstream.idle_connections == 0


async def test_calls_beyond_the_limit_wait_their_turn() -> None:
    async with world_of(max_connections=2) as world:
        async with asyncio.TaskGroup() as group:
            for number in range(10):
                body = REQUEST.replace(b"Hello?", b"%d" % number)
                group.create_task(body_of(world.upstream, call_to(world.provider, body=body)))

        numbers = [call.body.split(b'"')[-2] for call in world.scripted.calls]
        assert world.scripted.connections.opened == 2
        assert numbers[2:] == [b"%d" % number for number in range(2, 10)]


async def test_wait_for_a_place_ends_in_time_and_unsent() -> None:
    async with world_of(max_connections=1) as world:
        async with world.upstream.send(world.call(Case.STALL)):
            call = call_to(world.provider, connect_timeout_s=0.01)
            with pytest.raises(UpstreamFailure) as caught:
                await body_of(world.upstream, call)

        assert (caught.value.kind, caught.value.was_sent) == (FailureKind.TIMEOUT, False)
        assert len(world.scripted.calls) == 1
        await body_of(world.upstream, call_to(world.provider))  # its place was not lost


async def test_place_of_a_cancelled_waiter_goes_to_the_next() -> None:
    async with world_of(max_connections=1) as world:

        async def one_holds_two_wait() -> None:
            stalling = world.upstream.send(world.call(Case.STALL))
            async with asyncio.TaskGroup() as group, stalling:
                group.create_task(body_of(world.upstream, call_to(world.provider)))
                group.create_task(body_of(world.upstream, call_to(world.provider)))
                await asyncio.sleep(0)

        async def a_place_is_left() -> None:
            await world.until_none_in_use()
            await body_of(world.upstream, call_to(world.provider))

        await cancel_at_every_step(one_holds_two_wait, a_place_is_left, steps=40)


async def test_connection_that_takes_too_long_is_unsent() -> None:
    async with silent_tls_server() as base_url, HttpUpstream() as upstream:
        call = call_to(Provider("silent", base_url), connect_timeout_s=0.05)

        with pytest.raises(UpstreamFailure) as caught:
            await body_of(upstream, call)

        assert (caught.value.kind, caught.value.was_sent) == (FailureKind.TIMEOUT, False)
        assert upstream.open_connections == 0


@asynccontextmanager
async def silent_tls_server() -> AsyncIterator[str]:
    """Accepts, and never says a word of the TLS handshake."""
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()
        left.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        async with asyncio.timeout(5):
            await left.wait()  # the attempt was given up, not forgotten


async def test_closing_tells_whoever_still_reads(world: RealWorld) -> None:
    call = world.call_meeting(replace(fault_named("stall"), framing=Framing.CLOSE), body=STREAM)
    async with world.upstream.send(call) as answer:
        chunks = answer.chunks()
        await anext(chunks)

        await world.upstream.close()

        with pytest.raises(UpstreamFailure) as caught:
            await anext(chunks)

    assert caught.value.kind is FailureKind.CUT


async def test_nothing_is_kept_once_closed(world: RealWorld) -> None:
    await world.upstream.close()

    await body_of(world.upstream, call_to(world.provider))

    await world.until_none_in_use()
    assert world.upstream.open_connections == world.upstream.idle_connections == 0


# TLS


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


async def test_certificate_nobody_vouches_for_is_refused() -> None:
    async with ScriptedUpstream(tls=server_tls()) as scripted, HttpUpstream() as upstream:
        with pytest.raises(UpstreamFailure) as caught:
            await body_of(upstream, call_to(Provider("scripted", scripted.base_url)))

        assert (caught.value.kind, caught.value.was_sent) == (FailureKind.CONNECT, False)
        assert scripted.calls == []


async def test_certificate_of_another_host_is_refused() -> None:
    trusting = ssl.create_default_context(cafile=CERTIFICATE)
    async with (
        ScriptedUpstream(tls=server_tls()) as scripted,
        HttpUpstream(ssl_context=trusting) as upstream,
    ):
        provider = Provider("scripted", scripted.base_url.replace("127.0.0.1", "localhost"))
        with pytest.raises(UpstreamFailure) as caught:
            await body_of(upstream, call_to(provider))

        assert caught.value.kind is FailureKind.CONNECT


# the hard ones, on both event loops


Run = Callable[[Coroutine[None, None, None]], None]
RUNNERS = [pytest.param(asyncio.run, id="asyncio"), pytest.param(uvloop.run, id="uvloop")]


@pytest.mark.parametrize("run", RUNNERS)
def test_slow_reader_holds_the_sender_back(run: Run) -> None:
    async def scenario() -> None:
        size = 64 << 20
        async with world_of() as world:
            call = world.call_meeting(Behaviour(body_padding_bytes=size))
            async with world.upstream.send(call) as answer:
                await world.scripted.until(world.scripted.is_held_back)
                assert world.scripted.sent_bytes < size // 2

                received = sum([len(chunk) async for chunk in answer.chunks()])

            assert received > size

    run(scenario())


@pytest.mark.parametrize("run", RUNNERS)
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("fault", ["chunked", "stall-before-head", "stall", "slow-head"])
def test_cancelled_at_any_step_no_connection_is_lost(run: Run, fault: str, *, tls: bool) -> None:
    async def scenario() -> None:
        trusting = ssl.create_default_context(cafile=CERTIFICATE)
        async with (
            ScriptedUpstream(
                behaviour=fault_named(fault), tls=server_tls() if tls else None
            ) as scripted,
            HttpUpstream(ssl_context=trusting) as upstream,
        ):
            world = RealWorld(scripted, upstream)
            call = call_to(world.provider, body=STREAM)
            await cancel_at_every_step(
                lambda: _read_to_end(upstream, call), world.until_none_in_use, steps=80
            )

    run(scenario())


async def _read_to_end(upstream: HttpUpstream, call: UpstreamCall) -> None:
    await body_of(upstream, call)
