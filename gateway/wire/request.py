"""What a client asks: a request body read once, and the body an upstream is sent for it.

Only what the gateway must know is typed; every other field stays as the bytes the client sent.
"""

from collections.abc import Mapping
from typing import Final, assert_never

import msgspec

from gateway.core.errors import InvalidRequest
from gateway.wire.fields import (
    CAP_PARAMS,
    Chat,
    Common,
    Completion,
    Embedding,
    Endpoint,
    Generation,
    Prompt,
    read_known,
)
from gateway.wire.members import BadJson, has_duplicate_names, read_object
from gateway.wire.messages import NOTHING, Message, prompt_texts, survey

__all__ = ["CAP_PARAMS", "ClientRequest", "Endpoint", "parse_request", "upstream_body"]

_JSON_SCHEMA: Final = frozenset({"json_schema"})
_NO_CAPS: Final = (None, None, None)
_CHAT: Final = msgspec.json.Decoder(Chat)
_COMPLETION: Final = msgspec.json.Decoder(Completion)
_EMBEDDING: Final = msgspec.json.Decoder(Embedding)


class ClientRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request. A Struct since a frozen dataclass of this size takes 5 times as long to make.

    `output_cap` is the smallest of the caps sent, each under its name in `cap_params`.
    `prompt_count` prompts are answered `n` times each. `token_id_count`: tokens sent as ids.
    `body_bytes_without_data_urls` bounds the tokens of all but images and inline audio; the latter
    is `inline_audio_bytes` of base64.
    """

    endpoint: Endpoint
    model: str
    fields: dict[str, msgspec.Raw]
    body_bytes_without_data_urls: int
    is_stream: bool = False
    wants_usage: bool = False
    n: int = 1
    best_of: int = 1
    output_cap: int | None = None
    cap_params: tuple[str, ...] = ()
    temperature: float | None = None
    seed: int | None = None
    user: str | None = None
    service_tier: str | None = None
    needs: frozenset[str] = NOTHING
    image_count: int = 0
    inline_audio_bytes: int = 0
    has_unbounded_parts: bool = False
    messages: list[Message] = []
    tool_count: int = 0
    prompts: list[str] = []
    prompt_count: int = 1
    token_id_count: int = 0

    @property
    def field_names(self) -> tuple[str, ...]:
        return tuple(self.fields)

    @property
    def message_count(self) -> int:
        return len(self.messages)

    @property
    def routing_text(self) -> str:
        """The last user message that has text; the prompt of a completion."""
        if self.endpoint is Endpoint.COMPLETIONS:
            return "\n".join(self.prompts)
        for message in reversed(self.messages):
            if message.role == "user" and (text := "\n".join(filter(None, message.texts()))):
                return text
        return ""

    def prompt_text(self) -> str:
        """All text a model reads, tools included, for an exact count; no token ids, no data."""
        if self.endpoint is Endpoint.COMPLETIONS and (suffix := self.fields.get("suffix")):
            more = msgspec.json.decode(suffix, type=str | None)
            return "\n".join(filter(None, [*self.prompts, more]))
        if self.endpoint is not Endpoint.CHAT:
            return "\n".join(self.prompts)
        texts = prompt_texts(self.messages, self.fields["messages"])
        for name in ("tools", "functions", "response_format"):
            if (raw := self.fields.get(name)) is not None:
                texts.append(bytes(raw).decode())
        return "\n".join(texts)


def parse_request(body: bytes, endpoint: Endpoint) -> ClientRequest:
    """Raises InvalidRequest, with `param` where one field is to blame."""
    fields = _read_fields(body)
    match endpoint:
        case Endpoint.CHAT:
            return _read_chat(read_known(body, fields, _CHAT), fields, len(body))
        case Endpoint.COMPLETIONS:
            return _read_completion(read_known(body, fields, _COMPLETION), fields, len(body))
        case Endpoint.EMBEDDINGS:
            return _read_embedding(read_known(body, fields, _EMBEDDING), fields, len(body))
    assert_never(endpoint)


def upstream_body(
    request: ClientRequest,
    *,
    upstream_model: str,
    force_usage: bool,
    output_cap: tuple[str, int] | None = None,
) -> bytes:
    """The client's fields in their order, each value as sent but for `model`, usage and caps.

    `force_usage` asks a stream for its usage. `output_cap` (name, tokens) lowers every cap the
    client sent; where it sent none, one of that name is added. Raises InvalidRequest.
    """
    changes = {"model": msgspec.json.encode(upstream_model)}
    if force_usage and request.is_stream:
        changes["stream_options"] = _with_usage(request.fields.get("stream_options"))
    if output_cap is not None:
        name, tokens = output_cap
        for cap_param in request.cap_params or (name,):
            own = request.fields.get(cap_param)
            if own is None or own == _NULL or msgspec.json.decode(own, type=float) > tokens:
                changes[cap_param] = b"%d" % tokens
    return _object({**request.fields, **changes})


_NULL: Final = msgspec.Raw(b"null")


def _with_usage(stream_options: msgspec.Raw | None) -> bytes:
    if stream_options is None or stream_options == _NULL:
        return b'{"include_usage":true}'
    # Rebuilt even where it is asked for already: of a name given twice upstreams may take either.
    try:
        return _object({**read_object(stream_options), "include_usage": b"true"})
    except BadJson as error:  # just within the depth we can read when it was parsed, and now not
        raise InvalidRequest(
            f"Invalid 'stream_options': {error}.", param="stream_options"
        ) from error


def _object(members: Mapping[str, msgspec.Raw | bytes]) -> bytes:
    pieces: list[msgspec.Raw | bytes] = []
    for name, value in members.items():
        pieces += (b",", msgspec.json.encode(name), b":", value)
    pieces[0] = b"{"
    pieces.append(b"}")
    return b"".join(pieces)


def _read_fields(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        if not body.isascii():
            body.decode()
        fields = read_object(body)
    except UnicodeDecodeError as error:
        raise InvalidRequest("The body of your request is not UTF-8.") from error
    except BadJson as error:
        raise InvalidRequest(
            f"We could not parse the JSON body of your request: {error}."
        ) from error
    if has_duplicate_names(body, fields):
        raise InvalidRequest("The JSON body of your request names a field more than once.")
    return fields


def _read_chat(known: Chat, fields: dict[str, msgspec.Raw], body_bytes: int) -> ClientRequest:
    model = _model(known)
    messages = known.messages
    if messages is None:
        raise _missing("messages")
    if not messages:
        raise _empty_array("messages")
    found = survey(messages)
    tool_count = len(known.tools or ()) + len(known.functions or ())
    needs = found.needs | _needs(known)
    if tool_count:
        needs |= {"tools"}
    if known.modalities is not None and "audio" in known.modalities:
        needs |= {"audio"}
    output_cap, cap_params = _caps(known)
    return ClientRequest(
        endpoint=Endpoint.CHAT,
        model=model,
        fields=fields,
        body_bytes_without_data_urls=body_bytes - found.image_bytes - found.audio_bytes,
        is_stream=known.stream is True,
        wants_usage=_wants_usage(known),
        n=known.n or 1,
        best_of=known.best_of or 1,
        output_cap=output_cap,
        cap_params=cap_params,
        temperature=known.temperature,
        seed=known.seed,
        user=known.user,
        service_tier=known.service_tier,
        needs=needs,
        image_count=found.image_count,
        inline_audio_bytes=found.audio_bytes,
        has_unbounded_parts=found.has_unbounded_parts,
        messages=messages,
        tool_count=tool_count,
    )


def _read_completion(
    known: Completion, fields: dict[str, msgspec.Raw], body_bytes: int
) -> ClientRequest:
    model = _model(known)
    prompts, prompt_count, token_id_count = _read_prompt(known.prompt, "prompt")
    output_cap, cap_params = _caps(known)
    return ClientRequest(
        endpoint=Endpoint.COMPLETIONS,
        model=model,
        fields=fields,
        body_bytes_without_data_urls=body_bytes,
        is_stream=known.stream is True,
        wants_usage=_wants_usage(known),
        n=known.n or 1,
        best_of=known.best_of or 1,
        output_cap=output_cap,
        cap_params=cap_params,
        temperature=known.temperature,
        seed=known.seed,
        user=known.user,
        service_tier=known.service_tier,
        needs=_needs(known),
        prompts=prompts,
        prompt_count=prompt_count,
        token_id_count=token_id_count,
    )


def _read_embedding(
    known: Embedding, fields: dict[str, msgspec.Raw], body_bytes: int
) -> ClientRequest:
    model = _model(known)
    if known.input is None:
        raise _missing("input")
    prompts, prompt_count, token_id_count = _read_prompt(known.input, "input")
    return ClientRequest(
        endpoint=Endpoint.EMBEDDINGS,
        model=model,
        fields=fields,
        body_bytes_without_data_urls=body_bytes,
        prompts=prompts,
        prompt_count=prompt_count,
        token_id_count=token_id_count,
        user=known.user,
    )


def _wants_usage(known: Generation) -> bool:
    options = known.stream_options
    return options is not None and options.include_usage is True


def _needs(known: Generation) -> frozenset[str]:
    response_format = known.response_format
    is_schema = response_format is not None and response_format.type == "json_schema"
    return _JSON_SCHEMA if is_schema else NOTHING


def _caps(known: Generation) -> tuple[int | None, tuple[str, ...]]:
    """The smallest cap, and the names of all."""
    caps = (known.max_tokens, known.max_completion_tokens, known.max_output_tokens)
    if caps == _NO_CAPS:
        return None, ()
    sent = {name: cap for name, cap in zip(CAP_PARAMS, caps, strict=True) if cap is not None}
    return min(sent.values()), tuple(sent)


def _model(known: Common) -> str:
    if known.model is None:
        raise _missing("model")
    if not known.model:
        raise InvalidRequest("Invalid 'model': empty string.", param="model")
    return known.model


def _read_prompt(prompt: Prompt, name: str) -> tuple[list[str], int, int]:
    """Texts, number of prompts, number of token ids."""
    if prompt is None:
        return [], 1, 0
    if isinstance(prompt, str):
        return [prompt], 1, 0
    if not prompt:
        raise _empty_array(name)
    kinds = set(map(type, prompt))
    if len(kinds) > 1:
        raise InvalidRequest(
            f"Invalid type for '{name}': expected a string, an array of strings, an array of "
            "tokens or an array of token arrays.",
            param=name,
        )
    if kinds == {int}:
        return [], 1, len(prompt)
    texts = [item for item in prompt if isinstance(item, str)]
    ids = [item for item in prompt if isinstance(item, list)]
    return texts, len(prompt), sum(map(len, ids))


def _missing(name: str) -> InvalidRequest:
    return InvalidRequest(f"Missing required parameter: '{name}'.", param=name)


def _empty_array(name: str) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid '{name}': empty array. Expected an array with minimum length 1, but got an empty "
        "array instead.",
        param=name,
    )
