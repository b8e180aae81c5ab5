"""A prompt's features for routing: its terms (for TF-IDF) and cheap figures about its shape.

Training and serving both read texts through here, so they cannot drift; `FEATURE_SCHEMA` names the
meaning of every figure and is written into each router artefact. Nothing here knows any weight.
"""

import re
import unicodedata
from dataclasses import dataclass
from itertools import pairwise
from math import log1p

from gateway.core.feature_cues import CUE_NAMES, CUES, LANGUAGE_WORDS

# Change it whenever a text could give other terms or figures than before.
FEATURE_SCHEMA = "fareway-features-1"

# Long pasted documents are read at both ends, where the request stands. 4,000 characters cover
# 99.9 % of the training rows whole.
HEAD_CHARS = 2000
TAIL_CHARS = 2000

# Scripts written without spaces: each character is a token, so that bigrams are near-words.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\u0e00-\u0e7f"
# Plain letters first: that branch takes most of a text and costs a third less than the general one.
_TOKEN = re.compile(rf"[a-z]+|#+(?:[.,]#+)*|[\\$^=+*/<>{{}}%?]|[{_UNSPACED}]|[^\W\d_{_UNSPACED}]+")
_DIGITS = str.maketrans("0123456789", "#" * 10)
_CHOICE = re.compile(r"^\(?[A-J][.)] ", re.MULTILINE)
_LIST_ITEM = re.compile(r"^\s{0,8}(?:[-*•]|\d{1,2}[.)])\s", re.MULTILINE)
_UPPER = re.compile(r"[A-Z][a-z]")
_UNSPACED_CHARACTER = re.compile(rf"[{_UNSPACED}]")
_LATEX = re.compile(r"\\[a-zA-Z]+|\$[^$\n]{1,80}\$")
_SUM = re.compile(r"\d\s*[-+*/x\u00d7\u00f7^]\s*\d")
# Counted as plain text: twelve counts cost a thirtieth of one regular expression for the same.
_CODE_MARKS = (
    *("```", "def ", "import ", "return ", "();", ");\n", "{\n"),
    *("=>", "</", "#include", "SELECT ", "Traceback"),
)
_SENTENCE_ENDS = (". ", "? ", "! ", ".\n", "?\n", *"\u3002\uff01\uff1f")

_LENGTH_MAX = 8000  # no training row is longer; beyond it length tells nothing we learnt
_SHORT_WORDS = 4  # "thanks!", "What is 2+2?"
_MIDDLING_WORDS = 12
_LONG_WORDS = 80

# What a figure above and below the usual is called, for a decision's reasons.
_SHAPE_NAMES: tuple[tuple[str, str], ...] = (
    ("a long text", "a short text"),
    ("many words", "few words"),
    ("long words", "short words"),
    ("many lines", "few lines"),
    ("many sentences", "few sentences"),
    ("hardly any words", "more than a few words"),
    ("one short sentence", "more than one short sentence"),
    ("more than a paragraph", "at most a paragraph"),
    ("several questions", "no question mark"),
    ("exclamations", "no exclamation"),
    ("many commas", "few commas"),
    ("colons and semicolons", "no colons"),
    ("brackets", "no brackets"),
    ("quotes", "no quotes"),
    ("currency or LaTeX marks", "no currency or LaTeX marks"),
    ("equals signs", "no equals signs"),
    ("many capitals", "few capitals"),
    ("characters beyond ASCII", "plain ASCII"),
    ("a script without spaces", "words with spaces"),
    ("many numbers", "few numbers"),
    ("long numbers", "short numbers"),
    ("decimal numbers", "no decimal numbers"),
    ("answer options to choose from", "no answer options"),
    ("list items", "no list"),
    ("code", "no code"),
    ("LaTeX", "no LaTeX"),
    ("a written-out sum", "no written-out sum"),
    ("varied words", "repeated words"),
    ("a language other than English", "English"),
)
FEATURE_NAMES: tuple[tuple[str, str], ...] = (
    *_SHAPE_NAMES,
    *((f"asks for {name}", f"no {name}") for name in CUE_NAMES),
    *((f"opens with {name}", f"does not open with {name}") for name in CUE_NAMES),
)
"""One entry a figure: its name where the figure is above the usual, and below."""

_CUE_COUNT = len(CUE_NAMES)


