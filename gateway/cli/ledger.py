"""`fareway db` and `fareway export`: the ledger's database."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import (
    EXIT_FAILED,
    Config,
    Json,
    config_path,
    errors_shown,
    print_json,
    usage_error,
)
from gateway.wire.ledger_row import ExportFormat, moment_from_text

db_app = typer.Typer(help="The ledger's tables.", no_args_is_help=True)
export_app = typer.Typer(help="Write what is stored to a file.", no_args_is_help=True)


@db_app.command()
def upgrade(*, config: Config = None) -> None:
    """Bring the database to this release's version."""
    from gateway.adapters.sql_schema import upgrade as upgrade_schema

    with errors_shown():
        version = upgrade_schema(_database_url(config))
        typer.echo(f"ok: database at version {version.current}")


@db_app.command()
def check(*, config: Config = None, as_json: Json = False) -> None:
    """Say whether the database is at this release's version; exit 1 if not."""
    from gateway.adapters.sql_schema import check as check_schema

    with errors_shown():
        version = check_schema(_database_url(config))
    if as_json:
        print_json({"current": version.current, "head": version.head, "ok": version.is_current})
    else:
        typer.echo(f"database at {version.current or 'none'}, this release needs {version.head}")
    if not version.is_current:
        raise typer.Exit(EXIT_FAILED)


@export_app.command()
def ledger(
    *,
    since: Annotated[
        str | None, typer.Option(help="Only rows that started then or later (ISO 8601, UTC).")
    ] = None,
    export_format: Annotated[ExportFormat, typer.Option("--format")] = ExportFormat.NDJSON,
    out: Annotated[Path | None, typer.Option("--out", help="A file. Default: the screen.")] = None,
    config: Config = None,
) -> None:
    """Export the ledger's rows. A running gateway's newest rows arrive within a second."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    from gateway.adapters.ledger_export import export_ledger

    try:
        earliest = None if since is None else moment_from_text(since)
    except ValueError as error:
        raise usage_error(f"--since: {error}") from error
    columns = (SpinnerColumn(), TextColumn("{task.completed:.0f} rows"))
    with errors_shown():
        url = _database_url(config)
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("export", total=None)
            stream = sys.stdout.buffer if out is None else out.open("wb")
            try:
                export_ledger(
                    url,
                    since=earliest,
                    export_format=export_format,
                    out=stream,
                    on_progress=lambda rows: progress.update(task, completed=rows),
                )
            finally:
                stream.flush() if out is None else stream.close()


def _database_url(config: Path | None) -> str:
    from gateway.settings import load_settings

    settings = load_settings(config_path(config), os.environ)
    return settings.stores.database_url.get_secret_value()
