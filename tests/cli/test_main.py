"""Every command explains itself; exit codes are 0, 1 and 2."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from gateway import __version__
from gateway.cli.main import app
from tests.support.command import run, written_config


def commands() -> list[tuple[str, ...]]:
    """Every command and group by its words."""
    found: list[tuple[str, ...]] = [()]
    groups: list[tuple[tuple[str, ...], object]] = [((), typer.main.get_command(app))]
    while groups:
        words, group = groups.pop()
        for name, each in getattr(group, "commands", {}).items():
            found.append((*words, name))
            groups.append(((*words, name), each))
    return found


COMMANDS = commands()


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(words: tuple[str, ...]) -> None:
    shown = run(*words, "--help")

    assert shown.code == 0
    assert "Usage" in shown.out


def test_the_documented_commands_are_there() -> None:
    found = {" ".join(words) for words in COMMANDS}

    assert found >= {
        "serve",
        "demo",
        "config check",
        "config explain",
        "config schema",
        "config import-litellm",
        "db upgrade",
        "db check",
        "score",
        "route",
        "estimate",
        "train",
        "export ledger",
    }


@pytest.mark.parametrize(
    "words",
    [words for words in COMMANDS if words and words not in {("config",), ("db",), ("export",)}],
    ids=" ".join,
)
def test_every_command_takes_a_configuration(words: tuple[str, ...]) -> None:
    assert "--config" in run(*words, "--help", environ={"COLUMNS": "200"}).out


def test_version_is_printed() -> None:
    assert run("--version").out == f"{__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("serve", "--nonsense"),
        ("serve", "--port", "70000"),
        ("serve", "--port", "x"),
        ("serve", "--workers", "0"),
        ("score",),
        ("export", "ledger", "--format", "xml"),
        ("export", "ledger", "--since", "yesterday"),
        ("estimate", "hello", "--output-tokens", "-1"),
        ("config", "import-litellm"),
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2(words: tuple[str, ...]) -> None:
    shown = run(*words)

    assert shown.code == 2
    assert shown.out == ""


def test_several_workers_need_redis() -> None:
    shown = run("serve", "--workers", "2")

    assert shown.code == 2
    assert "redis" in shown.err


def test_missing_configuration_is_named_and_exits_1(tmp_path: Path) -> None:
    shown = run("serve", "--port", "0", "--config", tmp_path / "gone.yaml")

    assert shown.code == 1
    assert "gone.yaml" in shown.err


def test_configuration_may_come_from_the_environment(tmp_path: Path) -> None:
    path = written_config(tmp_path)

    shown = run("config", "check", environ={"FAREWAY_CONFIG": str(path)})

    assert shown.code == 0


def test_named_configuration_goes_before_the_environments(tmp_path: Path) -> None:
    shown = run(
        "config",
        "check",
        "--config",
        written_config(tmp_path),
        environ={"FAREWAY_CONFIG": str(tmp_path / "gone.yaml")},
    )

    assert shown.code == 0


@pytest.mark.parametrize(
    ("words", "code"), [(["--version"], 0), (["config", "check", "gone.yaml"], 1), (["gone"], 2)]
)
def test_program_exits_as_its_command_does(words: list[str], code: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path.cwd())},
    )

    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_port_that_is_taken_exits_1_and_says_so(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        shown = run("serve", "--port", port, "--config", written_config(tmp_path))

    assert shown.code == 1
    assert f"127.0.0.1:{port}: " in shown.err
    assert "in use" in shown.err


def test_host_nobody_has_exits_1_and_says_so(tmp_path: Path) -> None:
    shown = run("serve", "--host", "256.0.0.1", "--config", written_config(tmp_path))

    assert shown.code == 1
    assert "256.0.0.1" in shown.err
