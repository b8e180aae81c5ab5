"""What passes unchanged, what never passes, and what is added: bytes at both ends of a gateway."""

import json
import re
from collections.abc import Iterator
from itertools import pairwise

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.gateway_process import GatewayProcess, Json, running_gateway
from tests.support.raw_upstream import RawUpstream, raw_upstream
from tests.support.scene import (
    ADMIN_KEY,
    HEADER_SECRET,
    KEY,
    PROVIDER_KEY,
    ask,
    asking,
    authorised,
    closing_of,
    data_of,
)
from tests.support.upstream_thread import UpstreamThread

RAW_SCENE = """
server: {{admin_key: {admin_key}}}
stores: {{database_url: "sqlite:///ledger.db"}}
providers: {{raw: {{base_url: "{base_url}"}}}}
models:
  - name: raw
    provider: raw
    price: {{input: "1", cached_input: "0.5", output: "2"}}
    endpoints: [chat, completions, embeddings]
tenants: [{{id: acme, keys: [{key}]}}]
"""
# Blanks, member order, escapes, numbers and doubled nesting as no encoder would write them.
ODD = (
    b'{ "id":"r-1",\t"choices" : [ {"index":0,"message":{"content":"caf\\u00e9 \\/ \xc3\xa9",'
    b'"brand_new":[1.0,1e2,-0,{"a":{}}]},"finish_reason":"stop"}] ,\n"unheard":{"x":0.10},'
    b'"usage":{"prompt_tokens":10,"completion_tokens":5,"extra":1.50},"z":null}\n'
)


@pytest.fixture(scope="module")
def raw() -> Iterator[RawUpstream]:
    with raw_upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def raw_gateway(
    tmp_path_factory: pytest.TempPathFactory, raw: RawUpstream
) -> Iterator[GatewayProcess]:
    yaml = RAW_SCENE.format(base_url=raw.base_url, admin_key=ADMIN_KEY, key=KEY)
    with running_gateway(tmp_path_factory.mktemp("raw"), yaml, admin_key=ADMIN_KEY) as running:
        yield running


def post(gateway: GatewayProcess, body: bytes, path: str = "chat/completions") -> httpx2.Response:
    return gateway.http.post(f"{gateway.base_url}/{path}", content=body, headers=authorised())


def raw_chat(*, stream: bool = False, usage: bool = False) -> bytes:
    options = {"stream_options": {"include_usage": True}} if usage else {}
    return json.dumps({**asking("Hello"), "model": "raw", "stream": stream, **options}).encode()


# ----------------------------------------------------------------------------- what goes upstream


def test_a_request_goes_up_byte_for_byte_but_for_the_model(
    raw_gateway: GatewayProcess, raw: RawUpstream
) -> None:
    body = (
        b'{"brand_new": {"b": 1.0, "a": [ 1e2, "\\u00e9\\/" ]} , "model":"raw",'
        b'"messages": [ {"role":"user","content":"caf\xc3\xa9 \\ud83c\\udf89","later":0.10} ],\t"n" : 1 }'
    )
    raw.answer(ODD)

    assert post(raw_gateway, body).status_code == 200

    sent = raw.requests[-1].partition(b"\r\n\r\n")[2]
    for member in (
        b'"brand_new":{"b": 1.0, "a": [ 1e2, "\\u00e9\\/" ]}',
        b'"messages":[ {"role":"user","content":"caf\xc3\xa9 \\ud83c\\udf89","later":0.10} ]',
        b'"model":"raw"',
        b'"n":1',
    ):
        assert member in sent
    assert list(json.loads(sent)) == list(json.loads(body))


def test_the_clients_own_headers_stay_behind(
    gateway: GatewayProcess, upstream: UpstreamThread
) -> None:
    secret = {
        "cookie": "session=stays-behind",
        "x-request-id": "stays-behind",
        "idempotency-key": "stays-behind",
        "x-fareway-tags": "team=stays-behind",
        "x-fareway-session": "stays-behind",
        "x-fareway-unheard": "stays-behind",
        "openai-organization": "stays-behind",
        "x-forwarded-for": "10.9.8.7",
        "x-api-key": "stays-behind",
        "proxy-authorization": "Basic stays-behind",
        "user-agent": "stays-behind",
        "x-stainless-os": "stays-behind",
    }
    gateway.http.post(
        f"{gateway.base_url}/chat/completions",
        json=asking("own-headers"),
        headers={**authorised(), **secret},
    )

    headers = upstream.call_with("own-headers").headers
    text = repr(headers)
    assert "stays-behind" not in text
    assert "10.9.8.7" not in text
    assert KEY not in text
    assert not any(name.startswith("x-fareway") for name, _ in headers)


