"""Step 6 and 7: one upstream attempt, plain or streamed, metered as it comes.

Both functions return only once a whole answer was had, and leave in the `OpenAttempt` what they
learned however they end. They raise UpstreamFailure (another candidate may be tried, unless the
reply has begun) or UpstreamRejection.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from gateway.core.errors import FailureKind, UpstreamFailure, UpstreamRejection
from gateway.core.record import Outcome
from gateway.core.usage import Usage, UsageSource
from gateway.flow.estimating import TextSample, estimated_usage
from gateway.flow.gateway import Gateway
from gateway.flow.metered_stream import MeteredStream
from gateway.flow.open_request import OpenAttempt
from gateway.flow.ports import UpstreamAnswer, UpstreamCall
from gateway.flow.reply import Reply
from gateway.wire.answer import BadAnswer, read_answer
from gateway.wire.request import ClientRequest
from gateway.wire.usage import parse_usage

# A plain answer is held whole before it is sent. The largest we know of, 2,048 embeddings of 3,072
# numbers as text, is about 90 MB.
MAX_ANSWER_BYTES = 128 * 1024 * 1024
# An error's body is read no further than this.
MAX_ERROR_BYTES = 1024 * 1024
# Comments and empty events before the first event of an answer are held back no further than this.
MAX_HELD_BYTES = 256 * 1024

_RETURNED_HEADERS = ("content-type", "retry-after", "openai-processing-ms")
# Where a body has no id (embeddings, errors), the provider's own request id stands for it.
_UPSTREAM_ID = "x-request-id"
_OPERATORS_DOING = frozenset({401, 402, 403, 404, 407})


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds for one attempt's waits, and the loop time at which the whole request ends."""

    attempt_s: float
    first_token_s: float
    idle_s: float
    request_at: float

    def within(self, seconds: float) -> float:
        """The loop time `seconds` from now, or the request's end if that is sooner."""
        return min(asyncio.get_running_loop().time() + seconds, self.request_at)


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt's parts: what the client asked, what is sent, and where it is written down."""

    gateway: Gateway
    request: ClientRequest
    attempt: OpenAttempt
    upstream: UpstreamCall
    deadlines: Deadlines

    def estimate(self, output: TextSample) -> Usage:
        return estimated_usage(
            self.request, self.attempt.candidate, self.gateway.tokens, output=output
        )


@dataclass(frozen=True, slots=True)
class PlainAnswer:
    body: bytes
    headers: Mapping[str, str]
    has_usage: bool


async def plain_answer(call: Call) -> PlainAnswer:
    """The whole answer of one attempt, checked and metered."""
    attempt = call.attempt
    with _written_down(call):
        async with asyncio.timeout_at(call.deadlines.within(call.deadlines.attempt_s)):
            async with call.gateway.upstream.send(call.upstream) as answer:
                attempt.upstream_id = answer.headers.get(_UPSTREAM_ID)
                await _raise_for_status(answer)
                body = await _read(answer, MAX_ANSWER_BYTES)
                headers = _returned(answer.headers)
        try:
            read = read_answer(body, call.request.endpoint)
        except BadAnswer as error:
            attempt.is_error_answer = error.error is not None
            if not attempt.is_error_answer:
                attempt.usage = call.estimate(TextSample(body.decode(errors="replace")))
            raise UpstreamFailure(FailureKind.BAD_ANSWER, str(error), was_sent=True) from error
        attempt.upstream_id = read.id or attempt.upstream_id
        attempt.finish_reason = read.finish_reason
        attempt.service_tier = read.service_tier or attempt.service_tier
        attempt.usage = _credible(parse_usage(read.usage)) or call.estimate(
            TextSample(read.output_text())
        )
        attempt.outcome = Outcome.OK
        return PlainAnswer(body, headers, has_usage=read.usage is not None)


async def stream_answer(
    call: Call,
    meter: MeteredStream,
    reply: Reply,
    start: Callable[[Mapping[str, str]], Awaitable[None]],
) -> None:
    """Relay one attempt's stream as it arrives, up to its [DONE], which is the caller's to send.

    `start` is awaited with the upstream's headers once the first event of an answer is here.
    """
    try:
        with _written_down(call):
            first_token_at = call.deadlines.within(call.deadlines.first_token_s)
            async with asyncio.timeout_at(first_token_at) as deadline:
                async with call.gateway.upstream.send(call.upstream) as answer:
                    call.attempt.upstream_id = answer.headers.get(_UPSTREAM_ID)
                    await _raise_for_status(answer)
                    await _require_event_stream(call, answer)
                    await _relay(call, answer, meter, reply, start, deadline)
            call.attempt.outcome = Outcome.OK
    finally:
        _note_what_streamed(call, meter)


