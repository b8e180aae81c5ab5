"""One upstream attempt: its deadlines, its bounds, and streams that begin or end oddly."""

import asyncio
from dataclasses import replace

import pytest

from gateway.core.catalog import Catalog, Resilience
from gateway.core.errors import FailureKind, UpstreamFailure
from gateway.core.pricing import Price, Rates
from gateway.core.record import Outcome, State
from gateway.core.usage import UsageSource
from gateway.flow import attempt
from tests.fakes import FakeAnswer, FakeUpstream
from tests.support.flow_scene import (
    ANSWER,
    CHUNKS,
    KeptReply,
    Scene,
    a_catalog,
    a_model,
    chat,
    plain,
    stream,
    until,
)

STREAM = ',"stream":true'
EVENTS = {"content-type": "text/event-stream"}
STALL = FakeAnswer(stalls_before_head=True)
# Long enough for a loop's turn, short enough to wait for.
SOON_S = 0.02


def within(limits: Resilience) -> Catalog:
    return replace(a_catalog(), resilience=limits)


async def test_plain_attempt_ends_at_its_time_out_and_the_next_answers() -> None:
    scene = Scene(
        FakeUpstream(STALL, plain()), catalog=within(Resilience(attempt_timeout_s=SOON_S))
    )

    await scene.ask(chat("list"))

    first, second = scene.rows()
    assert (first.outcome, first.error_code) == (Outcome.ERROR, "timeout")
    assert first.cost_nano_usd == first.held_nano_usd  # nobody saw what became of it
    assert second.outcome is Outcome.OK
    assert scene.upstream.in_use == 0


async def test_stream_that_never_begins_ends_at_its_first_token_time_out() -> None:
    quiet = FakeAnswer(headers=EVENTS, chunks=(b": wait\n\n",), stalls_after_chunks=True)
    scene = Scene(
        FakeUpstream(quiet, stream()), catalog=within(Resilience(first_token_timeout_s=SOON_S))
    )

    await scene.ask(chat("list", more=STREAM))

    assert [row.error_code for row in scene.rows()] == ["timeout", None]
    assert scene.reply.ends == ["finish"]


async def test_stream_that_falls_silent_ends_at_its_idle_time_out() -> None:
    silent = FakeAnswer(headers=EVENTS, chunks=CHUNKS[:1], stalls_after_chunks=True)
    scene = Scene(FakeUpstream(silent), catalog=within(Resilience(idle_timeout_s=SOON_S)))

    await scene.ask(chat("small", more=STREAM))

    assert scene.reply.ends == ["fail"]
    assert scene.reply.failure is not None
    assert scene.reply.failure.kind is FailureKind.TIMEOUT


class SlowReply(KeptReply):
    """A client that takes longer than an idle upstream may."""

    async def write(self, data: bytes) -> None:
        await asyncio.sleep(2 * SOON_S)
        await super().write(data)


async def test_slow_client_is_not_the_upstreams_idleness() -> None:
    scene = Scene(
        FakeUpstream(stream()), catalog=within(Resilience(idle_timeout_s=SOON_S)), reply=SlowReply()
    )

    await scene.ask(chat("small", more=STREAM))

    assert scene.reply.ends == ["finish"]


async def test_no_attempt_begins_once_the_requests_time_is_up() -> None:
    catalog = replace(a_catalog(), request_timeout_s=SOON_S)
    scene = Scene(FakeUpstream(STALL, STALL), catalog=catalog)

    await scene.ask(chat("list"))

    assert [row.error_code for row in scene.rows()] == ["timeout"]
    assert scene.reply.failure is not None
    assert scene.reply.failure.kind is FailureKind.TIMEOUT


async def test_answer_that_passes_its_bound_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt, "MAX_ANSWER_BYTES", 20)
    scene = Scene(FakeUpstream(FakeAnswer(chunks=(b"x" * 15, b"x" * 15))))

    await scene.ask(chat("small"))

    (row,) = scene.rows()
    assert row.error_code == "too_large"
    assert row.cost_nano_usd == row.held_nano_usd
    assert scene.upstream.cut_short == 1


async def test_answer_in_pieces_is_joined() -> None:
    whole = plain().chunks[0]
    scene = Scene(FakeUpstream(FakeAnswer(chunks=(whole[:30], whole[30:]))))

    await scene.ask(chat("small"))

    assert scene.reply.body.startswith(whole[:30])
    assert scene.rows()[0].cost_nano_usd == 14_000


async def test_answer_that_is_no_json_is_booked_for_what_was_received() -> None:
    scene = Scene(FakeUpstream(plain(b"<html>no such page</html>")))

    await scene.ask(chat("small"))

    (row,) = scene.rows()
    assert (row.outcome, row.error_code) == (Outcome.ERROR, "bad_answer")
    assert (row.usage_source, row.output_tokens) == (UsageSource.ESTIMATED, 3)


