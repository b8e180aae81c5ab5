"""The OpenAI SDK for Python against a gateway: what a client's code relies on.

The newest SDK, and once more the version before it, which many clients still run.
"""

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

from tests.support.gateway_process import GatewayProcess
from tests.support.scene import KEY, LIMITED_KEY, SPACED_KEY
from tests.support.upstream_thread import UpstreamThread

PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


PREVIOUS_SDK = Path(sys.prefix) / "openai-2"
SDK_TESTS = sorted(str(path) for path in Path(__file__).parent.glob("test_openai_python*.py"))


def user(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


def test_models_are_listed(client: OpenAI) -> None:
    found = {model.id: model for model in client.models.list()}

    assert {"auto", "small", "large", "embedding"} <= found.keys()
    assert (found["auto"].object, found["auto"].owned_by) == ("model", "fareway")


def test_a_tenant_sees_only_what_it_may_ask_for(client: OpenAI) -> None:
    found = {model.id for model in client.with_options(api_key=LIMITED_KEY).models.list()}

    assert found == {"auto", "small"}


def test_one_model_is_retrieved(client: OpenAI) -> None:
    assert client.models.retrieve("small").id == "small"


def test_a_model_nobody_has_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("nobody/has:this")

    assert caught.value.code == "model_not_found"


def test_a_chat_is_answered(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="small", messages=user("Hello"))

    assert answer.choices[0].message.content == "Scripted answer of scripted to: Hello"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "scripted-small"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_usage_says_what_it_cost(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="small", messages=user("Hello"))

    assert answer.usage is not None
    cost = answer.usage.prompt_tokens * 0.15e-6 + answer.usage.completion_tokens * 0.6e-6
    assert answer.usage.model_extra is not None
    assert answer.usage.model_extra["cost"] == pytest.approx(cost, abs=1e-12)


def test_a_stream_comes_in_pieces_and_hides_usage_nobody_asked_for(client: OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="small", messages=user("Hi"), stream=True))

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == "Scripted answer of scripted to: Hi"
    assert len(chunks) > 5
    assert all(chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_a_stream_with_usage_ends_with_it(client: OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="small",
            messages=user("Hi"),
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 6
    assert chunks[-1].usage.model_extra is not None
    assert chunks[-1].usage.model_extra["cost"] > 0
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_pieces_come_as_they_are_made(client: OpenAI) -> None:
    asked = user("[[fault:slow-chunks]][[tokens:10]]")
    stream = client.chat.completions.create(model="small", messages=asked, stream=True)

    times = [time.monotonic() for _ in stream]

    assert times[-1] - times[0] > 0.5


def test_a_route_answers(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=user("2+2?"))

    assert raw.headers["x-fareway-tier"] in {"simple", "moderate", "complex"}
    assert 0 <= float(raw.headers["x-fareway-score"]) <= 1
    assert raw.headers["x-fareway-reason"] == "routed"


@pytest.mark.parametrize(
    ("name", "model"),
    [("auto:floor", "small"), ("auto:max", "large"), ("auto:1.0", "small"), ("auto:0.0", "large")],
)
def test_a_routes_suffix_pins_its_tier(client: OpenAI, name: str, model: str) -> None:
    raw = client.chat.completions.with_raw_response.create(model=name, messages=user("2+2?"))

    assert raw.headers["x-fareway-model"] == model


def test_json_mode_answers_json(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="small", messages=user("JSON please"), response_format={"type": "json_object"}
    )

    assert json.loads(answer.choices[0].message.content or "") == {"answer": "scripted"}


def test_logprobs_come_back(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="small", messages=user("Hello"), logprobs=True, top_logprobs=2
    )

    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert len(logprobs.content[0].top_logprobs) == 2


def test_several_choices_come_back(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="small", messages=user("Hello"), n=3)

    assert [choice.index for choice in answer.choices] == [0, 1, 2]


def test_several_choices_are_streamed(client: OpenAI) -> None:
    stream = client.chat.completions.create(model="small", messages=user("Hello"), n=3, stream=True)

    assert {choice.index for chunk in stream for choice in chunk.choices} == {0, 1, 2}


def test_images_go_through(client: OpenAI, upstream: UpstreamThread) -> None:
    client.chat.completions.create(
        model="small",
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "image-goes-through"},
                    {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                ],
            }
        ],
    )

    parts = json.loads(upstream.call_with("image-goes-through").body)["messages"][0]["content"]
    assert parts[1] == {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}}
    assert parts[2]["image_url"] == {"url": "https://example.com/a.png"}


