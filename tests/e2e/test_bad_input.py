"""Whatever a client sends, it reads OpenAI's error object with a request id: never a 500, never a
hang, never a reset."""

import json
import socket
from urllib.parse import urlsplit

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.gateway_process import GatewayProcess, Json
from tests.support.scene import KEY, ask, asking, authorised

HOT = ["chat/completions", "completions", "embeddings"]
ASKING = [*HOT, "route", "estimate"]
MEBIBYTE = 1024 * 1024


def post(gateway: GatewayProcess, path: str, body: bytes, **headers: str) -> httpx2.Response:
    return gateway.http.post(
        f"{gateway.base_url}/{path}", content=body, headers={**authorised(), **headers}
    )


def chat_bytes(members: str) -> bytes:
    """A chat request with more members, as they stand."""
    valid = '"model":"small","messages":[{"role":"user","content":"Hello"}]'
    return f"{{{valid},{members}}}".encode()


def refused(response: httpx2.Response, status: int = 400) -> Json:
    """The error of a response that must be a refusal in OpenAI's shape."""
    assert response.status_code == status, response.text
    return error_of(response)


def error_of(response: httpx2.Response) -> Json:
    assert len(response.headers["x-request-id"]) == 36
    assert response.headers["content-type"] == "application/json"
    error: Json = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)
    assert error["message"]
    return error


def answered_or_refused(response: httpx2.Response) -> None:
    assert response.status_code < 500, response.text
    assert len(response.headers["x-request-id"]) == 36
    if response.status_code != 200:
        error_of(response)


@pytest.mark.parametrize("path", ASKING)
@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"null", b"true", b"7", b'"text"', b"[]", b"{}", b"{", b"}", b"{]", b'{"model"}',
        b'{"model":}', b'{"model":"small",}', b"{'model':'small'}", b"\xff\xfe", b"\x00", b"NaN",
        b'{"model":"small"} {}', b'\xef\xbb\xbf{"model":"small"}', b"model=small&messages=Hello",
        b'{"model":"small","messages":[{"role":"user","content":"\xff"}],"input":"\xff","prompt":"\xff"}',
        b'{"model":"small","messages":[{"role":"user","content":"\x01"}],"input":"\x01","prompt":"\x01"}',
        b"[" * 100_000, b'{"a":' * 100_000, b'{"model":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"messages":' + b"[" * 900 + b"]" * 900 + b',"model":"small"}',
    ],
)  # fmt: skip
def test_a_body_that_is_no_request_is_refused(
    gateway: GatewayProcess, path: str, body: bytes
) -> None:
    refused(post(gateway, path, body))


@pytest.mark.parametrize(
    "members",
    [
        '"temperature":NaN', '"temperature":Infinity', '"temperature":-Infinity',
        '"temperature":1e999', '"seed":1e999', '"n":1e999', '"max_tokens":-1e999', '"x":NaN',
        '"model":"small"', '"messages":[]', '"x":1,"x":2', '"stream":true,"stream":false',
        '"temperature":01', '"temperature":+1', '"temperature":.5', '"temperature":0x1',
        '"x":tru', '"x":"\\x"', '"x":"unfinished', '"n":' + "9" * 5000, '"n":0.5',
        '"max_tokens":99999999999999999999', '"stream":"yes"', '"stream":1', '"n":true', '"user":7',
        '"tools":{}', '"tools":[7]', '"stream_options":[]', '"response_format":"json"',
        '"stream_options":{"include_usage":"yes"}', '"n":0', '"n":-1', '"max_tokens":-1',
        '"modalities":"audio"', '"x":' + "[" * 100_000 + "]" * 100_000,
    ],
)  # fmt: skip
def test_a_member_that_cannot_be_is_refused(gateway: GatewayProcess, members: str) -> None:
    refused(post(gateway, "chat/completions", chat_bytes(members)))


@pytest.mark.parametrize("path", HOT)
@pytest.mark.parametrize(
    "text",
    ['"\\u0000"', '"\\ud800"', '"\\udc00\\ud800"', '"\\ud83c\\udf89"', '"\\u2028\\uffff"', '""'],
)
def test_any_text_json_can_say_is_answered_or_refused(
    gateway: GatewayProcess, path: str, text: str
) -> None:
    model = "embedding" if path == "embeddings" else "small"
    fields = f'"prompt":{text},"input":{text},"messages":[{{"role":"user","content":{text}}}]'
    body = f'{{"model":"{model}",{fields},"user":{text},"x":{text}}}'.encode()

    answered_or_refused(post(gateway, path, body))


