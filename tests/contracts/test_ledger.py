"""The fake keeps the ledger's promises; tests/adapters/test_sql_ledger.py holds the real one."""

import pytest

from tests.contracts.ledger import LedgerContract
from tests.fakes import FakeLedger


class TestFakeLedger(LedgerContract):
    @pytest.fixture
    def ledger(self) -> FakeLedger:
        return FakeLedger()
