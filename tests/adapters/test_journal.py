"""The journal's files: what survives a crash, a full disk, a failed fsync."""

import asyncio
import os
import resource
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest
from structlog.testing import capture_logs

from gateway.adapters.journal import Durability, Journal
from gateway.adapters.journal_records import frame
from gateway.core.errors import ConfigError, StoreUnavailable
from gateway.core.record import LedgerRow
from tests.support.ledger_rows import settled

RECORD_BYTES = len(frame(settled()))


@contextmanager
def open_journal(
    directory: Path, *, durability: Durability = Durability.WRITE, segment_bytes: int = 10**6
) -> Iterator[Journal]:
    journal = Journal(directory, durability=durability, segment_bytes=segment_bytes)
    try:
        yield journal
    finally:
        journal.close()


def read_all(journal: Journal, *, max_rows: int = 1000) -> tuple[list[LedgerRow], int]:
    """All rows, and how many bytes were damaged."""
    position, damaged_bytes = journal.first, 0
    rows: list[LedgerRow] = []
    while position < journal.end:
        batch = journal.read(position, max_rows=max_rows)
        rows += batch.rows
        damaged_bytes += batch.damaged_bytes
        position = batch.next
    return rows, damaged_bytes


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.journal"))


@pytest.mark.parametrize("max_rows", [1, 3, 1000])
def test_rows_are_read_in_the_order_they_were_appended(tmp_path: Path, max_rows: int) -> None:
    rows = [settled(number) for number in range(10)]

    with open_journal(tmp_path) as journal:
        journal.append(rows[:4])
        for row in rows[4:]:
            journal.append([row])

        assert read_all(journal, max_rows=max_rows) == (rows, 0)


