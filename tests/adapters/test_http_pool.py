"""Connections to upstreams: reused, waited for, verified, held back, given up."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop

from gateway.adapters.http_upstream import HttpUpstream
from gateway.core.catalog import Provider
from gateway.core.errors import FailureKind, UpstreamFailure
from gateway.flow.ports import UpstreamCall
from tests.contracts.upstream import (
    REQUEST,
    Case,
    body_of,
    call_to,
    cancel_at_every_step,
)
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.upstream_behaviour import (
    Behaviour,
    Framing,
    fault_named,
)
from tests.support.upstream_world import STREAM, RealWorld, raw_server, world_of

CERTIFICATE = Path(__file__).parents[1] / "support" / "loopback.pem"


@pytest.fixture
async def world() -> AsyncIterator[RealWorld]:
    async with world_of() as one:
        yield one


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
        call = world.call_meeting(fault_named("open-after-done"), body=STREAM)
        async with world.upstream.send(call) as answer:
            async for chunk in answer.chunks():
                if b"[DONE]" in chunk:
                    break
            world.scripted.release()  # the body's end comes after we have stopped reading

    assert world.scripted.connections.opened == 1


async def test_body_that_never_ends_after_done_is_given_up(world: RealWorld) -> None:
    call = world.call_meeting(fault_named("open-after-done"), body=STREAM)

    async with world.upstream.send(call) as answer:
        async for chunk in answer.chunks():
            if b"[DONE]" in chunk:
                break

    await world.until_none_in_use()
    assert world.scripted.connections.aborted == 1


async def test_more_than_a_few_bytes_are_not_drained(world: RealWorld) -> None:
    async with world.upstream.send(world.call_meeting(Behaviour(body_padding_bytes=1 << 20))):
        pass

    assert world.upstream.idle_connections == 0
    await world.until_none_in_use()


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
    async with HttpUpstream(keepalive_s=60) as upstream:
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
            world.scripted.drop_idle_connections()  # the next one connects anew
            await world.scripted.until(lambda: world.upstream.open_connections == 0)

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
                for _ in range(2000):  # turns enough to take it all, were it taken
                    await asyncio.sleep(0)
                assert world.scripted.is_held_back()
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
