import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.features import FEATURE_NAMES, HEAD_CHARS, TAIL_CHARS, extract

# Lone surrogates included: JSON may hold them.
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=300)


@given(ANY_TEXT)
def test_any_text_gives_one_finite_figure_a_name(text: str) -> None:
    figures = extract(text).figures

    assert len(figures) == len(FEATURE_NAMES)
    assert all(math.isfinite(figure) for figure in figures)


@given(ANY_TEXT)
def test_terms_can_always_be_written_as_utf8(text: str) -> None:
    terms = extract(text).terms

    assert [term.encode().decode() for term in terms] == terms


@pytest.mark.parametrize(
    "text", ["", "\0", "\ud800", " \n\t", "\ufdfa" * 5000, "\U0001d538" * 5000]
)
def test_degenerate_texts_are_read(text: str) -> None:
    assert len(extract(text).figures) == len(FEATURE_NAMES)


def test_middle_of_a_long_text_adds_no_terms() -> None:
    head, tail = "first " * HEAD_CHARS, " last" * TAIL_CHARS

    found = extract(head + "hidden " * 100_000 + tail).terms

    assert "first" in found
    assert "last" in found
    assert "hidden" not in found


def test_a_megabyte_gives_no_more_terms_than_the_caps_allow() -> None:
    assert len(extract("a b " * 250_000).terms) <= 2 * (HEAD_CHARS + TAIL_CHARS)


def test_terms_are_lower_case_words_then_pairs_of_neighbours() -> None:
    assert extract("Write a Poem").terms == ["write", "a", "poem", "write a", "a poem"]


def test_numbers_are_known_by_their_shape() -> None:
    assert extract("12 and 3.5").terms == ["##", "and", "#.#", "## and", "and #.#"]


def test_scripts_without_spaces_are_read_by_character() -> None:
    assert extract("商业").terms == ["商", "业", "商 业"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Write a business plan for a bakery", "asks for a plan or strategy"),
        ("Beweise den Satz", "opens with a proof or derivation"),
        ("请证明这个结论", "asks for a proof or derivation"),
        ("Research the market and cite sources", "asks for sources"),
        ("What is 2 + 2?", "a written-out sum"),
        ("```\nx = 1\n```", "code"),
        ("Pick one.\nA. yes\nB. no", "answer options to choose from"),
        ("¿Dónde está la biblioteca del pueblo?", "a language other than English"),
        ("Let $x^2$ be even", "LaTeX"),
    ],
)
def test_what_a_prompt_asks_for_shows_in_its_figure(text: str, name: str) -> None:
    place = [above for above, _ in FEATURE_NAMES].index(name)

    assert extract(text).figures[place] > 0
    assert extract("thanks").figures[place] == 0


def test_names_are_distinct() -> None:
    assert len({above for above, _ in FEATURE_NAMES}) == len(FEATURE_NAMES)
