"""Bounds are never too small, estimates never above them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.routing import Rung
from gateway.core.usage import UsageSource
from gateway.flow.estimating import (
    COUNT_ON_LOOP_CHARS,
    OUTPUT_BOUND_UNKNOWN,
    Candidate,
    TextSample,
    estimated_usage,
    exact_input_tokens,
    input_bound,
    output_bound,
)
from gateway.wire.request import ClientRequest, Endpoint, parse_request
from tests.support.flow_scene import WordCounter, a_model

MODEL = a_model("small")
TEXTS = st.text(max_size=200)


def chat(**fields: Any) -> ClientRequest:  # noqa: ANN401 - a JSON value
    messages = [{"role": "user", "content": "one two three"}]
    body = json.dumps({"model": "small", "messages": messages, **fields})
    return parse_request(body.encode(), Endpoint.CHAT)


def completion(**fields: Any) -> ClientRequest:  # noqa: ANN401 - a JSON value
    body = json.dumps({"model": "small", "prompt": "one two", **fields})
    return parse_request(body.encode(), Endpoint.COMPLETIONS)


class ByteCounter:
    """The most tokens a text can have: one a byte."""

    def count(self, text: str, *, upstream_model: str) -> int:
        del upstream_model
        return len(text.encode(errors="surrogatepass"))


class SeenCounter(WordCounter):
    """Keeps the longest text it was given."""

    chars = 0

    def count(self, text: str, *, upstream_model: str) -> int:
        self.chars = max(self.chars, len(text))
        return super().count(text, upstream_model=upstream_model)


@given(st.lists(TEXTS, min_size=1, max_size=4), st.lists(TEXTS, max_size=2))
async def test_no_prompt_has_more_tokens_than_its_bound(texts: list[str], tools: list[str]) -> None:
    request = chat(
        messages=[{"role": "user", "content": text} for text in texts],
        tools=[{"type": "function", "function": {"name": "f", "description": d}} for d in tools],
    )

    assert await exact_input_tokens(request, MODEL, ByteCounter()) <= input_bound(request, MODEL)


def test_an_image_is_bounded_by_the_models_own_figure() -> None:
    url = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 40_000}}
    with_image = chat(messages=[{"role": "user", "content": [url]}])
    wide = a_model("small", image_tokens=50_000)

    assert input_bound(with_image, wide) - input_bound(with_image, MODEL) == 49_000
    assert input_bound(with_image, MODEL) < 2_000  # its base64 is no text


@pytest.mark.parametrize(
    ("fields", "model", "tokens"),
    [
        ({}, {"max_output_tokens": 1_000}, 1_000),
        ({"max_tokens": 50}, {"max_output_tokens": 1_000}, 50),
        ({"max_tokens": 5_000}, {"max_output_tokens": 1_000}, 1_000),
        ({"max_tokens": 50, "max_completion_tokens": 20}, {}, 20),
        ({"max_tokens": 50, "n": 3}, {}, 150),
        ({"max_tokens": 50}, {"max_output_tokens": None}, 50),
        ({}, {"max_output_tokens": None, "context_window": 8_000}, 8_000),
        ({}, {"max_output_tokens": None, "context_window": None}, OUTPUT_BOUND_UNKNOWN),
    ],
)
def test_output_is_bounded_by_the_smallest_limit_known(
    fields: dict[str, Any], model: dict[str, object], tokens: int
) -> None:
    deployment = a_model("small", **model)  # type: ignore[arg-type]  # a builder for tests

    assert output_bound(chat(**fields), deployment) == tokens


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [
        ({"max_tokens": 10, "best_of": 4, "n": 2}, 40),
        ({"max_tokens": 10, "prompt": ["a", "b", "c"]}, 30),
        ({"max_tokens": 10, "prompt": ["a", "b"], "n": 2}, 40),
    ],
)
def test_every_answer_of_a_completion_is_in_its_bound(fields: dict[str, Any], tokens: int) -> None:
    assert output_bound(completion(**fields), MODEL) == tokens


def test_embeddings_have_no_output() -> None:
    request = parse_request(b'{"model":"small","input":"word"}', Endpoint.EMBEDDINGS)

    assert output_bound(request, MODEL) == 0


async def test_token_ids_are_counted_as_they_were_sent() -> None:
    request = completion(prompt=[[1, 2, 3], [4]])

    assert await exact_input_tokens(request, MODEL, WordCounter()) == 4


async def test_a_long_prompt_is_counted_whole() -> None:
    words = COUNT_ON_LOOP_CHARS
    request = completion(prompt="a " * words)

    assert await exact_input_tokens(request, MODEL, WordCounter()) == words


@given(st.lists(st.sampled_from(["a", " b", " cc ", "d" * 40]), max_size=50))
def test_a_short_text_is_counted_however_it_arrives(pieces: list[str]) -> None:
    sample = TextSample()
    for piece in pieces:
        sample.add(piece)

    whole = WordCounter().count("".join(pieces), upstream_model="m")
    assert sample.tokens(MODEL, WordCounter()) == whole
    assert sample.chars == len("".join(pieces))


def test_a_long_text_is_extrapolated_from_its_first_characters() -> None:
    counter = SeenCounter()
    sample = TextSample()
    for _ in range(10):
        sample.add("ab " * COUNT_ON_LOOP_CHARS)

    tokens = sample.tokens(MODEL, counter)

    assert counter.chars == COUNT_ON_LOOP_CHARS
    assert tokens == pytest.approx(10 * COUNT_ON_LOOP_CHARS, rel=0.001)


def test_no_text_has_no_tokens() -> None:
    assert TextSample().tokens(MODEL, WordCounter()) == 0


def candidate(*, input_tokens: int = 1_000, output_tokens: int = 1_000) -> Candidate:
    return Candidate(Rung(None, "small"), MODEL, None, input_tokens, output_tokens, None)


def test_an_estimate_counts_prompt_messages_images_and_the_text_received() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://pictures.test/1.png"}}
    text = {"type": "text", "text": "one two three"}
    request = chat(messages=[{"role": "user", "content": [text, image]}])

    usage = estimated_usage(
        request, candidate(input_tokens=10_000), WordCounter(), output=TextSample("four five")
    )

    # three words and the role, 4 for the message, 1,000 for the image
    assert (usage.input_tokens, usage.output_tokens) == (1_008, 2)
    assert usage.source is UsageSource.ESTIMATED


def test_an_estimate_never_passes_what_the_attempt_was_held_at() -> None:
    usage = estimated_usage(
        chat(),
        candidate(input_tokens=3, output_tokens=2),
        WordCounter(),
        output=TextSample("one two three four"),
    )

    assert (usage.input_tokens, usage.output_tokens) == (3, 2)
