"""Names for the ids that travel through the gateway, and how a request id is made."""

from typing import NewType

RequestId = NewType("RequestId", str)
TenantId = NewType("TenantId", str)
OrganisationId = NewType("OrganisationId", str)
KeyId = NewType("KeyId", str)

_VERSION_7 = 0x7 << 76
_VARIANT_RFC = 0b10 << 62
_RAND_A_MASK = 0xFFF << 64
_RAND_B_MASK = (1 << 62) - 1


def request_id(*, unix_ms: int, random_bits: int) -> RequestId:
    """A UUIDv7 (RFC 9562, section 5.7) in its usual text form.

    `random_bits` is a whole number of at least 76 random bits; time and randomness are handed in.
    """
    value = (
        (unix_ms & ((1 << 48) - 1)) << 80
        | _VERSION_7
        | (random_bits & _RAND_A_MASK)
        | _VARIANT_RFC
        | (random_bits & _RAND_B_MASK)
    )
    text = f"{value:032x}"
    return RequestId(f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")
