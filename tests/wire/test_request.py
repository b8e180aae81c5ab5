import json
from typing import Any

import msgspec
import pytest

from gateway.wire.request import Endpoint, parse_request, upstream_body
from tests.support.request_bodies import HELLO, IMAGE, parse, parts


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"max_tokens": 0}, id="cap of nothing"),
        pytest.param({"max_tokens": 100.0, "n": 1.0, "seed": 1e3}, id="integral floats"),
        pytest.param({"seed": 2**70}, id="long seed"),
        pytest.param({"temperature": 1}, id="whole temperature"),
        pytest.param({"a key with spaces": 1, "": 2, "é": 3}, id="odd names"),
        pytest.param({"nobody": {"has": ["told", {"us": None}]}}, id="unknown"),
        pytest.param({"messages": [{"role": "narrator", "content": "x"}]}, id="unknown role"),
        pytest.param({"messages": [{}]}, id="empty message"),
        pytest.param({"messages": [{"role": None, "content": None}]}, id="nulls"),
        pytest.param({"messages": [{"role": "user", "content": ""}]}, id="empty text"),
        pytest.param({"messages": [{"role": "user", "content": []}]}, id="no parts"),
        pytest.param({"messages": [{"content": ["text", {"text": "x"}]}]}, id="bare texts"),
        pytest.param({"messages": [{"content": [{"type": "new", "text": {}}]}]}, id="new part"),
        pytest.param({"messages": [{"content": "x", "name": 4, "x": {}}]}, id="odd members"),
        pytest.param(
            {"messages": [{"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]}]},
            id="calls only",
        ),
        pytest.param({"messages": [{"role": "assistant", "audio": None}]}, id="null audio"),
        pytest.param({"tools": [], "tool_choice": "auto"}, id="no tools"),
        pytest.param({"stop": [], "metadata": {}, "logit_bias": {}}, id="empty values"),
        pytest.param({"stop": ["a", None, 1]}, id="odd stops"),
        pytest.param({"prompt": {"id": "p"}, "input": 4}, id="other endpoints' fields"),
    ],
)
def test_what_real_clients_send_is_let_in_and_passed_on(fields: dict[str, Any]) -> None:
    request = parse(**fields)

    sent = json.loads(upstream_body(request, upstream_model="auto", force_usage=True))
    assert sent == {"model": "auto", "messages": HELLO, **fields}


def test_every_known_field_may_be_null() -> None:
    names = ["stream", "n", "best_of", "max_tokens", "max_completion_tokens", "max_output_tokens"]
    names += ["temperature", "top_p", "presence_penalty", "frequency_penalty", "stop", "tools"]
    names += ["tool_choice", "response_format", "stream_options", "metadata", "logit_bias", "user"]
    names += ["seed", "logprobs", "top_logprobs", "parallel_tool_calls", "modalities"]
    names += ["functions", "service_tier"]

    nulls: dict[str, object] = dict.fromkeys(names)

    request = parse(**nulls)

    plain = parse()
    assert (
        msgspec.structs.replace(
            request,
            fields=plain.fields,
            body_bytes_without_data_urls=plain.body_bytes_without_data_urls,
        )
        == plain
    )


def test_the_facts_of_a_chat_are_read() -> None:
    request = parse(
        stream=True,
        stream_options={"include_usage": True},
        n=3,
        best_of=4,
        temperature=0.5,
        seed=7,
        user="u",
        service_tier="flex",
        tools=[{}, {}],
        functions=[{}],
    )

    assert request.model == "auto"
    assert request.is_stream
    assert request.wants_usage
    assert (request.n, request.best_of, request.temperature, request.seed) == (3, 4, 0.5, 7)
    assert (request.user, request.service_tier) == ("u", "flex")
    assert (request.message_count, request.tool_count) == (1, 3)


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}, {"include_usage": None}])
def test_usage_is_wanted_only_where_it_is_asked_for(options: object) -> None:
    assert not parse(stream=True, stream_options=options).wants_usage


@pytest.mark.parametrize(
    ("fields", "cap", "names"),
    [
        ({}, None, ()),
        ({"max_tokens": None}, None, ()),
        ({"max_tokens": 0}, 0, ("max_tokens",)),
        ({"max_completion_tokens": 5.0}, 5, ("max_completion_tokens",)),
        (
            {"max_output_tokens": 7, "max_tokens": 9, "max_completion_tokens": 8},
            7,
            ("max_tokens", "max_completion_tokens", "max_output_tokens"),
        ),
    ],
)
def test_the_smallest_cap_counts(
    fields: dict[str, Any], cap: int | None, names: tuple[str, ...]
) -> None:
    request = parse(**fields)

    assert (request.output_cap, request.cap_params) == (cap, names)


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        ({}, set()),
        ({"tools": [{}]}, {"tools"}),
        ({"tools": []}, set()),
        ({"functions": [{}]}, {"tools"}),
        ({"response_format": {"type": "json_schema"}}, {"json_schema"}),
        ({"response_format": {"type": "json_object"}}, set()),
        ({"response_format": {}}, set()),
        ({"modalities": ["text", "audio"]}, {"audio"}),
        ({"modalities": ["text"]}, set()),
        ({"messages": [{"content": [IMAGE]}]}, {"vision"}),
        ({"messages": [{"content": [{"type": "input_image"}]}]}, {"vision"}),
        ({"messages": [{"content": [{"type": "input_audio"}]}]}, {"audio"}),
        ({"messages": [{"content": [{"type": "file"}]}]}, {"files"}),
        ({"messages": [{"content": "x", "audio": {"id": "a"}}]}, {"audio"}),
        ({"messages": [{"content": [IMAGE]}], "tools": [{}]}, {"tools", "vision"}),
    ],
)
def test_capabilities_are_read_from_the_request(fields: dict[str, Any], needs: set[str]) -> None:
    assert parse(**fields).needs == needs


