import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import InvalidRequest
from gateway.wire.request import ClientRequest, Endpoint, parse_request, upstream_body
from tests.support.request_bodies import HELLO, parse, refusal, refusal_of


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut"),
        pytest.param(b"[]", id="array"),
        pytest.param(b'"x"', id="string"),
        pytest.param(b"null", id="null"),
        pytest.param(b"\xef\xbb\xbf{}", id="byte order mark"),
        pytest.param(b"{} {}", id="trailing"),
        pytest.param(b'{"model":"m","temperature":NaN}', id="NaN"),
        pytest.param(b'{"model":"m","x":Infinity}', id="infinity"),
        pytest.param(b'{"model":"m",}', id="trailing comma"),
        pytest.param(b"{'model':'m'}", id="single quotes"),
        pytest.param(b'{"model":"m\x00"}', id="null byte"),
        pytest.param(b'{"model":"\xff"}', id="not UTF-8"),
        pytest.param(b'{"unknown":"\xed\xa0\x80"}', id="surrogate in UTF-8"),
        pytest.param(b'{"model":"\\ud800"}', id="lone surrogate"),
        pytest.param(b'{"unknown":["\\udc00 and more text"]}', id="lone low surrogate"),
        pytest.param(b'{"\\ud800":1}', id="lone surrogate in a key"),
        pytest.param(b'{"model":"m","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="deep"),
        pytest.param(b'{"model":' + b"[" * 100_000, id="deep and cut"),
        pytest.param(b'{"messages":' + b'{"a":' * 100_000, id="deep objects"),
        pytest.param("{}".encode("utf-16"), id="UTF-16"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused_without_blaming_a_field(body: bytes) -> None:
    assert refusal(body).param is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a","model":"b","messages":[{}]}',
        b'{"model":"a","model":"a","messages":[{}]}',
        b'{"model":"a","\\u006dodel":"a","messages":[{}]}',
        b'{"model": "a", "model": "b", "messages": [{}]}',
        b'{"model":"m","messages":[{}],"n":1,"n":12}',
        b'{"model":"m","messages":[{}],"n":12,"n":1}',
        b'{"n":1,"model":"m","messages":[{}],"n":1 }',
        b'{"":0,"":0}',
    ],
)
def test_a_field_named_twice_is_refused(body: bytes) -> None:
    assert "more than once" in str(refusal(body))


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"model","messages":[{"content":"\\"model\\": "}],"metadata":{"model":"m"}}',
        b'\n{ "model" :\t"m" ,\r\n"messages" : [ {} ] } \n',
        '{"model":"m","messages":[{}],"ünï":1,"a b":{},"\\u00e9":2}'.encode(),
        b'{"model":"m","messages":[{}],"a\\"b":1,"a":2,"":3}',
        b'{"model":"m","messages":[{}],"n":1,"nn":11,"nnn":1}',
    ],
)
def test_fields_named_once_are_let_in_however_they_are_written(body: bytes) -> None:
    assert parse_request(body, Endpoint.CHAT).field_names == tuple(json.loads(body))


