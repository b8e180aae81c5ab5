"""What a model said: the choices of a plain answer or of one streamed chunk, read leniently.

Members of a wrong type count as absent, so an upstream's oddity never breaks an answer that the
client could use. Only bytes that are no JSON object are refused.
"""

from typing import Any, Final

import msgspec

from gateway.wire.fields import AnyObject
from gateway.wire.members import LENIENT, BadJson, split_members, value_of


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Custom(msgspec.Struct):
    name: str | None = None
    input: str | None = None


class _ToolCall(msgspec.Struct):
    function: _Function | None = None
    custom: _Custom | None = None


class _Audio(msgspec.Struct):
    transcript: str | None = None


class _Said(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    audio: _Audio | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None


class _Choice(msgspec.Struct):
    index: int | None = None
    delta: _Said | None = None  # in streams
    message: _Said | None = None  # in plain answers
    text: str | None = None  # of completions
    finish_reason: str | None = None


class _Body(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    choices: list[_Choice] | None = None
    data: list[AnyObject] | None = None  # of embeddings
    usage: object = None
    service_tier: str | None = None
    error: msgspec.Raw = msgspec.Raw()


class Reply(msgspec.Struct, frozen=True):
    """A plain answer or one chunk of a stream. A Struct, since one is made for every chunk.

    `texts`: all that was generated, in order: content, reasoning, refusals, names and arguments of
    calls. `usage` is decoded but not judged, `error` is as sent; null is None in both.
    `service_tier` is the one it was served, and is billed, at.
    """

    id: str | None
    model: str | None
    texts: tuple[str, ...]
    finish_reasons: tuple[str, ...]
    choice_indexes: tuple[int, ...]
    choice_count: int
    embedding_count: int
    usage: object
    error: bytes | None
    service_tier: str | None

    @property
    def has_choices(self) -> bool:
        return self.choice_count > 0


_STRICT: Final = msgspec.json.Decoder(_Body)
_NULL: Final = msgspec.Raw(b"null")
_TEXT_MEMBERS: Final = ("content", "reasoning_content", "reasoning", "refusal")


def read_reply(data: bytes) -> Reply:
    """Raises BadJson for bytes that are no JSON object."""
    try:
        body = _STRICT.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = _read_leniently(data)
    choices = body.choices or ()
    texts: list[str] = []
    for choice in choices:
        _add_texts(choice, texts)
    return Reply(
        id=body.id,
        model=body.model,
        texts=tuple(texts),
        finish_reasons=tuple([choice.finish_reason for choice in choices if choice.finish_reason]),
        choice_indexes=tuple([choice.index for choice in choices if choice.index is not None]),
        choice_count=len(choices),
        embedding_count=len(body.data or ()),
        usage=body.usage,
        error=bytes(body.error) if body.error and body.error != _NULL else None,
        service_tier=body.service_tier,
    )


def _add_texts(choice: _Choice, texts: list[str]) -> None:
    if choice.text:
        texts.append(choice.text)
    said = choice.delta or choice.message
    if said is None:
        return
    texts += filter(None, (said.reasoning_content, said.reasoning, said.content, said.refusal))
    if said.audio is not None and said.audio.transcript:
        texts.append(said.audio.transcript)
    functions = [said.function_call] if said.function_call else []
    for call in said.tool_calls or ():
        if call.function is not None:
            functions.append(call.function)
        if call.custom is not None:
            texts += filter(None, (call.custom.name, call.custom.input))
    for function in functions:
        texts += filter(None, (function.name, function.arguments))


def _read_leniently(data: bytes) -> _Body:
    try:
        tree = LENIENT.decode(data.decode())
    except RecursionError as error:
        raise BadJson("JSON is nested too deep") from error
    except ValueError as error:
        raise BadJson("JSON is malformed") from error
    if not isinstance(tree, dict):
        raise BadJson("expected a JSON object")
    raw_error = None
    if tree.get("error") is not None:
        raw_error = value_of(data, split_members(data), "error")
    return _Body(
        id=_text(tree.get("id")),
        model=_text(tree.get("model")),
        choices=[_choice(choice) for choice in _objects(tree.get("choices"))],
        data=[AnyObject() for _ in _objects(tree.get("data"))],
        usage=tree.get("usage"),
        error=msgspec.Raw(raw_error or b""),
    )


def _choice(tree: dict[str, Any]) -> _Choice:
    index = tree.get("index")
    return _Choice(
        index=index if type(index) is int else None,
        delta=_said(tree.get("delta")),
        message=_said(tree.get("message")),
        text=_text(tree.get("text")),
        finish_reason=_text(tree.get("finish_reason")),
    )


def _said(tree: object) -> _Said | None:
    if not isinstance(tree, dict):
        return None
    calls = [
        _ToolCall(function=_function(call.get("function")), custom=_custom(call.get("custom")))
        for call in _objects(tree.get("tool_calls"))
    ]
    audio = tree.get("audio")
    return _Said(
        **{name: _text(tree.get(name)) for name in _TEXT_MEMBERS},
        audio=_Audio(_text(audio.get("transcript"))) if isinstance(audio, dict) else None,
        tool_calls=calls,
        function_call=_function(tree.get("function_call")),
    )


def _function(tree: object) -> _Function | None:
    if not isinstance(tree, dict):
        return None
    return _Function(name=_text(tree.get("name")), arguments=_text(tree.get("arguments")))


def _custom(tree: object) -> _Custom | None:
    if not isinstance(tree, dict):
        return None
    return _Custom(name=_text(tree.get("name")), input=_text(tree.get("input")))


def _objects(tree: object) -> list[dict[str, Any]]:
    return [item for item in tree if isinstance(item, dict)] if isinstance(tree, list) else []


def _text(tree: object) -> str | None:
    """A string, or the strings in a list of parts: Mistral sends content and thinking so."""
    if isinstance(tree, str):
        # Half of a surrogate pair has no bytes in UTF-8.
        return tree.encode(errors="replace").decode()
    if isinstance(tree, list):
        texts = [_text(part.get("text") or part.get("thinking")) for part in _objects(tree)]
        return "".join(filter(None, texts))
    return None
