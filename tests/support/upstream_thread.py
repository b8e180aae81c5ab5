"""The scripted upstream in a thread with a loop of its own, for tests that do not run in one."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.support.scripted_upstream import Call, ScriptedUpstream
from tests.support.upstream_behaviour import fault_named
from tests.support.upstream_sending import BillLine

_WAIT_S = 10.0
_POLL_S = 0.01


class UpstreamThread:
    """Reads of lists and counts are safe from any thread; what changes the upstream is not."""

    def __init__(self) -> None:
        self.scripted = ScriptedUpstream()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def base_url(self) -> str:
        return self.scripted.base_url

    @property
    def calls(self) -> list[Call]:
        return self.scripted.calls

    @property
    def bill(self) -> list[BillLine]:
        return self.scripted.bill

    def script(self, *faults: str) -> None:
        """What happens to the next calls that name no fault of their own."""
        self.scripted.script.extend(map(fault_named, faults))

    def call_with(self, text: str) -> Call:
        """The last call whose body holds `text`."""
        found = [call for call in list(self.calls) if text.encode() in call.body]
        assert found, f"no call holds {text!r}"
        return found[-1]

    def live_connections(self) -> set[int]:
        """Numbers of the connections that are open."""
        return {connection.number for connection in list(self.scripted._live)}

    def until(self, fact: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _WAIT_S
        while not fact():
            assert time.monotonic() < deadline, "it did not come to pass"
            time.sleep(_POLL_S)

    def start(self) -> None:
        self._thread.start()
        assert self._is_up.wait(_WAIT_S)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_WAIT_S)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        async with self.scripted:
            self._is_up.set()
            await self._stop.wait()


@contextmanager
def upstream_thread() -> Iterator[UpstreamThread]:
    upstream = UpstreamThread()
    upstream.start()
    try:
        yield upstream
    finally:
        upstream.end()
