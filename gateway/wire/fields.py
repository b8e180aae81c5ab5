"""The request fields the gateway must know: their JSON types, and what a wrong one is answered.

Texts are OpenAI's where OpenAI has one; they name the field and never quote the client.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NoReturn

import msgspec

from gateway.core.errors import InvalidRequest
from gateway.wire.messages import Message

CAP_PARAMS: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens")


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


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _ResponseFormat(msgspec.Struct):
    type: str | None = None


_Prompt = str | list[str | int | list[int]] | None
_WHOLE_PARAMS: Final = (*CAP_PARAMS, "n", "best_of", "seed", "top_logprobs")
_NUMBER_PARAMS: Final = ("temperature", "top_p", "presence_penalty", "frequency_penalty")

_COMMON: Final[dict[str, Any]] = {"model": str | None, "user": str | None}
_GENERATING: Final[dict[str, Any]] = {
    **_COMMON,
    **dict.fromkeys(_WHOLE_PARAMS, int | float | None),  # some clients send 100.0
    **dict.fromkeys(_NUMBER_PARAMS, float | None),
    "stream": bool | None,
    "stream_options": _StreamOptions | None,
    "stop": str | list[msgspec.Raw] | None,
    "logit_bias": AnyObject | None,
    "metadata": AnyObject | None,
    "response_format": _ResponseFormat | None,
    "service_tier": str | None,
}
_TYPES: Final[dict[Endpoint, dict[str, Any]]] = {
    Endpoint.CHAT: {
        **_GENERATING,
        "messages": list[Message] | None,
        "tools": list[AnyObject] | None,
        "functions": list[AnyObject] | None,
        "tool_choice": str | AnyObject | None,
        "parallel_tool_calls": bool | None,
        "modalities": list[str] | None,
        "logprobs": bool | None,
    },
    Endpoint.COMPLETIONS: {
        **_GENERATING,
        "prompt": _Prompt,
        "logprobs": int | bool | None,
        "suffix": str | None,
    },
    Endpoint.EMBEDDINGS: {**_COMMON, "input": _Prompt},
}
_DECODERS: Final = {
    endpoint: {name: msgspec.json.Decoder(type_) for name, type_ in types.items()}
    for endpoint, types in _TYPES.items()
}
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
_PLACE: Final = re.compile(r" - at `\$([^`]*)`$")


def read_known(fields: Mapping[str, msgspec.Raw], endpoint: Endpoint) -> dict[str, Any]:
    """The fields this endpoint knows, decoded. Raises InvalidRequest with `param`."""
    decoders = _DECODERS[endpoint]
    values = {}
    name = ""
    try:
        for name, raw in fields.items():
            decoder = decoders.get(name)
            if decoder is not None:
                values[name] = decoder.decode(raw)
    except msgspec.ValidationError as error:
        _refuse(name, error)
    except RecursionError as error:
        raise InvalidRequest(f"Invalid '{name}': nested too deep.", param=name) from error
    return values


def whole_number(values: Mapping[str, Any], name: str) -> int | None:
    """An integer, however it is written. Raises InvalidRequest."""
    value = values.get(name)
    if value is None or type(value) is int:
        return value
    if not value.is_integer():
        raise InvalidRequest(
            f"Invalid type for '{name}': expected an integer, but got a decimal number instead.",
            param=name,
        )
    return int(value)


def bounded(values: Mapping[str, Any], name: str, *, least: int, most: int) -> int | None:
    """A whole number from `least` to `most`. Raises InvalidRequest."""
    value = whole_number(values, name)
    if value is None or least <= value <= most:
        return value
    side, bound = (
        ("below minimum", f">= {least}") if value < least else ("above maximum", f"<= {most}")
    )
    raise InvalidRequest(
        f"Invalid '{name}': integer {side} value. Expected a value {bound}.", param=name
    )


def _refuse(name: str, error: msgspec.ValidationError) -> NoReturn:
    text = str(error)
    place = _PLACE.search(text)
    param = name + (place[1] if place else "")
    wrong_type = _WRONG_TYPE.match(text)
    if wrong_type is None:
        raise InvalidRequest(
            f"Invalid value for '{param}': {_PLACE.sub('', text)}.", param=param
        ) from error
    kinds = [kind for kind in wrong_type[1].split(" | ") if kind != "null"]
    expected = " or ".join(_JSON_NAMES[kind] for kind in kinds)
    found = _JSON_NAMES[wrong_type[2]]
    raise InvalidRequest(
        f"Invalid type for '{param}': expected {expected}, but got {found} instead.", param=param
    ) from error
