"""The `fareway` command and its subcommands, by subject. Heavy libraries load when needed."""

import os
from typing import Annotated

import typer

from gateway import __version__
from gateway.cli.config import config_app
from gateway.cli.ledger import db_app, export_app
from gateway.cli.options import Config, config_path, errors_shown, usage_error
from gateway.cli.routing import estimate, route, score, train

app = typer.Typer(
    help="Fareway: a cost-aware, OpenAI-compatible gateway for large language models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(config_app, name="config")
app.add_typer(db_app, name="db")
app.add_typer(export_app, name="export")
for command in (score, route, estimate, train):
    app.command()(command)


@app.callback(invoke_without_command=True)
def fareway(
    *, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit
    from gateway.bootstrap.logs import log_to_stderr

    log_to_stderr()


@app.command()
def serve(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8080,
    workers: Annotated[int, typer.Option(help="Worker processes.", min=1)] = 1,
    config: Config = None,
) -> None:
    """Run the gateway."""
    if workers > 1:
        raise usage_error("--workers above 1 needs stores.redis_url, which is not supported yet")
    from gateway.app import run

    with errors_shown():
        run(config_path(config), os.environ, host=host, port=port)


@app.command()
def demo(
    *,
    leave: Annotated[bool, typer.Option("--exit", help="Stop after the conversation.")] = False,
    config: Config = None,
) -> None:
    """Send a short real conversation through the gateway and show what it cost."""
    del config  # taken by every command; the demo brings its own
    from gateway.cli.demo import run_demo

    with errors_shown():
        run_demo(leave=leave)