@pytest.mark.parametrize("model", ['"\\u0000"', '"x\\r\\ny"', '"' + "m" * 10_000 + '"'])
def test_a_hostile_model_name_is_not_found(gateway: GatewayProcess, model: str) -> None:
    body = f'{{"model":{model},"messages":[{{"role":"user","content":"Hello"}}]}}'.encode()

    error = refused(post(gateway, "chat/completions", body), 404)

    assert len(error["message"]) < 1000


def test_a_null_field_is_as_if_not_sent(gateway: GatewayProcess) -> None:
    nulls = ["n", "stream", "temperature", "max_tokens", "tools", "user", "seed", "stream_options"]

    body = chat_bytes(",".join(f'"{name}":null' for name in nulls))

    assert post(gateway, "chat/completions", body).status_code == 200


def test_deep_nesting_that_json_readers_take_goes_through(gateway: GatewayProcess) -> None:
    deep = "[" * 100 + "]" * 100

    assert post(gateway, "chat/completions", chat_bytes(f'"x":{deep}')).status_code == 200


# ------------------------------------------------------------------------- any JSON in any place

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)  # lone surrogates too
    | st.sampled_from(["user", "text", "image_url", "data:x;base64,AA", "function", "auto", "small"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "type", "text", "image_url", "url", "function", "name", "tool_calls",
                 "arguments", "include_usage", "json_schema", "schema", "input_audio", "data"]
            )
            | st.text(st.characters(), max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)  # fmt: skip
CHAT_FIELDS = [
    "model", "messages", "stream", "stream_options", "n", "best_of", "max_tokens", "seed", "user",
    "max_completion_tokens", "max_output_tokens", "temperature", "tools", "functions", "modalities",
    "tool_choice", "response_format", "service_tier", "logprobs", "metadata", "unheard_of",
]  # fmt: skip
OTHER_FIELDS = [*CHAT_FIELDS, "prompt", "suffix", "input", "encoding_format", "dimensions"]
VALID: Json = {
    "model": "small",
    "messages": [{"role": "user", "content": "Hello"}],
    "prompt": "Hello",
    "input": "Hello",
}
often = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


def sent(gateway: GatewayProcess, path: str, request: Json, *, ascii_only: bool) -> httpx2.Response:
    text = json.dumps(request, ensure_ascii=ascii_only)
    return post(gateway, path, text.encode("utf-8", "surrogatepass"))


@often
@given(
    fields=st.dictionaries(st.sampled_from(CHAT_FIELDS), anything, min_size=1, max_size=3),
    ascii_only=st.booleans(),
)
def test_a_chat_with_anything_anywhere_is_answered_or_refused(
    gateway: GatewayProcess, fields: Json, *, ascii_only: bool
) -> None:
    response = sent(gateway, "chat/completions", {**VALID, **fields}, ascii_only=ascii_only)

    answered_or_refused(response)


@often
@given(
    path=st.sampled_from(["completions", "embeddings", "route", "estimate"]),
    fields=st.dictionaries(st.sampled_from(OTHER_FIELDS), anything, min_size=1, max_size=3),
    model=st.sampled_from(["small", "embedding", "auto"]),
)
def test_other_requests_with_anything_anywhere_are_answered_or_refused(
    gateway: GatewayProcess, path: str, fields: Json, model: str
) -> None:
    request = {**VALID, "model": model, **fields}

    answered_or_refused(sent(gateway, path, request, ascii_only=True))


message = st.fixed_dictionaries(
    {},
    optional={
        "role": anything | st.sampled_from(["user", "assistant", "tool"]),
        "content": anything
        | st.lists(
            st.fixed_dictionaries(
                {"type": st.sampled_from(["text", "image_url", "input_audio", "file", "new"])},
                optional=dict.fromkeys(("text", "image_url", "input_audio", "file"), anything),
            ),
            max_size=3,
        ),
        "tool_calls": anything,
        "name": anything,
    },
)


@often
@given(messages=st.lists(message | anything, max_size=3))
def test_messages_of_any_shape_are_answered_or_refused(
    gateway: GatewayProcess, messages: list[object]
) -> None:
    request = {"model": "auto", "messages": messages}

    answered_or_refused(sent(gateway, "chat/completions", request, ascii_only=True))


