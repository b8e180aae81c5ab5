"""The `usage` member of an answer or a chunk: hidden, or given a cost, every other byte kept."""

import re
from typing import Final

import msgspec

from gateway.wire.members import split_members, value_of, with_member, without_member

# What OpenAI ends its chunks with once a stream's usage is asked for. At the end of valid JSON it
# can only be members of the outermost object: cut without parsing, at an eighth
# of the cost.
_NULL_USAGE: Final = b',"usage":null'
_KEY: Final = b'"usage"'
_END: Final = re.compile(rb'(?:,"[a-z_]+":"[A-Za-z0-9]*")*\}')


class _WithUsage(msgspec.Struct):
    usage: msgspec.Raw = msgspec.Raw(b"null")


_USAGE: Final = msgspec.json.Decoder(_WithUsage)


def hide_usage(data: bytes) -> bytes | None:
    """A chunk, read before, without its usage; None for one with nothing else, not to be sent.

    Raises BadJson.
    """
    if b'"usage"' not in data:
        return data
    start = data.find(_NULL_USAGE)
    if start > 0 and _END.fullmatch(data, start + len(_NULL_USAGE)) and data.count(b'"usage"') == 1:
        return data[:start] + data[start + len(_NULL_USAGE) :]
    members = split_members(data)
    usage = value_of(data, members, "usage")
    if usage is None:
        return data
    choices = value_of(data, members, "choices")
    has_choices = choices is not None and choices.strip(b"[] \t\r\n") not in (b"", b"null")
    has_error = value_of(data, members, "error") not in (None, b"null")
    if usage != b"null" and not has_choices and not has_error:
        return None
    return without_member(data, members, "usage")


def with_cost(data: bytes, cost_usd_text: str | None) -> bytes:
    """An answer or chunk whose usage says what it cost, as a JSON number.

    A cost of the upstream's own moves to cost_details.upstream_inference_cost. Without usage, or
    with nothing to say (no price, no cost of theirs), `data` itself. Raises BadJson.
    """
    if b'"usage"' not in data:
        return data
    if (quick := _cost_added(data, cost_usd_text)) is not None:
        return quick
    members = split_members(data)
    usage = value_of(data, members, "usage")
    if usage is None or not usage.startswith(b"{"):
        return data
    changed = _usage_with_cost(usage, cost_usd_text)
    return data if changed is usage else with_member(data, members, "usage", changed)


def _cost_added(data: bytes, cost_usd_text: str | None) -> bytes | None:
    """The usual case at a tenth of the price: one usage, no cost of theirs. None: look closely."""
    key = data.find(_KEY)
    if cost_usd_text is None or data.find(_KEY, key + 1) >= 0:
        return None
    try:
        usage = bytes(_USAGE.decode(data).usage)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    start = data.find(usage, key)
    is_plain = usage.startswith(b"{") and (
        usage.endswith((b'"}', b"}}")) or (usage[-2:-1].isdigit() and usage.endswith(b"}"))
    )
    if b'"cost' in usage or not is_plain or data[key + len(_KEY) : start].strip() != b":":
        return None
    end = start + len(usage) - 1
    return b'%b,"cost":%b}%b' % (data[:end], cost_usd_text.encode(), data[end + 1 :])


def _usage_with_cost(usage: bytes, cost_usd_text: str | None) -> bytes:
    members = split_members(usage)
    cost = b"null" if cost_usd_text is None else cost_usd_text.encode()
    theirs = value_of(usage, members, "cost")
    if theirs in (None, b"null"):
        return usage if cost_usd_text is None else with_member(usage, members, "cost", cost)
    assert theirs is not None
    details = value_of(usage, members, "cost_details")
    if details is None or not details.startswith(b"{"):
        details = b"{}"
    details = with_member(details, split_members(details), "upstream_inference_cost", theirs)
    usage = with_member(usage, members, "cost", cost)
    return with_member(usage, split_members(usage), "cost_details", details)
