"""A real `fareway serve` in its own process, for tests: started from YAML, stopped by signals."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx2

Json = dict[str, Any]
Found = TypeVar("Found")

# Starting imports FastAPI and loads a router; a machine that runs other things takes its time.
START_S = 60.0
END_S = 30.0
_ANSWER_S = 60.0
_POLL_S = 0.02


@dataclass(slots=True)
class GatewayProcess:
    """`folder` holds the configuration, the state and the database; `stderr` is the log."""

    folder: Path
    process: subprocess.Popen[bytes]
    http: httpx2.Client
    origin: str = ""
    admin_key: str = ""

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"

    @property
    def config(self) -> Path:
        return self.folder / "fareway.yaml"

    def log_text(self) -> str:
        return (self.folder / "stderr.log").read_text()

    def logged(self, event: str) -> list[Json]:
        """The log's lines of that event."""
        lines = [line for line in self.log_text().split("\n")[:-1] if line.startswith("{")]
        return [found for line in lines if (found := json.loads(line)).get("event") == event]

    def until_logged(self, event: str, *, times: int = 1) -> list[Json]:
        def found() -> list[Json] | None:
            lines = self.logged(event)
            return lines if len(lines) >= times else None

        return until(found, of=self)

    def reconfigure(self, yaml: str) -> None:
        """Swap the configuration as editors and mounted volumes do: by renaming a new file."""
        draft = self.config.with_suffix(".new")
        draft.write_text(yaml)
        draft.replace(self.config)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        """End as `docker stop` does; the exit code."""
        self.process.terminate()
        return self.wait()

    def kill(self) -> None:
        self.process.kill()
        self.wait()

    def wait(self) -> int:
        try:
            return self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def admin(self, path: str) -> Json:
        """GET under /admin/v1."""
        answer = self.http.get(
            f"{self.origin}/admin/v1/{path}",
            headers={"authorization": f"Bearer {self.admin_key}"},
        )
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def ledger(self, request_id: str | None = None) -> list[Json]:
        """Every row, or those of one request in the order of their attempts."""
        rows: list[Json] = []
        since = "" if request_id is None else f"&since={_made_at(request_id)}"
        cursor = ""
        while True:
            page = self.admin(f"ledger?limit=1000{since}{cursor}")
            rows += page["data"]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        if request_id is None:
            return rows
        own = [row for row in rows if row["request_id"] == request_id]
        return sorted(own, key=lambda row: int(row["attempt"]))

    def settled(self, request_id: str) -> list[Json]:
        """The rows of a request that its client did not wait for, once none is pending."""

        def found() -> list[Json] | None:
            rows = self.ledger(request_id)
            return rows if rows and all(row["state"] != "pending" for row in rows) else None

        return until(found, of=self)


@contextmanager
def running_gateway(
    folder: Path, yaml: str, *, admin_key: str = "", environ: Mapping[str, str] | None = None
) -> Iterator[GatewayProcess]:
    """`fareway serve` in `folder` on a free port, ready to answer; gone afterwards."""
    gateway = start_gateway(folder, yaml, admin_key=admin_key, environ=environ)
    try:
        yield gateway
    finally:
        gateway.http.close()
        if gateway.process.poll() is None:
            gateway.stop()


def start_gateway(
    folder: Path, yaml: str, *, admin_key: str = "", environ: Mapping[str, str] | None = None
) -> GatewayProcess:
    """The same for a test that stops it itself. Fails with the log if it does not come up."""
    (folder / "fareway.yaml").write_text(yaml)
    command = [sys.executable, "-m", "gateway", "serve", "--port", "0"]
    with (folder / "stderr.log").open("wb") as stderr:
        process = subprocess.Popen(
            [*command, "--config", "fareway.yaml"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(Path.cwd()), **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
        )
    # one client for all calls: each new one would load the machine's certificates
    http = httpx2.Client(timeout=_ANSWER_S)
    gateway = GatewayProcess(folder, process, http, admin_key=admin_key)
    try:
        serving = until(lambda: gateway.logged("serving"), of=gateway)
        gateway.origin = f"http://127.0.0.1:{serving[0]['port']}"
        until(lambda: _is_ready(gateway), of=gateway)
    except BaseException:
        http.close()
        process.kill()
        process.wait()
        raise
    return gateway


def until(
    fact: Callable[[], Found | None], *, of: GatewayProcess, within_s: float = START_S
) -> Found:
    """What `fact` gives once it gives something. Fails where the gateway ends first."""
    deadline = time.monotonic() + within_s
    while not (found := fact()):
        ended = of.process.poll()
        assert ended is None, f"the gateway ended with {ended}:\n{of.log_text()}"
        assert time.monotonic() < deadline, f"it did not come to pass:\n{of.log_text()}"
        time.sleep(_POLL_S)
    return found


def _made_at(request_id: str) -> str:
    """The time in a request id, which is a UUID of version 7: its first 48 bits."""
    unix_ms = uuid.UUID(request_id).int >> 80
    made_at = datetime.fromtimestamp(unix_ms / 1000, UTC)
    return made_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_ready(gateway: GatewayProcess) -> bool:
    try:
        return gateway.http.get(f"{gateway.origin}/health/ready").status_code == 200
    except httpx2.TransportError:
        return False
