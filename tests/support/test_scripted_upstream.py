"""The scripted upstream's bill and answers, on which the proofs about money rest."""

from collections.abc import AsyncIterator

import httpx2
import msgspec
import pytest

from tests.support.openai_answers import Tokens
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.servers import running_upstream
from tests.support.upstream_behaviour import fault_named, fault_names

Json = dict[str, object]
HELLO_INPUT = 3 + 4 + 2  # the request, its message, five bytes of text
HELLO_OUTPUT = 6  # "Scripted answer of scripted to: Hello"


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as one:
        yield one


@pytest.fixture
async def client(upstream: ScriptedUpstream) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=upstream.base_url, trust_env=False) as one:
        yield one


def asked(text: str = "Hello", **more: object) -> Json:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


async def answer_to(client: httpx2.AsyncClient, request: Json) -> Json:
    answer = await client.post("chat/completions", json=request)
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=Json)


async def events_of(client: httpx2.AsyncClient, request: Json) -> list[Json]:
    answer = await client.post("chat/completions", json={**request, "stream": True})
    payloads = answer.text.removesuffix("data: [DONE]\n\n").removeprefix("data: ").split("data: ")
    return [msgspec.json.decode(payload, type=Json) for payload in payloads]


async def test_bill_equals_the_usage_that_was_answered(
    upstream: ScriptedUpstream, client: httpx2.AsyncClient
) -> None:
    body = await answer_to(client, asked("Hello", n=2))

    assert upstream.bill[0].usage == Tokens(input=HELLO_INPUT, output=2 * HELLO_OUTPUT)
    assert body["usage"] == upstream.bill[0].usage.to_json()
    assert body["id"] == upstream.bill[0].upstream_id
    assert upstream.bill[0].finished is not None


async def test_usage_comes_in_a_chunk_of_its_own_where_it_was_asked_for(
    client: httpx2.AsyncClient,
) -> None:
    events = await events_of(client, asked(stream_options={"include_usage": True}))

    assert [event["usage"] is None for event in events] == [True] * (len(events) - 1) + [False]
    assert events[-1]["choices"] == []


async def test_stream_has_no_usage_where_nobody_asked(client: httpx2.AsyncClient) -> None:
    events = await events_of(client, asked())

    assert all("usage" not in event for event in events)


@pytest.mark.parametrize("fault", ["usage-missing", "usage-negative", "usage-absurd", "usage-null"])
async def test_bill_is_true_where_the_answer_lies(
    upstream: ScriptedUpstream, client: httpx2.AsyncClient, fault: str
) -> None:
    await answer_to(client, asked(f"[[fault:{fault}]] [[tokens:5]]"))

    assert upstream.bill[0].usage.output == 5


async def test_aborted_stream_is_billed_for_what_was_generated(
    upstream: ScriptedUpstream, client: httpx2.AsyncClient
) -> None:
    request = asked("[[fault:stall-after-3]] [[tokens:50]]", stream=True)

    async with client.stream("POST", "chat/completions", json=request):
        await upstream.until(lambda: upstream.bill[0].usage.output == 2)  # the first has the role
    await upstream.until(lambda: upstream.bill[0].aborted)

    assert upstream.bill[0].usage.output == 2
    assert upstream.connections.aborted == 1


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503, 529])
async def test_failure_is_not_billed(
    upstream: ScriptedUpstream, client: httpx2.AsyncClient, status: int
) -> None:
    answer = await client.post("chat/completions", json=asked(f"[[fault:status-{status}]]"))

    assert answer.status_code == status
    assert "error" in answer.json()
    assert upstream.bill == []


async def test_cap_cuts_the_answer_and_says_so(client: httpx2.AsyncClient) -> None:
    body = await answer_to(client, asked("[[tokens:50]] [[reasoning:3]]", max_tokens=5))

    assert isinstance(body["usage"], dict)
    assert body["usage"]["completion_tokens"] == 5
    assert isinstance(body["choices"], list)
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["choices"][0]["message"]["content"] == "word0 word1"


async def test_script_goes_before_the_default_and_a_marker_before_both(
    upstream: ScriptedUpstream, client: httpx2.AsyncClient
) -> None:
    upstream.behaviour = fault_named("status-500")
    upstream.script.append(fault_named("status-429"))
    requests = [asked("[[fault:status-503]]"), asked(), asked()]

    statuses = [(await client.post("chat/completions", json=one)).status_code for one in requests]

    assert statuses == [503, 429, 500]


async def test_unknown_fault_is_no_honest_answer(client: httpx2.AsyncClient) -> None:
    answer = await client.post("chat/completions", json=asked("[[fault:nonsense]]"))

    assert answer.status_code == 400


@pytest.mark.parametrize("name", [*fault_names(), "gzip+bytewise", "stall-after-4", "status-418"])
def test_fault_has_a_behaviour_of_its_own(name: str) -> None:
    assert fault_named(name) != fault_named("status-200")


async def test_program_answers_and_shows_its_bill() -> None:
    async with (
        running_upstream("--label", "strong") as origin,
        httpx2.AsyncClient(base_url=origin, trust_env=False) as client,
    ):
        answer = await client.post("/v1/chat/completions", json=asked())
        bill = (await client.get("/__bill")).json()
        calls = (await client.get("/__calls")).json()

    assert "Scripted answer of strong" in answer.text
    assert [line["upstream_id"] for line in bill] == [answer.json()["id"]]
    assert [call["target"] for call in calls] == ["/v1/chat/completions"]
