"""What a client asks: a request body read once, and the body an upstream is sent for it.

Only what the gateway must know is typed; every other field stays as the bytes the client sent.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from gateway.core.errors import InvalidRequest
from gateway.wire.fields import CAP_PARAMS, Endpoint, bounded, read_known, whole_number
from gateway.wire.members import BadJson, has_duplicate_names, read_object
from gateway.wire.messages import NOTHING, Message, prompt_texts, survey

__all__ = ["CAP_PARAMS", "ClientRequest", "Endpoint", "parse_request", "upstream_body"]

MAX_CHOICES: Final = 128  # OpenAI's bound on `n`
MAX_OUTPUT_CAP: Final = 2**31 - 1  # far above any model's, and its price still fits 64 bits


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
        if self.endpoint is not Endpoint.CHAT:
            suffix = self.fields.get("suffix")
            more = [msgspec.json.decode(suffix, type=str | None)] if suffix is not None else []
            return "\n".join(filter(None, [*self.prompts, *more]))
        texts = prompt_texts(self.messages, self.fields["messages"])
        for name in ("tools", "functions", "response_format"):
            if (raw := self.fields.get(name)) is not None:
                texts.append(bytes(raw).decode())
        return "\n".join(texts)


def parse_request(body: bytes, endpoint: Endpoint) -> ClientRequest:
    """Raises InvalidRequest, with `param` where one field is to blame."""
    fields = _read_fields(body)
    values = read_known(fields, endpoint)
    model = values.get("model")
    if model is None:
        raise InvalidRequest("Missing required parameter: 'model'.", param="model")
    if not model:
        raise InvalidRequest("Invalid 'model': empty string.", param="model")
    if endpoint is Endpoint.EMBEDDINGS:
        prompts, prompt_count, token_id_count = _read_prompt(values.get("input"), "input")
        return ClientRequest(
            endpoint=endpoint,
            model=model,
            fields=fields,
            body_bytes_without_data_urls=len(body),
            user=values.get("user"),
            prompts=prompts,
            prompt_count=prompt_count,
            token_id_count=token_id_count,
        )
    if endpoint is Endpoint.COMPLETIONS:
        return _read_completion(values, fields, len(body))
    return _read_chat(values, fields, len(body))


def upstream_body(
    request: ClientRequest,
    *,
    upstream_model: str,
    force_usage: bool,
    output_cap: tuple[str, int] | None = None,
) -> bytes:
    """The client's fields in their order, each value as sent but for `model`, usage and caps.

    `force_usage` asks a stream for its usage. `output_cap` (name, tokens) lowers every cap the
    client sent; where it sent none, one of that name is added.
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
    return _object({**read_object(stream_options), "include_usage": b"true"})


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


def _read_chat(values: dict[str, Any], fields: dict[str, msgspec.Raw], size: int) -> ClientRequest:
    messages = values.get("messages")
    if messages is None:
        raise InvalidRequest("Missing required parameter: 'messages'.", param="messages")
    if not messages:
        raise _empty_array("messages")
    found = survey(messages)
    needs = found.needs
    tool_count = len(values.get("tools") or ()) + len(values.get("functions") or ())
    if tool_count:
        needs |= {"tools"}
    if "audio" in (values.get("modalities") or ()):
        needs |= {"audio"}
    return ClientRequest(
        endpoint=Endpoint.CHAT,
        fields=fields,
        body_bytes_without_data_urls=size - found.image_bytes - found.audio_bytes,
        needs=_with_format(needs, values),
        image_count=found.image_count,
        inline_audio_bytes=found.audio_bytes,
        has_unbounded_parts=found.has_unbounded_parts,
        messages=messages,
        tool_count=tool_count,
        **_read_generation(values),
    )


def _read_completion(
    values: dict[str, Any], fields: dict[str, msgspec.Raw], size: int
) -> ClientRequest:
    prompts, prompt_count, token_id_count = _read_prompt(values.get("prompt"), "prompt")
    return ClientRequest(
        endpoint=Endpoint.COMPLETIONS,
        fields=fields,
        body_bytes_without_data_urls=size,
        needs=_with_format(NOTHING, values),
        prompts=prompts,
        prompt_count=prompt_count,
        token_id_count=token_id_count,
        **_read_generation(values),
    )


def _with_format(needs: frozenset[str], values: dict[str, Any]) -> frozenset[str]:
    response_format = values.get("response_format")
    if response_format is not None and response_format.type == "json_schema":
        return needs | {"json_schema"}
    return needs


def _read_generation(values: dict[str, Any]) -> dict[str, Any]:
    """What chat and completions share, by the names of ClientRequest."""
    options = values.get("stream_options")
    caps = {
        name: cap
        for name in CAP_PARAMS
        if name in values
        and (cap := bounded(values, name, least=0, most=MAX_OUTPUT_CAP)) is not None
    }
    whole_number(values, "top_logprobs")
    return {
        "model": values["model"],
        "is_stream": values.get("stream") is True,
        "wants_usage": options is not None and options.include_usage is True,
        "n": bounded(values, "n", least=1, most=MAX_CHOICES) or 1,
        "best_of": bounded(values, "best_of", least=1, most=MAX_CHOICES) or 1,
        "output_cap": min(caps.values(), default=None),
        "cap_params": tuple(caps),
        "temperature": values.get("temperature"),
        "seed": whole_number(values, "seed"),
        "user": values.get("user"),
        "service_tier": values.get("service_tier"),
    }


def _read_prompt(
    prompt: str | list[str | int | list[int]] | None, name: str
) -> tuple[list[str], int, int]:
    """Texts, number of prompts, number of token ids."""
    if prompt is None:
        if name == "input":
            raise InvalidRequest("Missing required parameter: 'input'.", param="input")
        return [], 1, 0
    if isinstance(prompt, str):
        return [prompt], 1, 0
    if not prompt:
        raise _empty_array(name)
    texts = [item for item in prompt if isinstance(item, str)]
    lists = [item for item in prompt if isinstance(item, list)]
    if len(prompt) not in (len(texts), len(lists)) and (texts or lists):
        raise InvalidRequest(
            f"Invalid type for '{name}': expected a string, an array of strings, an array of "
            "tokens or an array of token arrays.",
            param=name,
        )
    if texts or lists:
        return texts, len(prompt), sum(map(len, lists))
    return [], 1, len(prompt)


def _empty_array(name: str) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid '{name}': empty array. Expected an array with minimum length 1, but got an empty "
        "array instead.",
        param=name,
    )