def test_a_full_segment_is_followed_by_another(tmp_path: Path) -> None:
    rows = [settled(number) for number in range(10)]

    with open_journal(tmp_path, segment_bytes=3 * RECORD_BYTES) as journal:
        for row in rows:
            journal.append([row])

        assert read_all(journal) == (rows, 0)

    assert [file.stat().st_size // RECORD_BYTES for file in segments(tmp_path)] == [3, 3, 3, 1]


def test_a_row_larger_than_a_segment_is_kept(tmp_path: Path) -> None:
    large = settled(session="x" * 3_000_000)

    with open_journal(tmp_path, segment_bytes=10_000) as journal:
        journal.append([settled(1)])
        journal.append([large])
        journal.append([settled(2)])

        assert read_all(journal) == ([settled(1), large, settled(2)], 0)


def test_the_next_run_reads_what_the_last_one_left_before_its_own(tmp_path: Path) -> None:
    for number in range(3):
        with open_journal(tmp_path) as journal:
            journal.append([settled(number)])

    with open_journal(tmp_path) as journal:
        journal.append([settled(3)])

        assert read_all(journal) == ([settled(number) for number in range(4)], 0)
        assert journal.first[0] < journal.fresh_segment


@pytest.mark.parametrize("torn_bytes", [1, RECORD_BYTES // 2, RECORD_BYTES - 1])
def test_a_torn_tail_is_cut_off_and_told_once(tmp_path: Path, torn_bytes: int) -> None:
    with open_journal(tmp_path) as journal:
        journal.append([settled(1)])
    with segments(tmp_path)[0].open("ab") as file:
        file.write(frame(settled(2))[:torn_bytes])

    with capture_logs() as logs, open_journal(tmp_path) as journal:
        assert read_all(journal) == ([settled(1)], 0)
    with capture_logs() as later_logs, open_journal(tmp_path) as journal:
        assert read_all(journal) == ([settled(1)], 0)

    assert [(log["event"], log["torn_bytes"]) for log in logs] == [("journal_tail_cut", torn_bytes)]
    assert later_logs == []


def test_a_released_segment_is_gone_and_a_damaged_one_kept_aside(tmp_path: Path) -> None:
    with open_journal(tmp_path, segment_bytes=1) as journal:
        for number in range(3):
            journal.append([settled(number)])
        first = journal.first[0]

        journal.release(first, is_damaged=False)
        journal.release(first + 1, is_damaged=True)

    assert [file.suffix for file in sorted(tmp_path.iterdir())] == [".damaged", ".journal"]


def test_a_segment_kept_aside_is_never_written_over(tmp_path: Path) -> None:
    for number in range(3):
        with open_journal(tmp_path) as journal:
            journal.append([settled(number)])
            journal.release(journal.first[0], is_damaged=True)

    contents = [file.read_bytes() for file in sorted(tmp_path.iterdir())]
    assert contents == [frame(settled(number)) for number in range(3)]


def test_rows_are_refused_while_no_further_segment_can_be_made(tmp_path: Path) -> None:
    with open_journal(tmp_path, segment_bytes=1) as journal:
        journal.append([settled(1)])
        blocker = tmp_path / f"{journal.end[0] + 1:016d}.journal"
        blocker.mkdir()
        with pytest.raises(StoreUnavailable):
            journal.append([settled(2)])
        blocker.rmdir()
        journal.append([settled(3)])

        assert read_all(journal) == ([settled(1), settled(3)], 0)


@contextmanager
def disk_full_after(file_bytes: int) -> Iterator[None]:
    """No file of this process may grow beyond this: writes come out short, then fail."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_row_a_full_disk_cut_short_is_refused_and_leaves_no_trace(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        journal.append([settled(1)])
        with disk_full_after(RECORD_BYTES * 3 // 2), pytest.raises(StoreUnavailable):
            journal.append([settled(2)])
        size = segments(tmp_path)[0].stat().st_size
        journal.append([settled(3)])

        assert size == RECORD_BYTES
        assert read_all(journal) == ([settled(1), settled(3)], 0)


def test_a_journal_that_cannot_take_a_partial_row_back_takes_no_more(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        _break(journal, os.open("/dev/full", os.O_WRONLY))  # ENOSPC, and no ftruncate
        with pytest.raises(StoreUnavailable):
            journal.append([settled(1)])

        with pytest.raises(StoreUnavailable) as refusal:
            journal.append([settled(2)])

    assert "partial record" in refusal.value.detail


def _break(journal: Journal, file: int) -> None:
    os.close(journal._file)
    journal._file = file


async def test_durable_asks_for_no_sync_where_a_write_is_enough(tmp_path: Path) -> None:
    with open_journal(tmp_path, durability=Durability.WRITE) as journal:
        _count_syncs(journal)
        journal.append([settled(1)])

        await journal.durable()

        assert _count_syncs(journal) == 0


P = ParamSpec("P")
T = TypeVar("T")


class CountingExecutor(ThreadPoolExecutor):
    count = 0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        self.count += 1
        return super().submit(fn, *args, **kwargs)


def _count_syncs(journal: Journal) -> int:
    """How many syncs were asked for since the first call."""
    if not isinstance(journal._syncer, CountingExecutor):
        journal._syncer.shutdown()
        journal._syncer = CountingExecutor(max_workers=1)
    return journal._syncer.count


async def test_rows_appended_together_share_a_sync(tmp_path: Path) -> None:
    with open_journal(tmp_path, durability=Durability.FSYNC) as journal:
        _count_syncs(journal)

        async def append(number: int) -> None:
            journal.append([settled(number)])
            await journal.durable()

        await asyncio.gather(*(append(number) for number in range(100)))
        shared = _count_syncs(journal)
        await journal.durable()

        assert shared == 2  # the first caller's own, then one for all who came meanwhile
        assert _count_syncs(journal) == shared  # nothing new, nothing to sync


async def test_a_row_is_durable_across_a_change_of_segment(tmp_path: Path) -> None:
    rows = [settled(number) for number in range(10)]

    with open_journal(tmp_path, durability=Durability.FSYNC, segment_bytes=1) as journal:
        for row in rows:
            journal.append([row])
        await journal.durable()

        assert read_all(journal) == (rows, 0)
        assert journal._retired == []


async def test_a_caller_that_goes_away_does_not_take_the_others_sync_along(
    tmp_path: Path,
) -> None:
    with open_journal(tmp_path, durability=Durability.FSYNC) as journal:
        journal.append([settled(1)])
        async with asyncio.TaskGroup() as group:
            leaving = group.create_task(journal.durable())
            staying = group.create_task(journal.durable())
            await asyncio.sleep(0)
            leaving.cancel()

        assert leaving.cancelled()
        assert staying.exception() is None


async def test_a_failed_sync_is_told_to_all_who_wait_and_no_row_is_taken_after_it(
    tmp_path: Path,
) -> None:
    read_end, write_end = os.pipe()  # takes writes, cannot be synced
    with open_journal(tmp_path, durability=Durability.FSYNC) as journal:
        _break(journal, write_end)
        journal.append([settled(1)])

        results = await asyncio.gather(
            *(journal.durable() for _ in range(3)), return_exceptions=True
        )

        assert [type(result) for result in results] == [StoreUnavailable] * 3
        with pytest.raises(StoreUnavailable):
            journal.append([settled(2)])
        with pytest.raises(StoreUnavailable):
            await journal.durable()
    os.close(read_end)


def test_a_journal_where_a_file_is_in_the_way_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("")

    with pytest.raises(ConfigError, match="journal"), open_journal(tmp_path / "journal"):
        pass


def test_only_the_owner_may_read_the_journal(tmp_path: Path) -> None:
    with open_journal(tmp_path / "journal") as journal:
        journal.append([settled(1)])

    modes = [
        stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "journal", *segments(tmp_path / "journal"))
    ]
    assert modes == [0o700, 0o600]


def test_files_of_others_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.journal").write_text("mine")

    with open_journal(tmp_path) as journal:
        journal.append([settled(1)])

        assert read_all(journal) == ([settled(1)], 0)
