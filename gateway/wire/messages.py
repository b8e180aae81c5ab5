"""The messages of a chat request: who said what, and what in it is not text.

Typed only as far as the gateway must know; whatever else a message holds stays in the raw request.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.core.errors import InvalidRequest

NOTHING: Final = frozenset[str]()
_TEXT_PARTS: Final = frozenset(
    {None, "text", "input_text", "output_text", "refusal", "thinking", "reasoning"}
)
_IMAGE_PARTS: Final = frozenset({"image_url", "input_image"})
_FILE_PARTS: Final = frozenset({"file", "input_file"})


class Part(msgspec.Struct, frozen=True):
    type: str | None = None
    text: object = None  # a string in text parts; parts we do not know may hold anything
    image_url: msgspec.Raw = msgspec.Raw()
    input_audio: msgspec.Raw = msgspec.Raw()


class Message(msgspec.Struct, frozen=True):
    role: str | None = None
    content: str | list[str | Part] | None = None
    audio: msgspec.Raw = msgspec.Raw()  # {"id"}: an earlier spoken answer, by reference

    def texts(self) -> list[str]:
        """The text of each part that has one."""
        content = self.content
        if content is None:
            return []
        if isinstance(content, str):
            return [content]
        texts = (part if isinstance(part, str) else part.text for part in content)
        return [text for text in texts if isinstance(text, str)]


class Survey(msgspec.Struct, frozen=True):
    """What messages hold besides text. Bytes are those of inline data in the request's body."""

    needs: frozenset[str] = NOTHING
    image_count: int = 0
    image_bytes: int = 0
    audio_bytes: int = 0
    has_unbounded_parts: bool = False


_ONLY_TEXT: Final = Survey()


class _ImageUrl(msgspec.Struct):
    url: str | None = None


class _Audio(msgspec.Struct):
    data: str | None = None


_IMAGE: Final = msgspec.json.Decoder(str | _ImageUrl | None)
_AUDIO: Final = msgspec.json.Decoder(_Audio | None)


def survey(messages: Sequence[Message]) -> Survey:
    """Raises InvalidRequest for a text, image or audio part whose own member is of a wrong type."""
    for message in messages:
        if message.content.__class__ is not str or message.audio:
            return _survey_parts(messages)
    return _ONLY_TEXT


def _survey_parts(messages: Sequence[Message]) -> Survey:
    needs: set[str] = set()
    image_count = image_bytes = audio_bytes = 0
    has_unbounded_parts = False
    for place, part in _parts(messages):
        if part.type in _TEXT_PARTS:
            if part.type is not None and not isinstance(part.text, str | None):
                raise _wrong_member(f"{place}.text", "a string")
        elif part.type in _IMAGE_PARTS:
            needs.add("vision")
            image_count += 1
            image_bytes += _image_bytes(part, place)
        elif part.type == "input_audio":
            needs.add("audio")
            inline_bytes = _audio_bytes(part, place)
            audio_bytes += inline_bytes
            has_unbounded_parts |= not inline_bytes
        else:
            # A file, even one sent inline, is compressed: its bytes do not bound its tokens. Of a
            # part nobody has told us about we know no bound either.
            has_unbounded_parts = True
            if part.type in _FILE_PARTS:
                needs.add("files")
    if any(message.audio and message.audio != msgspec.Raw(b"null") for message in messages):
        needs.add("audio")
        has_unbounded_parts = True
    return Survey(frozenset(needs), image_count, image_bytes, audio_bytes, has_unbounded_parts)


def _parts(messages: Sequence[Message]) -> list[tuple[str, Part]]:
    return [
        (f"messages[{number}].content[{index}]", part)
        for number, message in enumerate(messages)
        if isinstance(message.content, list)
        for index, part in enumerate(message.content)
        if isinstance(part, Part)
    ]


def _image_bytes(part: Part, place: str) -> int:
    """Characters of an inline image; its escaped form in the body is never shorter.

    Data of another kind counts as text: not every upstream bounds what it makes of it.
    """
    if not part.image_url:
        return 0
    try:
        image = _IMAGE.decode(part.image_url)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _wrong_member(f"{place}.image_url", "an object with a string 'url'") from error
    url = image.url if isinstance(image, _ImageUrl) else image
    return len(url) if url is not None and url[:11].lower() == "data:image/" else 0


def _audio_bytes(part: Part, place: str) -> int:
    if not part.input_audio:
        return 0
    try:
        audio = _AUDIO.decode(part.input_audio)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _wrong_member(f"{place}.input_audio", "an object with a string 'data'") from error
    return len(audio.data) if audio is not None and audio.data is not None else 0


def _wrong_member(param: str, expected: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid type for '{param}': expected {expected}.", param=param)


class _Function(msgspec.Struct):
    name: str = ""
    arguments: str = ""


class _ToolCall(msgspec.Struct):
    function: _Function


_MEMBERS: Final = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_TOOL_CALLS: Final = msgspec.json.Decoder(list[_ToolCall])
_TEXT: Final = msgspec.json.Decoder(str)


def prompt_texts(messages: Sequence[Message], raw: msgspec.Raw) -> list[str]:
    """Every text in `messages`, which were read from `raw`: roles, names and calls included."""
    try:
        all_members = _MEMBERS.decode(raw)
    except RecursionError:  # just within the depth we can read when it was parsed, and now not
        return [bytes(raw).decode()]
    texts = []
    for message, members in zip(messages, all_members, strict=True):
        for name, value in members.items():
            if name == "content":
                texts += message.texts()
            elif name != "audio":
                texts += _member_texts(name, value)
    return texts


def _member_texts(name: str, value: msgspec.Raw) -> list[str]:
    try:
        if name == "tool_calls":
            calls = _TOOL_CALLS.decode(value)
            return [
                text for call in calls for text in (call.function.name, call.function.arguments)
            ]
        return [_TEXT.decode(value)]
    except (msgspec.ValidationError, RecursionError):
        return [bytes(value).decode()]  # of another shape: at its length in JSON
