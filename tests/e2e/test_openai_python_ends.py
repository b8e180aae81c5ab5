"""How the OpenAI SDK for Python sees calls end that go wrong, are left, or run side by side."""

import asyncio
import time
from collections.abc import AsyncIterator

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

from tests.support.gateway_process import GatewayProcess
from tests.support.scene import KEY, LIMITED_KEY
from tests.support.upstream_thread import UpstreamThread

WEATHER: ChatCompletionToolParam = {"type": "function", "function": {"name": "get_weather"}}


def user(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


@pytest.fixture
async def async_client(gateway: GatewayProcess) -> AsyncIterator[AsyncOpenAI]:
    made = AsyncOpenAI(base_url=gateway.base_url, api_key=KEY, max_retries=0, timeout=30)
    async with made:
        yield made


def test_a_wrong_key_is_an_authentication_error(client: OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        client.with_options(api_key="wrong").chat.completions.create(
            model="small", messages=user("Hello")
        )

    assert (caught.value.status_code, caught.value.code) == (401, "invalid_api_key")
    assert caught.value.request_id


def test_a_model_out_of_bounds_is_a_permission_error(client: OpenAI) -> None:
    with pytest.raises(openai.PermissionDeniedError) as caught:
        client.with_options(api_key=LIMITED_KEY).chat.completions.create(
            model="large", messages=user("Hello")
        )

    assert (caught.value.code, caught.value.type) == ("model_not_allowed", "permission_error")


def test_a_model_that_is_none_is_a_not_found_error(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-none", messages=user("Hello"))

    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_an_endpoint_that_is_not_there_says_what_to_use(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="/v1/chat/completions"):
        client.responses.create(model="small", input="Hello")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": user("x"), "temperature": "hot"}, "temperature"),
        ({"messages": user("x"), "n": -1}, "n"),
        ({"messages": user("x"), "max_tokens": "many"}, "max_tokens"),
        ({"messages": "Hello"}, "messages"),
    ],
)
def test_a_bad_field_is_a_bad_request_that_names_it(
    client: OpenAI, fields: dict[str, object], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/chat/completions", body={"model": "small", **fields}, cast_to=object)

    assert caught.value.param is not None
    assert caught.value.param.startswith(param)


def test_a_capability_no_model_has_is_a_bad_request(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="textual", messages=user("x"), tools=[WEATHER])

    assert caught.value.code == "unsupported_capability"


def test_an_endpoint_a_model_lacks_is_a_bad_request(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="small", input="x")

    assert caught.value.code == "unsupported_capability"


def test_a_body_too_large_is_refused_with_413(client: OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model="small", messages=user("x" * 21_000_000))

    assert (caught.value.status_code, caught.value.code) == (413, "request_too_large")


@pytest.mark.parametrize(
    ("fault", "kind", "status"),
    [
        ("status-400", openai.BadRequestError, 400),
        ("status-409", openai.ConflictError, 409),
        ("status-422", openai.UnprocessableEntityError, 422),
        ("status-500", openai.InternalServerError, 503),
        ("status-429", openai.InternalServerError, 503),
        ("status-401", openai.InternalServerError, 503),
        ("malformed-json", openai.InternalServerError, 502),
        ("cut", openai.InternalServerError, 502),
    ],
)
def test_what_fails_upstream_raises_the_right_class(
    client: OpenAI, fault: str, kind: type[openai.APIStatusError], status: int
) -> None:
    with pytest.raises(kind) as caught:
        client.chat.completions.create(model="small", messages=user(f"[[fault:{fault}]]"))

    assert caught.value.status_code == status
    assert caught.value.request_id


@pytest.mark.parametrize("fault", ["cut-after-3", "error-event-after-3", "reset-after-3"])
def test_a_stream_that_breaks_raises_midway(client: OpenAI, fault: str) -> None:
    asked = user(f"[[fault:{fault}]]")
    stream = client.chat.completions.create(model="small", messages=asked, stream=True)

    with pytest.raises(openai.APIError) as caught:
        list(stream)

    assert caught.value.code == "upstream_error"


def test_a_client_that_retries_gets_its_answer(client: OpenAI, upstream: UpstreamThread) -> None:
    upstream.script("status-500", "status-500")
    retrying = client.with_options(max_retries=3)

    answer = retrying.chat.completions.create(model="small", messages=user("Hello"))

    assert answer.choices[0].finish_reason == "stop"


def test_a_client_that_times_out_leaves_no_row_open(
    client: OpenAI, gateway: GatewayProcess, upstream: UpstreamThread
) -> None:
    asked = user("[[fault:stall-before-head]] client-timed-out")

    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.5).chat.completions.create(model="small", messages=asked)

    connection = upstream.call_with("client-timed-out").connection
    upstream.until(lambda: connection not in upstream.live_connections())
    row = gateway.settled(gateway.ledger()[-1]["request_id"])[0]
    assert (row["outcome"], row["state"], row["delivered"]) == ("aborted", "settled", False)
    assert row["cost_nano_usd"] == row["held_nano_usd"]


def test_leaving_a_stream_closes_it_upstream_and_bills_what_came(
    client: OpenAI, gateway: GatewayProcess, upstream: UpstreamThread
) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="small",
        messages=user("[[fault:slow-chunks]][[tokens:500]] left-midway"),
        stream=True,
    )
    stream = raw.parse()
    next(iter(stream))

    left_at = time.monotonic()
    stream.close()

    connection = upstream.call_with("left-midway").connection
    upstream.until(lambda: connection not in upstream.live_connections())
    assert time.monotonic() - left_at < 5  # at once is some milliseconds; the stream lasts 50 s
    row = gateway.settled(raw.headers["x-request-id"])[0]
    assert (row["outcome"], row["delivered"]) == ("aborted", True)
    assert (row["usage_source"], row["state"]) == ("estimated", "settled")
    assert 0 < row["cost_nano_usd"] < row["held_nano_usd"]


async def test_the_async_client_is_answered(async_client: AsyncOpenAI) -> None:
    answers = await asyncio.gather(
        *(
            async_client.chat.completions.create(model="small", messages=user(f"Number {n}"))
            for n in range(20)
        )
    )

    texts = [answer.choices[0].message.content for answer in answers]
    assert texts == [f"Scripted answer of scripted to: Number {n}" for n in range(20)]


async def test_the_async_client_streams(async_client: AsyncOpenAI) -> None:
    stream = await async_client.chat.completions.create(
        model="small", messages=user("Hello"), stream=True
    )

    pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]

    assert "".join(pieces) == "Scripted answer of scripted to: Hello"


async def test_a_cancelled_task_closes_its_stream_upstream(
    async_client: AsyncOpenAI, upstream: UpstreamThread
) -> None:
    async def read_on() -> None:
        stream = await async_client.chat.completions.create(
            model="small",
            messages=user("[[fault:slow-chunks]][[tokens:500]] cancelled-task"),
            stream=True,
        )
        async for _ in stream:
            started.set()

    started = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(read_on())
        await started.wait()
        task.cancel()

    connection = upstream.call_with("cancelled-task").connection
    await asyncio.to_thread(upstream.until, lambda: connection not in upstream.live_connections())


async def test_streams_run_side_by_side(async_client: AsyncOpenAI) -> None:
    async def read(n: int) -> str:
        stream = await async_client.chat.completions.create(
            model="small", messages=user(f"Number {n}"), stream=True
        )
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    texts = await asyncio.gather(*map(read, range(30)))

    assert texts == [f"Scripted answer of scripted to: Number {n}" for n in range(30)]
