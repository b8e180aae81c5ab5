"""What holds for every test: a closed network, a clean environment, one Hypothesis profile, and no
silent skips. Order is random (pytest-randomly prints the seed; `--randomly-seed=N` repeats it).
"""

import os
import re
import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import hypothesis
import pytest

Address = tuple[Any, ...] | str | bytes
Host = str | bytes | None
Rest = ParamSpec("Rest")
Result = TypeVar("Result")

ALLOWED_SKIPS = Path(__file__).parent / "allowed_skips.txt"

# What a developer's shell may hold and a test must not see; programs started by tests inherit it.
FOREIGN_PREFIXES = ("FAREWAY_", "OPENAI_", "AZURE_OPENAI_")
FOREIGN_NAMES = {
    "DATABASE_URL",
    "REDIS_URL",
    # clients of the gateway would send loopback requests through them
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    # debug mode slows every loop and changes its warnings
    "PYTHONASYNCIODEBUG",
    # each makes terminal output coloured, whatever it is written to
    "FORCE_COLOR",
    "PY_COLORS",
    "GITHUB_ACTIONS",
}

hypothesis.settings.register_profile("local", deadline=None, max_examples=100)
# CI must not turn red on a change that did not cause it: there the examples are always the same,
# and new ones are looked for on developers' machines.
hypothesis.settings.register_profile(
    "ci", deadline=None, max_examples=200, derandomize=True, database=None, print_blob=True
)


def pytest_configure(config: pytest.Config) -> None:
    for name in list(os.environ):
        if name.startswith(FOREIGN_PREFIXES) or name.upper() in FOREIGN_NAMES:
            del os.environ[name]
    hypothesis.settings.load_profile("ci" if is_ci() else "local")
    config.pluginmanager.register(SkipsAreListed(), "skips-are-listed")


def is_ci() -> bool:
    return os.environ.get("CI", "").lower() in {"1", "true"}


@pytest.fixture(scope="session", autouse=True)
def _network_is_loopback() -> Iterator[None]:
    """Refuses connections and look-ups beyond this machine, in this process. What uvloop or a C
    library opens, and programs that tests start, pass it by."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, loopback_only(getattr(socket.socket, name)))
        patch.setattr(socket, "getaddrinfo", loopback_names_only(socket.getaddrinfo))
        yield


class NetworkIsClosedError(OSError):
    """A test reached for an address that is not this machine's."""


def loopback_only(
    connect: Callable[[socket.socket, Address], Result],
) -> Callable[[socket.socket, Address], Result]:
    def guarded(self: socket.socket, address: Address) -> Result:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            refuse_foreign(address[0])
        return connect(self, address)

    return guarded


def loopback_names_only(
    look_up: Callable[Concatenate[Host, Rest], Result],
) -> Callable[Concatenate[Host, Rest], Result]:
    def guarded(host: Host, /, *args: Rest.args, **kwargs: Rest.kwargs) -> Result:
        refuse_foreign(host)
        return look_up(host, *args, **kwargs)

    return guarded


def refuse_foreign(host: Host | int) -> None:
    name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    try:
        is_loopback = ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        is_loopback = name == "localhost"
    if not is_loopback:
        raise NetworkIsClosedError(f"tests reach loopback only, not {name!r}")


class SkipsAreListed:
    """Where CI is true, a skipped test that allowed_skips.txt does not list fails the run: a test
    that silently stopped running would otherwise look like one that passes."""

    def __init__(self) -> None:
        self.skipped: dict[str, str] = {}

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped[report.nodeid] = str(report.longrepr)

    @pytest.hookimpl
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:  # a whole module: importorskip, skip(allow_module_level=True)
            self.skipped[report.nodeid] = str(report.longrepr)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if is_ci() and exitstatus == pytest.ExitCode.OK and self.unlisted():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if is_ci() and (unlisted := self.unlisted()):
            terminalreporter.section("skipped, and not in tests/allowed_skips.txt", red=True)
            for nodeid in unlisted:
                terminalreporter.line(f"{nodeid}: {self.skipped[nodeid]}")

    def unlisted(self) -> list[str]:
        allowed = allowed_skips(ALLOWED_SKIPS.read_text())
        return [nodeid for nodeid in self.skipped if not allowed.fullmatch(nodeid)]


def allowed_skips(text: str) -> re.Pattern[str]:
    """A pattern of the node ids the list names. Raises ValueError for a line without a reason."""
    patterns = []
    for line in text.splitlines():
        nodeid, _, reason = line.partition("#")
        if not nodeid.strip():
            continue
        if not reason.strip():
            raise ValueError(f"allowed_skips.txt: {line!r} gives no reason (`node id  # reason`)")
        patterns.append(re.escape(nodeid.strip()).replace(r"\*", ".*"))
    return re.compile("|".join(patterns))