@often
@given(body=st.binary(max_size=200))
def test_bytes_of_any_kind_are_refused(gateway: GatewayProcess, body: bytes) -> None:
    answered_or_refused(post(gateway, "chat/completions", body))


def test_no_defect_was_logged(gateway: GatewayProcess) -> None:
    """Random order runs this anywhere; whatever ran before it is held to it."""
    assert gateway.logged("request_failed") == []
    assert "Traceback" not in gateway.log_text()


# ------------------------------------------------------------------------------------- too large


def test_a_body_a_byte_too_large_is_refused_and_the_answer_read(gateway: GatewayProcess) -> None:
    head = b'{"model":"small","messages":[{"role":"user","content":"'
    body = head + b"x" * (20 * MEBIBYTE + 1 - len(head) - 4) + b'"}]}'
    assert len(body) == 20 * MEBIBYTE + 1

    error = refused(post(gateway, "chat/completions", body), 413)

    assert error["code"] == "request_too_large"


def test_a_body_of_exactly_the_limit_is_read(gateway: GatewayProcess) -> None:
    body = b" " * (20 * MEBIBYTE - 2) + b"{}"

    assert refused(post(gateway, "chat/completions", body))["param"] == "model"


@pytest.mark.parametrize("path", ["chat/completions", "route"])
def test_a_body_without_a_length_is_cut_at_the_limit(gateway: GatewayProcess, path: str) -> None:
    response = gateway.http.post(
        f"{gateway.base_url}/{path}",
        content=(b" " * MEBIBYTE for _ in range(22)),
        headers=authorised(),
    )

    assert refused(response, 413)["code"] == "request_too_large"


# ------------------------------------------------------------------------ methods, paths, headers


@pytest.mark.parametrize("path", HOT)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_a_wrong_method_says_which_is_right(
    gateway: GatewayProcess, method: str, path: str
) -> None:
    response = gateway.http.request(method, f"{gateway.base_url}/{path}", headers=authorised())

    assert refused(response, 405)["code"] == "method_not_allowed"
    assert response.headers["allow"] == "POST"


def test_a_wrong_method_elsewhere_is_refused_in_the_same_shape(gateway: GatewayProcess) -> None:
    response = gateway.http.post(f"{gateway.base_url}/models", headers=authorised())

    refused(response, 405)
    assert response.headers["allow"] == "GET"


@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v1/", "/v2/chat/completions", "/v1/chat/completions/", "/v1/chat//completions",
     "/favicon.ico", "/v1/%00", "/v1/%ff", "/%2e%2e/etc/passwd", "/v1/chat%2Fcompletions/x", "/admin"],
)  # fmt: skip
def test_an_unknown_path_is_not_found_in_openais_shape(gateway: GatewayProcess, path: str) -> None:
    response = gateway.http.get(f"{gateway.origin}{path}", headers=authorised())

    assert refused(response, 404)["code"] == "unknown_url"


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Basic abc", f"bearer{KEY}", KEY, f"Token {KEY}",
     "Bearer " + "x" * 10_000, f"Bearer {KEY} x", "Bearer null", "Bearer ' OR 1=1 --"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["chat/completions", "usage"])
def test_what_is_no_key_is_refused(
    gateway: GatewayProcess, authorization: str | None, path: str
) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    method = "GET" if path == "usage" else "POST"

    response = gateway.http.request(method, f"{gateway.base_url}/{path}", headers=headers)

    error = refused(response, 401)
    assert error["code"] == "invalid_api_key"
    assert KEY not in error["message"]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_scheme_is_known_in_any_case(gateway: GatewayProcess, scheme: str) -> None:
    headers = {"authorization": f"{scheme}  {KEY}"}

    assert gateway.http.get(f"{gateway.base_url}/models", headers=headers).status_code == 200


@pytest.mark.parametrize("sent_id", ["x" * 129, "é", "a\tb", ""])
def test_a_request_id_that_could_harm_is_as_if_not_sent(
    gateway: GatewayProcess, sent_id: str
) -> None:
    headers = [
        (b"authorization", f"Bearer {KEY}".encode()),
        (b"x-request-id", sent_id.encode()),
    ]
    response = gateway.http.post(
        f"{gateway.base_url}/chat/completions", json=asking("Hello"), headers=headers
    )

    assert response.status_code == 200
    assert "x-client-request-id" not in response.headers
    assert gateway.ledger(response.headers["x-request-id"])[0]["client_request_id"] is None


