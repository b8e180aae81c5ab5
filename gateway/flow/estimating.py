"""Tokens where nobody counted them for us: bounds from bytes, estimates from text."""

import asyncio
from dataclasses import dataclass

from gateway.core.catalog import Model
from gateway.core.routing import Exclusion, Rung
from gateway.core.usage import Usage, UsageSource
from gateway.flow.ports import TokenCounter
from gateway.wire.request import ClientRequest, Endpoint

# A chat template spends 3 to 7 tokens on each message's frame; tools cost more (measured on
# OpenAI's and Qwen's templates). Both are bounds, not estimates.
BOUND_PER_MESSAGE = 16
BOUND_PER_TOOL = 64
BOUND_PER_REQUEST = 64

# Where neither the client nor the catalog bounds the output: more than any published model writes.
OUTPUT_BOUND_UNKNOWN = 131_072

# An image costs a few hundred to about 1,500 tokens at the providers' usual sizes; for estimates.
ESTIMATE_PER_IMAGE = 1_000
ESTIMATE_PER_MESSAGE = 4

# Counting takes about 12 µs per 100 tokens; this much text stays under 2 ms on the loop.
COUNT_ON_LOOP_CHARS = 32_768


@dataclass(frozen=True, slots=True)
class Candidate:
    """A deployment that may answer, with the most it can consume and cost (None: unpriced)."""

    rung: Rung
    model: Model
    exclusion: Exclusion | None
    input_bound: int
    output_bound: int
    bound_nano_usd: int | None


def input_bound(request: ClientRequest, model: Model) -> int:
    """No fewer tokens than the prompt can have: a token is at least one byte of the body."""
    return (
        request.body_bytes_without_data_urls
        + request.inline_audio_bytes
        + BOUND_PER_REQUEST
        + BOUND_PER_MESSAGE * request.message_count
        + BOUND_PER_TOOL * request.tool_count
        + model.image_tokens * request.image_count
    )


def output_bound(request: ClientRequest, model: Model) -> int:
    """No fewer tokens than the answer can have, over all its choices."""
    if request.endpoint is Endpoint.EMBEDDINGS:
        return 0
    limits = (request.output_cap, model.max_output_tokens)
    known = [limit for limit in limits if limit is not None]
    one = (
        min(known)
        if known
        else min(model.context_window or OUTPUT_BOUND_UNKNOWN, OUTPUT_BOUND_UNKNOWN)
    )
    return one * max(request.n, request.best_of) * request.prompt_count


async def exact_input_tokens(request: ClientRequest, model: Model, tokens: TokenCounter) -> int:
    """The prompt's text counted with the model's own encoding; long texts off the loop."""
    text = request.prompt_text()
    if len(text) <= COUNT_ON_LOOP_CHARS:
        counted = tokens.count(text, upstream_model=model.upstream_model)
    else:
        counted = await asyncio.to_thread(tokens.count, text, upstream_model=model.upstream_model)
    return counted + request.token_id_count


class TextSample:
    """The first characters of a text that arrives in pieces, and how long it became: what an
    estimate needs, in bounded memory."""

    def __init__(self, text: str = "") -> None:
        self._pieces: list[str] = []
        self.chars = 0
        self.add(text)

    def add(self, text: str) -> None:
        if self.chars < COUNT_ON_LOOP_CHARS:
            self._pieces.append(text[: COUNT_ON_LOOP_CHARS - self.chars])
        self.chars += len(text)

    def tokens(self, model: Model, tokens: TokenCounter) -> int:
        """Tokens of the whole, extrapolated beyond the first 32 Ki characters: a settlement must
        not wait for a longer count."""
        head = "".join(self._pieces)
        if not head:
            return 0
        counted = tokens.count(head, upstream_model=model.upstream_model)
        return -(-counted * self.chars // len(head))


def estimated_usage(
    request: ClientRequest, candidate: Candidate, tokens: TokenCounter, *, output: TextSample
) -> Usage:
    """What an answer consumed whose upstream did not say so: the prompt, and the text received;
    never more than the bounds the attempt was held at."""
    model = candidate.model
    prompt = (
        TextSample(request.prompt_text()).tokens(model, tokens)
        + request.token_id_count
        + ESTIMATE_PER_MESSAGE * request.message_count
        + ESTIMATE_PER_IMAGE * request.image_count
    )
    return Usage(
        input_tokens=min(prompt, candidate.input_bound),
        output_tokens=min(output.tokens(model, tokens), candidate.output_bound),
        source=UsageSource.ESTIMATED,
    )
