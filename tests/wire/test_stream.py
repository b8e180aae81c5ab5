import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.members import BadJson
from gateway.wire.stream import BadChunk, hide_usage, read_chunk, with_cost

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
names = st.sampled_from(
    [
        "id",
        "model",
        "choices",
        "data",
        "usage",
        "error",
        "index",
        "delta",
        "message",
        "text",
        "finish_reason",
        "content",
        "reasoning",
        "reasoning_content",
        "refusal",
        "audio",
        "transcript",
        "tool_calls",
        "function",
        "custom",
        "name",
        "arguments",
        "input",
        "function_call",
        "thinking",
        "cost",
        "cost_details",
    ]
)
nearly_chunks = st.dictionaries(
    names,
    st.recursive(
        json_values,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=5),
        max_leaves=12,
    ),
)


def delta(**members: object) -> bytes:
    return json.dumps({"choices": [{"index": 0, "delta": members}]}).encode()


def test_a_chunk_is_read() -> None:
    chunk = read_chunk(
        b'{"id":"c1","model":"m","choices":[{"index":1,"delta":{"role":"assistant","content":"hi"},'
        b'"finish_reason":"stop"}],"usage":{"prompt_tokens":3},"new":{}}'
    )

    assert (chunk.id, chunk.model, chunk.texts) == ("c1", "m", ("hi",))
    assert (chunk.finish_reasons, chunk.choice_indexes) == (("stop",), (1,))
    assert chunk.has_choices
    assert chunk.usage == {"prompt_tokens": 3}
    assert chunk.error is None


def test_several_choices_of_one_chunk_are_read() -> None:
    chunk = read_chunk(
        b'{"choices":[{"index":0,"text":"a","finish_reason":null},'
        b'{"index":1,"text":"b","finish_reason":"length"}]}'
    )

    assert chunk.texts == ("a", "b")
    assert chunk.choice_indexes == (0, 1)
    assert chunk.finish_reasons == ("length",)


@pytest.mark.parametrize(
    ("members", "texts"),
    [
        ({"content": ""}, ()),
        ({"content": None}, ()),
        ({"reasoning_content": "r", "content": "c"}, ("r", "c")),
        ({"reasoning": "r"}, ("r",)),
        ({"refusal": "no"}, ("no",)),
        ({"audio": {"data": "AAAA", "transcript": "t"}}, ("t",)),
        ({"audio": {"data": "AAAA"}}, ()),
        ({"function_call": {"name": "f", "arguments": "{}"}}, ("f", "{}")),
        (
            {"tool_calls": [{"function": {"name": "f"}}, {"function": {"arguments": "{"}}]},
            ("f", "{"),
        ),
        ({"tool_calls": [{"custom": {"name": "c", "input": "i"}}, {}]}, ("c", "i")),
    ],
)
def test_all_that_was_generated_is_found(
    members: dict[str, object], texts: tuple[str, ...]
) -> None:
    plainly = read_chunk(delta(**members))
    leniently = read_chunk(delta(**members, role=None).replace(b'"index": 0', b'"index": "0"'))

    assert plainly.texts == leniently.texts == texts


