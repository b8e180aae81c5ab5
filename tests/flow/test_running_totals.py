"""Some providers report running totals with every chunk: the last of them is the bill, an earlier
one is not."""

import asyncio

import pytest

from gateway.core.record import Outcome
from gateway.core.usage import UsageSource
from tests.fakes import FakeAnswer, FakeUpstream
from tests.support.flow_scene import Scene, chat, stream, until

STREAM = chat(more=',"stream":true')


def chunk(said: str, output_tokens: int, finish: str = "null") -> bytes:
    return (
        f'data: {{"id":"s-1","choices":[{{"index":0,"delta":{{"content":"{said}"}},'
        f'"finish_reason":{finish}}}],'
        f'"usage":{{"prompt_tokens":10,"completion_tokens":{output_tokens}}}}}\n\n'
    ).encode()


RUNNING = (chunk("Pa", 1), chunk("ris", 2))
TOTAL = b'data: {"id":"s-1","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":3}}\n\n'


def stalled(*chunks: bytes) -> FakeAnswer:
    headers = {"content-type": "text/event-stream"}
    return FakeAnswer(headers=headers, chunks=chunks, stalls_after_chunks=True)


async def left_after(text: bytes, *chunks: bytes) -> Scene:
    """A client that leaves once it has read `text`."""
    scene = Scene(FakeUpstream(stalled(*chunks)))
    task = asyncio.ensure_future(scene.ask(STREAM))
    await until(lambda: text in scene.reply.body)
    task.cancel()
    await asyncio.wait([task])
    return scene


@pytest.mark.parametrize("end", [b"data: [DONE]\n\n", b""])
async def test_last_total_of_a_whole_stream_is_reported(end: bytes) -> None:
    chunks = (*RUNNING, chunk("!", 3, '"stop"'), end)
    scene = Scene(FakeUpstream(stream(*(each for each in chunks if each))))

    await scene.ask(STREAM)

    (row,) = scene.rows()
    assert (row.usage_source, row.output_tokens) == (UsageSource.REPORTED, 3)


async def test_running_total_of_a_stream_that_was_left_is_an_estimate() -> None:
    scene = await left_after(b"ris", *RUNNING)

    (row,) = scene.rows()
    assert row.outcome is Outcome.ABORTED
    assert (row.usage_source, row.output_tokens) == (UsageSource.ESTIMATED, 2)


async def test_total_that_came_before_the_client_left_is_reported() -> None:
    scene = Scene(FakeUpstream(stalled(*RUNNING, TOTAL)))
    task = asyncio.ensure_future(scene.ask(STREAM))
    await until(lambda: b"ris" in scene.reply.body)
    for _ in range(100):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])

    (row,) = scene.rows()
    assert (row.usage_source, row.output_tokens) == (UsageSource.REPORTED, 3)