def test_what_an_upstream_needs_goes_up(gateway: GatewayProcess, upstream: UpstreamThread) -> None:
    travelling = {
        "accept": "text/event-stream",
        "openai-beta": "assistants=v2",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    gateway.http.post(
        f"{gateway.base_url}/chat/completions",
        json=asking("needed-headers"),
        headers={**authorised(), **travelling},
    )

    call = upstream.call_with("needed-headers")
    assert {name: call.header(name) for name in travelling} == travelling
    assert call.header("content-type") == "application/json"
    assert call.header("authorization") == f"Bearer {PROVIDER_KEY}"
    assert call.header("x-configured") == HEADER_SECRET
    assert [name for name, _ in call.headers].count("authorization") == 1


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}, {"other": 1}])
def test_usage_is_asked_for_upstream_and_hidden_again(
    gateway: GatewayProcess, upstream: UpstreamThread, options: Json | None
) -> None:
    mark = f"hidden-{options}"
    response = ask(gateway, mark, stream=True, stream_options=options)

    sent = json.loads(upstream.calls[-1].body)
    assert sent["stream_options"]["include_usage"] is True
    assert {**sent["stream_options"], **(options or {})}.keys() == sent["stream_options"].keys()
    assert '"usage"' not in response.text
    assert '"choices":[]' not in response.text


def test_nothing_is_added_to_a_plain_request(
    gateway: GatewayProcess, upstream: UpstreamThread
) -> None:
    body = asking("nothing-added")
    post(gateway, json.dumps(body).encode())

    assert json.loads(upstream.call_with("nothing-added").body) == {
        **body,
        "model": "scripted-small",
    }


# ------------------------------------------------------------------------------- what comes back


def test_an_answer_comes_back_byte_for_byte_but_for_its_cost(
    raw_gateway: GatewayProcess, raw: RawUpstream
) -> None:
    raw.answer(ODD)

    response = post(raw_gateway, raw_chat())

    # 10 x 1 + 5 x 2 = 20 USD per million
    assert response.content == ODD.replace(b'"extra":1.50', b'"extra":1.50,"cost":0.00002')
    assert response.headers["x-fareway-cost-usd"] == "0.00002"


def test_an_answer_without_usage_comes_back_untouched(
    raw_gateway: GatewayProcess, raw: RawUpstream
) -> None:
    body = b'{ "choices":[{"message":{"content":"Hi"},"x": 1.0}] }'
    raw.answer(body)

    response = post(raw_gateway, raw_chat())

    assert response.content == body
    assert float(response.headers["x-fareway-cost-usd"]) > 0


def test_an_upstreams_own_cost_moves_aside(raw_gateway: GatewayProcess, raw: RawUpstream) -> None:
    raw.answer(
        b'{"choices":[{"message":{}}],"usage":{"prompt_tokens":10,"completion_tokens":5,"cost":0.5}}'
    )

    usage = post(raw_gateway, raw_chat()).json()["usage"]

    assert usage["cost"] == 0.00002
    assert usage["cost_details"]["upstream_inference_cost"] == 0.5


def test_embeddings_come_back_byte_for_byte(raw_gateway: GatewayProcess, raw: RawUpstream) -> None:
    body = b'{"object":"list","data":[{"embedding":[0.1000,-1e-07],"index":0}],"model":"m"}'
    raw.answer(body)

    response = post(raw_gateway, b'{"model":"raw","input":"Hello"}', "embeddings")

    assert response.content == body


# --------------------------------------------------------------------------------------- streams

EVENTS = [
    b": comment first\n\n",
    b'data: {"id":"s-1","choices":[{"index":0,"delta":{"role":"assistant"}}],"usage":null}\n\n',
    b'event: message\nid: 7\nretry: 10\ndata: {"choices":[{"delta":{"content":"caf\xc3\xa9 "}}]}\n\n',
    b'data: {"choices":[{"delta":\ndata: {"content":"\\ud83c\\udf89"}}],"new":1.0}\n\n',
    b'data:{"choices":[{"delta":{"content":"end"},"finish_reason":"stop"}]}\r\n\r\n',
    b": ping\n\n",
    b'data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5}}\n\n',
]
STREAM = b"".join(EVENTS)
DONE = b"data: [DONE]\n\n"
CLOSING = re.compile(rb": fareway \{[^\n]*\}\n\n")


def chunked(body: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cuts), len(body)]
    return [body[start:end] for start, end in pairwise(places) if start < end]


def relayed(gateway: GatewayProcess, raw: RawUpstream, pieces: list[bytes]) -> tuple[bytes, Json]:
    """What the client got, but for the closing comment, and the request's row."""
    raw.stream(pieces)
    response = post(gateway, raw_chat(stream=True, usage=True))
    rows = gateway.ledger(response.headers["x-request-id"])
    assert len(rows) == 1
    return CLOSING.sub(b"", response.content), rows[0]


WITH_COST = STREAM.replace(b'"completion_tokens":5', b'"completion_tokens":5,"cost":0.00002')


def test_a_stream_comes_back_byte_for_byte_but_for_its_cost(
    raw_gateway: GatewayProcess, raw: RawUpstream
) -> None:
    got, row = relayed(raw_gateway, raw, [STREAM + DONE])

    assert got == WITH_COST + DONE
    assert (row["cost_nano_usd"], row["usage_source"]) == (20_000, "reported")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, len(STREAM + DONE)), max_size=30))
