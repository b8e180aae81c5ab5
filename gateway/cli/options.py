"""What every command shares: the configuration's path, JSON output, errors and exit codes."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from gateway.core.errors import FarewayError

DEFAULT_CONFIG = Path("config/fareway.yaml")
EXIT_FAILED = 1
EXIT_USAGE = 2

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="Configuration file. Default: $FAREWAY_CONFIG, then config/fareway.yaml.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def config_path(given: Path | None) -> Path:
    """The file that `--config`, then the environment, then the default names."""
    return given or Path(os.environ.get("FAREWAY_CONFIG") or DEFAULT_CONFIG)


@contextmanager
def errors_shown() -> Iterator[None]:
    """One of our errors ends the command with its text and exit code 1, without a traceback."""
    try:
        yield
    except FarewayError as error:
        typer.echo(f"fareway: {error}", err=True)
        raise typer.Exit(EXIT_FAILED) from error
    except OSError as error:
        typer.echo(f"fareway: {error}", err=True)
        raise typer.Exit(EXIT_FAILED) from error


def print_json(value: object) -> None:
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def usage_error(text: str) -> typer.Exit:
    """The exit to raise for a command used wrongly."""
    typer.echo(f"fareway: {text}", err=True)
    return typer.Exit(EXIT_USAGE)