@pytest.mark.parametrize(
    ("part", "image_count", "is_unbounded"),
    [
        (IMAGE, 1, False),
        ({"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}, 1, False),
        ({"type": "image_url", "image_url": "https://x.test/a.png"}, 1, False),
        ({"type": "image_url", "image_url": None}, 1, False),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}, 0, False),
        ({"type": "input_audio", "input_audio": {"id": "a"}}, 0, True),
        ({"type": "input_audio", "input_audio": None}, 0, True),
        ({"type": "file", "file": {"file_id": "f"}}, 0, True),
        ({"type": "file", "file": {"file_data": "AAAA"}}, 0, True),
        ({"type": "video_url", "video_url": {"url": "https://x.test/a.mp4"}}, 0, True),
        ({"type": "text", "text": None}, 0, False),
        ({"type": "thinking", "thinking": "x"}, 0, False),
        ("text", 0, False),
    ],
)
def test_parts_without_a_bound_are_noticed(
    part: object, image_count: int, *, is_unbounded: bool
) -> None:
    request = parts(part)

    assert (request.image_count, request.has_unbounded_parts) == (image_count, is_unbounded)


@pytest.mark.parametrize(
    ("part", "inline_bytes"),
    [
        (IMAGE, 26),
        ({"type": "image_url", "image_url": "DATA:Image/png;base64,AAAA"}, 26),
        ({"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}, 0),
        ({"type": "image_url", "image_url": {"url": "data:application/pdf;base64,AAAA"}}, 0),
        ({"type": "input_audio", "input_audio": {"data": "AAAAAAAA"}}, 8),
        ({"type": "text", "text": "data:image/png;base64,AAAA"}, 0),
        ({"type": "unknown", "image_url": {"url": "data:image/png;base64,AAAA"}}, 0),
    ],
)
def test_inline_images_and_audio_are_not_counted_as_text(part: object, inline_bytes: int) -> None:
    request = parts(part, part)

    body = {"model": "auto", "messages": [{"role": "user", "content": [part, part]}]}
    size = len(json.dumps(body))
    assert request.body_bytes_without_data_urls == size - 2 * inline_bytes


def test_inline_audio_is_measured() -> None:
    assert parts({"type": "input_audio", "input_audio": {"data": "AAAA"}}).inline_audio_bytes == 4


def test_an_escaped_data_url_never_counts_for_more_than_it_takes() -> None:
    body = (
        rb'{"model":"m","messages":[{"content":[{"type":"image_url",'
        rb'"image_url":"data:image\/png;base64,\/\/\/\/"}]}]}'
    )

    request = parse_request(body, Endpoint.CHAT)

    assert request.body_bytes_without_data_urls == len(body) - len("data:image/png;base64,////")


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        (HELLO, "hello"),
        ([*HELLO, {"role": "assistant", "content": "yes?"}], "hello"),
        ([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}], "b"),
        ([*HELLO, {"role": "user", "content": [IMAGE]}], "hello"),
        ([*HELLO, {"role": "user", "content": ""}], "hello"),
        ([*HELLO, {"role": "user", "content": None}], "hello"),
        (
            [
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "a"}, IMAGE, "b", {"text": "c"}],
                }
            ],
            "a\nb\nc",
        ),
        ([{"role": "system", "content": "x"}], ""),
    ],
)
def test_routing_looks_at_the_last_thing_the_user_said(messages: object, text: str) -> None:
    assert parse(messages=messages).routing_text == text


@pytest.mark.parametrize(
    ("prompt", "text", "prompt_count", "token_ids"),
    [
        ("a", "a", 1, 0),
        (["a", "b"], "a\nb", 2, 0),
        ([1, 2, 3], "", 1, 3),
        ([[1, 2], [3]], "", 2, 3),
        (None, "", 1, 0),
    ],
)
def test_prompts_of_completions_are_read(
    prompt: object, text: str, prompt_count: int, token_ids: int
) -> None:
    request = parse(Endpoint.COMPLETIONS, prompt=prompt)

    assert request.routing_text == request.prompt_text() == text
    assert (request.prompt_count, request.token_id_count) == (prompt_count, token_ids)


def test_the_suffix_of_a_completion_is_part_of_its_prompt() -> None:
    request = parse(Endpoint.COMPLETIONS, prompt="a", suffix="z")

    assert request.prompt_text() == "a\nz"


