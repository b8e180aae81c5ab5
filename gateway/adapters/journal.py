"""An append-only journal of ledger rows in segments: where a fact is safe before it is in SQL.

One writer (the event loop's thread), one reader (the loader's). What is read here is removed by
`release`, once the reader has it safe elsewhere. Records' bytes are journal_records.py's business.
"""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TypeAlias

import structlog

from gateway.adapters.journal_records import frame, scan
from gateway.core.errors import ConfigError, StoreUnavailable
from gateway.core.record import LedgerRow

_log = structlog.get_logger(__name__)

SEGMENT_BYTES = 8 * 1024 * 1024  # about 9,000 rows: what a restart re-reads at most beyond need
_READ_BYTES = 1024 * 1024  # more than a batch of the loader's
_SUFFIX = ".journal"
_DAMAGED_SUFFIX = ".damaged"
_NAME_DIGITS = 16
# macOS has no fdatasync; its fsync does as much.
_sync_file = os.fdatasync if hasattr(os, "fdatasync") else os.fsync

# (segment number, byte offset): ordered as the rows were appended. A plain tuple, since it is
# made at every append and swapped in one step for the other thread to read.
Position: TypeAlias = tuple[int, int]


class Durability(StrEnum):
    WRITE = "write"  # what was appended survives a killed process
    FSYNC = "fsync"  # and, once `durable` returned, a power loss


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows read from `start`; `next` is where to go on."""

    rows: tuple[LedgerRow, ...]
    next: Position
    damaged_bytes: int


class Journal:
    """`first` is where reading starts, `fresh_segment` the first segment of this run: what lies
    before it was left by an earlier one. Raises ConfigError where the folder cannot be used."""

    def __init__(
        self, directory: Path, *, durability: Durability, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        self._directory = directory
        self._is_synced = durability is Durability.FSYNC
        self._segment_bytes = segment_bytes
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            left = self._segments()
            if left:
                _cut_torn_tail(self._path(left[-1]))
            # Beyond those kept aside too: their names must not be taken again.
            self.fresh_segment = max([0, *left, *self._segments(_DAMAGED_SUFFIX)]) + 1
            self._file = self._create(self.fresh_segment)
            if self._is_synced:
                _sync_directories(directory)
        except OSError as error:
            raise ConfigError(f"the journal in {directory} cannot be used: {error}") from error
        self.first: Position = (left[0] if left else self.fresh_segment, 0)
        self._end: Position = (self.fresh_segment, 0)
        self._broken: str | None = None
        self._appends = 0
        self._synced_appends = 0
        self._retired: list[int] = []  # full segments' files, not yet synced
        self._waiters: list[asyncio.Future[None]] = []
        self._is_syncing = False
        self._syncer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal-sync")

    @property
    def end(self) -> Position:
        """After the last row appended. May be read from any thread."""
        return self._end

    def append(self, rows: Sequence[LedgerRow]) -> None:
        """When this returns, the rows survive a killed process. Raises StoreUnavailable and keeps
        none of them where they cannot be written."""
        if self._broken is not None:
            raise StoreUnavailable("the ledger takes no more rows", detail=self._broken)
        content = b"".join([frame(row) for row in rows])
        segment, offset = self._end
        if offset and offset + len(content) > self._segment_bytes:
            self._rotate()
            segment, offset = self._end
        try:
            written = os.write(self._file, content)
            while written < len(content):  # a nearly full disk; the next write says why
                written += os.write(self._file, content[written:])
        except OSError as error:
            self._cut_back(offset)
            raise _unavailable(error) from error
        self._end = (segment, offset + len(content))
        self._appends += 1

    def _cut_back(self, offset: int) -> None:
        """Takes away what a failed append wrote, so that the next record starts clean."""
        try:
            os.ftruncate(self._file, offset)
        except OSError as error:
            self._broken = f"a partial record could not be taken back: {error}"
            _log.error("journal_broken", reason=self._broken)

    def _rotate(self) -> None:
        segment = self._end[0] + 1
        try:
            file = self._create(segment)
        except OSError as error:
            raise _unavailable(error) from error
        if self._is_synced:
            self._retired.append(self._file)
        else:
            os.close(self._file)
        self._file = file
        self._end = (segment, 0)

    def _create(self, segment: int) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        return os.open(self._path(segment), flags, 0o600)

    async def durable(self) -> None:
        """Returns once everything appended before survives what `durability` promises. Raises
        StoreUnavailable if the disk refused; what it then holds is unknown, so no row is taken
        any more (PostgreSQL's "fsyncgate": a later fsync reports success for lost pages)."""
        if self._broken is not None:
            raise StoreUnavailable("the ledger takes no more rows", detail=self._broken)
        if not self._is_synced or self._synced_appends == self._appends:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._start_sync()
        await waiter

    def _start_sync(self) -> None:
        """One sync at a time; who comes meanwhile shares the next."""
        if self._is_syncing or not self._waiters:
            return
        self._is_syncing = True
        waiters, self._waiters = self._waiters, []
        retired, self._retired = self._retired, []
        job = asyncio.get_running_loop().run_in_executor(
            self._syncer, _sync, [*retired, self._file], self._directory if retired else None
        )
        job.add_done_callback(partial(self._finish_sync, waiters, retired, self._appends))

    def _finish_sync(
        self,
        waiters: list[asyncio.Future[None]],
        retired: list[int],
        appends: int,
        job: asyncio.Future[None],
    ) -> None:
        self._is_syncing = False
        for file in retired:
            os.close(file)
        error = None if job.cancelled() else job.exception()
        if error is not None:
            self._broken = f"fsync failed: {error}"
            _log.error("journal_broken", reason=self._broken)
            waiters += self._waiters
            self._waiters = []
        else:
            self._synced_appends = appends
        for waiter in waiters:
            if waiter.done():  # cancelled meanwhile
                continue
            if self._broken is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(
                    StoreUnavailable("the ledger's disk failed", detail=self._broken)
                )
        self._start_sync()

    def read(self, start: Position, *, max_rows: int) -> Batch:
        """Up to `max_rows` rows from `start` on, none of them half. For the reader's thread."""
        end = self._end
        segment, offset = start
        with self._path(segment).open("rb") as file:
            limit = end[1] if segment == end[0] else os.fstat(file.fileno()).st_size
            size = _READ_BYTES
            while True:
                content = os.pread(file.fileno(), min(size, limit - offset), offset)
                is_whole = offset + len(content) >= limit
                found = scan(content, is_whole=is_whole, max_rows=max_rows)
                if found.consumed or is_whole:
                    break
                if not content:  # somebody cut the file under us: a restart goes on after it
                    raise OSError(f"{file.name} ends at {offset}, {limit} bytes were written")
                size *= 2  # one record larger than what was read
        offset += found.consumed
        if offset >= limit and segment < end[0]:
            after = min((n for n in self._segments() if n > segment), default=end[0])
            return Batch(found.rows, next=(after, 0), damaged_bytes=found.damaged_bytes)
        return Batch(found.rows, next=(segment, offset), damaged_bytes=found.damaged_bytes)

    def release(self, segment: int, *, is_damaged: bool) -> None:
        """The reader has all of `segment` safe. A damaged one is kept aside, for a person."""
        path = self._path(segment)
        if is_damaged:
            path.replace(path.with_suffix(_DAMAGED_SUFFIX))
        else:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        self._syncer.shutdown(wait=True)
        for file in [*self._retired, self._file]:
            os.close(file)

    def _path(self, segment: int) -> Path:
        return self._directory / f"{segment:0{_NAME_DIGITS}d}{_SUFFIX}"

    def _segments(self, suffix: str = _SUFFIX) -> list[int]:
        names = (path.stem for path in self._directory.glob(f"*{suffix}"))
        return sorted(int(name) for name in names if name.isdecimal())


def _sync(files: list[int], directory: Path | None) -> None:
    for file in files:
        _sync_file(file)
    if directory is not None:  # a segment was made since: its name must last too
        _sync_directory(directory)


def _sync_directories(directory: Path) -> None:
    """Makes the names of the journal, its folder and the folder around that last."""
    for folder in (directory, *list(directory.absolute().parents)[:2]):
        _sync_directory(folder)


def _sync_directory(directory: Path) -> None:
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _cut_torn_tail(path: Path) -> None:
    """Cuts off what a crash left of records that were never acknowledged. Only an open end is
    cut; damage before a good record stays for the reader to report."""
    content = path.read_bytes()
    found = scan(content, is_whole=True, max_rows=len(content))
    if found.good_end < len(content):
        torn_bytes = len(content) - found.good_end
        _log.warning("journal_tail_cut", file=str(path), torn_bytes=torn_bytes)
        os.truncate(path, found.good_end)


def _unavailable(error: OSError) -> StoreUnavailable:
    return StoreUnavailable("the ledger cannot be written", detail=f"journal: {error}")