def test_any_chunking_gives_the_same_bytes_and_the_same_bill(
    raw_gateway: GatewayProcess, raw: RawUpstream, cuts: list[int]
) -> None:
    got, row = relayed(raw_gateway, raw, chunked(STREAM + DONE, cuts))

    assert got == WITH_COST + DONE
    assert (row["cost_nano_usd"], row["input_tokens"], row["output_tokens"]) == (20_000, 10, 5)


def test_a_byte_at_a_time_gives_the_same_bytes_and_the_same_bill(
    raw_gateway: GatewayProcess, raw: RawUpstream
) -> None:
    body = STREAM + DONE

    got, row = relayed(raw_gateway, raw, [body[i : i + 1] for i in range(len(body))])

    assert got == WITH_COST + DONE
    assert row["cost_nano_usd"] == 20_000


def test_hidden_usage_takes_nothing_else_with_it(
    raw_gateway: GatewayProcess, raw: RawUpstream
) -> None:
    raw.stream([STREAM + DONE])

    response = post(raw_gateway, raw_chat(stream=True))

    got = CLOSING.sub(b"", response.content)
    assert got == b"".join(EVENTS[:-1]).replace(b',"usage":null', b"") + DONE
    row = raw_gateway.ledger(response.headers["x-request-id"])[0]
    assert (row["cost_nano_usd"], row["usage_source"]) == (20_000, "reported")


def test_a_stream_closes_with_what_it_cost_before_its_done(gateway: GatewayProcess) -> None:
    response = ask(gateway, "Hello", stream=True, model="auto:max")

    row = gateway.ledger(response.headers["x-request-id"])[0]
    blocks = response.text.rstrip("\n").split("\n\n")
    assert blocks[-2].startswith(": fareway {")
    assert blocks[-1] == "data: [DONE]"
    assert closing_of(response.text) == {
        "model": "large",
        "attempts": 1,
        "reason": "pinned",
        "cost_usd": f"{row['cost_nano_usd'] / 1e9:.10f}".rstrip("0").rstrip("."),
        "saved_usd": "0",
    }


def test_a_saving_is_what_the_baseline_would_have_cost_more(gateway: GatewayProcess) -> None:
    response = ask(gateway, "Hello", model="auto:floor")

    row = gateway.ledger(response.headers["x-request-id"])[0]
    baseline = row["input_tokens"] * 2500 + row["output_tokens"] * 10_000
    assert row["baseline_nano_usd"] == baseline
    saved = float(response.headers["x-fareway-saved-usd"])
    assert round(saved * 1e9) == baseline - row["cost_nano_usd"]


def test_cached_tokens_are_billed_at_their_price(gateway: GatewayProcess) -> None:
    text = "word " * 40 + "[[cached:32]]"
    row = gateway.ledger(ask(gateway, text).headers["x-request-id"])[0]

    # 32 of the input at 75, the rest at 150, the output at 600 nano-USD a token
    expected = 32 * 75 + (row["input_tokens"] - 32) * 150 + row["output_tokens"] * 600
    assert row["cached_input_tokens"] == 32
    assert row["cost_nano_usd"] == expected


def test_a_model_without_a_price_is_never_free_by_silence(gateway: GatewayProcess) -> None:
    response = ask(gateway, "Hello", model="unpriced")

    row = gateway.ledger(response.headers["x-request-id"])[0]
    assert "x-fareway-cost-usd" not in response.headers
    assert "cost" not in response.json()["usage"]
    assert (row["cost_nano_usd"], row["held_nano_usd"]) == (None, None)


def test_a_stream_of_a_model_without_a_price_says_so(gateway: GatewayProcess) -> None:
    response = ask(gateway, "Hello", model="unpriced", stream=True)

    assert closing_of(response.text)["cost_usd"] is None
    assert data_of(response.text)[-1] == "[DONE]"


def test_the_row_tells_who_asked_for_what(gateway: GatewayProcess) -> None:
    response = gateway.http.post(
        f"{gateway.base_url}/chat/completions",
        json=asking("Hello", model="auto", user="ann@example.com", max_tokens=77),
        headers={
            **authorised(),
            "x-request-id": "mine-7",
            "x-fareway-tags": "team=search,env=prod",
            "x-fareway-session": "s-1",
        },
    )

    row = gateway.ledger(response.headers["x-request-id"])[0]
    assert (row["tenant"], row["organisation"], row["endpoint"]) == ("acme", "org1", "chat")
    assert (row["client_request_id"], row["session"]) == ("mine-7", "s-1")
    assert row["tags"] == "team=search,env=prod"
    assert (row["route"], row["requested_model"]) == ("auto", "auto")
    assert row["tier"] == response.headers["x-fareway-tier"]
    assert json.loads(row["decision"])["tier"] == row["tier"]
    assert (row["output_cap"], row["cache"], row["kind"]) == (77, "OFF", "answer")
    assert row["config_version"] == response.headers["x-fareway-config"]
    assert row["end_user"]
    assert "ann" not in row["end_user"]
    assert row["upstream_id"] == response.json()["id"]
