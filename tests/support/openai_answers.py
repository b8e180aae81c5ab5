"""The honest half of the scripted upstream: OpenAI requests in, OpenAI answers and bills out.

What an answer holds is steered by the last user message: `[[reply:TEXT]]`, `[[tokens:N]]`,
`[[tools:N]]`, `[[reasoning:N]]`, `[[cached:N]]`. One token of output is one word with the blank
before it; a prompt costs 3, and per message 4 + a token for every 4 bytes (85 for an image).
"""

import base64
import hashlib
import re
import struct
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from tests.support.openai_questions import (
    Json,
    Question,
    Refused,
    content_tokens,
    input_tokens,
    inputs_of,
    marked_number,
    output_cap,
)
from tests.support.upstream_behaviour import Behaviour, UsageStyle

encode_json = msgspec.json.Encoder().encode
_WORDS = re.compile(r"\s*\S+")
_MARKS = re.compile(r"\s*\[\[[^\]]*\]\]")
_ABSURD_TOKENS = 10**15


@dataclass(slots=True)
class Tokens:
    """What the provider counts, and so bills."""

    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0

    def to_json(self) -> Json:
        return {
            "prompt_tokens": self.input,
            "completion_tokens": self.output,
            "total_tokens": self.input + self.output,
            "prompt_tokens_details": {"cached_tokens": self.cached, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": self.reasoning,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }


def usage_json(tokens: Tokens, style: UsageStyle) -> Json | None:
    """What the answer says was used, which is the truth only in the honest styles."""
    match style:
        case UsageStyle.NULL:
            return None
        case UsageStyle.NEGATIVE:
            return Tokens(input=-tokens.input, output=-tokens.output).to_json()
        case UsageStyle.ABSURD:
            return Tokens(input=_ABSURD_TOKENS, output=_ABSURD_TOKENS).to_json()
        case _:
            return tokens.to_json()


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Choice:
    words: tuple[str, ...]
    tool_calls: tuple[ToolCall, ...]
    reasoning: str
    finish_reason: str


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream and the output tokens that were generated for it."""

    payload: bytes
    output_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, ready to be sent plain or as events, and its true price in tokens."""

    upstream_id: str
    model: str
    tokens: Tokens
    body: Json
    events: tuple[Event, ...] = ()
    is_id_in_body: bool = True


@dataclass(frozen=True, slots=True)
class _Plan:
    question: Question
    behaviour: Behaviour
    upstream_id: str
    is_chat: bool
    choices: tuple[Choice, ...]
    tokens: Tokens
    created: int = field(default_factory=lambda: int(time.time()))

    def frame(self, *, is_chunk: bool) -> Json:
        kind = "chat.completion" if self.is_chat else "text_completion"
        return {
            "id": self.upstream_id,
            "object": f"{kind}.chunk" if is_chunk and self.is_chat else kind,
            "created": self.created,
            "model": self.question.model,
            "service_tier": "default",
            "system_fingerprint": "fp_scripted",
        }


def chat_answer(question: Question, behaviour: Behaviour, *, label: str) -> Answer:
    _check_bounds(question)
    if not question.messages:
        raise Refused("Missing required parameter: 'messages'.", param="messages")
    choices = tuple(_chat_choices(question, label=label))
    text = question.last_user_text()
    prompt = 3 + sum(4 + content_tokens(message.content) for message in question.messages)
    return _answer(
        _Plan(
            question=question,
            behaviour=behaviour,
            upstream_id=f"chatcmpl-{uuid.uuid4()}",
            is_chat=True,
            choices=choices,
            tokens=_count(prompt, choices, cached=marked_number(text, "cached") or 0),
        )
    )


def text_answer(question: Question, behaviour: Behaviour, *, label: str) -> Answer:
    _check_bounds(question)
    prompts = inputs_of(question.prompt, "prompt")
    count = len(prompts) * (question.n or 1)
    choice = _cut_to_cap(_text_reply(question, label=label), (), 0, output_cap(question))
    choices = (choice,) * count
    return _answer(
        _Plan(
            question=question,
            behaviour=behaviour,
            upstream_id=f"cmpl-{uuid.uuid4()}",
            is_chat=False,
            choices=choices,
            tokens=_count(sum(map(input_tokens, prompts)), choices, cached=0),
        )
    )


def embeddings_answer(question: Question, behaviour: Behaviour) -> Answer:
    """OpenAI's embeddings carry no id; the upstream id stands in the x-request-id header alone."""
    _check_bounds(question)
    inputs = inputs_of(question.input, "input")
    size = question.dimensions or 8
    rows: list[Json] = []
    for index, one in enumerate(inputs):
        vector = _vector(repr(one).encode(), size)
        packed = base64.b64encode(struct.pack(f"<{size}f", *vector)).decode()
        shown = packed if question.encoding_format == "base64" else vector
        rows.append({"object": "embedding", "index": index, "embedding": shown})
    tokens = Tokens(input=sum(map(input_tokens, inputs)))
    body: Json = {"object": "list", "data": rows, "model": question.model}
    if behaviour.usage is not UsageStyle.MISSING:
        told = usage_json(tokens, behaviour.usage)
        names = ("prompt_tokens", "total_tokens")
        body["usage"] = {name: told[name] for name in names} if told else None
    return Answer(f"embd-{uuid.uuid4()}", question.model, tokens, body, is_id_in_body=False)


def _check_bounds(question: Question) -> None:
    """Refuses numbers beyond OpenAI's own bounds: an answer of that size would fill the memory."""
    for name, most in (("n", 128), ("top_logprobs", 20), ("dimensions", 3072)):
        value = getattr(question, name)
        if value is not None and not 0 <= value <= most:
            raise Refused(f"Invalid '{name}': expected a value from 0 to {most}.", param=name)


def models_list(label: str) -> Json:
    ids = (f"{label}-small", f"{label}-large")
    rows = [{"id": i, "object": "model", "created": 1700000000, "owned_by": label} for i in ids]
    return {"object": "list", "data": rows}


def _count(prompt: int, choices: Iterable[Choice], *, cached: int) -> Tokens:
    tokens = Tokens(input=prompt, cached=min(cached, prompt))
    for choice in choices:
        thought = len(_WORDS.findall(choice.reasoning))
        called = sum(len(_pieces(call.arguments)) for call in choice.tool_calls)
        tokens.reasoning += thought
        tokens.output += thought + len(choice.words) + called
    return tokens


def _vector(seed: bytes, size: int) -> list[float]:
    noise = hashlib.shake_256(seed).digest(size)
    return [byte / 255 - 0.5 for byte in noise]


def _chat_choices(question: Question, *, label: str) -> Iterator[Choice]:
    text = question.last_user_text()
    thought = marked_number(text, "reasoning")
    if thought is None:
        thought = {"low": 8, "medium": 16, "high": 32}.get(question.reasoning_effort or "", 0)
    calls = tuple(_tool_calls(question, text))
    reply = _text_reply(question, label=label)
    for _ in range(question.n or 1):
        yield _cut_to_cap(reply, calls, thought, output_cap(question))


def _text_reply(question: Question, *, label: str) -> str:
    text = question.last_user_text()
    wanted = question.response_format or {}
    if wanted.get("type") == "json_schema":
        holder = wanted.get("json_schema")
        schema = holder.get("schema") if isinstance(holder, dict) else None
        return encode_json(_instance(schema, schema)).decode()
    if wanted.get("type") == "json_object":
        return '{"answer": "scripted"}'
    if given := re.search(r"\[\[reply:(.*?)\]\]", text, re.DOTALL):
        return given[1]
    if (count := marked_number(text, "tokens")) is not None:
        return " ".join(f"word{index}" for index in range(count))
    asked = " ".join(_MARKS.sub("", text).split()[:12])
    return f"Scripted answer of {label} to: {asked}"


def _cut_to_cap(reply: str, calls: tuple[ToolCall, ...], thought: int, cap: int | None) -> Choice:
    words = () if calls else tuple(_WORDS.findall(reply))
    thinking = "hm " * (thought if cap is None else min(thought, cap))
    left = None if cap is None else cap - len(_WORDS.findall(thinking))
    if left is not None and len(words) > left:
        return Choice(words[:left], (), thinking.rstrip(), "length")
    return Choice(words, calls, thinking.rstrip(), "tool_calls" if calls else "stop")


def _tool_calls(question: Question, text: str) -> Iterator[ToolCall]:
    tools = [
        function
        for tool in question.tools or ()
        if isinstance(function := tool.get("function"), dict)
    ]
    if not tools or question.tool_choice == "none" or question.messages[-1].role == "tool":
        return
    wanted = [tool for tool in tools if str(tool.get("name")) in text]
    if isinstance(question.tool_choice, dict):
        chosen = question.tool_choice.get("function")
        name = chosen.get("name") if isinstance(chosen, dict) else None
        wanted = [tool for tool in tools if tool.get("name") == name]
    is_forced = question.tool_choice == "required"
    count = marked_number(text, "tools") or len(wanted) or int(is_forced)
    for index in range(count):
        tool = (wanted or tools)[index % len(wanted or tools)]
        arguments = encode_json(_instance(tool.get("parameters"), tool.get("parameters"))).decode()
        yield ToolCall(f"call_{uuid.uuid4().hex[:24]}", str(tool.get("name")), arguments)


def _instance(schema: object, root: object) -> object:  # noqa: PLR0911  (one per JSON type)
    """The plainest value a JSON schema allows; enough for the schemas of tests."""
    if not isinstance(schema, dict):
        return {}
    if isinstance(reference := schema.get("$ref"), str) and isinstance(root, dict):
        found: object = root
        for step in reference.removeprefix("#/").split("/"):
            found = found.get(step) if isinstance(found, dict) else None
        return _instance(found, root)
    if "const" in schema:
        return schema["const"]
    if enum := schema.get("enum"):
        return next(iter(enum))
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return _instance(next(iter(options)), root)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next(iter(kind))
    if kind == "array":
        return [_instance(schema.get("items"), root)]
    if kind in _PLAIN_VALUES:
        return _PLAIN_VALUES[kind]
    properties = schema.get("properties")
    names = properties if isinstance(properties, dict) else {}
    return {name: _instance(part, root) for name, part in names.items()}


_PLAIN_VALUES: dict[object, object] = {
    "string": "text",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "null": None,
}


def _pieces(arguments: str) -> list[str]:
    return [arguments[start : start + 8] for start in range(0, len(arguments), 8)]


def _answer(plan: _Plan) -> Answer:
    body = plan.frame(is_chunk=False)
    shape = _chat_choice if plan.is_chat else _text_choice
    body["choices"] = [shape(plan, index, choice) for index, choice in enumerate(plan.choices)]
    if plan.behaviour.usage is not UsageStyle.MISSING:
        body["usage"] = usage_json(plan.tokens, plan.behaviour.usage)
    events = tuple(_events(plan)) if plan.question.stream else ()
    return Answer(plan.upstream_id, plan.question.model, plan.tokens, body, events)


def _chat_choice(plan: _Plan, index: int, choice: Choice) -> Json:
    message: Json = {"role": "assistant", "content": "".join(choice.words), "refusal": None}
    if choice.reasoning:
        message["reasoning_content"] = choice.reasoning
    if choice.tool_calls:
        message["content"] = None
        message["tool_calls"] = [_call_json(call, call.arguments) for call in choice.tool_calls]
    return {
        "index": index,
        "message": message,
        "logprobs": _logprobs(plan.question, choice.words),
        "finish_reason": choice.finish_reason if plan.behaviour.finish_reason else None,
    }


def _text_choice(plan: _Plan, index: int, choice: Choice) -> Json:
    offsets = [len("".join(choice.words[:place])) for place in range(len(choice.words))]
    legacy: Json = {
        "tokens": list(choice.words),
        "token_logprobs": [-0.25] * len(choice.words),
        "top_logprobs": None,
        "text_offset": offsets,
    }
    return {
        "index": index,
        "text": "".join(choice.words),
        "logprobs": legacy if plan.question.logprobs else None,
        "finish_reason": choice.finish_reason if plan.behaviour.finish_reason else None,
    }


def _call_json(call: ToolCall, arguments: str) -> Json:
    function = {"name": call.name, "arguments": arguments}
    return {"id": call.id, "type": "function", "function": function}


def _logprobs(question: Question, words: Iterable[str]) -> Json | None:
    if not question.logprobs:
        return None
    rows: list[Json] = []
    for word in words:
        one: Json = {"token": word, "logprob": -0.25, "bytes": list(word.encode())}
        rows.append({**one, "top_logprobs": [one] * (question.top_logprobs or 0)})
    return {"content": rows, "refusal": None}


@dataclass(frozen=True, slots=True)
class _Delta:
    index: int
    body: Json
    output_tokens: int = 0
    reasoning_tokens: int = 0


def _events(plan: _Plan) -> Iterator[Event]:
    """The chunks OpenAI sends: with include_usage, `usage` is null on each and the last one holds
    no choices; without it there is no `usage` at all."""
    style = plan.behaviour.usage
    wanted = plan.question.stream_options is not None and bool(
        plan.question.stream_options.include_usage
    )
    running = Tokens(input=plan.tokens.input, cached=plan.tokens.cached)
    for delta in _deltas(plan):
        running.output += delta.output_tokens
        running.reasoning += delta.reasoning_tokens
        chunk = plan.frame(is_chunk=True)
        chunk["choices"] = [delta.body]
        is_final = delta.body["finish_reason"] is not None
        if style is UsageStyle.EVERY_CHUNK or (style is UsageStyle.LAST_CONTENT and is_final):
            chunk["usage"] = running.to_json()
        elif wanted and style is not UsageStyle.MISSING:
            chunk["usage"] = None
        yield Event(encode_json(chunk), delta.output_tokens, delta.reasoning_tokens)
    if wanted and style not in {UsageStyle.MISSING, UsageStyle.LAST_CONTENT}:
        usage = usage_json(plan.tokens, style)
        yield Event(encode_json({**plan.frame(is_chunk=True), "choices": [], "usage": usage}))


def _deltas(plan: _Plan) -> Iterator[_Delta]:
    """Choices take turns, as OpenAI's do."""
    waiting = [_choice_deltas(plan, *numbered) for numbered in enumerate(plan.choices)]
    while waiting:
        for one in list(waiting):
            if (delta := next(one, None)) is None:
                waiting.remove(one)
            else:
                yield delta


def _choice_deltas(plan: _Plan, index: int, choice: Choice) -> Iterator[_Delta]:
    def chunk(delta: Json, *, finish: str | None = None) -> Json:
        body: Json = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        if not plan.is_chat:
            del body["delta"]
            body["text"] = delta.get("content", "")
        return body

    if plan.is_chat:
        content = None if choice.tool_calls else ""
        yield _Delta(index, chunk({"role": "assistant", "content": content, "refusal": None}))
    for word in _WORDS.findall(choice.reasoning):
        yield _Delta(index, chunk({"reasoning_content": word}), 1, 1)
    for word in choice.words:
        body = chunk({"content": word})
        if plan.is_chat:
            body["logprobs"] = _logprobs(plan.question, (word,))
        yield _Delta(index, body, 1)
    for place, call in enumerate(choice.tool_calls):
        yield _Delta(index, chunk({"tool_calls": [{"index": place, **_call_json(call, "")}]}))
        for piece in _pieces(call.arguments):
            part: Json = {"index": place, "function": {"arguments": piece}}
            yield _Delta(index, chunk({"tool_calls": [part]}), 1)
    if plan.behaviour.finish_reason:
        yield _Delta(index, chunk({}, finish=choice.finish_reason))
