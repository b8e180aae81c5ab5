"""What every Clock promises."""

from datetime import UTC, timedelta

from gateway.flow.ports import Clock


class ClockContract:
    """A subclass gives the fixture `clock`."""

    def test_time_of_day_is_aware_and_utc(self, clock: Clock) -> None:
        now = clock.now()

        assert now.tzinfo is UTC
        assert now.utcoffset() == timedelta(0)

    def test_seconds_never_go_back(self, clock: Clock) -> None:
        read = [clock.monotonic() for _ in range(100)]

        assert read == sorted(read)