async def _relay(
    call: Call,
    answer: UpstreamAnswer,
    meter: MeteredStream,
    reply: Reply,
    start: Callable[[Mapping[str, str]], Awaitable[None]],
    deadline: asyncio.Timeout,
) -> None:
    held = b""
    async for data in answer.chunks():
        out = held + meter.feed(data)
        if not meter.has_data:
            if meter.failure or meter.is_done or len(out) > MAX_HELD_BYTES:
                break
            held = out
            continue
        held = b""
        # A slow client is not the upstream's idleness: only the request's end bounds it.
        deadline.reschedule(call.deadlines.request_at)
        await _pass_on(call, answer, reply, start, out)
        if meter.failure or meter.is_done:
            break
        deadline.reschedule(call.deadlines.within(call.deadlines.idle_s))
    if meter.failure:
        raise meter.failure
    if rest := held + meter.end():
        deadline.reschedule(call.deadlines.request_at)
        await _pass_on(call, answer, reply, start, rest)


async def _pass_on(
    call: Call,
    answer: UpstreamAnswer,
    reply: Reply,
    start: Callable[[Mapping[str, str]], Awaitable[None]],
    out: bytes,
) -> None:
    """To the client, behind the head where nothing has gone before."""
    if not call.attempt.delivered:
        call.attempt.first_token_s = call.gateway.clock.monotonic() - call.attempt.started_s
        call.attempt.delivered = True
        await start(_returned(answer.headers))
    if out:
        await reply.write(out)


def _note_what_streamed(call: Call, meter: MeteredStream) -> None:
    """An aborted or broken stream is booked for its input and for what was received."""
    attempt = call.attempt
    attempt.upstream_id = meter.upstream_id or attempt.upstream_id
    attempt.finish_reason = meter.finish_reason
    attempt.is_error_answer = attempt.is_error_answer or meter.is_error
    attempt.service_tier = meter.service_tier or attempt.service_tier
    if attempt.was_sent and not attempt.is_error_answer:
        usage = _credible(meter.reported) or call.estimate(meter.output)
        if attempt.outcome is not Outcome.OK and not meter.is_total:
            # A running total: the upstream may have generated, and bills, more than we read.
            usage = replace(usage, source=UsageSource.ESTIMATED)
        attempt.usage = usage


@contextmanager
def _written_down(call: Call) -> Iterator[None]:
    """Note in the attempt how it ended, and turn a passed deadline into a failure."""
    attempt = call.attempt
    attempt.started_s = call.gateway.clock.monotonic()
    try:
        yield
    except TimeoutError as error:
        failure = UpstreamFailure(
            FailureKind.TIMEOUT, "the upstream did not answer in time", was_sent=True
        )
        _note_failure(attempt, failure)
        raise failure from error
    except UpstreamFailure as failure:
        _note_failure(attempt, failure)
        raise
    except UpstreamRejection as rejection:
        attempt.outcome = Outcome.REFUSED
        attempt.error_code = f"http_{rejection.status}"
        attempt.is_error_answer = True
        raise
    finally:
        attempt.ended_s = call.gateway.clock.monotonic()


def _note_failure(attempt: OpenAttempt, failure: UpstreamFailure) -> None:
    attempt.outcome = Outcome.ERROR
    attempt.error_code = failure.kind.value
    attempt.was_sent = failure.was_sent
    # Only an error status is told with its number, and providers bill none of those.
    attempt.is_error_answer = attempt.is_error_answer or failure.status is not None


def _credible(reported: Usage | None) -> Usage | None:
    """The usage, unless it says that an answer took no tokens at all."""
    if reported is None or reported.input_tokens + reported.output_tokens == 0:
        return None
    return reported


async def _raise_for_status(answer: UpstreamAnswer) -> None:
    status = answer.status
    if status == 200:  # noqa: PLR2004 - HTTP's own number
        return
    retry_after = answer.headers.get("retry-after")
    text = f"the upstream answered {status}"
    if status >= 500:  # noqa: PLR2004
        kind = FailureKind.SERVER_ERROR
    elif status == 429:  # noqa: PLR2004
        kind = FailureKind.RATE_LIMITED
    elif status == 408:  # noqa: PLR2004
        kind = FailureKind.TIMEOUT
    elif status in _OPERATORS_DOING:
        kind = FailureKind.CREDENTIALS
    elif status < 400:  # noqa: PLR2004 - 1xx, other 2xx, 3xx: no answer to this question
        kind = FailureKind.REDIRECT
    else:
        body = await _read(answer, MAX_ERROR_BYTES)
        raise UpstreamRejection(status=status, body=body, headers=_returned(answer.headers))
    raise UpstreamFailure(kind, text, was_sent=True, status=status, retry_after=retry_after)


async def _require_event_stream(call: Call, answer: UpstreamAnswer) -> None:
    content_type = answer.headers.get("content-type", "")
    if content_type.lower().startswith("text/event-stream"):
        return
    try:
        read_answer(await _read(answer, MAX_ERROR_BYTES), call.request.endpoint)
    except BadAnswer as error:
        call.attempt.is_error_answer = error.error is not None
    raise UpstreamFailure(
        FailureKind.BAD_ANSWER,
        f"the upstream answered {content_type[:100]!r} instead of an event stream",
        was_sent=True,
    )


async def _read(answer: UpstreamAnswer, limit: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in answer.chunks():
        size += len(piece)
        if size > limit:
            raise UpstreamFailure(
                FailureKind.TOO_LARGE, f"the upstream's answer passes {limit} bytes", was_sent=True
            )
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _returned(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in _RETURNED_HEADERS if name in headers}
