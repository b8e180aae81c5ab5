"""How a scripted upstream is told to behave: one frozen value, and names for the usual faults."""

import re
from dataclasses import dataclass, fields, replace
from enum import StrEnum

_MEBIBYTE = 1 << 20
_HTML = b"<!doctype html><html><body><h1>Bad gateway</h1></body></html>"
_MARKER_IN_TEXT = re.compile(r"\[\[fault:([a-z0-9+-]+)\]\]")
_MARKER_IN_MODEL = re.compile(r"fault-([a-z0-9+-]+)$")
_AFTER_EVENTS = re.compile(r"(.+)-after-(\d+)")
_STATUS = re.compile(r"status-(\d{3})(-html)?")


class Stop(StrEnum):
    STALL = "stall"  # nothing more, connection open, until the client leaves or `release()`
    FIN = "fin"  # the connection is closed in order
    RST = "rst"  # the connection is reset


class StopAt(StrEnum):
    BEFORE_HEAD = "before-head"
    AFTER_HEAD = "after-head"
    MID_BODY = "mid-body"  # a stream: after `stop_after_events` events; else after half the body
    AFTER_EVENTS = "after-events"  # all events ([DONE] too) are out, the body's end is not


class Framing(StrEnum):
    AUTO = "auto"  # content-length for plain bodies, chunked for streams
    LENGTH = "length"  # plain bodies; a stream is chunked all the same
    CHUNKED = "chunked"
    CLOSE = "close"  # neither: the body ends where the connection does


class Packets(StrEnum):
    PER_EVENT = "per-event"
    JOINED = "joined"  # the whole stream in one write
    BYTES = "bytes"  # one byte of the wire per write


class Gzip(StrEnum):
    OFF = "off"
    ON = "on"
    BROKEN = "broken"  # announced, but the bytes are no gzip
    BOMB = "bomb"  # `body_padding_bytes` of blanks behind the honest body, packed small


class UsageStyle(StrEnum):
    HONEST = "honest"
    MISSING = "missing"
    NULL = "null"
    NEGATIVE = "negative"
    ABSURD = "absurd"
    EVERY_CHUNK = "every-chunk"  # running totals on each chunk, asked for or not
    LAST_CONTENT = "last-content"  # Mistral: on the chunk with the finish reason, asked for or not


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What happens to one request. The default is an honest answer.

    `body` replaces what would be sent (the whole stream, too). `stop` says how the answer breaks
    off and `stop_at` where. `billed` None: what the provider would do, that is 2xx answers are.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str | None = None
    body: bytes | None = None
    informational: int | None = None  # an interim head such as 100 or 103 goes first
    http_version: str = "1.1"
    framing: Framing = Framing.AUTO
    close: bool = False
    header_padding_bytes: int = 0
    body_padding_bytes: int = 0
    head_delay_s: float = 0.0
    chunk_delay_s: float = 0.0
    stop: Stop | None = None
    stop_at: StopAt = StopAt.MID_BODY
    stop_after_events: int = 2
    packets: Packets = Packets.PER_EVENT
    gzip: Gzip = Gzip.OFF
    usage: UsageStyle = UsageStyle.HONEST
    line_end: str = "\n"
    multi_line_data: bool = False
    comments: bool = False
    done: bool = True
    finish_reason: bool = True
    error_after_events: int | None = None
    event_padding_bytes: int = 0  # inside the first event
    billed: bool | None = None


