"""A request id is a UUIDv7: it sorts by time, and nothing but time and the random bits is in it."""

from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.ids import request_id

MILLISECONDS = st.integers(0, 2**48 - 1)
RANDOM_BITS = st.integers(0, 2**76 - 1)


@given(MILLISECONDS, RANDOM_BITS)
def test_an_id_is_a_uuid_of_version_7_in_its_usual_text(unix_ms: int, random_bits: int) -> None:
    identity = request_id(unix_ms=unix_ms, random_bits=random_bits)

    parsed = UUID(identity)
    assert (parsed.version, parsed.variant) == (7, RFC_4122)
    assert str(parsed) == identity


@given(MILLISECONDS, RANDOM_BITS)
def test_the_first_48_bits_are_the_time(unix_ms: int, random_bits: int) -> None:
    identity = request_id(unix_ms=unix_ms, random_bits=random_bits)

    assert UUID(identity).int >> 80 == unix_ms


@given(MILLISECONDS, MILLISECONDS, RANDOM_BITS, RANDOM_BITS)
def test_ids_sort_as_text_by_the_time_they_were_made(
    first_ms: int, second_ms: int, first_bits: int, second_bits: int
) -> None:
    first = request_id(unix_ms=first_ms, random_bits=first_bits)
    second = request_id(unix_ms=second_ms, random_bits=second_bits)

    if first_ms != second_ms:
        assert (first < second) == (first_ms < second_ms)


@given(st.integers(0, 73))
def test_each_of_74_random_bits_makes_another_id(position: int) -> None:
    # RFC 9562, section 5.7: 12 bits rand_a and 62 bits rand_b; the variant's two lie between them
    bit = 1 << (position if position < 62 else position + 2)

    assert request_id(unix_ms=1, random_bits=bit) != request_id(unix_ms=1, random_bits=0)


def test_the_rfcs_own_example_comes_out() -> None:
    # RFC 9562, appendix A.6: 2022-02-22 19:22:22 UTC, rand_a 0xCC3, rand_b 0x18C4DC0C0C07398F
    identity = request_id(unix_ms=0x017F22E279B0, random_bits=0xCC3 << 64 | 0x18C4DC0C0C07398F)

    assert identity == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
