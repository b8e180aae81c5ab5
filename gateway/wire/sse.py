"""Server-sent events as bytes: cut a stream into events, look into one, make one.

What comes out of the splitter is, joined, exactly what went in. Field rules: WHATWG HTML 9.2.6.
"""

import re
from typing import Final

# A line may end in LF, CRLF or CR. An event ends with a blank line: a line end right after another.
# Where lines end in CR alone the event is over at the second CR, without waiting for an LF that
# never comes; else a CR is judged by the byte after it.
_EVENT_END: Final = re.compile(rb"\n\n|\n\r\n|\n\r(?=[^\n])|\r\r")
_BLANK_LINE: Final = re.compile(rb"\n|\r\n|\r(?=[^\n])")
_LOOK_BACK_BYTES: Final = 2  # an end may have begun this many bytes before what is new
_BOM: Final = b"\xef\xbb\xbf"
_NEWLINE: Final = re.compile(rb"\r\n|\n|\r")


class EventTooLarge(ValueError):
    """One event passes the bound."""


class EventSplitter:
    """Cuts a stream, however it is chunked, into blocks: events, each with its blank line.

    Comments and blank lines between events are blocks too, or part of one. The work is linear in
    the bytes fed, whatever the chunking.
    """

    def __init__(self, *, max_event_bytes: int) -> None:
        self._max_event_bytes = max_event_bytes
        self._buffer = bytearray()
        self._scanned = 0
        self._has_cr = False

    def feed(self, data: bytes) -> list[bytes]:
        """The blocks that are now complete. Raises EventTooLarge, but only when it comes first:
        blocks before an event that is too large are handed out, and the next call raises.
        """
        self._buffer += data
        self._has_cr = self._has_cr or b"\r" in data
        blocks: list[bytes] = []
        start = 0
        while (end := self._next_end(start)) is not None and end - start <= self._max_event_bytes:
            blocks.append(bytes(self._buffer[start:end]))
            start = self._scanned = end
        del self._buffer[:start]
        if end is None:
            self._scanned = len(self._buffer)
            self._has_cr = self._has_cr and b"\r" in self._buffer[-_LOOK_BACK_BYTES:]
        else:
            self._scanned = 0
        if not blocks:
            self._check_size(end)
        return blocks

    def close(self) -> bytes:
        """What came after the last complete block. Raises EventTooLarge."""
        self._check_size(None)
        return bytes(self._buffer)

    def _next_end(self, start: int) -> int | None:
        if not self._has_cr:
            if self._buffer.startswith(b"\n", start):
                return start + 1
            found = self._buffer.find(b"\n\n", max(start, self._scanned - _LOOK_BACK_BYTES))
            return found + 2 if found >= 0 else None
        match = _BLANK_LINE.match(self._buffer, start) or _EVENT_END.search(
            self._buffer, max(start, self._scanned - _LOOK_BACK_BYTES)
        )
        return match.end() if match else None

    def _check_size(self, end: int | None) -> None:
        if (len(self._buffer) if end is None else end) > self._max_event_bytes:
            raise EventTooLarge(f"an event passes {self._max_event_bytes} bytes")


def event_data(block: bytes) -> bytes | None:
    """The data of an event, its lines joined by LF; None where it has none, as in a comment."""
    if block.startswith(b"data: ") and b"\r" not in block and block.find(b"\n") == len(block) - 2:
        return block[6:-2]
    lines = [
        line[5:].removeprefix(b" ")
        for line in block.removeprefix(_BOM).splitlines()
        if _is_data(line)
    ]
    return b"\n".join(lines) if lines else None


def is_done(data: bytes) -> bool:
    return data.strip() == b"[DONE]"


def data_event(payload: bytes) -> bytes:
    """A line break in the payload ends a line of data; a reader joins the lines with LF."""
    return b"data: " + _NEWLINE.sub(b"\ndata: ", payload) + b"\n\n"


def with_data(block: bytes, payload: bytes) -> bytes:
    """A complete event with other data; its other lines (event, id, comments) stand before it."""
    kept = [
        line
        for line in block.removeprefix(_BOM).splitlines(keepends=True)
        if line.strip(b"\r\n") and not _is_data(line.rstrip(b"\r\n"))
    ]
    return b"".join(kept) + data_event(payload)


def comment(text: str) -> bytes:
    """A line break in the text begins another comment line. Readers ignore all of it."""
    return b": " + _NEWLINE.sub(b"\n: ", text.encode(errors="replace")) + b"\n\n"


def _is_data(line: bytes) -> bool:
    return line == b"data" or line.startswith(b"data:")
