"""The machine's own clock keeps what the port promises."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.adapters.clock import SystemClock
from tests.contracts.clock import ClockContract


class TestSystemClock(ClockContract):
    @pytest.fixture
    def clock(self) -> SystemClock:
        return SystemClock()


def test_the_time_is_now() -> None:
    before = datetime.now(UTC)

    now = SystemClock().now()

    assert before <= now <= datetime.now(UTC) + timedelta(seconds=1)


def test_seconds_pass_with_the_machines() -> None:
    clock = SystemClock()
    first = clock.monotonic()

    while clock.monotonic() == first:
        pass

    assert clock.monotonic() > first
