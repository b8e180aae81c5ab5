"""An upstream's event stream on its way to the client, and what it has consumed so far.

Bytes in, bytes out, no waiting: the driver in `attempt.py` awaits. Events pass byte for byte, but
for the usage that was forced upstream (hidden again unless the client asked for it, given its cost
if the client did) and the closing [DONE], which the driver sends once the books are closed.
"""

from collections.abc import Callable

from gateway.core.errors import FailureKind, UpstreamFailure
from gateway.core.usage import Usage
from gateway.flow.estimating import TextSample
from gateway.wire.members import BadJson
from gateway.wire.sse import EventSplitter, EventTooLarge, event_data, is_done, with_data
from gateway.wire.stream import BadChunk, Chunk, hide_usage, read_chunk, with_cost
from gateway.wire.usage import parse_usage

# The largest event we know of, a base64 image in one delta, is about 8 MiB.
MAX_EVENT_BYTES = 16 * 1024 * 1024


class MeteredStream:
    """`cost_text` gives the request's cost in USD under a usage, None where it has no price."""

    def __init__(self, *, wants_usage: bool, cost_text: Callable[[Usage], str | None]) -> None:
        self._splitter = EventSplitter(max_event_bytes=MAX_EVENT_BYTES)
        self._wants_usage = wants_usage
        self._cost_text = cost_text
        self._finish_reasons: dict[str, None] = {}
        self.output = TextSample()  # all text received: content, reasoning, refusals, tool calls
        self.upstream_id: str | None = None
        self.service_tier: str | None = None
        self.reported: Usage | None = None
        self.is_total = False  # `reported` came alone, after everything it counts
        self.has_data = False  # an event with an answer in it has come by
        self.is_done = False  # [DONE] has come by
        self.failure: UpstreamFailure | None = None
        self.is_error = False  # an error event came in place of an answer
        self.done_event = b"data: [DONE]\n\n"

    @property
    def finish_reason(self) -> str | None:
        return ",".join(self._finish_reasons) or None

    def feed(self, data: bytes) -> bytes:
        """What goes to the client now. Once something came that is no part of an answer, `failure`
        says what, and nothing more passes; what came before it has passed, however it was cut."""
        out = []
        try:
            for block in self._splitter.feed(data):
                if self.is_done:
                    break
                out.append(self._pass(block))
        except EventTooLarge as error:
            self.failure = UpstreamFailure(FailureKind.TOO_LARGE, str(error), was_sent=True)
        except UpstreamFailure as error:
            self.failure = error
        return out[0] if len(out) == 1 else b"".join(out)

    def end(self) -> bytes:
        """Nothing more comes; what was still held back goes to the client now.

        Raises UpstreamFailure unless the answer was whole: it said [DONE], or gave a finish reason
        (some providers leave [DONE] out, some the blank line after their last event).
        """
        try:
            rest = b"" if self.is_done else self._splitter.close()
        except EventTooLarge as error:
            raise UpstreamFailure(FailureKind.TOO_LARGE, str(error), was_sent=True) from error
        out = self._pass(rest.rstrip(b"\r\n") + b"\n\n") if rest.strip() else b""
        if not self.has_data:
            raise UpstreamFailure(
                FailureKind.BAD_ANSWER, "the upstream's stream holds no answer", was_sent=True
            )
        if not self.is_done and not self._finish_reasons:
            raise UpstreamFailure(
                FailureKind.CUT, "the upstream's stream ended before its end", was_sent=True
            )
        return out

    def _pass(self, block: bytes) -> bytes:
        data = event_data(block)
        if data is None:
            return block
        if is_done(data):
            self.is_done = True
            self.done_event = block
            return b""
        try:
            chunk = read_chunk(data)
            if chunk.error is None:
                self._learn(chunk)
                return self._rewritten(block, data, chunk)
        except (BadChunk, BadJson) as error:
            raise UpstreamFailure(FailureKind.BAD_ANSWER, str(error), was_sent=True) from error
        self.is_error = not self.has_data
        raise UpstreamFailure(
            FailureKind.BAD_ANSWER, "the upstream sent an error event", was_sent=True
        )

    def _learn(self, chunk: Chunk) -> None:
        self.has_data = True
        if self.upstream_id is None:
            self.upstream_id = chunk.id
        self.service_tier = chunk.service_tier or self.service_tier
        for text in chunk.texts:
            self.output.add(text)
        for reason in chunk.finish_reasons:
            self._finish_reasons[reason] = None

    def _rewritten(self, block: bytes, data: bytes, chunk: Chunk) -> bytes:
        if b'"usage"' not in data:
            return block
        usage = parse_usage(chunk.usage)
        if usage is not None:
            self.reported = usage
            self.is_total = not chunk.has_choices
        if not self._wants_usage:
            hidden = hide_usage(data)
            return b"" if hidden is None else with_data(block, hidden)
        cost = None if usage is None else self._cost_text(usage)
        return block if cost is None else with_data(block, with_cost(data, cost))
