"""Starts the demo's programs, and sees to it that they end: see demo_child for their side."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gateway.cli.demo_child import END_S
from gateway.core.errors import FarewayError

# Generous: a loaded machine with a cold disk reads 100 MB of weights, or makes its first tables.
START_S = 60.0
_LOOK_AGAIN_S = 0.05
_LOG_LINES = 12


class DemoFailed(FarewayError):
    """The demo cannot go on; the text says why and what to do."""


class Program:
    """One of the demo's programs. Ends when `stop` is called or this process is gone."""

    def __init__(self, *role: str, log: Path, environ: Mapping[str, str]) -> None:
        self.name = role[0]
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
                [sys.executable, "-P", "-m", "gateway.cli.demo_child", *role],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environ),
                # Ctrl-C reaches the demo alone, which then stops its programs in order.
                start_new_session=True,
            )

    def wait_until_listening(self) -> str:
        """The URL it listens on. Raises DemoFailed with the end of its output."""
        deadline = time.monotonic() + START_S
        while True:
            has_ended = not self.is_running()  # before the look, which then sees all it wrote
            url = _listening_url(self.output())
            if url is not None:
                return url
            if has_ended:
                raise DemoFailed(f"{self.name} ended while starting:\n{self.last_lines()}")
            if time.monotonic() > deadline:
                raise DemoFailed(
                    f"{self.name} did not start in {START_S:.0f} s:\n{self.last_lines()}"
                )
            time.sleep(_LOOK_AGAIN_S)

    def is_running(self) -> bool:
        return self._process.poll() is None

    def output(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def last_lines(self) -> str:
        lines = self.output().splitlines()[-_LOG_LINES:]
        return (
            "\n".join(f"  {line}" for line in lines)
            or f"  it wrote nothing, exit code {self._process.poll()}"
        )

    def wait(self) -> None:
        """Returns when it has ended by itself."""
        self._process.wait()

    def stop(self) -> None:
        """Returns when it is gone. It ends itself within END_S; killing is for what hangs."""
        assert self._process.stdin is not None  # asked for above
        self._process.stdin.close()
        try:
            self._process.wait(END_S + 1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def running(*role: str, log: Path, environ: Mapping[str, str]) -> Iterator[Program]:
    program = Program(*role, log=log, environ=environ)
    try:
        yield program
    finally:
        program.stop()


def _listening_url(output: str) -> str | None:
    """From a `listening URL` line, or from the line the gateway logs when it serves."""
    for line in output.splitlines(keepends=True):
        if not line.endswith("\n"):
            return None  # still being written
        if line.startswith("listening "):
            return line.split()[1]
        if '"event": "serving"' in line or '"event":"serving"' in line:
            return f"http://127.0.0.1:{json.loads(line)['port']}"
    return None
