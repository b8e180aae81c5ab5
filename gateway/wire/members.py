"""Where the members of a JSON object lie in its bytes, so one can be changed and the rest kept.

Values are never re-encoded here. What a member means is left to the modules that name it.
"""

import json
import re
from collections.abc import Mapping
from typing import Final, NamedTuple, Never

import msgspec

_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SPACE: Final = re.compile(rb"[ \t\n\r]*")
_KEY: Final = re.compile(
    rb'[ \t\n\r]*("[^"\\]*(?:\\.[^"\\]*)*")[ \t\n\r]*:[ \t\n\r]*', flags=re.DOTALL
)


class BadJson(ValueError):
    """Bytes that are no JSON object. The message never quotes them."""


class Member(NamedTuple):
    """One member of an object: `data[key_start:value_end]` is all of it, without commas."""

    name: str
    key_start: int
    value_start: int
    value_end: int


def read_object(data: bytes | msgspec.Raw) -> dict[str, msgspec.Raw]:
    """Names and raw values; of names that occur twice the last value. Raises BadJson."""
    try:
        return _OBJECT.decode(data)
    except msgspec.ValidationError as error:
        raise BadJson("expected a JSON object") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadJson(str(error)) from error
    except RecursionError as error:
        raise BadJson("JSON is nested too deep") from error


def has_duplicate_names(data: bytes, values: Mapping[str, msgspec.Raw]) -> bool:
    """Whether the object `data`, which was read into `values`, names a member twice. Exact."""
    least_bytes = 1 + 4 * len(values) + sum(map(len, values)) + sum(map(len, values.values()))
    if len(data) == least_bytes:
        # Quotes, colons, commas and braces of each name once leave no room for another member.
        return False
    return bool(values) and _locate(data, values) is None


def split_members(data: bytes) -> list[Member]:
    """The members of a JSON object in their order, names that occur twice included.

    Lone surrogates, which some upstreams send where a token ends inside a character, are let pass.
    Raises BadJson.
    """
    try:
        members = _locate(data, read_object(data))
    except BadJson:
        members = None
    return _scan(data) if members is None else members


def value_of(data: bytes, members: list[Member], name: str) -> bytes | None:
    """The value of the last member of that name, which is the one most readers take."""
    for member in reversed(members):
        if member.name == name:
            return data[member.value_start : member.value_end]
    return None


def with_member(data: bytes, members: list[Member], name: str, value: bytes) -> bytes:
    """`data` with that value in place of the member's, or with the member added as the last."""
    pieces: list[bytes] = []
    position = 0
    for member in members:
        if member.name == name:
            pieces += (data[position : member.value_start], value)
            position = member.value_end
    if not pieces:
        position = members[-1].value_end if members else data.index(b"{") + 1
        comma = b"," if members else b""
        pieces += (data[:position], comma, msgspec.json.encode(name), b":", value)
    pieces.append(data[position:])
    return b"".join(pieces)


def without_member(data: bytes, members: list[Member], name: str) -> bytes:
    """`data` without the member and the comma that parted it from the others."""
    pieces: list[bytes] = []
    position = 0
    has_kept = False
    for number, member in enumerate(members, start=1):
        if member.name != name:
            has_kept = True
        elif has_kept or number == len(members):
            kept_end = (
                data.rindex(b",", position, member.key_start) if has_kept else member.key_start
            )
            pieces.append(data[position:kept_end])
            position = member.value_end
        else:
            pieces.append(data[position : member.key_start])
            position = members[number].key_start
    pieces.append(data[position:])
    return b"".join(pieces)


def _locate(data: bytes, values: Mapping[str, msgspec.Raw]) -> list[Member] | None:
    """Walk along values whose lengths are known. None where a name occurs twice: then an early
    value is not the one kept, or a member is left over.
    """
    members = []
    position = data.index(b"{") + 1
    for name, raw in values.items():
        key = _KEY.match(data, position)
        if key is None or msgspec.json.decode(key[1]) != name:
            return None
        end = key.end() + len(raw)
        if not data.startswith(bytes(raw), key.end()):
            return None
        members.append(Member(name, key.start(1), key.end(), end))
        position = _after_space(data, end) + 1
        if data[position - 1] not in b",}":
            return None  # a longer number that begins with the one kept
    if members and data[position - 1] != ord("}"):
        return None
    return members


def _scan(data: bytes) -> list[Member]:
    # As latin-1 one byte is one character, and all that holds JSON together is ASCII.
    text = data.decode("latin-1")
    try:
        return list(_scanned(data, text))
    except (ValueError, IndexError) as error:
        raise BadJson("JSON is malformed") from error
    except RecursionError as error:
        raise BadJson("JSON is nested too deep") from error


def _scanned(data: bytes, text: str) -> list[Member]:
    members: list[Member] = []
    position = _after_space(data, 0)
    _expect(data, position, b"{")
    if data[_after_space(data, position + 1)] == ord("}"):
        position = _after_space(data, position + 1)
    else:
        while not members or data[position] == ord(","):
            key = _KEY.match(data, position + 1)
            if key is None:
                raise BadJson("JSON is malformed")
            end = LENIENT.raw_decode(text, key.end())[1]
            name = LENIENT.decode(text[key.start(1) : key.end(1)])
            members.append(Member(name, key.start(1), key.end(), end))
            position = _after_space(data, end)
    _expect(data, position, b"}")
    if _after_space(data, position + 1) != len(data):
        raise BadJson("JSON is malformed: trailing characters")
    return members


def _after_space(data: bytes, position: int) -> int:
    match = _SPACE.match(data, position)
    assert match is not None  # an empty run matches too
    return match.end()


def _expect(data: bytes, position: int, character: bytes) -> None:
    if data[position : position + 1] != character:
        raise BadJson("expected a JSON object")


def _refuse_constant(name: str) -> Never:
    raise BadJson(f"JSON knows no {name}")


def _read_whole(digits: str) -> int | float:
    # Python refuses to read very long integers; as a float they are merely out of range.
    return int(digits) if len(digits) < 20 else float(digits)  # noqa: PLR2004 (above 64 bits)


LENIENT: Final = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_read_whole)
"""The standard library's decoder without NaN: slower, and the one that lets surrogates pass."""
