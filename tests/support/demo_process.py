"""`fareway demo` in its own process, with a temporary folder of its own to look into."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

END_S = 60.0
_POLL_S = 0.05

# What a machine does whose processor lacks what the small model's wheel was made for.
CRASHING_WHEEL = "import os\nos.abort()\n"


@dataclass(slots=True)
class DemoProcess:
    """`shown` grows as lines are read; `temporary` is where it may keep state while it runs."""

    process: subprocess.Popen[str]
    temporary: Path
    errors: Path
    shown: str = ""
    origins: set[str] = field(default_factory=set)

    def read_until(self, text: str) -> str:
        """The line that holds `text`. Fails with all that was shown where none comes."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.shown += line
            if text in line:
                return line
        raise AssertionError(f"{text!r} is not shown:\n{self.shown}{self.errors.read_text()}")

    def read_all(self) -> int:
        """The exit code, once it has ended by itself."""
        assert self.process.stdout is not None
        self.shown += self.process.stdout.read()
        return self.process.wait(END_S)

    def end_by(self, number: signal.Signals) -> int:
        """The exit code after that signal. Its programs' addresses are noted before."""
        self.note_origins()
        self.process.send_signal(number)
        return self.read_all()

    def note_origins(self) -> None:
        """Remembers where its programs listen, from the logs they write while they run."""
        for log in self.temporary.glob("*/*.log"):
            self.origins |= set(re.findall(r"listening (http://\S+)", log.read_text()))
            ports = re.findall(r'"port": ?(\d+)', log.read_text())
            self.origins |= {f"http://127.0.0.1:{port}" for port in ports}

    def until_nothing_is_left(self) -> None:
        """Waits until no program listens and no file remains."""
        deadline = time.monotonic() + END_S
        while left := [*filter(answers, self.origins), *self.temporary.iterdir()]:
            assert time.monotonic() < deadline, f"left behind: {left}"
            time.sleep(_POLL_S)


def answers(origin: str) -> bool:
    where = urlsplit(origin)
    try:
        socket.create_connection((where.hostname or "", where.port or 0), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def running_demo(
    folder: Path,
    *options: str,
    environ: Mapping[str, str] | None = None,
    with_model: bool = False,
) -> Iterator[DemoProcess]:
    """Without the model, its wheel crashes as it does on a processor it was not made for."""
    temporary = folder / "temporary"
    temporary.mkdir()
    wheels = folder / "wheels"
    wheels.mkdir()
    if not with_model:
        (wheels / "xllamacpp.py").write_text(CRASHING_WHEEL)
    errors = folder / "stderr.log"
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "demo", *options],
            cwd=folder,
            env={
                **os.environ,
                "TMPDIR": str(temporary),
                "PYTHONPATH": os.pathsep.join([str(wheels), str(Path.cwd())]),
                **(environ or {}),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            encoding="utf-8",
        )
    demo = DemoProcess(process, temporary, errors)
    with process:
        try:
            yield demo
        finally:
            if process.poll() is None:
                process.terminate()
