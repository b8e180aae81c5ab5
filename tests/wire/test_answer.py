import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.answer import BadAnswer, read_answer, with_cost
from gateway.wire.request import Endpoint


def test_a_chat_answer_is_read() -> None:
    answer = read_answer(
        b'{"id":"a1","model":"m","choices":[{"index":0,"finish_reason":"stop","message":'
        b'{"content":"hi","reasoning_content":"hm"}}],"usage":{"total_tokens":3}}',
        Endpoint.CHAT,
    )

    assert (answer.id, answer.model, answer.finish_reason) == ("a1", "m", "stop")
    assert answer.usage == {"total_tokens": 3}
    assert (answer.choice_count, answer.error) == (1, None)
    assert answer.output_text() == "hm\nhi"


def test_a_completion_is_read() -> None:
    answer = read_answer(b'{"choices":[{"text":"a"},{"text":"b"}]}', Endpoint.COMPLETIONS)

    assert (answer.choice_count, answer.output_text(), answer.usage) == (2, "a\nb", None)
    assert (answer.id, answer.model, answer.finish_reason) == (None, None, None)


def test_embeddings_are_read() -> None:
    body = json.dumps({"data": [{"embedding": [0.5] * 9}], "model": "m", "usage": {"x": 1}})

    answer = read_answer(body.encode(), Endpoint.EMBEDDINGS)

    assert (answer.model, answer.usage, answer.output_text()) == ("m", {"x": 1}, "")


def test_each_finish_reason_is_named_once() -> None:
    reasons = [{"finish_reason": reason} for reason in ["stop", "length", None, "stop"]]

    answer = read_answer(json.dumps({"choices": reasons}).encode(), Endpoint.CHAT)

    assert answer.finish_reason == "stop,length"


def test_an_error_beside_choices_is_handed_on() -> None:
    answer = read_answer(b'{"choices":[{}],"error":{"code": 1}}', Endpoint.CHAT)

    assert answer.error == b'{"code": 1}'


@pytest.mark.parametrize(
    ("body", "endpoint"),
    [
        (b"", Endpoint.CHAT),
        (b"<html>", Endpoint.CHAT),
        (b"[]", Endpoint.CHAT),
        (b"{}", Endpoint.CHAT),
        (b'{"choices":[]}', Endpoint.CHAT),
        (b'{"choices":null}', Endpoint.COMPLETIONS),
        (b'{"choices":"x"}', Endpoint.CHAT),
        (b'{"choices":[{}]', Endpoint.CHAT),
        (b'{"choices":[{}]}', Endpoint.EMBEDDINGS),
        (b'{"data":[]}', Endpoint.EMBEDDINGS),
        (b'{"data":[{}]}', Endpoint.CHAT),
        (b'{"choices":[{}],"x":NaN}', Endpoint.CHAT),
    ],
)
def test_what_answers_nothing_is_a_bad_answer(body: bytes, endpoint: Endpoint) -> None:
    with pytest.raises(BadAnswer) as caught:
        read_answer(body, endpoint)

    assert caught.value.error is None


@pytest.mark.parametrize("body", [b'{"error":{"a": 1}}', b'{"choices":[],"error":{"a": 1}}'])
def test_an_error_instead_of_choices_comes_with_the_bad_answer(body: bytes) -> None:
    with pytest.raises(BadAnswer, match="an error instead of choices") as caught:
        read_answer(body, Endpoint.CHAT)

    assert caught.value.error == b'{"a": 1}'


def test_an_answer_that_ends_inside_a_character_is_still_one() -> None:
    answer = read_answer(b'{"choices":[{"message":{"content":"a\\ud83d"}}]}', Endpoint.CHAT)

    assert answer.output_text() == "a?"


@given(body=st.binary(max_size=40), endpoint=st.sampled_from(Endpoint))
def test_no_bytes_are_a_defect(body: bytes, endpoint: Endpoint) -> None:
    with pytest.raises(BadAnswer):
        read_answer(body, endpoint)


def test_an_answer_keeps_every_byte_outside_its_usage() -> None:
    body = b'{\n  "choices": [ {"message": {"content": "\\u00e9\\/"}} ],\n  "usage": {"a": 1}\n}\n'

    assert with_cost(body, "0.000000001") == body.replace(b'"a": 1', b'"a": 1,"cost":0.000000001')
