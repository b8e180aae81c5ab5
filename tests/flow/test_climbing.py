"""When an attempt gives no answer: what follows it, what the client reads, what is booked."""

import pytest

from gateway.core.errors import FailureKind, UpstreamFailure
from gateway.core.record import Kind, Outcome, Reason, State
from gateway.core.usage import UsageSource
from tests.fakes import FakeAnswer, FakeUpstream
from tests.support.flow_scene import CHUNKS, Scene, a_catalog, chat, plain, stream

STREAM = ',"stream":true'
CONNECT = UpstreamFailure(FailureKind.CONNECT, "refused", was_sent=False)
LOST = UpstreamFailure(FailureKind.DISCONNECTED, "lost", was_sent=True)
CUT = UpstreamFailure(FailureKind.CUT, "cut", was_sent=True)


async def test_each_attempt_stands_in_its_own_tier() -> None:
    scene = Scene(FakeUpstream(plain(b"{}", status=500), plain()))

    await scene.ask(chat())

    assert [(row.model, row.tier) for row in scene.rows()] == [
        ("small", "simple"),
        ("large", "complex"),
    ]


async def test_failed_candidate_is_followed_by_the_next_and_both_are_booked() -> None:
    scene = Scene(FakeUpstream(plain(b"{}", status=500), plain()))

    await scene.ask(chat())

    first, second = scene.rows()
    assert (first.outcome, first.error_code, first.cost_nano_usd) == (
        Outcome.ERROR,
        "server_error",
        0,
    )
    assert (second.outcome, second.model, second.kind) == (Outcome.OK, "large", Kind.ESCALATION)
    assert (first.delivered, second.delivered) == (False, True)
    assert first.baseline_nano_usd is None
    head = scene.reply.heads[-1]
    assert (head.reason, head.attempts, head.model) == (Reason.ESCALATED, 2, "large")


async def test_plain_list_falls_back_in_order() -> None:
    scene = Scene(FakeUpstream(FakeAnswer(failure=CONNECT), plain()))

    await scene.ask(chat("list"))

    assert [row.model for row in scene.rows()] == ["small", "large"]
    assert scene.reply.heads[-1].reason is Reason.FALLBACK


async def test_refused_connection_is_void_and_costs_nothing() -> None:
    scene = Scene(FakeUpstream(FakeAnswer(failure=CONNECT)))

    await scene.ask(chat("small"))

    (row,) = scene.rows()
    assert (row.state, row.cost_nano_usd, row.error_code) == (State.VOID, 0, "connect")
    assert scene.reply.failure is CONNECT


async def test_plain_call_lost_after_sending_is_booked_at_its_full_hold() -> None:
    scene = Scene(FakeUpstream(FakeAnswer(failure=LOST)))

    await scene.ask(chat("small"))

    (row,) = scene.rows()
    assert row.outcome is Outcome.ERROR
    assert row.cost_nano_usd == row.held_nano_usd
    assert (row.cost_nano_usd or 0) > 0


async def test_route_that_does_not_climb_on_errors_stops_at_the_first() -> None:
    catalog = a_catalog(when=frozenset({"timeout"}))
    scene = Scene(FakeUpstream(plain(b"{}", status=500), plain()), catalog=catalog)

    await scene.ask(chat())

    assert len(scene.rows()) == 1
    assert scene.reply.ends == ["fail"]


async def test_nothing_is_tried_again_once_a_byte_was_sent() -> None:
    broken = FakeAnswer(
        headers={"content-type": "text/event-stream"}, chunks=CHUNKS[:2], body_failure=CUT
    )
    scene = Scene(FakeUpstream(broken, stream()))

    await scene.ask(chat(more=STREAM))

    (row,) = scene.rows()
    assert (row.outcome, row.error_code, row.delivered) == (Outcome.ERROR, "cut", True)
    assert scene.reply.ends == ["fail"]


async def test_broken_stream_is_booked_for_its_input_and_what_was_received() -> None:
    broken = FakeAnswer(
        headers={"content-type": "text/event-stream"}, chunks=CHUNKS[:2], body_failure=CUT
    )
    scene = Scene(FakeUpstream(broken))

    await scene.ask(chat("small", more=STREAM))

    # "What is the capital of France?" is 6 words, its role one, and 4 for the message; "Paris" is one word
    (row,) = scene.rows()
    assert (row.input_tokens, row.output_tokens) == (11, 1)
    assert row.usage_source is UsageSource.ESTIMATED
    assert row.cost_nano_usd == 13_000


async def test_stream_that_just_ends_is_cut() -> None:
    scene = Scene(FakeUpstream(stream(*CHUNKS[:2])))

    await scene.ask(chat("small", more=STREAM))

    assert scene.reply.ends == ["fail"]
    assert scene.rows()[0].error_code == "cut"


@pytest.mark.parametrize(
    "first",
    [
        b'data: {"error":{"message":"overloaded"}}\n\n',
        b"data: {not json\n\n",
        b"data: [DONE]\n\n",
        b"",
    ],
)
async def test_stream_bad_from_its_start_is_followed_by_the_next_candidate(first: bytes) -> None:
    bad = stream(first) if first else stream(b": hello\n\n")
    scene = Scene(FakeUpstream(bad, stream()))

    await scene.ask(chat(more=STREAM))

    assert [row.outcome for row in scene.rows()] == [Outcome.ERROR, Outcome.OK]
    assert scene.reply.ends == ["finish"]


async def test_plain_json_in_place_of_a_stream_is_a_bad_answer() -> None:
    scene = Scene(FakeUpstream(plain()))

    await scene.ask(chat("small", more=STREAM))

    assert scene.reply.failure is not None
    assert scene.reply.failure.kind is FailureKind.BAD_ANSWER


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
async def test_clients_own_mistakes_pass_through(status: int) -> None:
    scene = Scene(FakeUpstream(plain(b'{"error":{"message":"no"}}', status=status), plain()))

    await scene.ask(chat())

    assert scene.reply.ends == ["reject"]
    assert scene.reply.body == b'{"error":{"message":"no"}}'
    (row,) = scene.rows()
    assert (row.outcome, row.error_code, row.cost_nano_usd) == (
        Outcome.REFUSED,
        f"http_{status}",
        0,
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (500, FailureKind.SERVER_ERROR),
        (503, FailureKind.SERVER_ERROR),
        (429, FailureKind.RATE_LIMITED),
        (408, FailureKind.TIMEOUT),
        (401, FailureKind.CREDENTIALS),
        (403, FailureKind.CREDENTIALS),
        (404, FailureKind.CREDENTIALS),
        (302, FailureKind.REDIRECT),
        (204, FailureKind.REDIRECT),
    ],
)
async def test_other_statuses_are_the_upstreams_failures(status: int, kind: FailureKind) -> None:
    scene = Scene(FakeUpstream(plain(b"", status=status)))

    await scene.ask(chat("small"))

    assert scene.reply.failure is not None
    assert scene.reply.failure.kind is kind


@pytest.mark.parametrize(
    ("body", "cost_nano_usd"),
    [
        (b'{"error":{"message":"overloaded"}}', 0),  # providers bill no errors
        (b"<html>busy</html>", 11_000),  # who knows: the input, as if it had been read
    ],
)
async def test_what_stands_in_place_of_a_stream_decides_what_is_booked(
    body: bytes, cost_nano_usd: int
) -> None:
    scene = Scene(FakeUpstream(plain(body)))

    await scene.ask(chat("small", more=STREAM))

    (row,) = scene.rows()
    assert (row.error_code, row.cost_nano_usd) == ("bad_answer", cost_nano_usd)