def test_audio_goes_through(client: OpenAI, upstream: UpstreamThread) -> None:
    sound = {"data": base64.b64encode(bytes(2000)).decode(), "format": "wav"}
    client.chat.completions.create(
        model="small",
        messages=cast(
            "list[ChatCompletionMessageParam]",
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "audio-goes-through"},
                        {"type": "input_audio", "input_audio": sound},
                    ],
                }
            ],
        ),
        modalities=["text", "audio"],
        audio={"voice": "alloy", "format": "wav"},
    )

    sent = json.loads(upstream.call_with("audio-goes-through").body)
    assert sent["messages"][0]["content"][1]["input_audio"] == sound
    assert sent["audio"] == {"voice": "alloy", "format": "wav"}


def test_reasoning_comes_back(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="small", messages=user("Think"), reasoning_effort="low"
    )

    assert answer.choices[0].message.model_extra is not None
    assert answer.choices[0].message.model_extra["reasoning_content"].startswith("hm")
    assert answer.usage is not None
    assert answer.usage.completion_tokens_details is not None
    assert answer.usage.completion_tokens_details.reasoning_tokens == 8


def test_a_system_and_a_developer_message_go_through(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="small",
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hi!", "name": "helper"},
            {"role": "user", "content": "Bye", "name": "ann"},
        ],
    )

    assert answer.choices[0].message.content == "Scripted answer of scripted to: Bye"


@pytest.mark.parametrize("text", ["naïve 日本語 🎉 \u200d\u2028", '\x00\x01\t\n"\\', "x" * 300_000])
def test_any_text_goes_through(client: OpenAI, upstream: UpstreamThread, text: str) -> None:
    asked = f"any-text-{len(text)} {text}"
    client.chat.completions.create(model="small", messages=user(asked))

    sent = json.loads(upstream.call_with(f"any-text-{len(text)}").body)
    assert sent["messages"][0]["content"] == asked


def test_unicode_comes_back_whole_in_a_stream(client: OpenAI) -> None:
    asked = user("[[reply:naïve 日本語 🎉 \u2028 end]][[fault:bytewise]]")
    stream = client.chat.completions.create(model="small", messages=asked, stream=True)

    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)

    assert text == "naïve 日本語 🎉 \u2028 end"


def test_a_prompt_of_a_megabyte_is_answered(client: OpenAI) -> None:
    words = "word " * 200_000
    answer = client.chat.completions.create(model="small", messages=user(words), max_tokens=5)

    assert answer.choices[0].finish_reason == "length"


def test_a_prompt_beyond_the_window_is_a_bad_request(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="tiny", messages=user("word " * 100))

    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "messages")


def test_a_cap_of_zero_is_the_upstreams_to_judge(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="small", messages=user("Hello"), max_tokens=0)

    assert caught.value.param == "max_tokens"


def test_fields_nobody_has_invented_yet_go_through(
    client: OpenAI, upstream: UpstreamThread
) -> None:
    extra = {"thinking": {"budget": 7, "deep": [1.0, None, "é"]}, "brand_new": True}
    client.chat.completions.create(
        model="small", messages=user("not-invented-yet"), extra_body=extra
    )

    sent = json.loads(upstream.call_with("not-invented-yet").body)
    assert {name: sent[name] for name in extra} == extra


def test_every_known_parameter_goes_through(client: OpenAI, upstream: UpstreamThread) -> None:
    client.chat.completions.create(
        model="small",
        messages=user("every-known-parameter"),
        temperature=0,
        top_p=0.5,
        stop=["\n\n", "END"],
        seed=7,
        frequency_penalty=-2,
        presence_penalty=2,
        logit_bias={"50256": -100},
        metadata={"team": "search"},
        max_completion_tokens=9,
        user="ann",
        store=False,
        service_tier="default",
        prediction={"type": "content", "content": "Hello"},
        verbosity="low",
    )

    sent = json.loads(upstream.call_with("every-known-parameter").body)
    assert sent["logit_bias"] == {"50256": -100}
    assert (sent["temperature"], sent["seed"], sent["stop"]) == (0, 7, ["\n\n", "END"])
    assert (sent["max_completion_tokens"], sent["user"]) == (9, "ann")
    assert sent["model"] == "scripted-small"


