"""Chunks of a streamed answer: read for the bill, and changed where ours must differ."""

from gateway.wire.choices import Reply as Chunk
from gateway.wire.choices import read_reply
from gateway.wire.members import BadJson
from gateway.wire.usage_member import hide_usage, with_cost

__all__ = ["BadChunk", "Chunk", "hide_usage", "read_chunk", "with_cost"]


class BadChunk(ValueError):
    """The data of an event that is no JSON object."""


def read_chunk(data: bytes) -> Chunk:
    """Raises BadChunk; whatever else is odd in a chunk counts as absent."""
    try:
        return read_reply(data)
    except BadJson as error:
        raise BadChunk(str(error)) from error
