import re
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.sse import (
    EventSplitter,
    EventTooLarge,
    comment,
    data_event,
    event_data,
    is_done,
    with_data,
)

ROOMY = 1 << 20

streams = st.lists(
    st.sampled_from(
        [b"\n", b"\r", b"\r\n", b"data: {}", b"data:x", b": hi", b"id: 1", b"\xef\xbb\xbf"]
    )
).map(b"".join)


def split(stream: bytes, cuts: list[int] | None = None) -> list[bytes]:
    splitter = EventSplitter(max_event_bytes=ROOMY)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts or []), len(stream)]
    blocks = []
    for start, end in pairwise(places):
        blocks += splitter.feed(stream[start:end])
    return [*blocks, splitter.close()]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_events_are_cut_after_their_blank_line(newline: bytes) -> None:
    first = newline.join([b"data: a", b"id: 1", b"", b""])
    second = newline.join([b"data: b", b"", b""])

    assert split(first + second) == [first, second, b""]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_an_event_is_handed_out_as_soon_as_its_blank_line_is_there(newline: bytes) -> None:
    splitter = EventSplitter(max_event_bytes=ROOMY)

    assert splitter.feed(b"data: a" + newline + newline) == [b"data: a" + newline + newline]


@given(stream=streams, cuts=st.lists(st.integers(0, 200)))
def test_any_chunking_gives_the_same_blocks(stream: bytes, cuts: list[int]) -> None:
    assert split(stream, cuts) == split(stream)


@given(stream=streams)
def test_one_byte_at_a_time_gives_the_same_blocks(stream: bytes) -> None:
    assert split(stream, list(range(len(stream)))) == split(stream)


@given(stream=streams | st.binary(), cuts=st.lists(st.integers(0, 200)))
def test_what_comes_out_is_what_went_in(stream: bytes, cuts: list[int]) -> None:
    assert b"".join(split(stream, cuts)) == stream


@given(stream=streams, has_mark=st.booleans())
def test_the_data_is_what_a_reader_of_the_whole_stream_sees(
    stream: bytes, *, has_mark: bool
) -> None:
    text = stream.replace(b"\xef\xbb\xbf", b"")  # elsewhere than at the head we are more lenient
    stream = (b"\xef\xbb\xbf" if has_mark else b"") + text
    lines = re.split(rb"\r\n|\n|\r", text)
    expected: list[bytes] = []
    data: list[bytes] = []
    for line in lines[:-1]:
        if not line and data:
            expected.append(b"\n".join(data))
            data = []
        elif line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))

    found = [event_data(block) for block in split(stream)[:-1]]

    # A CR at the very end waits for an LF, and with it the event it ends.
    assert [data for data in found if data is not None] in (expected, expected[:-1])


def test_mixed_line_ends_part_events() -> None:
    assert split(b"data: a\r\n\ndata: b\n\r\ndata: c\n\rdata: d\r\r") == [
        b"data: a\r\n\n",
        b"data: b\n\r\n",
        b"data: c\n\r",
        b"data: d\r\r",
        b"",
    ]


def test_further_blank_lines_are_blocks_of_their_own() -> None:
    assert split(b"\n\ndata: a\n\n\n\r\n") == [b"\n", b"\n", b"data: a\n\n", b"\n", b"\r\n", b""]


def test_what_follows_the_last_event_is_left_over() -> None:
    assert split(b"data: a\n\ndata: b\n") == [b"data: a\n\n", b"data: b\n"]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_an_event_of_exactly_the_bound_passes(newline: bytes) -> None:
    block = b"data: a" + newline * 2

    assert EventSplitter(max_event_bytes=len(block)).feed(block) == [block]


def test_an_event_over_the_bound_is_refused_though_complete() -> None:
    with pytest.raises(EventTooLarge):
        EventSplitter(max_event_bytes=8).feed(b"data: a\n\n")