def test_the_facts_of_a_completion_are_read() -> None:
    request = parse(Endpoint.COMPLETIONS, stream=True, max_tokens=5, n=2, best_of=3, logprobs=5)

    assert request.is_stream
    assert (request.output_cap, request.n, request.best_of) == (5, 2, 3)


def test_the_input_of_embeddings_is_read_and_not_routed() -> None:
    request = parse(Endpoint.EMBEDDINGS, input=["a", "b"], user="u")

    assert (request.prompt_text(), request.routing_text, request.user) == ("a\nb", "", "u")
    assert request.prompt_count == 2


def test_embeddings_do_not_stream_whatever_the_field_says() -> None:
    request = parse(Endpoint.EMBEDDINGS, stream="odd")

    assert not request.is_stream
    assert b'"stream":"odd"' in upstream_body(request, upstream_model="m", force_usage=True)


def test_the_prompt_text_holds_all_that_a_model_reads() -> None:
    call = {"id": "c", "function": {"name": "call_name", "arguments": '{"call":1}'}}
    request = parse(
        messages=[
            {"role": "system", "content": "system text"},
            {"role": "user", "content": [{"type": "text", "text": "part text"}, IMAGE]},
            {"role": "assistant", "content": None, "tool_calls": [call], "refusal": "no thanks"},
            {"role": "tool", "tool_call_id": "c", "name": "tool name", "content": "result"},
            {"role": "assistant", "tool_calls": ["odd"], "audio": {"id": "audio"}, "x": {"y": 1}},
        ],
        tools=[{"type": "function", "function": {"name": "tool_schema"}}],
        response_format={"type": "json_schema", "json_schema": {"name": "answer_schema"}},
    )

    text = request.prompt_text()

    wanted = ["system text", "part text", "call_name", '{"call":1}', "no thanks", "tool name"]
    wanted += ["result", "odd", "tool_schema", "answer_schema", '{"y": 1}']
    assert [word for word in wanted if word not in text] == []
    assert "base64" not in text


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        (Endpoint.CHAT, "chat/completions"),
        (Endpoint.COMPLETIONS, "completions"),
        (Endpoint.EMBEDDINGS, "embeddings"),
    ],
)
def test_an_endpoint_knows_its_path(endpoint: Endpoint, path: str) -> None:
    assert endpoint.path == path


def sent(
    body: bytes,
    *,
    upstream_model: str = "m",
    force_usage: bool = False,
    output_cap: tuple[str, int] | None = None,
) -> bytes:
    return upstream_body(
        parse_request(body, Endpoint.CHAT),
        upstream_model=upstream_model,
        force_usage=force_usage,
        output_cap=output_cap,
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (b"", b',"stream_options":{"include_usage":true}'),
        (b',"stream_options":null', b',"stream_options":{"include_usage":true}'),
        (b',"stream_options":{}', b',"stream_options":{"include_usage":true}'),
        (
            b',"stream_options":{"a":[1, 2],"include_usage":false,"b":1.0}',
            b',"stream_options":{"a":[1, 2],"include_usage":true,"b":1.0}',
        ),
        (
            b',"stream_options":{"include_usage":false,"include_usage":true}',
            b',"stream_options":{"include_usage":true}',
        ),
    ],
)
def test_usage_is_asked_for_and_other_options_kept(options: bytes, expected: bytes) -> None:
    start = b'{"model":"m","messages":[{}],"stream":true'

    assert sent(start + options + b"}", force_usage=True) == start + expected + b"}"


def test_options_stay_as_they_are_where_usage_is_not_to_be_forced() -> None:
    body = b'{"model":"m","messages":[{}],"stream":true,"stream_options":{"include_usage":false}}'

    assert sent(body) == body


def test_a_plain_call_is_not_asked_for_stream_usage() -> None:
    body = b'{"model":"m","messages":[{}],"stream":false}'

    assert sent(body, force_usage=True) == body


@pytest.mark.parametrize(
    ("caps", "expected"),
    [
        (b'"max_tokens":100', b'"max_tokens":50'),
        (b'"max_tokens":100.0', b'"max_tokens":50'),
        (b'"max_tokens":50.0', b'"max_tokens":50.0'),
        (b'"max_tokens":7', b'"max_tokens":7'),
        (b'"max_tokens":0', b'"max_tokens":0'),
        (
            b'"max_output_tokens":99,"max_tokens":7,"max_completion_tokens":51',
            b'"max_output_tokens":50,"max_tokens":7,"max_completion_tokens":50',
        ),
        (b'"max_tokens":null', b'"max_tokens":null,"max_completion_tokens":50'),
        (b'"max_completion_tokens":null', b'"max_completion_tokens":50'),
        (b'"x":1', b'"x":1,"max_completion_tokens":50'),
    ],
)
def test_caps_are_only_ever_lowered_and_added_only_where_none_was_sent(
    caps: bytes, expected: bytes
) -> None:
    start = b'{"model":"m","messages":[{}],'

    body = sent(start + caps + b"}", output_cap=("max_completion_tokens", 50))

    assert body == start + expected + b"}"