@dataclass(frozen=True, slots=True)
class TextFeatures:
    """`terms`: words and word pairs in order, repeats kept. `figures`: one per FEATURE_NAMES."""

    terms: list[str]
    figures: list[float]


def extract(text: str) -> TextFeatures:
    """The features of any text: never raises, and costs no more for a megabyte than for 4 kB."""
    readable = normalise(text)
    tokens = tokenise(readable)
    pairs = [f"{first} {second}" for first, second in pairwise(tokens)]
    figures = _shape(readable, tokens, full_length=len(text))
    figures += _cue_figures(tokens, pairs)
    return TextFeatures(terms=tokens + pairs, figures=figures)


def cap(text: str) -> str:
    """Head and tail of a long text, on lines of their own."""
    if len(text) <= HEAD_CHARS + TAIL_CHARS:
        return text
    return f"{text[:HEAD_CHARS]}\n{text[-TAIL_CHARS:]}"


def normalise(text: str) -> str:
    """The capped text, accents composed, without null bytes and lone surrogates."""
    capped = cap(text)
    if not capped.isascii():
        whole = capped.encode("utf-8", "replace").decode("utf-8")
        # Composing may lengthen a text threefold, hence the second cap.
        capped = cap(unicodedata.normalize("NFC", whole)).replace("\u2019", "'")
    return capped.replace("\0", " ")


def tokenise(readable: str) -> list[str]:
    """Lower-case words, numbers by their shape ('##.#'), and the marks that tell code and maths."""
    return _TOKEN.findall(readable.lower().translate(_DIGITS))


def _shape(readable: str, tokens: list[str], *, full_length: int) -> list[float]:
    count = readable.count
    words = len(tokens)
    numbers = [token for token in tokens if token[0] == "#"]
    unspaced = 0 if readable.isascii() else len(_UNSPACED_CHARACTER.findall(readable))
    return [
        log1p(min(full_length, _LENGTH_MAX)),
        log1p(words),
        min(len(readable) / (words + 1), 12.0),
        log1p(count("\n")),
        log1p(sum(map(count, _SENTENCE_ENDS))),
        float(words <= _SHORT_WORDS),
        float(words <= _MIDDLING_WORDS),
        float(words > _LONG_WORDS),
        log1p(count("?")),
        log1p(count("!")),
        log1p(count(",")),
        log1p(count(":") + count(";")),
        log1p(count("(") + count("[") + count("{")),
        log1p(count('"') + count("“")),
        log1p(count("$")),
        log1p(count("=")),
        log1p(len(_UPPER.findall(readable))),
        0.0 if readable.isascii() else _share_beyond_ascii(readable),
        unspaced / (len(readable) + 1),
        log1p(len(numbers)),
        float(min(max(map(len, numbers), default=0), 12)),
        float(any("." in number for number in numbers)),
        log1p(len(_CHOICE.findall(readable))),
        log1p(len(_LIST_ITEM.findall(readable))),
        log1p(sum(map(count, _CODE_MARKS))),
        log1p(len(_LATEX.findall(readable))),
        log1p(len(_SUM.findall(readable))),
        len(set(tokens)) / (words + 1),
        _foreign_share(tokens),
    ]


def _share_beyond_ascii(readable: str) -> float:
    return (len(readable.encode("utf-8", "replace")) - len(readable)) / (len(readable) + 1)


def _foreign_share(tokens: list[str]) -> float:
    """Share of tokens that are everyday words of another language, by a short list."""
    return len([1 for token in tokens if token in LANGUAGE_WORDS]) / (len(tokens) + 1)


_DAMPED = tuple(log1p(count) for count in range(21))
_OPENING_TOKENS = 3  # "could you translate", "please explain"


def _cue_figures(tokens: list[str], pairs: list[str]) -> list[float]:
    """How often each kind of cue occurs (damped), and which kinds the first words hold."""
    cues = CUES  # a local is read faster, some hundred times a text
    counts = [0] * _CUE_COUNT
    for kind in [cues[term] for term in tokens if term in cues]:
        counts[kind] += 1
    for kind in [cues[term] for term in pairs if term in cues]:
        counts[kind] += 1
    opening = [0.0] * _CUE_COUNT
    for term in tokens[:_OPENING_TOKENS] + pairs[:_OPENING_TOKENS]:
        if term in cues:
            opening[cues[term]] = 1.0
    return [_DAMPED[min(count, 20)] for count in counts] + opening
