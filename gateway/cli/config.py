"""`fareway config`: check, explain, schema, import-litellm."""

import os
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import Config, Json, config_path, errors_shown, print_json
from gateway.core.errors import ConfigError

config_app = typer.Typer(help="Look at a configuration.", no_args_is_help=True)

_File = Annotated[Path | None, typer.Argument(help="The file. Default: as --config.")]


@config_app.command()
def check(file: _File = None, *, config: Config = None, as_json: Json = False) -> None:
    """Say whether a configuration can be used; list every problem if not."""
    from gateway.bootstrap.offline_view import open_view

    with errors_shown():
        view = open_view(file or config_path(config), os.environ)
    warnings = [*view.settings.warnings, *view.unpriced()]
    if as_json:
        print_json({"ok": True, "version": view.catalog.version, "warnings": warnings})
        return
    for warning in warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(f"ok: configuration {view.catalog.version}")


@config_app.command()
def explain(*, config: Config = None, as_json: Json = False) -> None:
    """Show every effective value and where it is from, prices looked up included."""
    from gateway.bootstrap.offline_view import open_view
    from gateway.settings import explain as explain_settings

    with errors_shown():
        view = open_view(config_path(config), os.environ)
    values = explain_settings(view.settings)
    prices = view.prices()
    if as_json:
        print_json(
            {
                "version": view.catalog.version,
                "values": [
                    {"key": one.key_path, "value": one.value, "source": one.source}
                    for one in values
                ],
                "prices": prices,
            }
        )
        return
    width = max((len(one.key_path) for one in values), default=0)
    for one in values:
        typer.echo(f"{one.key_path:<{width}}  {one.value}  ({one.source})")
    typer.echo("\nPrices in force, USD per 1M tokens:")
    for price in prices:
        typer.echo("  " + "  ".join(f"{key}={value}" for key, value in price.items()))


@config_app.command()
def schema(*, config: Config = None) -> None:
    """Print the JSON schema of the configuration file, for editors."""
    del config  # taken by every command; the schema is that of any file
    from gateway.settings import json_schema

    print_json(json_schema())


@config_app.command(name="import-litellm")
def import_litellm(
    file: Annotated[Path, typer.Argument(help="A LiteLLM proxy configuration.")],
    *,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write here, not to the screen.")
    ] = None,
    config: Config = None,
) -> None:
    """Turn a LiteLLM configuration into one of ours; what has no counterpart is listed."""
    del config  # taken by every command; nothing here depends on it
    from gateway.settings.litellm import import_litellm as translate

    with errors_shown():
        text, notes = translate(_text(file), file_name=str(file))
        for note in notes:
            typer.echo(f"note: {note}", err=True)
        if out is None:
            typer.echo(text, nl=False)
        else:
            out.write_text(text, encoding="utf-8")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: is not UTF-8 text") from error
