"""What is sent and what is answered in each case."""

import json
from dataclasses import dataclass

KEY = "bench-key-0123456789"
PATH = "/v1/chat/completions"

STREAM_EVENTS = 32
PACE_S = 0.005
LARGE_BODY_BYTES = 200_000

_QUESTION = (
    "What is the capital of France, and why is it famous among travellers from all over the world?"
)
_SYSTEM = {"role": "system", "content": "You are a helpful assistant."}

ANSWER = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1795317749,"model":"bench",'
    b'"choices":[{"index":0,"message":{"role":"assistant","content":"Paris, for its art.",'
    b'"refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":40,'
    b'"completion_tokens":6,"total_tokens":46,"prompt_tokens_details":{"cached_tokens":0,'
    b'"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}'
)


@dataclass(frozen=True, slots=True)
class Case:
    """`is_paced`: answered by the upstream that sends events one by one."""

    name: str
    text: str
    body: bytes
    is_paced: bool = False


def _event(choices: list[object], usage: object = None) -> bytes:
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1795317749,
        "model": "bench",
        "choices": choices,
        "usage": usage,
    }
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


def _delta(delta: object, finish_reason: str | None = None) -> bytes:
    return _event([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}])


_USAGE = {"prompt_tokens": 40, "completion_tokens": STREAM_EVENTS, "total_tokens": 72}
CHUNKS = (
    *(_delta({"content": f" word{number}"}) for number in range(STREAM_EVENTS - 3)),
    _delta({}, "stop"),
    _event([], _USAGE),
    b"data: [DONE]\n\n",
)


def _body(model: str, system: dict[str, str] = _SYSTEM, **more: object) -> bytes:
    request = {
        "model": model,
        "messages": [system, {"role": "user", "content": _QUESTION}],
        "temperature": 0.2,
        "max_tokens": 200,
        **more,
    }
    return json.dumps(request, separators=(",", ":")).encode()


_PAGES = {"role": "system", "content": "All of it, word by word. " * (LARGE_BODY_BYTES // 25)}

CASES = (
    Case("plain", "a plain answer to a 0.3 kB question", _body("auto")),
    Case(
        "stream",
        f"a stream of {STREAM_EVENTS} events, {PACE_S * 1000:g} ms apart",
        _body("auto-paced", stream=True, stream_options={"include_usage": True}),
        is_paced=True,
    ),
    Case("large", "a plain answer to a 200 kB question", _body("auto", _PAGES)),
)