@pytest.mark.parametrize("tags", ["team", "=x", "a=b,,c=d", "a=b;c", "a=\u00e9", "a=" + "b" * 600])
def test_tags_that_read_wrong_are_refused(gateway: GatewayProcess, tags: str) -> None:
    body = json.dumps(asking("Hello")).encode()
    headers = [
        (b"authorization", f"Bearer {KEY}".encode()),
        (b"x-fareway-tags", tags.encode()),
    ]
    response = gateway.http.post(
        f"{gateway.base_url}/chat/completions", content=body, headers=headers
    )

    assert refused(response)["param"] == "x-fareway-tags"


@pytest.mark.parametrize("ceiling", ["", "much", "-1", "NaN", "Infinity", "1e999", "0,1", "\u0661"])
def test_a_ceiling_that_is_no_amount_is_refused(gateway: GatewayProcess, ceiling: str) -> None:
    body = json.dumps(asking("Hello")).encode()
    headers = [
        (b"authorization", f"Bearer {KEY}".encode()),
        (b"x-fareway-max-cost-usd", ceiling.encode()),
    ]
    response = gateway.http.post(
        f"{gateway.base_url}/chat/completions", content=body, headers=headers
    )

    assert refused(response)["param"] == "x-fareway-max-cost-usd"


def test_a_ceiling_no_model_keeps_is_refused(gateway: GatewayProcess) -> None:
    body = json.dumps(asking("Hello", max_tokens=10)).encode()

    response = post(gateway, "chat/completions", body, **{"x-fareway-max-cost-usd": "0.000000001"})

    assert refused(response)["code"] == "max_cost_exceeded"


@pytest.mark.parametrize(
    "query", ["limit=x", "limit=-1", "limit=" + "9" * 50, "since=yesterday", "cursor=%00", "x=1",
              "cursor=%ff", "since=9999-12-31T23:59:59-23:59", "tenant=%00", "limit=0"]
)  # fmt: skip
def test_a_ledger_query_that_reads_wrong_is_refused_or_empty(
    gateway: GatewayProcess, query: str
) -> None:
    response = gateway.http.get(
        f"{gateway.origin}/admin/v1/ledger?{query}",
        headers=authorised(gateway.admin_key),
    )

    answered_or_refused(response)


# --------------------------------------------------------------------------------- on the socket


def exchanged(gateway: GatewayProcess, request: bytes, *, last: bytes) -> bytes:
    """What comes back for raw bytes, until `last` is in it or the connection ends."""
    address = urlsplit(gateway.origin)
    assert address.hostname is not None
    with socket.create_connection((address.hostname, address.port or 80), timeout=20) as connected:
        connected.sendall(request)
        received = b""
        while last not in received:
            piece = connected.recv(65_536)
            if not piece:
                break
            received += piece
    return received


def raw_chat(text: str) -> bytes:
    body = json.dumps(asking(text)).encode()
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
        + f"Authorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


def test_pipelined_requests_are_answered_in_order(gateway: GatewayProcess) -> None:
    received = exchanged(gateway, raw_chat("first") + raw_chat("second"), last=b"to: second")

    assert received.count(b"HTTP/1.1 200") == 2
    assert received.index(b"to: first") < received.index(b"to: second")


@pytest.mark.parametrize(
    "head",
    [b"NONSENSE\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST /v1/models HTTP/1.1\r\nContent-Length: x\r\n\r\n",
     b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
)  # fmt: skip
def test_bytes_that_are_no_http_are_refused_and_the_next_client_served(
    gateway: GatewayProcess, head: bytes
) -> None:
    received = exchanged(gateway, head, last=b"received.")

    assert b" 500 " not in received
    assert gateway.http.get(f"{gateway.origin}/health/live").status_code == 200


def test_a_client_that_leaves_within_its_body_leaves_nothing(gateway: GatewayProcess) -> None:
    address = urlsplit(gateway.origin)
    assert address.hostname is not None
    with socket.create_connection((address.hostname, address.port or 80), timeout=20) as connected:
        connected.sendall(raw_chat("left-within-body")[:-5])

    assert ask(gateway, "Hello").status_code == 200
    assert gateway.logged("request_failed") == []
