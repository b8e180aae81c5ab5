"""What a figure depends on: the machine, how busy it is, and how fast it is right now."""

import hmac
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

_SUMMED = 3_000_000
_DIGESTS = 20_000


@dataclass(frozen=True, slots=True)
class Calibration:
    """Two fixed pieces of work, the best of several: compare runs by them, not by the clock."""

    sum_range_ms: float
    hmac_digest_us: float


@dataclass(frozen=True, slots=True)
class Machine:
    cpu: str
    cores: int
    kernel: str
    python: str
    load_1m: float


def calibrate() -> Calibration:
    return Calibration(
        sum_range_ms=min(_timed_s(lambda: sum(range(_SUMMED))) for _ in range(5)) * 1000,
        hmac_digest_us=min(_timed_s(_digests) for _ in range(5)) / _DIGESTS * 1e6,
    )


def describe_machine() -> Machine:
    return Machine(
        cpu=_cpu_model(),
        cores=len(os.sched_getaffinity(0)),
        kernel=platform.release(),
        python=platform.python_version(),
        load_1m=os.getloadavg()[0],
    )


def cpu_seconds(pids: tuple[int, ...]) -> float:
    """User and system time of these processes' threads so far. From schedstat, which counts
    nanoseconds: the ticks of /proc/PID/stat are 10 ms long."""
    nanoseconds = 0
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            nanoseconds += int((thread / "schedstat").read_text().split()[0])
    return nanoseconds / 1e9


def children(pid: int) -> tuple[int, ...]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return tuple(int(child) for child in found)


def _digests() -> None:
    for _ in range(_DIGESTS):
        hmac.digest(b"a key of 32 bytes, as ours are..", b"key-0123456789", "sha256")


def _timed_s(work: object) -> float:
    assert callable(work)
    began = time.process_time()
    work()
    return time.process_time() - began


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
