"""Counts are tiktoken's own, whatever the text, without a download."""

import inspect
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters import token_counter
from gateway.adapters.token_counter import TiktokenCounter, encoding_name

NEW = "gpt-4o-mini"
OLD = "gpt-4"
SHARED = TiktokenCounter()  # loads nothing yet


@pytest.fixture
def counter() -> TiktokenCounter:
    return SHARED


@pytest.mark.parametrize(
    ("text", "model", "tokens"),
    [
        # From tiktoken's own tests and the OpenAI cookbook.
        ("", NEW, 0),
        ("hello world", OLD, 2),
        ("tiktoken is great!", OLD, 6),
        ("tiktoken is great!", NEW, 6),
        ("antidisestablishmentarianism", OLD, 6),
        ("antidisestablishmentarianism", NEW, 6),
        ("2 + 2 = 4", NEW, 7),
        ("お誕生日おめでとう", OLD, 9),
        ("お誕生日おめでとう", NEW, 8),
    ],
)
def test_a_known_text_has_its_published_count(
    counter: TiktokenCounter, text: str, model: str, tokens: int
) -> None:
    assert counter.count(text, upstream_model=model) == tokens


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("GPT-3.5-turbo-0125", "cl100k_base"),
        ("gpt-35-turbo", "cl100k_base"),
        ("openai/gpt-4", "cl100k_base"),
        ("text-embedding-3-small", "cl100k_base"),
        ("gpt-4o", "o200k_base"),
        ("gpt-4.1-nano", "o200k_base"),
        ("gpt-5.4", "o200k_base"),
        ("o3", "o200k_base"),
        ("gpt-oss-20b", "o200k_base"),  # o200k_harmony: the same, with more special tokens
        ("text-davinci-003", "o200k_base"),  # p50k_base: withdrawn, and not shipped
        ("claude-sonnet-4-5", "o200k_base"),
        ("", "o200k_base"),
    ],
)
def test_a_model_is_counted_in_its_encoding(model: str, encoding: str) -> None:
    assert encoding_name(model) == encoding


def test_the_patterns_are_those_of_the_installed_tiktoken() -> None:
    published = inspect.getsource(import_module("tiktoken_ext.openai_public"))

    for pattern in token_counter._PATTERN.values():
        for alternative in pattern.split("|[^")[0], pattern.rsplit("+|", maxsplit=1)[1]:
            assert alternative in published
    for digest in token_counter._SHA256.values():
        assert digest in published


@pytest.mark.parametrize("model", [OLD, NEW])
def test_the_text_of_a_special_token_is_plain_text(counter: TiktokenCounter, model: str) -> None:
    assert counter.count("<|endoftext|><|im_start|>", upstream_model=model) > 2


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\udc00\ud800", "\x00", "\ufffe"])
def test_characters_that_are_none_are_counted(counter: TiktokenCounter, text: str) -> None:
    assert counter.count(text, upstream_model=NEW) >= 1


@given(st.text(alphabet=st.characters(codec=None, categories=None), max_size=50))
def test_a_token_is_at_least_a_byte(text: str) -> None:
    size = len(text.encode("utf-8", "surrogatepass"))

    for model in (OLD, NEW):
        assert (0 < SHARED.count(text, upstream_model=model) <= size) or not text


@pytest.mark.parametrize("model", [OLD, NEW])
@pytest.mark.parametrize("unit", [" ", "a", "\n", " \t", "!", "漢", "👩‍", "\u0301"])
def test_a_megabyte_of_one_thing_is_counted(
    counter: TiktokenCounter, model: str, unit: str
) -> None:
    # A million blanks and a letter make tiktoken's regex engine panic if they come in one piece.
    text = unit * (1_000_000 // len(unit.encode())) + "x"

    tokens = counter.count(text, upstream_model=model)

    assert len(text) / 130 < tokens <= 1_000_001


@pytest.mark.parametrize("model", [OLD, NEW])
@pytest.mark.parametrize(
    "unit",
    [
        "The quick brown fox jumps over the lazy dog, doesn't it? ",
        "def f(x):\n    return {'a': [1, 22, 333]}  # twice  the  blanks\n\n\n",
        "Größe  4711 \t— été …\r\n  ",
    ],
)
def test_a_long_text_counts_as_if_it_were_in_one_piece(
    counter: TiktokenCounter, model: str, unit: str
) -> None:
    text = unit * (350_000 // len(unit))
    whole = counter._encoding(encoding_name(model)).encode_ordinary(text)

    assert counter.count(text, upstream_model=model) == len(whole)


def test_an_encoding_is_loaded_once_whoever_asks_first() -> None:
    counter = TiktokenCounter()
    together = Barrier(8)

    def ask(_: int) -> int:
        together.wait()
        return id(counter._encoding("cl100k_base"))

    with ThreadPoolExecutor(8) as pool:
        encodings = set(pool.map(ask, range(8)))

    assert len(encodings) == 1


def test_ranks_that_are_not_the_published_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(token_counter._SHA256, "cl100k_base", "0" * 64)

    with pytest.raises(ValueError, match="cl100k_base"):
        TiktokenCounter().count("hello", upstream_model=OLD)
