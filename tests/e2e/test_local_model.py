"""The whole gateway before a real model: what no scripted upstream can prove is that a server
nobody here wrote speaks as ours expects."""

import json
import time
from collections.abc import Iterator

import openai
import pytest
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from tests.support.gateway_process import GatewayProcess, running_gateway
from tests.support.local_model import LocalModel, local_model

ADMIN_KEY = "admin-key-of-this-test"
KEY = "tenant-key-of-this-test"
IDLE_WITHIN_S = 10.0
INPUT_NANO, CACHED_NANO, OUTPUT_NANO = 150, 75, 600  # a token's price below
QUESTION: list[ChatCompletionMessageParam] = [
    {"role": "user", "content": "What is the capital of Australia?"}
]

pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalModel]:
    with local_model(tmp_path_factory.mktemp("model")) as running:
        yield running


@pytest.fixture(scope="module")
def served(model: LocalModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    yaml = f"""
server: {{admin_key: {ADMIN_KEY}}}
providers:
  local: {{base_url: "{model.base_url}", auth: none}}
models:
  - name: {model.name}
    provider: local
    price: {{input: "0.15", cached_input: "0.075", output: "0.60"}}
tenants:
  - {{id: tester, keys: [{KEY}]}}
"""
    folder = tmp_path_factory.mktemp("gateway")
    with running_gateway(folder, yaml, admin_key=ADMIN_KEY) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def client(served: GatewayProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=served.base_url, api_key=KEY, max_retries=0) as client:
        yield client


def test_an_answer_streams_in_pieces_and_ends(client: openai.OpenAI, model: LocalModel) -> None:
    stream = client.chat.completions.create(
        model=model.name, messages=QUESTION, max_tokens=12, stream=True
    )

    pieces, finish_reasons = read(list(stream))
    assert len(pieces) > 3
    assert "Canberra" in "".join(pieces)
    assert finish_reasons[-1] in {"stop", "length"}


def test_the_ledger_books_the_usage_that_a_plain_answer_reports(
    served: GatewayProcess, client: openai.OpenAI, model: LocalModel
) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=model.name, messages=QUESTION, max_tokens=8
    )

    usage = raw.parse().usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert usage.completion_tokens > 0
    cached = usage.prompt_tokens_details.cached_tokens or 0
    (row,) = served.settled(raw.headers["x-request-id"])
    assert row["usage_source"] == "reported"
    assert (row["input_tokens"], row["cached_input_tokens"], row["output_tokens"]) == (
        usage.prompt_tokens,
        cached,
        usage.completion_tokens,
    )
    assert row["cost_nano_usd"] == (
        (usage.prompt_tokens - cached) * INPUT_NANO
        + cached * CACHED_NANO
        + usage.completion_tokens * OUTPUT_NANO
    )


def test_the_ledger_books_the_usage_of_a_stream_whose_client_did_not_ask_for_it(
    served: GatewayProcess, client: openai.OpenAI, model: LocalModel
) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=model.name, messages=QUESTION, max_tokens=5, stream=True
    )
    with raw.parse() as stream:
        chunks = list(stream)

    assert all(chunk.usage is None for chunk in chunks)
    (row,) = served.settled(raw.headers["x-request-id"])
    assert row["usage_source"] == "reported"
    assert row["output_tokens"] == 5
    assert row["input_tokens"] > 20
    assert row["finish_reason"] == "length"


def test_a_prompt_sent_twice_is_billed_as_cached_the_second_time(
    served: GatewayProcess, client: openai.OpenAI, model: LocalModel
) -> None:
    rows = []
    for _ in range(2):
        raw = client.chat.completions.with_raw_response.create(
            model=model.name,
            messages=[{"role": "user", "content": "Say hello to the birds in the garden."}],
            max_tokens=2,
        )
        rows += served.settled(raw.headers["x-request-id"])

    first, second = rows
    assert second["cached_input_tokens"] > first["cached_input_tokens"]
    assert second["cost_nano_usd"] < first["cost_nano_usd"]


def test_logprobs_come_back_for_every_token(client: openai.OpenAI, model: LocalModel) -> None:
    answer = client.chat.completions.create(
        model=model.name, messages=QUESTION, max_tokens=4, logprobs=True, top_logprobs=2
    )

    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert len(logprobs.content) == 4
    assert all(len(token.top_logprobs) == 2 for token in logprobs.content)
    assert all(token.logprob <= 0 for token in logprobs.content)


def test_an_answer_keeps_to_the_json_schema_asked_for(
    client: openai.OpenAI, model: LocalModel
) -> None:
    schema = {
        "type": "object",
        "properties": {"even": {"type": "boolean"}},
        "required": ["even"],
        "additionalProperties": False,
    }

    answer = client.chat.completions.create(
        model=model.name,
        messages=[{"role": "user", "content": "Is four even?"}],
        max_tokens=40,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "parity", "strict": True, "schema": schema},
        },
    )

    found = json.loads(answer.choices[0].message.content or "")
    assert found.keys() == {"even"}
    assert isinstance(found["even"], bool)


def test_a_client_that_leaves_mid_stream_frees_the_model_for_the_next(
    served: GatewayProcess, client: openai.OpenAI, model: LocalModel
) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=model.name,
        messages=[{"role": "user", "content": "Tell a long story."}],
        max_tokens=1900,  # minutes on a busy machine, were it not cut
        stream=True,
        extra_body={"ignore_eos": True},
    )
    with raw.parse() as stream:
        for _ in zip(range(4), stream, strict=False):
            pass
        assert model.slot()["is_processing"]

    until_idle(model)
    next_answer = client.chat.completions.create(model=model.name, messages=QUESTION, max_tokens=2)
    assert next_answer.usage is not None
    (row,) = served.settled(raw.headers["x-request-id"])
    assert row["outcome"] == "aborted"
    assert row["usage_source"] == "estimated"
    assert 0 < row["output_tokens"] < 1900


def read(chunks: list[ChatCompletionChunk]) -> tuple[list[str], list[str]]:
    """Contents and finish reasons, in order."""
    choices = [choice for chunk in chunks for choice in chunk.choices]
    contents = [choice.delta.content for choice in choices if choice.delta.content]
    return contents, [choice.finish_reason for choice in choices if choice.finish_reason]


def until_idle(model: LocalModel) -> None:
    deadline = time.monotonic() + IDLE_WITHIN_S
    while model.slot()["is_processing"]:
        assert time.monotonic() < deadline, "the model still works for a client that has left"
