"""Keys as HMACs: each finds its tenant, none can be read back."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.key_directory import KeyDirectory, TenantKey, pseudonym
from tests.contracts.directory import ACME, KEYS, KNOWN, OTHER, DirectoryContract

SECRET = b"a secret of the gateway"
# What a header's bytes can become: text, and escaped bytes that are no UTF-8.
KEY_TEXT = st.binary(max_size=40).map(lambda sent: sent.decode("utf-8", "surrogateescape"))
USER_TEXT = st.text(st.characters(exclude_categories=[]), max_size=40)


def directory_of(*keys: TenantKey, secret: bytes = SECRET) -> KeyDirectory:
    return KeyDirectory(keys, secret=secret)


class TestKeyDirectory(DirectoryContract):
    @pytest.fixture
    def directory(self) -> KeyDirectory:
        return directory_of(*(TenantKey(tenant, key) for key, tenant in KEYS.items()))


def key_id(directory: KeyDirectory, key: str = KNOWN) -> str:
    caller = directory.find(key)
    assert caller is not None
    return caller.key_id


def test_a_key_is_named_as_configured() -> None:
    assert key_id(directory_of(TenantKey(ACME, KNOWN, id="ci"))) == "ci"


def test_a_key_without_a_name_is_named_after_its_digest_and_stays_so() -> None:
    name = key_id(directory_of(TenantKey(ACME, KNOWN)))

    assert name.startswith("key_")
    assert len(name) == len("key_") + 12
    assert name == key_id(directory_of(TenantKey(OTHER, "another"), TenantKey(ACME, KNOWN)))


def test_a_keys_name_tells_nothing_without_the_secret() -> None:
    one = key_id(directory_of(TenantKey(ACME, KNOWN)))
    other = key_id(directory_of(TenantKey(ACME, KNOWN), secret=b"another secret"))

    assert one != other


def test_no_key_stands_in_what_is_held() -> None:
    directory = directory_of(TenantKey(ACME, KNOWN))

    assert KNOWN.encode() not in pickle.dumps(directory._callers)


def test_no_key_is_printed() -> None:
    assert KNOWN not in repr(TenantKey(ACME, KNOWN))


def test_the_tenant_is_the_one_the_key_was_given_to() -> None:
    directory = directory_of(TenantKey(ACME, "one"), TenantKey(OTHER, "two"))

    caller = directory.find("two")
    assert caller is not None
    assert caller.tenant is OTHER


@given(KEY_TEXT)
def test_any_text_may_be_looked_up(key: str) -> None:
    assert directory_of(TenantKey(ACME, KNOWN)).find(key) is None


@given(USER_TEXT)
def test_an_end_users_pseudonym_is_32_hex_digits_and_stable(user: str) -> None:
    name = pseudonym(user, secret=SECRET)

    assert len(name) == 32
    assert set(name) <= set("0123456789abcdef")
    assert name == pseudonym(user, secret=SECRET)


def test_a_pseudonym_depends_on_the_secret_and_on_the_user() -> None:
    names = {pseudonym(user, secret=secret) for user in ("alice", "bob") for secret in (b"1", b"2")}

    assert len(names) == 4


def test_a_pseudonym_is_no_keys_digest() -> None:
    directory = directory_of(TenantKey(ACME, "alice"))

    assert pseudonym("alice", secret=SECRET)[:12] != key_id(directory, "alice").removeprefix("key_")