def test_an_event_that_does_not_end_is_refused_at_the_bound() -> None:
    splitter = EventSplitter(max_event_bytes=8)
    splitter.feed(b"data: aa")

    with pytest.raises(EventTooLarge):
        splitter.feed(b"a")


@pytest.mark.parametrize("rest", [b"data: too long", b"data: too long\n\n"])
def test_events_before_one_that_is_too_large_are_handed_out(rest: bytes) -> None:
    splitter = EventSplitter(max_event_bytes=9)

    assert splitter.feed(b"data: a\n\n" + rest) == [b"data: a\n\n"]
    with pytest.raises(EventTooLarge):
        splitter.feed(b"\n")


def test_a_left_over_that_is_too_large_is_refused() -> None:
    splitter = EventSplitter(max_event_bytes=9)
    splitter.feed(b"data: a\n\ndata: too long")

    with pytest.raises(EventTooLarge):
        splitter.close()


@pytest.mark.parametrize("ending", [b"\n", b"\r", b"\r\n"])
def test_bytewise_feeding_is_linear(ending: bytes) -> None:
    def seconds(size: int) -> float:
        splitter = EventSplitter(max_event_bytes=ROOMY)
        line = b"data: " + b"x" * 50 + ending
        stream = line * (size // len(line))
        start = time.process_time()
        for position in range(len(stream)):
            splitter.feed(stream[position : position + 1])
        return time.process_time() - start

    short, long = seconds(5_000), seconds(50_000)

    assert long < 40 * short  # a rescan would make it 100 times


@pytest.mark.parametrize(
    ("block", "data"),
    [
        (b"data: a\n\n", b"a"),
        (b"data:a\n\n", b"a"),
        (b"data:  a\n\n", b" a"),
        (b"data\n\n", b""),
        (b"data: \n\n", b""),
        (b"data: a\ndata: b\n\n", b"a\nb"),
        (b"data: a\r\ndata: b\r\n\r\n", b"a\nb"),
        (b"data: a\rdata:\r\r", b"a\n"),
        (b"event: e\ndata: a\nid: 1\n\n", b"a"),
        (b": data: no\n\n", None),
        (b"database: no\n\n", None),
        (b"\n", None),
        (b"\xef\xbb\xbfdata: a\n\n", b"a"),
        (b"data: a", b"a"),
        (b"data: a\x0bb\x1cc\n\n", b"a\x0bb\x1cc"),
    ],
)
def test_the_data_of_an_event_is_its_joined_data_lines(block: bytes, data: bytes | None) -> None:
    assert event_data(block) == data


@pytest.mark.parametrize(("data", "done"), [(b"[DONE]", True), (b" [DONE] ", True), (b"{}", False)])
def test_the_end_mark_is_known(data: bytes, *, done: bool) -> None:
    assert is_done(data) is done


@given(payload=st.binary().filter(lambda payload: b"\r" not in payload))
def test_a_payload_comes_back_from_the_one_event_made_of_it(payload: bytes) -> None:
    event = data_event(payload)

    assert split(event) == [event, b""]
    assert event_data(event) == payload


def test_a_carriage_return_in_a_payload_reads_as_a_line_feed() -> None:
    assert event_data(data_event(b"{\r\n1\r2}")) == b"{\n1\n2}"


@given(text=st.text(st.characters(), max_size=20))
def test_a_comment_is_one_block_without_data(text: str) -> None:
    block = comment(text)

    assert split(block) == [block, b""]
    assert event_data(block) is None


def test_a_comment_reads_as_written() -> None:
    assert comment('fareway {"a":1}') == b': fareway {"a":1}\n\n'


def test_other_lines_of_an_event_survive_new_data() -> None:
    block = b"\xef\xbb\xbf: hi\r\nevent: e\r\ndata: old\r\ndata: er\r\nid: 7\r\n\r\n"

    assert with_data(block, b"new") == b": hi\r\nevent: e\r\nid: 7\r\ndata: new\n\n"