HONEST = Behaviour()
_RETRY_AFTER = (("retry-after", "7"),)
_FAULTS = {
    "slow-head": Behaviour(head_delay_s=0.3),
    "slow-chunks": Behaviour(chunk_delay_s=0.1),
    "stall-before-head": Behaviour(stop=Stop.STALL, stop_at=StopAt.BEFORE_HEAD),
    "stall-after-head": Behaviour(stop=Stop.STALL, stop_at=StopAt.AFTER_HEAD),
    "stall": Behaviour(stop=Stop.STALL),
    "cut-before-head": Behaviour(stop=Stop.FIN, stop_at=StopAt.BEFORE_HEAD),
    "cut-after-head": Behaviour(stop=Stop.FIN, stop_at=StopAt.AFTER_HEAD),
    "cut": Behaviour(stop=Stop.FIN),
    "reset-before-head": Behaviour(stop=Stop.RST, stop_at=StopAt.BEFORE_HEAD),
    "reset-after-head": Behaviour(stop=Stop.RST, stop_at=StopAt.AFTER_HEAD),
    "reset": Behaviour(stop=Stop.RST),
    "html": Behaviour(content_type="text/html", body=_HTML),
    "json-for-stream": Behaviour(content_type="application/json", body=b'{"object":"list"}'),
    "sse-for-plain": Behaviour(content_type="text/event-stream", body=b"data: [DONE]\n\n"),
    "malformed-json": Behaviour(body=b'{"id":"chatcmpl-1","choices":[{"index":0,'),
    "malformed-event": Behaviour(body=b'data: {"id":"chatcmpl-1","choices":[{\n\ndata: [DONE]\n\n'),
    "error-in-200": Behaviour(
        content_type="application/json",
        body=b'{"error":{"message":"The engine broke","type":"server_error","code":null}}',
    ),
    "empty-body": Behaviour(body=b""),
    "no-choices": Behaviour(
        content_type="application/json",
        body=b'{"id":"chatcmpl-1","object":"chat.completion","choices":[]}',
    ),
    "redirect": Behaviour(status=302, headers=(("location", "http://127.0.0.1:9/v1"),), body=b""),
    "huge-body": Behaviour(body_padding_bytes=32 * _MEBIBYTE),
    "huge-header": Behaviour(header_padding_bytes=_MEBIBYTE),
    "huge-event": Behaviour(event_padding_bytes=8 * _MEBIBYTE),
    "usage-missing": Behaviour(usage=UsageStyle.MISSING),
    "usage-null": Behaviour(usage=UsageStyle.NULL),
    "usage-negative": Behaviour(usage=UsageStyle.NEGATIVE),
    "usage-absurd": Behaviour(usage=UsageStyle.ABSURD),
    "usage-every-chunk": Behaviour(usage=UsageStyle.EVERY_CHUNK),
    "usage-last-content": Behaviour(usage=UsageStyle.LAST_CONTENT),
    "gzip": Behaviour(gzip=Gzip.ON),
    "gzip-broken": Behaviour(gzip=Gzip.BROKEN),
    "gzip-bomb": Behaviour(gzip=Gzip.BOMB, body_padding_bytes=64 * _MEBIBYTE),
    "joined": Behaviour(packets=Packets.JOINED),
    "bytewise": Behaviour(packets=Packets.BYTES),
    "crlf": Behaviour(line_end="\r\n"),
    "multi-line": Behaviour(multi_line_data=True),
    "comments": Behaviour(comments=True),
    "no-done": Behaviour(done=False),
    "no-finish": Behaviour(finish_reason=False),
    "error-event": Behaviour(error_after_events=2),
    "cut-after-done": Behaviour(stop=Stop.FIN, stop_at=StopAt.AFTER_EVENTS),
    "open-after-done": Behaviour(stop=Stop.STALL, stop_at=StopAt.AFTER_EVENTS),
    "connection-close": Behaviour(close=True),
    "chunked": Behaviour(framing=Framing.CHUNKED),
    "until-close": Behaviour(framing=Framing.CLOSE),
    "http10": Behaviour(http_version="1.0", framing=Framing.CLOSE),
    "continue-100": Behaviour(informational=100),
}


def fault_names() -> tuple[str, ...]:
    """Every name `fault_named` knows, apart from `status-NNN[-html]`."""
    return tuple(_FAULTS)


def fault_named(name: str) -> Behaviour:
    """`gzip`, `status-503`, `status-502-html`, `stall-after-3`; several joined by `+`.

    Raises KeyError for a name nobody has.
    """
    behaviour = HONEST
    for part in name.split("+"):
        one = _one_fault(part)
        changed = {
            field.name: getattr(one, field.name)
            for field in fields(Behaviour)
            if getattr(one, field.name) != getattr(HONEST, field.name)
        }
        behaviour = replace(behaviour, **changed)
    return behaviour


def _one_fault(name: str) -> Behaviour:
    if status := _STATUS.fullmatch(name):
        return _failed(int(status[1]), html=status[2] is not None)
    if name not in _FAULTS and (numbered := _AFTER_EVENTS.fullmatch(name)):
        count = int(numbered[2])
        fault = _FAULTS[numbered[1]]
        if fault.error_after_events is not None:
            return replace(fault, error_after_events=count)
        return replace(fault, stop_after_events=count)
    return _FAULTS[name]


def _failed(status: int, *, html: bool) -> Behaviour:
    code = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}.get(status)
    kind = "invalid_request_error" if status < 429 else "server_error"
    code_json = f'"{code}"' if code else "null"
    body = (
        f'{{"error":{{"message":"scripted {status}","type":"{kind}",'
        f'"param":null,"code":{code_json}}}}}'
    ).encode()
    return Behaviour(
        status=status,
        headers=_RETRY_AFTER if status in {429, 503, 529} else (),
        content_type="text/html" if html else None,
        body=_HTML if html else body,
    )


def marked_fault(*, model: str, text: str) -> Behaviour | None:
    """The behaviour a request asks for, by `[[fault:NAME]]` in its last user message or by a model
    name that ends in `fault-NAME`."""
    if found := _MARKER_IN_TEXT.search(text) or _MARKER_IN_MODEL.search(model):
        return fault_named(found[1])
    return None
