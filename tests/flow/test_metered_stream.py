"""A stream on its way to the client: every byte passes but those that must not, and is metered."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.catalog import Model
from gateway.core.errors import FailureKind, UpstreamFailure
from gateway.core.usage import Usage
from gateway.flow import metered_stream
from gateway.flow.metered_stream import MeteredStream
from tests.support.flow_scene import CHUNKS, WordCounter, a_model

TEXT = b'data: {"id":"s-1","choices":[{"index":0,"delta":{"content":"one two"}}]}\n\n'
LAST = b'data: {"id":"s-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":2}}\n\n'
DONE = b"data: [DONE]\n\n"
MODEL: Model = a_model("small")


def a_meter(*, wants_usage: bool = False, cost: str | None = "0.5") -> MeteredStream:
    def cost_text(_: Usage) -> str | None:
        return cost

    return MeteredStream(wants_usage=wants_usage, cost_text=cost_text)


def failure_of(*blocks: bytes) -> UpstreamFailure | None:
    meter = a_meter()
    for block in blocks:
        meter.feed(block)
    return meter.failure


@given(st.lists(st.integers(0, 400), max_size=12))
def test_any_chunking_passes_the_same_bytes_and_meters_the_same(cuts: list[int]) -> None:
    whole = b"".join((b": hello\n\n", *CHUNKS))
    marks = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    meter = a_meter()

    passed = b"".join(meter.feed(whole[a:b]) for a, b in pairwise(marks))

    assert passed + meter.end() == b"".join((b": hello\n\n", *CHUNKS[:3]))
    assert meter.reported is not None
    assert (meter.reported.input_tokens, meter.upstream_id) == (10, "s-1")
    assert (meter.finish_reason, meter.is_done) == ("stop", True)
    assert meter.output.tokens(MODEL, WordCounter()) == 1


def test_done_is_kept_for_the_driver_in_the_upstreams_own_words() -> None:
    meter = a_meter()

    assert meter.feed(TEXT + b"data:[DONE]\r\n\r\n") == TEXT
    assert (meter.is_done, meter.done_event) == (True, b"data:[DONE]\r\n\r\n")


def test_nothing_after_done_passes() -> None:
    meter = a_meter()

    assert meter.feed(TEXT + DONE + TEXT) == TEXT
    assert meter.feed(TEXT) == b""
    assert meter.end() == b""


def test_forced_usage_is_hidden_from_who_did_not_ask() -> None:
    meter = a_meter(wants_usage=False)

    assert meter.feed(TEXT + USAGE) == TEXT
    assert meter.reported is not None


def test_usage_in_a_chunk_with_an_answer_is_cut_out_and_the_answer_passes() -> None:
    block = b'data: {"choices":[{"index":0,"delta":{"content":"x"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n'

    passed = a_meter().feed(block)

    assert b"usage" not in passed
    assert b'"content":"x"' in passed


def test_usage_gets_its_cost_for_who_asked() -> None:
    passed = a_meter(wants_usage=True).feed(USAGE)

    assert b'"cost":0.5' in passed


def test_usage_without_a_price_passes_as_sent() -> None:
    assert a_meter(wants_usage=True, cost=None).feed(USAGE) == USAGE


def test_usage_that_makes_no_sense_passes_as_sent_and_is_not_believed() -> None:
    block = b'data: {"choices":[],"usage":{"prompt_tokens":-1}}\n\n'
    meter = a_meter(wants_usage=True)

    assert meter.feed(block) == block
    assert meter.reported is None


def test_the_last_sensible_usage_counts() -> None:
    meter = a_meter()
    meter.feed(TEXT + USAGE)

    meter.feed(b'data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":9}}\n\n')
    meter.feed(b'data: {"choices":[],"usage":"lots"}\n\n')

    assert meter.reported is not None
    assert meter.reported.output_tokens == 9


def test_finish_reasons_of_several_choices_are_each_named_once() -> None:
    meter = a_meter()
    for reason in ("stop", "length", "stop"):
        meter.feed(LAST.replace(b"stop", reason.encode()))

    assert meter.finish_reason == "stop,length"


def test_the_service_tier_is_the_last_one_named() -> None:
    meter = a_meter()

    meter.feed(b'data: {"choices":[],"service_tier":"flex"}\n\n' + TEXT)

    assert meter.service_tier == "flex"


def test_comments_pass_and_are_no_answer() -> None:
    meter = a_meter()

    assert meter.feed(b": ping\n\n") == b": ping\n\n"
    assert not meter.has_data


@pytest.mark.parametrize(
    "block",
    [
        b"data: {broken\n\n",
        b"data: []\n\n",
        b"data: \xff\n\n",
        b'data: {"error":{"message":"no"}}\n\n',
        b'data: {"choices":[],"error":"no"}\n\n',
    ],
)
def test_what_is_no_part_of_an_answer_is_a_bad_answer(block: bytes) -> None:
    failure = failure_of(TEXT, block)

    assert failure is not None
    assert failure.kind is FailureKind.BAD_ANSWER


def test_what_came_before_a_failure_has_passed_however_it_was_cut() -> None:
    assert a_meter().feed(TEXT + b"data: {broken\n\n" + TEXT) == TEXT


def test_an_event_without_an_end_fails_at_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metered_stream, "MAX_EVENT_BYTES", 100)

    failure = failure_of(TEXT, b"data: " + b"x" * 100)

    assert failure is not None
    assert failure.kind is FailureKind.TOO_LARGE


def test_an_event_too_large_at_the_very_end_is_a_failure_of_the_upstream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metered_stream, "MAX_EVENT_BYTES", 100)
    meter = a_meter()
    assert meter.feed(TEXT + b"data: " + b"x" * 100) == TEXT

    with pytest.raises(UpstreamFailure) as raised:
        meter.end()

    assert raised.value.kind is FailureKind.TOO_LARGE


def test_a_last_event_without_its_blank_line_passes_completed() -> None:
    meter = a_meter()
    meter.feed(TEXT + LAST.rstrip())

    assert meter.end() == LAST


def test_done_without_its_blank_line_is_done() -> None:
    meter = a_meter()
    meter.feed(TEXT + DONE.rstrip())

    assert meter.end() == b""
    assert meter.is_done


@pytest.mark.parametrize("blocks", [(), (b": ping\n\n",), (DONE,)])
def test_a_stream_without_an_answer_is_a_bad_answer(blocks: tuple[bytes, ...]) -> None:
    meter = a_meter()
    for block in blocks:
        meter.feed(block)

    with pytest.raises(UpstreamFailure) as raised:
        meter.end()

    assert raised.value.kind is FailureKind.BAD_ANSWER


@pytest.mark.parametrize("tail", [b"", TEXT[:20]])
def test_a_stream_that_just_stops_is_never_a_clean_end(tail: bytes) -> None:
    meter = a_meter()
    meter.feed(TEXT + tail)

    with pytest.raises(UpstreamFailure):
        meter.end()


def test_a_stream_with_a_finish_reason_needs_no_done() -> None:
    meter = a_meter()
    meter.feed(TEXT + LAST)

    assert meter.end() == b""
    assert meter.done_event == DONE