@given(
    body=st.dictionaries(st.text(max_size=3), st.integers(0, 99) | st.text(max_size=3), max_size=4),
    indent=st.none() | st.integers(0, 2),
    is_ascii=st.booleans(),
    doubled=st.booleans(),
)
def test_only_a_field_named_twice_is_called_so(
    body: dict[str, Any], *, indent: int | None, is_ascii: bool, doubled: bool
) -> None:
    text = json.dumps({**body, "model": "m"}, indent=indent, ensure_ascii=is_ascii).strip()
    if doubled:
        text = text[:-1] + ',"model":"m"}'

    error = refusal(text.encode())

    assert ("more than once" in str(error)) is doubled


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"model": 4}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{}, "hi"]}, "messages[1]"),
        ({"messages": [{}, {}, {"content": 4}]}, "messages[2].content"),
        ({"messages": [{"content": {}}]}, "messages[0].content"),
        ({"messages": [{"content": True}]}, "messages[0].content"),
        ({"messages": [{"content": [4]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": 4}]}, "messages[0].role"),
        ({"messages": [{"content": [{"type": 4}]}]}, "messages[0].content[0].type"),
        (
            {"messages": [{"content": [{}, {"type": "text", "text": 4}]}]},
            "messages[0].content[1].text",
        ),
        (
            {"messages": [{"content": [{"type": "image_url", "image_url": {"url": 4}}]}]},
            "messages[0].content[0].image_url",
        ),
        (
            {"messages": [{"content": [{"type": "input_audio", "input_audio": []}]}]},
            "messages[0].content[0].input_audio",
        ),
        ({"stream": "true"}, "stream"),
        ({"stream": 1}, "stream"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"n": -1}, "n"),
        ({"n": "2"}, "n"),
        ({"n": True}, "n"),
        ({"n": 1.5}, "n"),
        ({"n": 129.0}, "n"),
        ({"best_of": 0}, "best_of"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 2**31}, "max_tokens"),
        ({"max_tokens": 1e300}, "max_tokens"),
        ({"max_completion_tokens": -1.0}, "max_completion_tokens"),
        ({"max_output_tokens": "100"}, "max_output_tokens"),
        ({"temperature": "1"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": []}, "top_p"),
        ({"presence_penalty": {}}, "presence_penalty"),
        ({"frequency_penalty": "0"}, "frequency_penalty"),
        ({"stop": 4}, "stop"),
        ({"tools": {}}, "tools"),
        ({"tools": ["f"]}, "tools[0]"),
        ({"tool_choice": []}, "tool_choice"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {"type": 4}}, "response_format.type"),
        ({"stream_options": True}, "stream_options"),
        ({"stream_options": {"include_usage": "yes"}}, "stream_options.include_usage"),
        ({"metadata": "a=b"}, "metadata"),
        ({"logit_bias": []}, "logit_bias"),
        ({"user": 4}, "user"),
        ({"seed": "4"}, "seed"),
        ({"seed": 4.5}, "seed"),
        ({"logprobs": 5}, "logprobs"),
        ({"top_logprobs": "5"}, "top_logprobs"),
        ({"top_logprobs": True}, "top_logprobs"),
        ({"parallel_tool_calls": "no"}, "parallel_tool_calls"),
        ({"modalities": "audio"}, "modalities"),
        ({"modalities": [1.5]}, "modalities[0]"),
        ({"service_tier": 1}, "service_tier"),
        ({"functions": [1]}, "functions[0]"),
    ],
)
def test_a_wrong_field_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    error = refusal_of(**fields)

    assert error.param == param
    assert param in str(error)


@pytest.mark.parametrize("name", ["temperature", "seed", "max_tokens", "n", "top_logprobs"])
@pytest.mark.parametrize("number", [b"1e999", b"-1e400"])
def test_a_number_out_of_range_is_refused_by_name(name: str, number: bytes) -> None:
    body = b'{"model":"m","messages":[{}],"%s":%s}' % (name.encode(), number)

    assert refusal(body).param == name


@pytest.mark.parametrize(
    ("endpoint", "fields", "param"),
    [
        (Endpoint.COMPLETIONS, {"prompt": 4}, "prompt"),
        (Endpoint.COMPLETIONS, {"prompt": {}}, "prompt"),
        (Endpoint.COMPLETIONS, {"prompt": []}, "prompt"),
        (Endpoint.COMPLETIONS, {"prompt": ["a", 1]}, "prompt"),
        (Endpoint.COMPLETIONS, {"prompt": [1, [1]]}, "prompt"),
        (Endpoint.COMPLETIONS, {"prompt": [{}]}, "prompt[0]"),
        (Endpoint.COMPLETIONS, {"prompt": [["a"]]}, "prompt[0][0]"),
        (Endpoint.COMPLETIONS, {"logprobs": "5"}, "logprobs"),
        (Endpoint.COMPLETIONS, {"model": ""}, "model"),
        (Endpoint.COMPLETIONS, {"n": 0}, "n"),
        (Endpoint.EMBEDDINGS, {"input": None}, "input"),
        (Endpoint.EMBEDDINGS, {"input": []}, "input"),
        (Endpoint.EMBEDDINGS, {"input": True}, "input"),
        (Endpoint.EMBEDDINGS, {"input": [None]}, "input[0]"),
        (Endpoint.EMBEDDINGS, {"model": None}, "model"),
    ],
)
def test_a_wrong_prompt_or_input_is_refused_by_name(
    endpoint: Endpoint, fields: dict[str, Any], param: str
) -> None:
    assert refusal_of(endpoint, **fields).param == param


def test_the_texts_of_refusals_are_openais() -> None:
    assert str(refusal_of(model=None)) == "Missing required parameter: 'model'."
    assert str(refusal_of(messages=[{"content": 4}])) == (
        "Invalid type for 'messages[0].content': expected a string or an array, but got an "
        "integer instead."
    )
    assert str(refusal_of(n=0)) == (
        "Invalid 'n': integer below minimum value. Expected a value >= 1, but got one that is not."
    )


def test_a_refusal_never_quotes_the_client() -> None:
    error = refusal(b'{"model":"m","messages":"sk-secret","sk-key":1}')

    assert "sk-" not in str(error)


def test_values_as_deep_as_can_just_be_read_are_refused_or_carried_on() -> None:
    def deeper(calls: int, request: ClientRequest) -> None:
        if calls:
            deeper(calls - 1, request)
            return
        request.prompt_text()
        with contextlib.suppress(InvalidRequest):
            upstream_body(request, upstream_model="m", force_usage=True)

    outcomes: set[object] = set()
    for depth in range(850, 1010):
        deep = b"[" * depth + b"]" * depth
        for body in (
            b'{"model":"m","messages":[{"content":[{"text":%s}]}]}' % deep,
            b'{"model":"m","messages":[{"x":%s,"tool_calls":[{"function":%s}]}]}' % (deep, deep),
            b'{"model":"m","messages":[{"content":[{"text":%s}]}],"n":1.0,"seed":2.0,"best_of":3.0,'
            b'"top_logprobs":1.0,"max_tokens":9.0,"max_completion_tokens":9.0}' % deep,
            b'{"model":"m","messages":[{}],"stream":true,"stream_options":{"x":%s}}' % deep,
        ):
            try:
                request = parse_request(body, Endpoint.CHAT)
            except InvalidRequest as error:
                outcomes.add("too deep" in str(error))
            else:
                outcomes.add("read")
                deeper(20, request)

    assert outcomes == {True, "read"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
known_names = st.sampled_from(
    [
        "model",
        "messages",
        "stream",
        "stream_options",
        "n",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "seed",
        "user",
        "tools",
        "response_format",
        "prompt",
        "input",
        "suffix",
        "content",
        "role",
        "type",
        "text",
        "image_url",
        "input_audio",
        "audio",
        "tool_calls",
    ]
)
nearly_requests = st.recursive(
    json_values,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(known_names, inner, max_size=6),
    max_leaves=12,
)


@given(tree=nearly_requests, endpoint=st.sampled_from(Endpoint))
def test_no_json_is_answered_with_a_defect(tree: object, endpoint: Endpoint) -> None:
    with_messages = {"model": "m", "messages": [tree], "prompt": tree, "input": tree}
    for candidate in (tree, with_messages, {**with_messages, "tools": [{}], "suffix": tree}):
        try:
            request = parse_request(json.dumps(candidate).encode(), endpoint)
        except InvalidRequest:
            continue
        request.prompt_text()
        assert isinstance(request.routing_text, str)


@given(body=st.binary(max_size=60))
def test_no_bytes_are_answered_with_a_defect(body: bytes) -> None:
    assert isinstance(refusal(body), InvalidRequest)


@given(
    extras=st.dictionaries(
        st.text(max_size=5).filter(lambda name: name not in ("model", "messages")), json_values
    ),
    indent=st.none() | st.integers(0, 2),
)
def test_a_request_for_the_same_model_says_the_same(
    extras: dict[str, Any], indent: int | None
) -> None:
    body = json.dumps({"model": "m", **extras, "messages": HELLO}, indent=indent).encode()
    try:
        request = parse_request(body, Endpoint.CHAT)
    except InvalidRequest:
        return  # NaN, lone surrogates

    upstream = upstream_body(request, upstream_model="m", force_usage=True)

    assert json.loads(upstream) == json.loads(body)
    assert all(bytes(raw) in body and bytes(raw) in upstream for raw in request.fields.values())


def test_five_megabytes_are_read() -> None:
    text = "word " * 1_000_000

    request = parse(messages=[{"role": "user", "content": text}])

    assert request.routing_text == text
