"""What every `flow.ports.Upstream` promises. A test module subclasses `UpstreamContract` and gives
it a `world` fixture."""

import asyncio
from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import Protocol

import pytest

from gateway.core.catalog import Model, Provider
from gateway.core.errors import FailureKind, UpstreamFailure
from gateway.flow.ports import Upstream, UpstreamAnswer, UpstreamCall

BODY = b'{"id":"chatcmpl-1","choices":[{"index":0,"message":{"content":"Hello"}}]}'
REQUEST = b'{"model":"m","messages":[{"role":"user","content":"Hello?"}]}'


class Case(StrEnum):
    """What the next call meets."""

    ANSWER = "200 and BODY"
    BUSY = "429, BODY, Retry-After: 7"
    REDIRECT = "302 to elsewhere, no body"
    REFUSED = "nobody listens"
    SILENT = "the connection is closed instead of an answer"
    CUT = "200, half of BODY, then the connection is closed"
    STALL_BEFORE_HEAD = "nothing comes, the connection stays"
    STALL = "200, half of BODY, then nothing"


class World(Protocol):
    @property
    def upstream(self) -> Upstream: ...

    def call(self, case: Case) -> UpstreamCall: ...

    async def until_none_in_use(self) -> None:
        """Fails where a call that is over still holds a connection."""
        ...


def model_at(provider: Provider, *, upstream_model: str = "m") -> Model:
    return Model(
        name="small",
        provider=provider,
        upstream_model=upstream_model,
        price=None,
        price_version="",
        context_window=None,
        max_output_tokens=None,
        min_output_tokens=256,
        output_cap_param="max_tokens",
        image_tokens=0,
        endpoints=frozenset({"chat"}),
        supports=None,
    )


def call_to(
    provider: Provider,
    *,
    upstream_model: str = "m",
    body: bytes = REQUEST,
    headers: tuple[tuple[str, str], ...] = (),
    connect_timeout_s: float = 5.0,
) -> UpstreamCall:
    model = model_at(provider, upstream_model=upstream_model)
    return UpstreamCall(model, "chat/completions", body, headers, connect_timeout_s)


async def body_of(upstream: Upstream, call: UpstreamCall) -> bytes:
    async with upstream.send(call) as answer:
        return b"".join([chunk async for chunk in answer.chunks()])


class UpstreamContract:
    async def test_head_has_status_and_lower_case_headers(self, world: World) -> None:
        async with world.upstream.send(world.call(Case.ANSWER)) as answer:
            assert answer.status == 200
            assert answer.headers["content-type"] == "application/json"

    async def test_body_arrives_whole_and_in_no_empty_chunk(self, world: World) -> None:
        async with world.upstream.send(world.call(Case.ANSWER)) as answer:
            chunks = [chunk async for chunk in answer.chunks()]

        assert b"".join(chunks) == BODY
        assert all(chunks)

    async def test_refusal_is_an_answer_too(self, world: World) -> None:
        async with world.upstream.send(world.call(Case.BUSY)) as answer:
            body = b"".join([chunk async for chunk in answer.chunks()])

            assert answer.status == 429
            assert answer.headers["retry-after"] == "7"
            assert body == BODY

    async def test_redirect_is_not_followed(self, world: World) -> None:
        async with world.upstream.send(world.call(Case.REDIRECT)) as answer:
            assert answer.status == 302
            assert [chunk async for chunk in answer.chunks()] == []

    async def test_refused_connection_was_provably_not_sent(self, world: World) -> None:
        with pytest.raises(UpstreamFailure) as caught:
            await body_of(world.upstream, world.call(Case.REFUSED))

        assert (caught.value.kind, caught.value.was_sent) == (FailureKind.CONNECT, False)

    async def test_hang_up_without_an_answer_may_have_been_billed(self, world: World) -> None:
        with pytest.raises(UpstreamFailure) as caught:
            await body_of(world.upstream, world.call(Case.SILENT))

        assert (caught.value.kind, caught.value.was_sent) == (FailureKind.DISCONNECTED, True)
        await world.until_none_in_use()

    async def test_cut_body_gives_what_came_and_then_says_so(self, world: World) -> None:
        received: list[bytes] = []

        async with world.upstream.send(world.call(Case.CUT)) as answer:
            with pytest.raises(UpstreamFailure) as caught:
                await _collect(answer, received)

        assert (caught.value.kind, caught.value.was_sent) == (FailureKind.CUT, True)
        assert b"".join(received) == BODY[: len(BODY) // 2]
        await world.until_none_in_use()

    async def test_what_came_is_given_before_the_rest_is_there(self, world: World) -> None:
        received = b""

        async with world.upstream.send(world.call(Case.STALL)) as answer:
            async for chunk in answer.chunks():
                received += chunk
                if received == BODY[: len(BODY) // 2]:
                    break

        await world.until_none_in_use()

    async def test_leaving_unread_holds_no_connection(self, world: World) -> None:
        async with world.upstream.send(world.call(Case.STALL)):
            pass

        await world.until_none_in_use()

    async def test_error_of_the_reader_passes_and_holds_no_connection(self, world: World) -> None:
        with pytest.raises(ZeroDivisionError):
            async with world.upstream.send(world.call(Case.STALL)):
                raise ZeroDivisionError

        await world.until_none_in_use()

    @pytest.mark.parametrize("case", [Case.ANSWER, Case.STALL_BEFORE_HEAD, Case.STALL, Case.CUT])
    async def test_cancelled_at_any_step_holds_no_connection(
        self, world: World, case: Case
    ) -> None:
        await cancel_at_every_step(
            lambda: _read(world.upstream, world.call(case)), world.until_none_in_use, steps=60
        )

    async def test_calls_at_once_do_not_mix(self, world: World) -> None:
        cases = [Case.ANSWER, Case.REDIRECT] * 8
        calls = [world.call(case) for case in cases]

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_status(world.upstream, call)) for call in calls]

        assert sorted(task.result() for task in tasks) == [200] * 8 + [302] * 8
        await world.until_none_in_use()


async def _collect(answer: UpstreamAnswer, received: list[bytes]) -> None:
    async for chunk in answer.chunks():
        received.append(chunk)  # noqa: PERF401  (what came before an error counts)


async def _status(upstream: Upstream, call: UpstreamCall) -> int:
    async with upstream.send(call) as answer:
        async for _ in answer.chunks():
            pass
        return answer.status


async def _read(upstream: Upstream, call: UpstreamCall) -> None:
    try:
        await body_of(upstream, call)
    except UpstreamFailure:
        return


async def cancel_at_every_step(
    act: Callable[[], Coroutine[None, None, None]],
    check: Callable[[], Coroutine[None, None, None]],
    *,
    steps: int,
) -> None:
    """Run `act` and cancel it after 0, 1, 2, … turns of the loop, until it ends before that or
    `steps` are through; `check` after each."""
    for step in range(steps):
        async with asyncio.TaskGroup() as group:
            task = group.create_task(act())
            for _ in range(step):
                await asyncio.sleep(0)
            is_late = task.done()
            task.cancel()
        await check()
        if is_late:
            return
