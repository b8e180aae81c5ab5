"""The client may leave at any await: then no connection, no pending row, one record."""

import asyncio

import pytest

from gateway.core.record import Outcome, State
from tests.fakes import FakeAnswer, FakeUpstream
from tests.support.flow_scene import CHUNKS, Scene, chat, plain, stream, until

PLAIN = chat()
STREAM = chat(more=',"stream":true')
FAILED = FakeAnswer(status=500, chunks=(b"{}",))

SCRIPTS = {
    "plain": (PLAIN, (plain(),)),
    "stream": (STREAM, (stream(),)),
    "stream, a byte a chunk": (STREAM, (stream(*(bytes([b]) for b in b"".join(CHUNKS))),)),
    "plain after a failure": (PLAIN, (FAILED, plain())),
    "stream after a failure": (STREAM, (FAILED, stream())),
    "refused by the upstream": (PLAIN, (FakeAnswer(status=400, chunks=(b"{}",)),)),
    "all fail": (PLAIN, (FAILED, FAILED)),
}


async def _cut_after(turns: int, body: bytes, script: tuple[FakeAnswer, ...]) -> tuple[Scene, bool]:
    """The request, cut off after so many turns of the loop; whether there was something to cut."""
    scene = Scene(FakeUpstream(*script))
    task = asyncio.ensure_future(scene.ask(body))
    for _ in range(turns):
        await asyncio.sleep(0)
    was_running = not task.done()
    task.cancel()
    await asyncio.wait([task])
    if was_running and not task.cancelled():
        assert task.exception() is None
    return scene, was_running


@pytest.mark.parametrize("name", SCRIPTS)
async def test_leaving_at_any_await_leaves_one_record_and_nothing_open(name: str) -> None:
    body, script = SCRIPTS[name]
    turns, was_running = 1, True
    while was_running:
        scene, was_running = await _cut_after(turns, body, script)

        assert scene.upstream.in_use == 0
        assert [row for row in scene.rows() if row.state is State.PENDING] == []
        assert len(scene.meter.records) == 1
        assert len(scene.meter.records[0].attempts) == len(scene.rows())
        turns += 1
    assert turns > 3


async def test_client_that_leaves_mid_stream_pays_for_what_it_received() -> None:
    stalled = FakeAnswer(
        headers={"content-type": "text/event-stream"}, chunks=CHUNKS[:2], stalls_after_chunks=True
    )
    scene = Scene(FakeUpstream(stalled))
    task = asyncio.ensure_future(scene.ask(STREAM))
    await until(lambda: b"ris" in scene.reply.body)

    task.cancel()
    await asyncio.wait([task])

    (row,) = scene.rows()
    assert (row.outcome, row.state, row.output_tokens) == (Outcome.ABORTED, State.SETTLED, 1)
    assert scene.upstream.cut_short == 1


async def test_client_that_leaves_a_plain_call_is_booked_at_the_full_hold() -> None:
    scene = Scene(FakeUpstream(FakeAnswer(stalls_before_head=True)))
    task = asyncio.ensure_future(scene.ask(PLAIN))
    await until(lambda: bool(scene.upstream.in_use))

    task.cancel()
    await asyncio.wait([task])

    (row,) = scene.rows()
    assert (row.outcome, row.cost_nano_usd) == (Outcome.ABORTED, row.held_nano_usd)