def test_embeddings_come_as_floats(client: OpenAI) -> None:
    answer = client.embeddings.create(
        model="embedding", input=["one", "two"], encoding_format="float", dimensions=4
    )

    assert [len(row.embedding) for row in answer.data] == [4, 4]
    assert answer.usage.prompt_tokens > 0


def test_embeddings_are_decoded_from_the_sdks_default(client: OpenAI) -> None:
    coded = client.embeddings.create(model="embedding", input="one")
    plain = client.embeddings.create(model="embedding", input="one", encoding_format="float")

    assert coded.data[0].embedding == pytest.approx(plain.data[0].embedding)


@pytest.mark.parametrize("tokens", [[1, 2, 3], [[1, 2], [3]]])
def test_embeddings_take_token_ids(client: OpenAI, tokens: list[int]) -> None:
    answer = client.embeddings.create(model="embedding", input=tokens, encoding_format="float")

    assert answer.usage.prompt_tokens == 3


def test_a_legacy_completion_is_answered(client: OpenAI) -> None:
    answer = client.completions.create(model="small", prompt="Once", max_tokens=50, logprobs=1)

    assert answer.choices[0].text == "Scripted answer of scripted to: Once"
    assert answer.choices[0].logprobs is not None


def test_a_legacy_completion_is_streamed(client: OpenAI) -> None:
    stream = client.completions.create(model="small", prompt=["Once", "Twice"], stream=True)

    chunks = list(stream)

    assert {choice.index for chunk in chunks for choice in chunk.choices} == {0, 1}


def test_a_raw_response_has_the_gateways_headers(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="small", messages=user("Hello"), extra_headers={"x-request-id": "mine-1"}
    )
    answer = raw.parse()

    assert raw.headers["x-client-request-id"] == "mine-1"
    assert raw.headers["x-request-id"] == answer._request_id
    assert raw.headers["x-fareway-model"] == "small"
    assert raw.headers["x-fareway-cache"] == "OFF"
    assert raw.headers["x-fareway-attempts"] == "1"
    assert float(raw.headers["x-fareway-overhead-ms"]) >= 0
    assert float(raw.headers["x-fareway-cost-usd"]) > 0
    assert raw.headers["openai-processing-ms"] == "12"
    assert not any(name.startswith("x-ratelimit") for name in raw.headers)
    assert "set-cookie" not in raw.headers


def test_a_streaming_response_is_read_line_by_line(client: OpenAI) -> None:
    with client.chat.completions.with_streaming_response.create(
        model="small", messages=user("Hello"), stream=True
    ) as response:
        lines = list(response.iter_lines())

    assert response.headers["content-type"].startswith("text/event-stream")
    assert [line for line in lines if line][-1] == "data: [DONE]"


def test_a_key_may_hold_spaces(client: OpenAI) -> None:
    client.with_options(api_key=SPACED_KEY).models.list()


def test_default_headers_are_taken(gateway: GatewayProcess) -> None:
    headers = {"x-fareway-tags": "team=search", "OpenAI-Beta": "assistants=v2", "X-Stainless": "x"}
    with OpenAI(
        base_url=f"{gateway.base_url}/",
        api_key=KEY,
        organization="org-1",
        project="proj-1",
        default_headers=headers,
        default_query={"api-version": "2026-01-01"},
    ) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="small", messages=user("Hello")
        )

    assert gateway.ledger(raw.headers["x-request-id"])[0]["tags"] == "team=search"


@pytest.mark.slow
@pytest.mark.skipif("/openai-2/" in openai.__file__, reason="this is that run")
@pytest.mark.skipif(not PREVIOUS_SDK.exists(), reason="`make test` installs it")
def test_the_previous_sdk_passes_the_same_tests() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SDK_TESTS]

    run = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(PREVIOUS_SDK), "CI": ""},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert run.returncode == 0, run.stdout[-5000:]
    assert ", 1 skipped" in run.stdout  # this very test, in that run alone
