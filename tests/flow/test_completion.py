"""The request's life over fakes: what goes up, what comes back, what is booked."""

import asyncio

import pytest

from gateway.core.record import Outcome, Reason, State
from gateway.core.usage import UsageSource
from tests.fakes import FakeAnswer, FakeUpstream
from tests.support.flow_scene import (
    ANSWER,
    CHUNKS,
    Scene,
    a_catalog,
    a_model,
    chat,
    plain,
    stream,
    until,
)

STREAM = ',"stream":true'


async def test_plain_answer_is_booked_at_its_reported_usage() -> None:
    scene = Scene(FakeUpstream(plain()))

    await scene.ask(chat())

    # small costs 1 USD per 1M input and 2 USD per 1M output tokens: 10 x 1000 + 2 x 2000 nano-USD
    (row,) = scene.rows()
    assert (row.state, row.outcome, row.cost_nano_usd) == (State.SETTLED, Outcome.OK, 14_000)
    assert (row.input_tokens, row.output_tokens, row.usage_source) == (10, 2, UsageSource.REPORTED)
    # the baseline, large, costs ten times as much
    assert row.baseline_nano_usd == 140_000
    assert (row.upstream_id, row.finish_reason, row.delivered) == ("a-1", "stop", True)


async def test_cost_is_spliced_into_the_body_and_told_in_the_head() -> None:
    scene = Scene(FakeUpstream(plain()))

    await scene.ask(chat())

    assert scene.reply.body == ANSWER.replace(
        b'"completion_tokens":2}', b'"completion_tokens":2,"cost":0.000014}'
    )
    (head,) = scene.reply.heads
    assert (head.cost_nano_usd, head.saved_nano_usd) == (14_000, 126_000)
    assert (head.model, head.tier, head.reason, head.attempts) == (
        "small",
        "simple",
        Reason.ROUTED,
        1,
    )


async def test_upstream_gets_its_own_model_name_and_the_rest_as_sent() -> None:
    scene = Scene(FakeUpstream(plain()))

    await scene.ask(chat(more=',"nobody_knows": {"a" : 1}'))

    (call,) = scene.upstream.calls
    assert b'"model":"small-upstream"' in call.body
    assert b'"nobody_knows":{"a" : 1}' in call.body


async def test_stream_passes_event_for_event_and_its_forced_usage_is_hidden() -> None:
    scene = Scene(FakeUpstream(stream()))

    await scene.ask(chat(more=STREAM))

    assert scene.reply.body == b"".join((*CHUNKS[:3], CHUNKS[4]))
    assert b'"include_usage":true' in scene.upstream.calls[0].body
    (row,) = scene.rows()
    assert (row.outcome, row.cost_nano_usd, row.upstream_id) == (Outcome.OK, 14_000, "s-1")


async def test_stream_shows_usage_with_its_cost_to_a_client_that_asked() -> None:
    scene = Scene(FakeUpstream(stream()))

    await scene.ask(chat(more=STREAM + ',"stream_options":{"include_usage":true}'))

    assert b'"usage":{"prompt_tokens":10,"completion_tokens":2,"cost":0.000014}' in scene.reply.body


async def test_closing_facts_come_before_done() -> None:
    scene = Scene(FakeUpstream(stream()))

    await scene.ask(chat(more=STREAM))

    assert scene.reply.ends == ["finish"]
    assert scene.reply.closing is not None
    assert scene.reply.closing.cost_nano_usd == 14_000
    assert scene.reply.closing.saved_nano_usd == 126_000


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
async def test_any_chunking_of_a_stream_gives_the_same_bytes_and_bill(size: int) -> None:
    whole = b"".join(CHUNKS)
    pieces = tuple(whole[at : at + size] for at in range(0, len(whole), size))
    scene = Scene(FakeUpstream(stream(*pieces)))

    await scene.ask(chat(more=STREAM))

    assert scene.reply.body == b"".join((*CHUNKS[:3], CHUNKS[4]))
    assert scene.rows()[0].cost_nano_usd == 14_000


async def test_stream_without_done_but_with_a_finish_reason_is_whole() -> None:
    scene = Scene(FakeUpstream(stream(*CHUNKS[:3])))

    await scene.ask(chat("small", more=STREAM))

    assert scene.reply.ends == ["finish"]
    assert scene.reply.body.endswith(b"data: [DONE]\n\n")


async def test_comments_before_the_first_event_are_passed_on_with_it() -> None:
    scene = Scene(FakeUpstream(stream(b": wait\n\n", *CHUNKS)))

    await scene.ask(chat("small", more=STREAM))

    assert scene.reply.body.startswith(b": wait\n\n" + CHUNKS[0])


@pytest.mark.parametrize(
    "usage",
    [
        "null",
        '{"prompt_tokens":-5,"completion_tokens":2}',
        '{"prompt_tokens":0,"completion_tokens":0}',
        '"many"',
    ],
)
async def test_unusable_usage_is_estimated_never_zero(usage: str) -> None:
    body = ANSWER.replace(b'{"prompt_tokens":10,"completion_tokens":2}', usage.encode())
    scene = Scene(FakeUpstream(plain(body)))

    await scene.ask(chat("small"))

    (row,) = scene.rows()
    assert row.usage_source is UsageSource.ESTIMATED
    assert (row.input_tokens, row.output_tokens) == (11, 1)
    assert row.cost_nano_usd == 13_000


async def test_model_without_a_price_costs_none_not_zero() -> None:
    catalog = a_catalog(a_model("small", price=None, price_version="unpriced"))
    scene = Scene(FakeUpstream(plain()), catalog=catalog)

    await scene.ask(chat("small"))

    (row,) = scene.rows()
    assert (row.cost_nano_usd, row.price_version) == (None, "unpriced")
    assert scene.reply.heads[0].cost_nano_usd is None
    assert scene.reply.body == ANSWER


async def test_pending_row_stands_before_the_upstream_is_called() -> None:
    scene = Scene(FakeUpstream(FakeAnswer(stalls_before_head=True)))

    task = asyncio.ensure_future(scene.ask(chat("small")))
    await until(lambda: bool(scene.upstream.calls))

    (row,) = scene.rows()
    assert (row.state, row.outcome, row.cost_nano_usd) == (State.PENDING, None, None)
    assert (row.held_nano_usd or 0) > 0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_end_user_is_kept_as_a_pseudonym() -> None:
    scene = Scene(FakeUpstream(plain()))

    await scene.ask(chat(more=',"user":"alice@example.org"'))

    assert scene.rows()[0].end_user == "h(acme\nalice@example.org)"


async def test_waiting_on_upstreams_is_not_our_overhead() -> None:
    scene = Scene(FakeUpstream(plain()))

    await scene.ask(chat())

    assert scene.meter.records[0].overhead_s == 0.0
    assert len(scene.meter.records) == 1
