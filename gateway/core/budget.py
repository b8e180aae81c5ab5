"""The calendar windows that budgets renew in. Reservation and enforcement are built on these."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Window:
    """From `start`, which belongs to it, to `end`, which does not; UTC. None: without bound."""

    start: datetime | None
    end: datetime | None


def window_bounds(window: str, *, now: datetime, timezone: str) -> Window:
    """The window of that kind which `now` (aware) falls in, cut at local midnight where it is a day
    or longer. A day on which the clocks change is 23 or 25 hours long. Weeks begin on Monday.

    Minutes and hours are cut in UTC, so that none is twice as long when the clocks go back.
    Raises ValueError for a window that is none, OverflowError where one passes the year 9999.
    """
    if window == "total":
        return Window(None, None)
    if window in {"minute", "hour"}:
        start = now.astimezone(UTC).replace(second=0, microsecond=0)
        if window == "hour":
            start = start.replace(minute=0)
        return Window(start, start + timedelta(**{f"{window}s": 1}))
    zone = ZoneInfo(timezone)
    today = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    first, following = _days(window, today)
    return Window(_utc(first, zone), _utc(following, zone))


def _days(window: str, today: datetime) -> tuple[datetime, datetime]:
    """First day of the window and of the next one, as naive local midnights."""
    if window == "day":
        return today, today + timedelta(days=1)
    if window == "week":
        first = today - timedelta(days=today.weekday())
        return first, first + timedelta(days=7)
    if window == "month":
        first = today.replace(day=1)
        return first, (first + timedelta(days=32)).replace(day=1)
    if window == "year":
        first = today.replace(month=1, day=1)
        return first, (first + timedelta(days=366)).replace(day=1)
    raise ValueError(f"{window!r} is no budget window")


def _utc(local: datetime, zone: ZoneInfo) -> datetime:
    """A local midnight in UTC; where it is skipped by a clock change, the moment after the gap."""
    return local.replace(tzinfo=zone).astimezone(UTC)
