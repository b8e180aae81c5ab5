"""What every Directory promises, of one that knows KEYS alone."""

import pytest

from gateway.core.catalog import Tenant
from gateway.core.ids import OrganisationId, TenantId
from gateway.flow.ports import Directory

ACME = Tenant(TenantId("acme"), OrganisationId("org"))
OTHER = Tenant(TenantId("other"), OrganisationId("org"))
KEYS = {
    "key-of-acme-0123456789": ACME,
    "a key with  spaces": ACME,
    "schl\u00fcssel-des-anderen": OTHER,
    "raw-\udcff-bytes": OTHER,  # a header's byte that is no UTF-8
}
KNOWN = "key-of-acme-0123456789"


class DirectoryContract:
    """A subclass gives the fixture `directory`, which knows KEYS."""

    @pytest.mark.parametrize("key", KEYS)
    def test_key_is_found_with_its_tenant(self, directory: Directory, key: str) -> None:
        caller = directory.find(key)

        assert caller is not None
        assert caller.tenant == KEYS[key]

    @pytest.mark.parametrize(
        "key",
        ["", " ", KNOWN[:-1], KNOWN + "x", f" {KNOWN}", f"{KNOWN} ", KNOWN.upper(), "\0", "\udc80"],
    )
    def test_what_is_not_the_whole_key_is_nobodys(self, directory: Directory, key: str) -> None:
        assert directory.find(key) is None

    def test_key_has_one_id_however_often_it_is_looked_up(self, directory: Directory) -> None:
        first, second = directory.find(KNOWN), directory.find(KNOWN)

        assert first is not None
        assert first == second

    def test_keys_of_one_tenant_are_told_apart(self, directory: Directory) -> None:
        first, second = directory.find(KNOWN), directory.find("a key with  spaces")

        assert first is not None
        assert second is not None
        assert first.key_id != second.key_id
