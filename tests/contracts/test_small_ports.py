"""The fakes of clock, directory, meter and scorer keep what the ports promise."""

import pytest

from gateway.core.ids import KeyId
from gateway.flow.ports import Caller
from tests.contracts.clock import ClockContract
from tests.contracts.directory import KEYS, DirectoryContract
from tests.contracts.meter import MeterContract
from tests.contracts.scorer import ScorerContract
from tests.fakes import FakeClock
from tests.support.flow_scene import FixedScorer, KeptMeter, KnownDirectory


class TestFakeClock(ClockContract):
    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()


class TestFakeDirectory(DirectoryContract):
    @pytest.fixture
    def directory(self) -> KnownDirectory:
        return KnownDirectory(
            {key: Caller(tenant, KeyId(f"k{at}")) for at, (key, tenant) in enumerate(KEYS.items())}
        )


class TestFakeMeter(MeterContract):
    @pytest.fixture
    def meter(self) -> KeptMeter:
        return KeptMeter()


class TestFakeScorer(ScorerContract):
    @pytest.fixture
    def scorer(self) -> FixedScorer:
        return FixedScorer(0.5)
