"""Budget windows follow the calendar of their time zone, without gap or overlap."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.budget import Window, window_bounds

CALENDAR = ("day", "week", "month", "year")
WINDOWS = ("minute", "hour", *CALENDAR)
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Havana",  # clocks go back from 01:00 to midnight: it comes twice
    "Africa/Cairo",  # midnight is skipped in spring
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",  # half an hour of summer time
    "Pacific/Kiritimati",
    "Pacific/Apia",
    "America/St_Johns",
)
# From the first release on; what clocks did before, a running gateway never meets.
FIRST_RELEASE = datetime(2026, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 150 * 365 * 86_400).map(lambda s: FIRST_RELEASE + timedelta(seconds=s))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def bounds(window: str, now: str, zone: str) -> tuple[datetime, datetime]:
    return ended(window_bounds(window, now=at(now), timezone=zone))


def ended(window: Window) -> tuple[datetime, datetime]:
    assert window.start is not None
    assert window.end is not None
    return window.start, window.end


@given(st.sampled_from(WINDOWS), MOMENTS, st.sampled_from(ZONES))
@example("day", at("2026-11-01T05:00"), "America/Havana")  # the second midnight
@example("day", at("2027-04-29T22:00"), "Africa/Cairo")  # the moment the clocks skip midnight
def test_a_window_contains_the_moment_it_is_asked_for(
    window: str, now: datetime, zone: str
) -> None:
    start, end = ended(window_bounds(window, now=now, timezone=zone))

    assert start <= now < end


@given(st.sampled_from(WINDOWS), MOMENTS, st.sampled_from(ZONES))
def test_the_next_window_starts_where_this_one_ends(window: str, now: datetime, zone: str) -> None:
    _, end = ended(window_bounds(window, now=now, timezone=zone))

    following, _ = ended(window_bounds(window, now=end, timezone=zone))

    assert following == end


@given(st.sampled_from(WINDOWS), MOMENTS, st.sampled_from(ZONES))
def test_every_moment_of_a_window_has_the_same_bounds(
    window: str, now: datetime, zone: str
) -> None:
    found = window_bounds(window, now=now, timezone=zone)
    start, end = ended(found)

    assert window_bounds(window, now=start, timezone=zone) == found
    assert window_bounds(window, now=end - timedelta(microseconds=1), timezone=zone) == found


@given(st.sampled_from(CALENDAR), MOMENTS, st.sampled_from(ZONES))
def test_now_may_be_told_in_any_time_zone(window: str, now: datetime, zone: str) -> None:
    elsewhere = now.astimezone(ZoneInfo("Asia/Tokyo"))

    assert window_bounds(window, now=elsewhere, timezone=zone) == window_bounds(
        window, now=now, timezone=zone
    )


@pytest.mark.parametrize(
    ("window", "start", "end"),
    [
        ("minute", "2026-11-04T15:42", "2026-11-04T15:43"),
        ("hour", "2026-11-04T15:00", "2026-11-04T16:00"),
        ("day", "2026-11-04T00:00", "2026-11-05T00:00"),
        ("week", "2026-11-02T00:00", "2026-11-09T00:00"),  # a Monday
        ("month", "2026-11-01T00:00", "2026-12-01T00:00"),
        ("year", "2026-01-01T00:00", "2027-01-01T00:00"),
    ],
)
def test_windows_are_cut_at_the_calendars_own_marks(window: str, start: str, end: str) -> None:
    assert bounds(window, "2026-11-04T15:42:17.5", "UTC") == (at(start), at(end))


def test_total_never_begins_and_never_ends() -> None:
    assert window_bounds("total", now=at("2026-11-04T00:00"), timezone="UTC") == Window(None, None)


@pytest.mark.parametrize(
    ("now", "zone", "hours"),
    [
        ("2026-03-29T12:00", "Europe/Berlin", 23),
        ("2026-10-25T12:00", "Europe/Berlin", 25),
        ("2026-03-08T12:00", "America/New_York", 23),
        ("2026-11-01T12:00", "America/New_York", 25),
        ("2018-11-04T12:00", "America/Sao_Paulo", 23),  # midnight is skipped
        ("2018-02-17T12:00", "America/Sao_Paulo", 25),  # 23:00 comes twice
        ("2026-04-24T12:00", "Africa/Cairo", 23),  # midnight is skipped
        ("2026-10-29T12:00", "Africa/Cairo", 25),
        ("2026-03-08T12:00", "America/Havana", 23),  # midnight is skipped
        ("2026-11-01T12:00", "America/Havana", 25),  # midnight comes twice
        ("2026-04-05T00:00", "Australia/Lord_Howe", 24.5),
        ("2026-06-01T12:00", "Europe/Berlin", 24),
    ],
)
def test_a_day_on_which_clocks_change_is_as_long_as_it_is(
    now: str, zone: str, hours: float
) -> None:
    start, end = bounds("day", now, zone)

    assert end - start == timedelta(hours=hours)


def test_a_day_without_a_midnight_begins_when_the_clocks_change() -> None:
    # Sao Paulo went from 23:59:59 -03 on the 3rd to 01:00 -02 on the 4th, at 03:00 UTC
    start, _ = bounds("day", "2018-11-04T12:00", "America/Sao_Paulo")

    assert start == at("2018-11-04T03:00")


def test_a_day_that_never_was_leaves_no_gap() -> None:
    # Samoa went from 2011-12-29 24:00 -10 to 2011-12-31 00:00 +14, at 10:00 UTC on the 30th
    _, end = bounds("day", "2011-12-29T12:00", "Pacific/Apia")
    start, _ = bounds("day", "2011-12-31T00:00", "Pacific/Apia")

    assert end == start == at("2011-12-30T10:00")


def test_hours_are_never_two_hours_long_when_clocks_go_back() -> None:
    moments = [at("2026-10-25T00:30") + timedelta(hours=hour) for hour in range(4)]

    starts = [window_bounds("hour", now=now, timezone="Europe/Berlin").start for now in moments]

    assert [b - a for a, b in pairwise(filter(None, starts))] == [timedelta(hours=1)] * 3


@pytest.mark.parametrize(
    ("now", "zone", "start"),
    [
        ("2026-11-30T23:30", "UTC", "2026-11-01T00:00"),
        ("2026-11-30T23:30", "Europe/Berlin", "2026-11-30T23:00"),  # December there
        ("2026-12-01T04:30", "America/New_York", "2026-11-01T04:00"),  # still November there
        ("2026-11-30T10:00", "Pacific/Kiritimati", "2026-11-30T10:00"),
    ],
)
def test_a_month_begins_at_its_own_zones_midnight(now: str, zone: str, start: str) -> None:
    found, _ = bounds("month", now, zone)

    assert found == at(start)


@pytest.mark.parametrize(
    ("window", "now", "days"),
    [
        ("month", "2028-02-29T12:00", 29),
        ("month", "2026-02-28T12:00", 28),
        ("month", "2100-02-28T12:00", 28),  # no leap year
        ("month", "2026-12-31T12:00", 31),
        ("month", "2027-01-31T12:00", 31),
        ("year", "2028-02-29T12:00", 366),
        ("year", "2026-12-31T12:00", 365),
        ("week", "2028-02-29T12:00", 7),
    ],
)
def test_leap_days_belong_to_their_month_and_year(window: str, now: str, days: int) -> None:
    start, end = bounds(window, now, "UTC")

    assert end - start == timedelta(days=days)


@pytest.mark.parametrize("window", WINDOWS)
def test_a_window_that_passes_the_calendars_last_year_is_an_overflow(window: str) -> None:
    with pytest.raises(OverflowError):
        window_bounds(window, now=at("9999-12-31T23:59:30"), timezone="UTC")


@pytest.mark.parametrize("window", ["", "fortnight", "Day", "days"])
def test_what_is_no_window_is_refused(window: str) -> None:
    with pytest.raises(ValueError, match="is no budget window"):
        window_bounds(window, now=at("2026-11-04T00:00"), timezone="UTC")
