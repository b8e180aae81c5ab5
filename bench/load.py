"""Sends one request over and over on so many connections: with wrk, else with a client of our own.

Closed loop: a connection sends its next request once it has the whole answer.
"""

import asyncio
import json
import os
import shutil
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import cast

import uvloop

from bench.cases import KEY, PATH

_WRK_SCRIPT = f"""
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer {KEY}"
local file = io.open(os.getenv("BENCH_BODY"), "rb")
wrk.body = file:read("*a")
file:close()
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '{{"requests":%d,"duration_us":%d,"errors":%d,"p50_us":%d,"p99_us":%d}}\\n',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    requests: int
    duration_us: int
    errors: int
    p50_us: int
    p99_us: int


@dataclass(frozen=True, slots=True)
class Generator:
    """`folder` is for the files that wrk reads."""

    folder: Path
    wrk: str | None

    @property
    def name(self) -> str:
        return "wrk" if self.wrk else "asyncio client (wrk is not installed)"

    def run(self, port: int, body: bytes, *, connections: int, seconds: float) -> Load:
        if self.wrk is None:
            return uvloop.run(_own_run(port, body, connections, seconds))
        (self.folder / "body").write_bytes(body)
        (self.folder / "wrk.lua").write_text(_WRK_SCRIPT)
        length_s = max(1, round(seconds))  # wrk takes whole seconds
        told = subprocess.run(
            [
                self.wrk,
                "-t1",
                f"-c{connections}",
                f"-d{length_s}s",
                "--timeout=30s",
                "-s",
                str(self.folder / "wrk.lua"),
                f"http://127.0.0.1:{port}{PATH}",
            ],
            env={**os.environ, "BENCH_BODY": str(self.folder / "body")},
            check=True,
            capture_output=True,
            text=True,
        )
        return Load(**json.loads(told.stdout.splitlines()[-1]))


def find_generator(folder: Path) -> Generator:
    return Generator(folder, shutil.which("wrk"))


class _Client(asyncio.Protocol):
    def __init__(self, request: bytes, until_s: float) -> None:
        self.latencies_us: list[float] = []
        self.errors = 0
        self.ended = asyncio.get_running_loop().create_future()
        self._request = request
        self._until_s = until_s
        self._received = bytearray()
        self._asked_s = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self.errors += exc is not None
        if not self.ended.done():
            self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not _is_whole(self._received):
            return
        now_s = time.perf_counter()
        self.latencies_us.append((now_s - self._asked_s) * 1e6)
        self.errors += not self._received.startswith(b"HTTP/1.1 200")
        self._received.clear()
        self._ask()

    def _ask(self) -> None:
        assert self._transport is not None
        self._asked_s = time.perf_counter()
        if self._asked_s >= self._until_s:
            self._transport.close()
        else:
            self._transport.write(self._request)


def _is_whole(answer: bytearray) -> bool:
    head_end = answer.find(b"\r\n\r\n")
    if head_end < 0:
        return False
    head = bytes(answer[:head_end]).lower()
    if b"content-length:" not in head:
        return answer.endswith(b"0\r\n\r\n")
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    return len(answer) >= head_end + 4 + length


async def _own_run(port: int, body: bytes, connections: int, seconds: float) -> Load:
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    loop = asyncio.get_running_loop()
    began_s = time.perf_counter()
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(
            lambda: _Client(head.encode() + body, began_s + seconds), "127.0.0.1", port
        )
        clients.append(client)
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds + 30):
            await asyncio.gather(*(client.ended for client in clients))
    latencies = [each for client in clients for each in client.latencies_us] or [0.0]
    cuts = quantiles(latencies * 2, n=100)  # twice: one answer is a sample too
    return Load(
        requests=sum(len(client.latencies_us) for client in clients),
        duration_us=round((time.perf_counter() - began_s) * 1e6),
        errors=sum(client.errors for client in clients),
        p50_us=round(cuts[49]),
        p99_us=round(cuts[98]),
    )
