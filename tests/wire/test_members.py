import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.members import (
    BadJson,
    read_object,
    split_members,
    value_of,
    with_member,
    without_member,
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@st.composite
def objects(draw: st.DrawFn) -> tuple[bytes, list[tuple[str, str]]]:
    """An object's bytes in any spacing, and its names and raw values; names may occur twice."""
    names = st.sampled_from(["usage", "a", "", 'q"\\'])
    is_ascii = draw(st.booleans())
    members = [
        (name, json.dumps(value, ensure_ascii=is_ascii))
        for name, value in draw(st.lists(st.tuples(names, json_values), max_size=5))
    ]
    space = st.sampled_from(["", " ", "\n\t"])
    text = ",".join(
        f"{draw(space)}{json.dumps(name)}{draw(space)}:{draw(space)}{value}{draw(space)}"
        for name, value in members
    )
    return (draw(space) + "{" + text + "}" + draw(space)).encode(), members


@given(case=objects())
def test_members_are_found_where_they_stand(case: tuple[bytes, list[tuple[str, str]]]) -> None:
    data, expected = case

    members = split_members(data)

    found = [(m.name, data[m.value_start : m.value_end].decode()) for m in members]
    assert found == expected
    assert [json.loads(data[m.key_start : m.value_start].rstrip(b" \n\t:")) for m in members] == [
        name for name, _ in expected
    ]


@given(case=objects(), value=json_values)
def test_a_changed_member_leaves_every_other_value_alone(
    case: tuple[bytes, list[tuple[str, str]]], value: object
) -> None:
    data, before = case
    raw = json.dumps(value)

    changed = with_member(data, split_members(data), "usage", raw.encode())

    after = [
        (m.name, changed[m.value_start : m.value_end].decode()) for m in split_members(changed)
    ]
    added = [] if any(name == "usage" for name, _ in before) else [("usage", raw)]
    assert after == [(name, raw if name == "usage" else old) for name, old in before] + added


@given(case=objects())
def test_a_removed_member_leaves_every_other_value_alone(
    case: tuple[bytes, list[tuple[str, str]]],
) -> None:
    data, before = case

    changed = without_member(data, split_members(data), "usage")

    after = [
        (m.name, changed[m.value_start : m.value_end].decode()) for m in split_members(changed)
    ]
    assert after == [(name, old) for name, old in before if name != "usage"]


def test_the_last_of_two_members_of_one_name_counts() -> None:
    data = b'{"a":1,"a":2}'

    assert value_of(data, split_members(data), "a") == b"2"


def test_a_member_that_is_not_there_has_no_value() -> None:
    assert value_of(b"{}", split_members(b"{}"), "a") is None


def test_lone_surrogates_and_long_numbers_are_let_pass() -> None:
    data = b'{"a":"\\ud83d","b":%s,"c":1e999,"\\ud83d":2}' % (b"9" * 5000)

    names = [member.name for member in split_members(data)]

    assert names == ["a", "b", "c", "\ud83d"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"1",
        b"{}x",
        b'{"a":1}x',
        b'{"a":1',
        b'{"a":1,}',
        b'{"a" 1}',
        b"{a:1}",
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1 "b":2}',
        b'{"a":"\\x"}',
        b'{"a":"\n"}',
        b'{"\\x":1}',
        b'{"a":',
        b'{"a":1,',
        b"\xef\xbb\xbf{}",
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_is_no_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(BadJson):
        split_members(data)
    with pytest.raises(BadJson):
        read_object(data)


@given(data=st.binary(max_size=30) | st.text('{}[]":,\\u0123a ', max_size=30).map(str.encode))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    try:
        members = split_members(data)
    except BadJson:
        return
    assert all(data[member.key_start : member.value_end] for member in members)