async def test_error_inside_a_good_status_costs_nothing() -> None:
    scene = Scene(FakeUpstream(plain(b'{"error":{"message":"quota"}}')))

    await scene.ask(chat("small"))

    (row,) = scene.rows()
    assert (row.outcome, row.error_code, row.cost_nano_usd) == (Outcome.ERROR, "bad_answer", 0)


async def test_retry_after_of_a_busy_upstream_reaches_the_client() -> None:
    busy = FakeAnswer(status=429, headers={"retry-after": "7"}, chunks=(b"{}",))
    scene = Scene(FakeUpstream(busy))

    await scene.ask(chat("small"))

    assert scene.reply.failure is not None
    assert scene.reply.failure.retry_after == "7"


async def test_only_the_listed_headers_of_an_upstream_come_back() -> None:
    answer = replace(
        plain(),
        headers={
            "content-type": "application/json; charset=utf-8",
            "openai-processing-ms": "12",
            "x-ratelimit-remaining-tokens": "5",
            "set-cookie": "a=b",
            "x-request-id": "theirs",
        },
    )
    scene = Scene(FakeUpstream(answer))

    await scene.ask(chat("small"))

    assert dict(scene.reply.heads[0].upstream_headers) == {
        "content-type": "application/json; charset=utf-8",
        "openai-processing-ms": "12",
    }


@pytest.mark.parametrize("more", ["", STREAM])
async def test_service_tier_the_answer_names_is_the_one_billed(more: str) -> None:
    flex = Price(Rates(10**9 // 2, 10**9))
    price = Price(Rates(10**9, 2 * 10**9), service_tiers=(("flex", flex),))
    named = b'{"service_tier":"flex",'
    chunks = tuple(chunk.replace(b"{", named, 1) for chunk in CHUNKS)
    answer = stream(*chunks) if more else plain(ANSWER.replace(b"{", named, 1))
    scene = Scene(FakeUpstream(answer), catalog=a_catalog(a_model("small", price=price)))

    await scene.ask(chat("small", more=more + ',"service_tier":"auto"'))

    # half of 10 x 1,000 + 2 x 2,000
    assert scene.rows()[0].cost_nano_usd == 7_000


ONLY = (
    b'data: {"id":"s-1","choices":[{"index":0,"delta":{"content":"Paris"},"finish_reason":"stop"}]}'
)


@pytest.mark.parametrize("chunks", [(ONLY,), (b": wait\n\n", ONLY), (ONLY[:20], ONLY[20:])])
async def test_only_event_without_its_blank_line_is_a_whole_answer(
    chunks: tuple[bytes, ...],
) -> None:
    scene = Scene(FakeUpstream(stream(*chunks)))

    await scene.ask(chat("small", more=STREAM))

    assert len(scene.reply.heads) == 1
    assert ONLY + b"\n\n" in scene.reply.body
    assert scene.reply.ends == ["finish"]
    (row,) = scene.rows()
    assert (row.outcome, row.delivered, row.output_tokens) == (Outcome.OK, True, 1)


async def test_comments_without_an_answer_are_held_back_no_further_than_their_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attempt, "MAX_HELD_BYTES", 100)
    chatty = stream(*[b": wait\n\n"] * 30, *CHUNKS)
    scene = Scene(FakeUpstream(chatty, stream()))

    await scene.ask(chat("list", more=STREAM))

    assert [row.error_code for row in scene.rows()] == ["bad_answer", None]


async def test_stream_that_reports_no_tokens_at_all_is_estimated() -> None:
    empty = CHUNKS[3].replace(b"10", b"0").replace(b"2}}", b"0}}")
    scene = Scene(FakeUpstream(stream(*CHUNKS[:3], empty, CHUNKS[4])))

    await scene.ask(chat("small", more=STREAM))

    assert scene.rows()[0].usage_source is UsageSource.ESTIMATED


async def test_stream_refused_before_it_was_sent_is_void() -> None:
    refused = UpstreamFailure(FailureKind.CONNECT, "refused", was_sent=False)
    scene = Scene(FakeUpstream(FakeAnswer(failure=refused)))

    await scene.ask(chat("small", more=STREAM))

    (row,) = scene.rows()
    assert (row.state, row.cost_nano_usd, row.usage_source) == (State.VOID, 0, None)


async def test_time_to_the_first_token_is_kept() -> None:
    first = FakeAnswer(headers=EVENTS, chunks=CHUNKS[:1], stalls_after_chunks=True)
    scene = Scene(FakeUpstream(first))
    task = asyncio.ensure_future(scene.ask(chat("small", more=STREAM)))
    await until(lambda: bool(scene.reply.body))
    scene.clock.advance(3.0)

    task.cancel()
    await asyncio.wait([task])

    (row,) = scene.rows()
    assert (row.first_token_ms, row.duration_ms) == (0, 3_000)