@pytest.mark.parametrize(
    ("data", "texts"),
    [
        (b'{"id":4,"choices":[{"delta":{"content":"a"}}]}', ("a",)),
        (b'{"choices":[{"index":"x","delta":{"content":"a","refusal":4}}]}', ("a",)),
        (b'{"choices":[4,{"delta":[]},{"delta":{"content":"a"}}]}', ("a",)),
        (b'{"choices":[{"delta":{"content":"a","tool_calls":[4,{"function":[]}]}}]}', ("a",)),
        (b'{"choices":{}}', ()),
        (
            b'{"choices":[{"delta":{"content":[{"thinking":[{"text":"t"}]},{"text":"a"},4]}}]}',
            ("ta",),
        ),
        (b'{"choices":[{"delta":{"content":"\\ud83d"}}]}', ("?",)),
        (b'{"choices":[{"delta":{"content":"a"}}],"x":"\\ud83d"}', ("a",)),
        (b'{"choices":[{"delta":{"content":"a"}}],"usage":{"x":1e999}}', ("a",)),
        (b'{"choices":[{"delta":{"content":"a"}}],"id":%s}' % (b"9" * 5000), ("a",)),
    ],
)
def test_what_is_odd_in_a_chunk_counts_as_absent(data: bytes, texts: tuple[str, ...]) -> None:
    assert read_chunk(data).texts == texts


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b'{"error":{"message": "x"}}', b'{"message": "x"}'),
        (b'{"error":"x","choices":[]}', b'"x"'),
        (b'{"id":4,"error":{"message": "x"}}', b'{"message": "x"}'),
        (b'{"error":null}', None),
        (b'{"id":4,"error":null}', None),
        (b'{"id":4}', None),
    ],
)
def test_an_error_is_handed_on_as_sent(data: bytes, error: bytes | None) -> None:
    assert read_chunk(data).error == error


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{",
        b"null",
        b'{"choices":[]',
        b'{"a":NaN}',
        b'{"choices":[{"delta":{"content":"\xff"}}]}',
        b'{"a":' + b"[" * 100_000,
        b'{"usage":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_is_no_json_object_is_a_bad_chunk(data: bytes) -> None:
    with pytest.raises(BadChunk):
        read_chunk(data)


def test_a_depth_only_one_of_our_readers_can_take_is_no_defect() -> None:
    outcomes = set()
    for depth in range(800, 1100, 2):
        data = b'{"id":4,"x":' + b"[" * depth + b"]" * depth + b"}"
        try:
            read_chunk(data)
        except BadChunk:
            outcomes.add("refused")
        else:
            outcomes.add("read")

    assert outcomes == {"read", "refused"}


@given(tree=nearly_chunks)
def test_no_chunk_is_a_defect(tree: dict[str, Any]) -> None:
    data = json.dumps(tree).encode()
    try:
        chunk = read_chunk(data)
    except BadChunk:
        return

    "".join(chunk.texts).encode()
    hide_usage(data)
    with_cost(data, "0.1")


@given(data=st.binary(max_size=40))
def test_no_bytes_are_a_defect(data: bytes) -> None:
    for read in (read_chunk, hide_usage, lambda data: with_cost(data, "0.1")):
        try:
            read(data)
        except (BadChunk, BadJson):
            continue


@pytest.mark.parametrize(
    ("data", "hidden"),
    [
        (b'{"choices":[{}],"usage":null}', b'{"choices":[{}]}'),
        (b'{"usage":null,"choices":[{}]}', b'{"choices":[{}]}'),
        (b'{"id":"a", "usage" : {"x":1} , "choices":[{}]}', b'{"id":"a" , "choices":[{}]}'),
        (b'{"choices":[{}],"usage":{},"usage":null}', b'{"choices":[{}]}'),
        (b'{"usage":{},"usage":null,"choices":[{}]}', b'{"choices":[{}]}'),
        (b'{"choices":[],"usage":null}', b'{"choices":[]}'),
        (b'{"choices":[],"filter":[],"usage":null}', b'{"choices":[],"filter":[]}'),
        (b'{"usage":null}', b"{}"),
        (b'{"a":{"b":1,"usage":null}}', b'{"a":{"b":1,"usage":null}}'),
        (b'{"a":"x","usage":null,"obfuscation":"aB9"}', b'{"a":"x","obfuscation":"aB9"}'),
        (b'{"usage":{},"choices":[{}],"a":1,"usage":null}', b'{"choices":[{}],"a":1}'),
        (
            b'{"a":",\\"usage\\":null","usage":null,"b":"c"}',
            b'{"a":",\\"usage\\":null","b":"c"}',
        ),
        (b'{"choices":[],"usage":{"x":1}}', None),
        (b'{"id":"a","choices":[ ],"usage":{"x":1}}', None),
        (b'{"choices":null,"usage":{"x":1}}', None),
        (b'{"usage":{"x":1}}', None),
        (b'{"usage":{"x":1},"error":{"m":1}}', b'{"error":{"m":1}}'),
        (b'{"usage":{"x":1},"error":null}', None),
        (b'{"choices":[{}],"x":{"usage":1}}', b'{"choices":[{}],"x":{"usage":1}}'),
        (b'{"x":"\\ud83d","choices":[{}],"usage":null}', b'{"x":"\\ud83d","choices":[{}]}'),
    ],
)
def test_usage_is_hidden(data: bytes, hidden: bytes | None) -> None:
    assert hide_usage(data) == hidden


def test_a_chunk_without_usage_is_not_copied() -> None:
    data = b'{"choices":[{}]}'

    assert hide_usage(data) is data


@pytest.mark.parametrize(
    ("usage", "cost", "expected"),
    [
        (b"{}", "0.0125", b'{"cost":0.0125}'),
        (b'{ "x" : 1.0e1 }', "0", b'{ "x" : 1.0e1,"cost":0 }'),
        (
            b'{"cost":0.5,"x":1}',
            "0.1",
            b'{"cost":0.1,"x":1,"cost_details":{"upstream_inference_cost":0.5}}',
        ),
        (
            b'{"cost":5E-1,"cost_details":{"a":[1, 2],"upstream_inference_cost":null},"x":1}',
            "0.1",
            b'{"cost":0.1,"cost_details":{"a":[1, 2],"upstream_inference_cost":5E-1},"x":1}',
        ),
        (
            b'{"cost_details":{"a":1},"cost":"0.5"}',
            "0.1",
            b'{"cost_details":{"a":1,"upstream_inference_cost":"0.5"},"cost":0.1}',
        ),
        (
            b'{"cost":0.5,"cost_details":null}',
            "0.1",
            b'{"cost":0.1,"cost_details":{"upstream_inference_cost":0.5}}',
        ),
        (b'{"cost":null,"cost_details":null}', "0.1", b'{"cost":0.1,"cost_details":null}'),
        (
            b'{"cost":0.5}',
            None,
            b'{"cost":null,"cost_details":{"upstream_inference_cost":0.5}}',
        ),
        (b'{"x": 1}', None, b'{"x": 1}'),
        (
            b'{"cost":1,"cost":2}',
            "0",
            b'{"cost":0,"cost":0,"cost_details":{"upstream_inference_cost":2}}',
        ),
        (b"null", "0.1", b"null"),
        (b"[]", "0.1", b"[]"),
    ],
)
def test_usage_gets_its_cost_and_nothing_else_changes(
    usage: bytes, cost: str | None, expected: bytes
) -> None:
    frame = b'{"id": "a","x":{"usage":{}},"usage" : %s ,"choices":[ ]}'

    assert with_cost(frame % usage, cost) == frame % expected


@pytest.mark.parametrize("data", [b'{"a": 1}', b'{"x":{"usage":{}}}', b'{"usage":4}'])
def test_what_has_no_usage_gets_no_cost(data: bytes) -> None:
    assert with_cost(data, "0.1") is data


@given(tree=nearly_chunks, indent=st.none() | st.integers(0, 1))
def test_a_cost_changes_nothing_but_the_cost(tree: dict[str, Any], indent: int | None) -> None:
    data = json.dumps(tree, indent=indent).encode()
    try:
        changed = with_cost(data, "0.25")
    except BadJson:
        return  # NaN

    after = json.loads(changed)
    assert {**after, "usage": 0} == {**tree, "usage": 0} or changed is data
    if isinstance(tree.get("usage"), dict):
        assert after["usage"]["cost"] == 0.25
        ours = {"cost", "cost_details"}
        assert {n: v for n, v in after["usage"].items() if n not in ours} == {
            n: v for n, v in tree["usage"].items() if n not in ours
        }


@pytest.mark.parametrize("usage", [b"[0]", b'["x"]', b"0", b'"{}"', b"null"])
def test_usage_that_is_no_object_is_given_no_cost(usage: bytes) -> None:
    data = b'{"id":"a","usage":%b}' % usage

    assert with_cost(data, "0.5") == data
