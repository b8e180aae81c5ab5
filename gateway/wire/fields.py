"""The request fields the gateway must know: their JSON types, and what a wrong one is answered.

Texts are OpenAI's where OpenAI has one; they name the field and never quote the client.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final, TypeVar

import msgspec

from gateway.core.errors import InvalidRequest
from gateway.wire.messages import Message

CAP_PARAMS: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens")
MAX_CHOICES: Final = 128  # OpenAI's bound on `n`
MAX_OUTPUT_CAP: Final = 2**31 - 1  # far above any model's, and its price still fits 64 bits


class Endpoint(StrEnum):
    CHAT = "chat"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"

    @property
    def path(self) -> str:
        """Relative to an OpenAI-compatible base URL."""
        return "chat/completions" if self is Endpoint.CHAT else self.value


class AnyObject(msgspec.Struct):
    """A JSON object whose members are the upstream's business."""


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class ResponseFormat(msgspec.Struct):
    type: str | None = None


Prompt = str | list[str | int | list[int]] | None
_Cap = Annotated[int, msgspec.Meta(ge=0, le=MAX_OUTPUT_CAP)] | None
_Choices = Annotated[int, msgspec.Meta(ge=1, le=MAX_CHOICES)] | None


class Common(msgspec.Struct, kw_only=True):
    """Null is absent, here as everywhere."""

    model: str | None = None
    user: str | None = None


class Generation(Common, kw_only=True):
    """What chat and completions share. Some fields are here only for their type to be checked."""

    max_tokens: _Cap = None
    max_completion_tokens: _Cap = None
    max_output_tokens: _Cap = None
    n: _Choices = None
    best_of: _Choices = None
    seed: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    top_logprobs: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    stop: str | list[msgspec.Raw] | None = None
    logit_bias: AnyObject | None = None
    metadata: AnyObject | None = None
    response_format: ResponseFormat | None = None
    service_tier: str | None = None


class Chat(Generation, kw_only=True):
    messages: list[Message] | None = None
    tools: list[AnyObject] | None = None
    functions: list[AnyObject] | None = None
    tool_choice: str | AnyObject | None = None
    parallel_tool_calls: bool | None = None
    modalities: list[str] | None = None
    logprobs: bool | None = None


class Completion(Generation, kw_only=True):
    prompt: Prompt = None
    suffix: str | None = None
    logprobs: int | bool | None = None


class Embedding(Common, kw_only=True):
    input: Prompt = None


_Known = TypeVar("_Known", Chat, Completion, Embedding)

_JSON_NAMES: Final = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "array": "an array",
    "object": "an object",
    "null": "null",
}
_WRONG_TYPE: Final = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")
_OUT_OF_BOUNDS: Final = re.compile(r"Expected `int` (>=|<=) (\d+)")
_MAX_WHOLE: Final = 2**63
_PLACE: Final = re.compile(r" - at `\$\.([^`]*)`$")


def read_known(
    body: bytes, fields: Mapping[str, msgspec.Raw], decoder: msgspec.json.Decoder[_Known]
) -> _Known:
    """The known ones of `fields`, which were read from `body`. Raises InvalidRequest."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        name, refusal = _refusal(str(error))
        whole = _as_whole(fields.get(name)) if "got `float`" in str(error) else None
        if whole is None:
            raise refusal from error
        corrected: dict[str, msgspec.Raw] = {**fields, name: whole}
        return read_known(msgspec.json.encode(corrected), corrected, decoder)
    except RecursionError as error:
        raise InvalidRequest("The JSON body of your request is nested too deep.") from error


def _as_whole(raw: msgspec.Raw | None) -> msgspec.Raw | None:
    """Some clients send 100.0 where 100 is meant."""
    if raw is None:
        return None  # a float further down
    number = msgspec.json.decode(raw, type=float)
    # Digits beyond 64 bits would be read as a float again, and again be corrected.
    is_whole = number.is_integer() and abs(number) < _MAX_WHOLE
    return msgspec.Raw(b"%d" % number) if is_whole else None


def _refusal(text: str) -> tuple[str, InvalidRequest]:
    place = _PLACE.search(text)
    assert place is not None  # that the body is an object is known by now
    param = place[1]
    if wrong_type := _WRONG_TYPE.match(text):
        kinds = [kind for kind in wrong_type[1].split(" | ") if kind != "null"]
        expected = " or ".join(_JSON_NAMES[kind] for kind in kinds)
        found = _JSON_NAMES[wrong_type[2]]
        message = f"Invalid type for '{param}': expected {expected}, but got {found} instead."
    elif bound := _OUT_OF_BOUNDS.match(text):
        side = "below minimum" if bound[1] == ">=" else "above maximum"
        message = (
            f"Invalid '{param}': integer {side} value. "
            f"Expected a value {bound[1]} {bound[2]}, but got one that is not."
        )
    else:
        message = f"Invalid value for '{param}': {_PLACE.sub('', text).lower()}."
    return param, InvalidRequest(message, param=param)
